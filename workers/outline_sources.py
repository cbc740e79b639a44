"""Outlines of vertebrae on a study's radiographs: masks in segmentations, closed lines in reports and states."""

from collections.abc import Sequence

from pydicom.dataset import Dataset

from sr_templates import headers
from workers.inputs import PRESENTATIONS, REPORTS, SEGMENTATIONS, Inputs
from workers.landmarks.outline.closed_lines import outlines_in
from workers.landmarks.outline.drawn import Outlines, together
from workers.landmarks.outline.find import find
from workers.landmarks.outline.frames import lies_on_films
from workers.landmarks.outline.images import Images, films_of
from workers.landmarks.outline.segmentation import outlines_of
from workers.landmarks.seg import marks_devices, names_vertebrae
from workers.mask_sources import Measured


def measure_outlines(inputs: Inputs, images: Sequence[Dataset]) -> list[Measured]:
    """Return the vertebrae that are outlined on radiographs; `images` are those of the study.

    All segmentations are one source, and all reports, or presentation states, of one series: each film of a spine may
    have an object of its own.
    """
    films = films_of(images)
    found = [_measured(outlines, holders, films, images) for outlines, holders in _segmented(inputs, films)]
    found += [_measured(outlines, holders, films, images) for outlines, holders in _drawn(inputs, films)]
    return found


Source = tuple[Outlines, tuple[Dataset, ...]]


def _measured(outlines: Outlines, holders: tuple[Dataset, ...], films: Images, images: Sequence[Dataset]) -> Measured:
    return Measured(vertebrae=find(outlines, films), images=list(images), holders=holders)


def _segmented(inputs: Inputs, films: Images) -> list[Source]:
    masks = [
        header
        for header in inputs.of_classes(SEGMENTATIONS)
        if (names_vertebrae(header) or marks_devices(header)) and lies_on_films(header, films)
    ]
    if not any(map(names_vertebrae, masks)):
        return []
    return [(outlines_of(masks, inputs.whole, films), tuple(masks))]


def _drawn(inputs: Inputs, films: Images) -> list[Source]:
    series: dict[tuple[bool, str], list[tuple[Outlines, Dataset]]] = {}
    for header in inputs.of_classes(REPORTS | PRESENTATIONS):
        outlines = outlines_in(inputs.whole(header), films)
        if outlines.names_any:
            key = headers.text(header, "SOPClassUID") in REPORTS, headers.text(header, "SeriesInstanceUID")
            series.setdefault(key, []).append((outlines, header))
    return [(together([one for one, _ in parts]), tuple(header for _, header in parts)) for parts in series.values()]
