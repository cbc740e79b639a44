"""Landmarks from vertebra masks in DICOM Segmentations: level from code, then label; points from the mask.

One object may hold all vertebrae, or each vertebra an object of its own: they are read as one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydicom import Dataset

from sr_templates import headers
from sr_templates.findings import LandmarkSource
from sr_templates.levels import LEVELS, ORDER
from workers.landmarks.levels import Reading, level_from_code, level_from_label
from workers.landmarks.mask.find import find
from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.reasons import Reason
from workers.landmarks.slices import frame_of_reference
from workers.landmarks.volumes import UNREADABLE, Volume, read_segments, read_stack

Positions = Sequence[tuple[float, float, float]]
_BODY_TYPES: Final = frozenset({("SCT", "3572006")})
_VERTEBRA_TYPES: Final = _BODY_TYPES | {("SCT", "51282000"), ("SRT", "T-11510")}
#: Segmented Property Types that say no more than vertebra, bone or tissue: the label then names the level.
_GENERIC_TYPES: Final = _VERTEBRA_TYPES | {
    ("SCT", "272673000"),  # Bone
    ("SCT", "85756007"),  # Tissue: what TotalSegmentator writes for a class without a code of its own
    ("SCT", "91723000"),  # Anatomical Structure
    ("SCT", "123037004"),  # Anatomical Structure, as older software writes it
}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Segment:
    """A segment that names a vertebra."""

    #: The header of the object that holds it.
    holder: Dataset
    #: None where it has none, so no frame can belong to it.
    number: int | None
    reading: Reading
    #: Whether its code is that of a vertebral body, without posterior elements.
    body_only: bool


def from_segmentation(ds: Dataset, *, image_positions: Positions = ()) -> list[VertebraLandmarks]:
    """Return what `from_segmentations` does of one object with its pixel data."""
    frame = frame_of_reference(ds)
    return from_segmentations([ds], lambda held: held, frame_of_reference_uid=frame, image_positions=image_positions)


def from_segmentations(
    objects: Sequence[Dataset],
    whole: Callable[[Dataset], Dataset],
    *,
    frame_of_reference_uid: str,
    image_positions: Positions = (),
) -> list[VertebraLandmarks]:
    """Return points or a reason for each vertebra that `objects` name, from cranial to caudal; [] where they name none.

    `objects` are headers of Segmentations (BINARY, FRACTIONAL) or Label Map Segmentations that share a frame of
    reference, "" where it is not known; `whole` gives one with its pixel data, and only one is held at a time. Points
    are LPS mm. `image_positions`, the Image Position (Patient) of the segmented images, tell a vertebra that is cut
    off from one that merely ends at the last frame that is not empty.
    """
    segments = [segment for ds in objects for segment in _segments(ds)]
    refused = {level: _refused(level, Reason.LEVEL_CONFLICT, *flags) for level, flags in _conflicts(segments).items()}
    chosen: dict[str, _Segment] = {}
    for level, segment in _chosen(segments).items():
        if segment is None or segment.number is None:
            reason = Reason.LEVEL_DUPLICATED if segment is None else Reason.UNREADABLE
            refused.setdefault(level, _refused(level, reason))
        elif level not in refused:
            chosen[level] = segment
    masks: dict[str, Volume] = {}
    for level, volume in _volumes(objects, whole, chosen, image_positions).items():
        if isinstance(volume, Volume):
            masks[level] = volume
        else:
            refused[level] = _refused(level, volume)
    found = [_placed(one, chosen[one.level].holder, frame_of_reference_uid) for one in find(masks)]
    return sorted([*found, *refused.values()], key=lambda vertebra: ORDER[vertebra.level])


def names_vertebrae(ds: Dataset) -> bool:
    """Whether a segment of `ds`, which may be a header, names a vertebra."""
    return bool(_segments(ds))


def _placed(found: VertebraLandmarks, holder: Dataset, frame_of_reference_uid: str) -> VertebraLandmarks:
    """Say which object and frame of reference points belong to; without the latter they lie nowhere."""
    if found.landmarks is None:
        return found
    if not frame_of_reference_uid:
        return _refused(found.level, Reason.FRAME_OF_REFERENCE_UNKNOWN)
    landmarks = replace(
        found.landmarks, sop_instance_uid=str(holder.SOPInstanceUID), frame_of_reference_uid=frame_of_reference_uid
    )
    return replace(found, landmarks=landmarks)


def _segments(ds: Dataset) -> list[_Segment]:
    found = [_segment(ds, item) for item in headers.items(ds, "SegmentSequence")]
    return [segment for segment in found if segment.reading.code or segment.reading.label]


def _segment(ds: Dataset, item: Dataset) -> _Segment:
    """Read code and label; a bare label counts only where the type says no more than bone, vertebra or tissue."""
    kind = headers.code(item, "SegmentedPropertyTypeCodeSequence")
    region = headers.code(item, "AnatomicRegionSequence") if kind in _VERTEBRA_TYPES else ("", "")
    code = level_from_code(*kind) or level_from_code(*region)
    label = level_from_label(headers.text(item, "SegmentLabel"), bare=bool(code) or kind in _GENERIC_TYPES)
    body_only = kind in _BODY_TYPES or any(kind == ("SCT", level.body) for level in LEVELS.values())
    number = next(iter(headers.numbers(item, "SegmentNumber")), None)
    return _Segment(
        holder=ds,
        number=None if number is None else int(number),
        reading=Reading(code=code, label=label),
        body_only=body_only,
    )


def _conflicts(segments: list[_Segment]) -> dict[str, tuple[str, str]]:
    """Return the levels that a contradicting segment names, both of them, with both readings as flags."""
    conflicts = [segment.reading for segment in segments if segment.reading.conflict]
    return {
        level: (f"CODE_SAYS_{reading.code}", f"LABEL_SAYS_{reading.label}")
        for reading in conflicts
        for level in (reading.code, reading.label)
        if level is not None
    }


def _chosen(segments: list[_Segment]) -> dict[str, _Segment | None]:
    """Return each level's segment: the whole vertebra before the body alone; None where there are several."""
    claims: dict[str, list[_Segment]] = {}
    for segment in segments:
        if segment.reading.level is not None:
            claims.setdefault(segment.reading.level, []).append(segment)
    chosen = {level: [s for s in all_ if not s.body_only] or all_ for level, all_ in claims.items()}
    return {level: some[0] if len(some) == 1 else None for level, some in chosen.items()}


def _volumes(
    objects: Iterable[Dataset],
    whole: Callable[[Dataset], Dataset],
    chosen: Mapping[str, _Segment],
    image_positions: Positions,
) -> dict[str, Volume | Reason]:
    volumes: dict[str, Volume | Reason] = {}
    for ds in objects:
        numbers = {level: one.number for level, one in chosen.items() if one.holder is ds and one.number is not None}
        if numbers:
            volumes |= _read(whole(ds), numbers, image_positions)
    return volumes


def _read(ds: Dataset, numbers: Mapping[str, int], image_positions: Positions) -> dict[str, Volume | Reason]:
    try:
        stack = read_stack(ds, image_positions)
        if isinstance(stack, Reason):
            return dict.fromkeys(numbers, stack)
        volumes = read_segments(ds, stack, numbers.values())
    except UNREADABLE:
        return dict.fromkeys(numbers, Reason.UNREADABLE)
    return {level: volumes[number] for level, number in numbers.items()}


def _refused(level: str, reason: Reason, *flags: str) -> VertebraLandmarks:
    return VertebraLandmarks(
        level=level, source=LandmarkSource.SEGMENTATION, landmarks=None, reason=reason.value, flags=flags
    )
