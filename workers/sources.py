"""Which objects of a study say where the six points are: a document, its reports, its segmentations.

One source serves the whole study, since heights from two protocols must not be compared with each other. All
segmentations of one frame of reference are one source.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pydicom.dataset import Dataset

from sr_templates import headers
from sr_templates.findings import LandmarkSource
from sr_templates.identity import is_own
from workers.inputs import REPORTS, SEGMENTATIONS, Inputs
from workers.landmarks.document import LandmarksDocument, LandmarksError, landmarks_of, parse
from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.reasons import Note
from workers.landmarks.sampling import sampled
from workers.landmarks.seg import from_segmentations, names_vertebrae
from workers.landmarks.slices import frame_of_reference
from workers.landmarks.sr import from_report
from workers.nearby import images_at, positions


@dataclass(frozen=True, kw_only=True)
class Found:
    """Landmarks with the objects they rest on."""

    vertebrae: tuple[VertebraLandmarks, ...]
    #: Headers of the images that the points lie on or were derived from.
    images: tuple[Dataset, ...] = ()
    #: Headers of the segmentations or the report that the points come from.
    others: tuple[Dataset, ...] = ()
    #: How the points came about, in words, where that is stated.
    origin: str = ""
    #: What was not used, as coded words.
    notes: tuple[str, ...] = ()


def find_landmarks(inputs: Inputs, supplied: bytes | None = None) -> Found:
    """Return the landmarks of the first source that has any: reviewed, supplied (SR, JSON), masks.

    Raises LandmarksError where the document `supplied` is bad, or does not fit the study.
    """
    document = [] if supplied is None else [_from_document(inputs, parse(supplied))]
    reports = [_from_report(inputs, header) for header in inputs.of_classes(REPORTS) if not _is_our_answer(header)]
    found = [one for one in (*document, *reports) if one.vertebrae]
    masks = [header for header in inputs.of_classes(SEGMENTATIONS) if names_vertebrae(header)]
    if not any(map(_placed, found)):
        found += _from_segmentations(inputs, masks)
    best = min(found, key=_preference, default=Found(vertebrae=()))
    unused = {
        Note.DOCUMENT_NOT_USED: sum(one is not best for one in document),
        Note.REPORTS_NOT_USED: sum(one is not best for one in reports if one.vertebrae),
        Note.SEGMENTATIONS_NOT_USED: len(_uids(masks) - _uids(best.others)),
    }
    return replace(best, notes=tuple(note.told(count) for note, count in unused.items() if count))


def _placed(found: Found) -> int:
    """Return how many vertebrae have points."""
    return sum(vertebra.landmarks is not None for vertebra in found.vertebrae)


def _preference(found: Found) -> tuple[bool, int, int]:
    """Return the rank: points before reasons, then the order of the sources, then the most vertebrae."""
    order = list(LandmarkSource)
    placed = _placed(found)
    return placed == 0, min(order.index(vertebra.source) for vertebra in found.vertebrae), -placed


def _from_document(inputs: Inputs, document: LandmarksDocument) -> Found:
    if document.study_instance_uid != inputs.study_instance_uid:
        both = f"{inputs.study_instance_uid}, found {document.study_instance_uid}"
        raise LandmarksError(f"study_instance_uid: expected that of the study, {both}")
    images = _images(inputs)
    vertebrae = landmarks_of(document, _by_uid(images), _frames(images))
    named = _by_uid(images)(document.sop_instance_uid or "")
    around = images if named is None else _of_series(images, {headers.text(named, "SeriesInstanceUID")})
    by = f", by {document.observer}" if document.observer else ""
    return replace(_resting_on(vertebrae, around, ()), origin=f"{document.source}{by}")


def _from_report(inputs: Inputs, header: Dataset) -> Found:
    images = _images(inputs)
    frames = _frames([*images, *inputs.of_classes(SEGMENTATIONS)])
    return _resting_on(from_report(inputs.whole(header), _by_uid(images), frames), images, (header,))


def _is_our_answer(report: Dataset) -> bool:
    """Whether a report is what we said of this study, and nobody has verified it: it is no landmark source."""
    ours = is_own(headers.text(report, "Manufacturer"), headers.text(report, "ManufacturerModelName"))
    return ours and headers.text(report, "VerificationFlag") != "VERIFIED"


def _from_segmentations(inputs: Inputs, masks: Sequence[Dataset]) -> Iterator[Found]:
    """Give the vertebrae of each frame of reference, the masks of all its objects together."""
    groups: dict[str, list[Dataset]] = {}
    for mask in masks:
        groups.setdefault(_frame_of(mask, _segmented(inputs, mask)), []).append(mask)
    for frame, members in groups.items():
        inside = [image for image in _images(inputs) if frame_of_reference(image) == frame]
        segmented = _uids(image for mask in members for image in _segmented(inputs, mask))
        images = [image for image in inside if headers.text(image, "SOPInstanceUID") in segmented] or inside
        vertebrae = from_segmentations(
            members, inputs.whole, frame_of_reference_uid=frame, image_positions=positions(images)
        )
        yield _resting_on(vertebrae, images, tuple(members))


def _frame_of(mask: Dataset, images: Sequence[Dataset]) -> str:
    """Return the frame of reference of a segmentation: its own, else the one its images share; "" where neither is."""
    shared = _frames(images)
    return frame_of_reference(mask) or (shared.pop() if len(shared) == 1 else "")


def _segmented(inputs: Inputs, mask: Dataset) -> list[Dataset]:
    """Return the images of the series that a segmentation names; all of the study where it names none."""
    series = {headers.text(item, "SeriesInstanceUID") for item in headers.items(mask, "ReferencedSeriesSequence")}
    images = _images(inputs)
    return _of_series(images, series) if series - {""} else images


def _resting_on(
    vertebrae: Sequence[VertebraLandmarks], images: Sequence[Dataset], others: tuple[Dataset, ...]
) -> Found:
    """Return the vertebrae with their sampling and the nearest of `images`."""
    frames = {one.landmarks.frame_of_reference_uid for one in vertebrae if one.landmarks is not None}
    inside = [image for image in images if frame_of_reference(image) in frames]
    return Found(
        vertebrae=tuple(sampled(vertebrae, inside)),
        images=images_at(vertebrae, images),
        others=others,
    )


def _images(inputs: Inputs) -> list[Dataset]:
    """Return the images that a report can refer to, without segmentations."""
    return [
        header
        for header in inputs.headers
        if "Rows" in header
        and headers.text(header, "SOPClassUID") not in SEGMENTATIONS
        and headers.text(header, "SeriesInstanceUID")
    ]


def _by_uid(images: Sequence[Dataset]) -> Callable[[str], Dataset | None]:
    return {headers.text(image, "SOPInstanceUID"): image for image in images}.get


def _of_series(images: Sequence[Dataset], series: set[str]) -> list[Dataset]:
    return [image for image in images if headers.text(image, "SeriesInstanceUID") in series]


def _uids(objects: Iterable[Dataset]) -> set[str]:
    return {headers.text(one, "SOPInstanceUID") for one in objects}


def _frames(objects: Sequence[Dataset]) -> set[str]:
    return {frame for one in objects if (frame := frame_of_reference(one))}
