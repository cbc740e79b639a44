"""Outlines of vertebrae on a study's radiographs: masks in segmentations, closed lines in reports and states."""

from collections.abc import Sequence

from pydicom.dataset import Dataset

from sr_templates import headers
from workers.inputs import PRESENTATIONS, REPORTS, SEGMENTATIONS, Inputs
from workers.landmarks.outline.closed_lines import outlines_in
from workers.landmarks.outline.devices import devices_in
from workers.landmarks.outline.drawn import Device, Outlines, together
from workers.landmarks.outline.find import find
from workers.landmarks.outline.frames import lies_on_films, shows_a_side
from workers.landmarks.outline.images import Images, films_of
from workers.landmarks.outline.reasons import Reason
from workers.landmarks.outline.segmentation import devices_of, outlines_of
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


def devices_on_films(inputs: Inputs, images: Sequence[Dataset], carriers: Sequence[Dataset]) -> list[Device]:
    """Return the cement and hardware that segmentations, and reports and states among `carriers`, mark."""
    films = films_of(images)
    marked = [device for header in carriers for device in devices_in(inputs.whole(header), films)]
    return [*marked, *devices_of(inputs.of_classes(SEGMENTATIONS), inputs.whole, films)]


Source = tuple[Outlines, tuple[Dataset, ...]]


def _measured(outlines: Outlines, holders: tuple[Dataset, ...], films: Images, images: Sequence[Dataset]) -> Measured:
    return Measured(vertebrae=find(outlines, films), images=list(images), holders=holders)


def _segmented(inputs: Inputs, films: Images) -> list[Source]:
    masks = [
        header
        for header in inputs.of_classes(SEGMENTATIONS)
        if (names_vertebrae(header) or marks_devices(header)) and lies_on_films(header, films)
    ]
    # A frontal view beside a lateral one has nothing to say, and must not refuse anything.
    named = [header for header in masks if names_vertebrae(header)]
    frontal = [header for header in named if not shows_a_side(header, films)]
    masks = masks if len(frontal) == len(named) else [header for header in masks if header not in frontal]
    if not named:
        return []
    return [(outlines_of(masks, inputs.whole, films), tuple(masks))]


def _drawn(inputs: Inputs, films: Images) -> list[Source]:
    series: dict[tuple[bool, str], list[tuple[Outlines, Dataset]]] = {}
    for header in inputs.of_classes(REPORTS | PRESENTATIONS):
        outlines = outlines_in(inputs.whole(header), films)
        if outlines.names_any:
            key = headers.text(header, "SOPClassUID") in REPORTS, headers.text(header, "SeriesInstanceUID")
            series.setdefault(key, []).append((outlines, header))
    sided = [[part for part in parts if _shows_a_side(part[0], films)] or parts for parts in series.values()]
    return [(together([one for one, _ in parts]), tuple(header for _, header in parts)) for parts in sided]


def _shows_a_side(outlines: Outlines, films: Images) -> bool:
    """Whether anything is drawn on an image that is not known to be other than lateral."""
    places = {one.where for one in outlines.drawn}
    return not places or any(films.plane(where) != Reason.NOT_LATERAL for where in places)
