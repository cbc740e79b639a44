"""Masks of vertebrae in a study: segmentations, then structure sets, of one frame of reference each.

The two carriers are not mixed, and a structure set is measured only where it names more vertebrae than segmentations
gave: else it would be the same vertebrae once more, drawn again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from sr_templates import headers
from sr_templates.slices import frame_of_reference
from workers.inputs import SEGMENTATIONS, STRUCTURE_SETS, Inputs
from workers.landmarks.outline.frames import lies_on_films
from workers.landmarks.outline.images import films_of
from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.rtstruct import contoured_images, from_structure_sets, named_levels
from workers.landmarks.seg import from_segmentations, marks_devices, names_vertebrae
from workers.nearby import positions


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the masks of one frame of reference gave."""

    vertebrae: list[VertebraLandmarks]
    #: Headers of the images that were segmented or contoured.
    images: list[Dataset]
    #: Headers of the objects that hold the masks.
    holders: tuple[Dataset, ...]

    @property
    def placed(self) -> int:
        """How many vertebrae have points."""
        return sum(vertebra.landmarks is not None for vertebra in self.vertebrae)


def segmentations(inputs: Inputs) -> list[Dataset]:
    """Return the headers of the segmentations that name vertebrae."""
    return [header for header in inputs.of_classes(SEGMENTATIONS) if names_vertebrae(header)]


def structure_sets(inputs: Inputs) -> list[Dataset]:
    """Return the structure sets that name vertebrae."""
    return [header for header in inputs.of_classes(STRUCTURE_SETS) if named_levels(header)]


def measure_masks(inputs: Inputs, images: Sequence[Dataset]) -> list[Measured]:
    """Return the vertebrae of each frame of reference; `images` are those of the study."""
    found = list(_segmented(inputs, images))
    most = max((one.placed for one in found), default=0)
    drawn = _contoured(inputs, images, more_than=most)
    return [*found, *(one for one in drawn if one.placed > most or not found)]


def _segmented(inputs: Inputs, images: Sequence[Dataset]) -> Iterator[Measured]:
    """Give the vertebrae of segmentations, with cement and hardware that others of their frame of reference mark."""
    groups: dict[str, list[Dataset]] = {}
    films = films_of(images)
    masks = [one for one in segmentations(inputs) if not lies_on_films(one, films)]
    named = uids(masks)
    devices = [one for one in inputs.of_classes(SEGMENTATIONS) if marks_devices(one) and not uids([one]) & named]
    for mask in [*masks, *devices]:
        frame = frame_of_reference(mask) or _only_frame(_images_of(mask, images))
        groups.setdefault(frame, []).append(mask)
    for frame, members in groups.items():
        if not uids(members) & named:
            continue
        inside = _inside(images, frame)
        shown = uids(image for mask in members for image in _images_of(mask, images))
        segmented = [image for image in inside if headers.text(image, "SOPInstanceUID") in shown] or inside
        vertebrae = from_segmentations(
            members, inputs.whole, frame_of_reference_uid=frame, image_positions=positions(segmented)
        )
        yield Measured(vertebrae=vertebrae, images=segmented, holders=tuple(members))


def _contoured(inputs: Inputs, images: Sequence[Dataset], *, more_than: int) -> Iterator[Measured]:
    """Give the vertebrae of structure sets that name more than so many in one frame of reference."""
    groups: dict[str, dict[str, Dataset]] = {}
    levels: dict[str, set[str]] = {}
    for ds in structure_sets(inputs):
        shared = _only_frame(_series_of(ds, images))
        for stated, names in named_levels(ds).items():
            frame = stated or shared
            groups.setdefault(frame, {})[headers.text(ds, "SOPInstanceUID")] = ds
            levels.setdefault(frame, set()).update(names)
    for frame, members in ((frame, list(group.values())) for frame, group in groups.items()):
        if len(levels[frame]) <= more_than:
            continue
        inside = _inside(images, frame)
        shown = uids(image for ds in members for image in _series_of(ds, images))
        contoured = [image for image in inside if headers.text(image, "SOPInstanceUID") in shown] or inside
        vertebrae = from_structure_sets(members, frame_of_reference_uid=frame, images=contoured)
        yield Measured(vertebrae=vertebrae, images=contoured, holders=tuple(members))


def _only_frame(images: Iterable[Dataset]) -> str:
    """Return the frame of reference that all `images` share which state one; "" where there are several, or none."""
    shared = {frame for image in images if (frame := frame_of_reference(image))}
    return shared.pop() if len(shared) == 1 else ""


def _images_of(mask: Dataset, images: Sequence[Dataset]) -> list[Dataset]:
    """Return the images of the series that a segmentation names; all of them where it names none."""
    series = {headers.text(item, "SeriesInstanceUID") for item in headers.items(mask, "ReferencedSeriesSequence")}
    return of_series(images, series) if series - {""} else list(images)


def _series_of(ds: Dataset, images: Sequence[Dataset]) -> list[Dataset]:
    """Return the images of the series that the contours of `ds` were drawn on; all of them where none is named here."""
    named = contoured_images(ds)
    series = {headers.text(i, "SeriesInstanceUID") for i in images if headers.text(i, "SOPInstanceUID") in named}
    return of_series(images, series) if series else list(images)


def _inside(images: Iterable[Dataset], frame: str) -> list[Dataset]:
    return [image for image in images if frame_of_reference(image) == frame]


def of_series(images: Iterable[Dataset], series: set[str]) -> list[Dataset]:
    """Return the images of these series."""
    return [image for image in images if headers.text(image, "SeriesInstanceUID") in series]


def uids(objects: Iterable[Dataset]) -> set[str]:
    """Return the SOP Instance UIDs of objects."""
    return {headers.text(one, "SOPInstanceUID") for one in objects}
