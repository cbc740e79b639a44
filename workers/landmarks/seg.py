"""Landmarks from vertebra masks in a DICOM Segmentation: level from code, then label; points from the mask."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pydicom import Dataset

from sr_templates.findings import LandmarkSource
from sr_templates.levels import LEVELS, ORDER
from workers.landmarks.levels import Reading, level_from_code, level_from_label
from workers.landmarks.mask.find import find
from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.reasons import Reason
from workers.landmarks.volumes import UNREADABLE, Volume, read_segments, read_stack

_BODY_TYPES: Final = frozenset({("SCT", "3572006")})
_VERTEBRA_TYPES: Final = _BODY_TYPES | {("SCT", "51282000"), ("SRT", "T-11510")}
#: Segmented Property Types that say no more than vertebra, bone or tissue: the label then names the level.
_GENERIC_TYPES: Final = _VERTEBRA_TYPES | {
    ("SCT", "272673000"),  # Bone
    ("SCT", "85756007"),  # Tissue: what TotalSegmentator writes for a class without a code of its own
    ("SCT", "91723000"),  # Anatomical Structure
    ("SCT", "123037004"),  # Anatomical Structure, as older software writes it
}


@dataclass(frozen=True, kw_only=True)
class _Segment:
    """A segment that names a vertebra."""

    number: int
    reading: Reading
    #: Whether its code is that of a vertebral body, without posterior elements.
    body_only: bool


def from_segmentation(
    ds: Dataset, *, image_positions: Iterable[tuple[float, float, float]] = ()
) -> list[VertebraLandmarks]:
    """Return points or a reason for each vertebra that `ds` names, from cranial to caudal; [] where it names none.

    `ds` is a Segmentation (BINARY, FRACTIONAL) or Label Map Segmentation with its pixel data. Points are LPS mm.
    `image_positions`, the Image Position (Patient) of the segmented images, tell a vertebra that is cut off from one
    that merely ends at the last frame that is not empty.
    """
    segments = _segments(ds)
    refused = {level: _refused(level, Reason.LEVEL_CONFLICT, *flags) for level, flags in _conflicts(segments).items()}
    numbers: dict[str, int] = {}
    for level, number in _numbers(segments).items():
        if number is None:
            refused.setdefault(level, _refused(level, Reason.LEVEL_DUPLICATED))
        elif level not in refused:
            numbers[level] = number
    masks: dict[str, Volume] = {}
    for level, volume in _volumes(ds, numbers, image_positions).items():
        if isinstance(volume, Volume):
            masks[level] = volume
        else:
            refused[level] = _refused(level, volume)
    found = find(masks, frame_of_reference_uid=ds.get("FrameOfReferenceUID"), sop_instance_uid=ds.SOPInstanceUID)
    return sorted([*found, *refused.values()], key=lambda vertebra: ORDER[vertebra.level])


def _segments(ds: Dataset) -> list[_Segment]:
    found = [_segment(item) for item in ds.get("SegmentSequence") or ()]
    return [segment for segment in found if segment.reading.code or segment.reading.label]


def _segment(item: Dataset) -> _Segment:
    """Read code and label; a bare label counts only where the type says no more than bone, vertebra or tissue."""
    kind = _code(item, "SegmentedPropertyTypeCodeSequence")
    region = _code(item, "AnatomicRegionSequence") if kind in _VERTEBRA_TYPES else ("", "")
    code = level_from_code(*kind) or level_from_code(*region)
    label = level_from_label(str(item.get("SegmentLabel") or ""), bare=bool(code) or kind in _GENERIC_TYPES)
    body_only = kind in _BODY_TYPES or any(kind == ("SCT", level.body) for level in LEVELS.values())
    return _Segment(number=int(item.SegmentNumber), reading=Reading(code=code, label=label), body_only=body_only)


def _code(item: Dataset, sequence: str) -> tuple[str, str]:
    codes = item.get(sequence)
    return (codes[0].get("CodingSchemeDesignator", ""), codes[0].get("CodeValue", "")) if codes else ("", "")


def _conflicts(segments: list[_Segment]) -> dict[str, tuple[str, str]]:
    """Return the levels that a contradicting segment names, both of them, with both readings as flags."""
    conflicts = [segment.reading for segment in segments if segment.reading.conflict]
    return {
        level: (f"CODE_SAYS_{reading.code}", f"LABEL_SAYS_{reading.label}")
        for reading in conflicts
        for level in (reading.code, reading.label)
        if level is not None
    }


def _numbers(segments: list[_Segment]) -> dict[str, int | None]:
    """Return each level's segment number: the whole vertebra before the body alone; None where there are several."""
    claims: dict[str, list[_Segment]] = {}
    for segment in segments:
        if segment.reading.level is not None:
            claims.setdefault(segment.reading.level, []).append(segment)
    chosen = {level: [s for s in all_ if not s.body_only] or all_ for level, all_ in claims.items()}
    return {level: some[0].number if len(some) == 1 else None for level, some in chosen.items()}


def _volumes(
    ds: Dataset, numbers: Mapping[str, int], image_positions: Iterable[tuple[float, float, float]]
) -> dict[str, Volume | Reason]:
    if not numbers:
        return {}
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
