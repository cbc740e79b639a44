"""Points supplied as a TID 1500 Structured Report: our own after a reader moved points, or any other producer's.

Such a report is read for what it certainly says. A group that names no vertebra or holds no named point is none of
ours and is left alone; one that names a vertebra but cannot be used gives the coded reason.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

from sr_templates import codes, headers
from sr_templates.findings import POINT_NAMES, Landmarks, LandmarkSource, Point, Space
from sr_templates.levels import ORDER
from workers.landmarks.document import CORNERS
from workers.landmarks.image_plane import plane_of
from workers.landmarks.levels import Reading, level_from_code, level_from_label
from workers.landmarks.points import ImagePlane, VertebraLandmarks
from workers.landmarks.reasons import Flag as MaskFlag
from workers.landmarks.sr_points import Line, Spot, meaning_of, named_line, point_name, spots_and_lines
from workers.morphometry.flags import Effect, Flag

ImageOf = Callable[[str], Dataset | None]
_CLASSES: Final = frozenset({EnhancedSRStorage, ComprehensiveSRStorage, Comprehensive3DSRStorage})
#: Finding Site (SCT, and SNOMED-RT G-C0E3 before it), then Finding: what may name the vertebra in code.
_SITES: Final = ("363698007", "G-C0E3", codes.FINDING.value)
#: Tracking Identifier, then Comment: what may name it in words.
_LABELS: Final = (codes.TRACKING_IDENTIFIER.value, codes.COMMENT.value)
_STANDARD_SCHEMES: Final = frozenset({"SCT", "SRT", "DCM", "UMLS"})
#: Words of an earlier report of ours that its points alone cannot tell; all others follow from the points anew.
_LASTING: Final = frozenset(
    {*MaskFlag, Flag.LIMITED_SAMPLING, *(flag for flag in Flag if flag.effect is Effect.HEIGHTS_ONLY)}
)


class Reason(StrEnum):
    """Why the points of a vertebra in a report cannot be used."""

    #: Code and label name different vertebrae.
    LEVEL_CONFLICT = "LEVEL_CONFLICT"
    #: One point has two places: two readings of the same level.
    LEVEL_DUPLICATED = "LEVEL_DUPLICATED"
    #: Image points and patient points, or two images, or two frames of reference.
    MIXED_SPACES = "MIXED_SPACES"
    #: One of the four corner points is missing.
    INCOMPLETE_POINTS = "INCOMPLETE_POINTS"
    #: The image that the points lie in, or any image in their frame of reference, is not in the study.
    IMAGE_MISSING = "IMAGE_MISSING"
    #: Patient points do not say in which frame of reference they lie.
    FRAME_OF_REFERENCE_UNKNOWN = "FRAME_OF_REFERENCE_UNKNOWN"
    #: The image is known not to show anterior or superior.
    NOT_LATERAL = "NOT_LATERAL"


@dataclass(frozen=True, kw_only=True)
class _Claim:
    """What all groups of a report say of one level."""

    spots: list[Spot | Line] = field(default_factory=list)
    #: Flags of an earlier report of ours.
    flags: list[str] = field(default_factory=list)
    conflicts: list[Reading] = field(default_factory=list)


def from_report(report: Dataset, image_of: ImageOf, frames_of_reference: Collection[str]) -> list[VertebraLandmarks]:
    """Return the vertebrae of a report, from cranial to caudal; [] where it holds none.

    `image_of` gives the header of an object of the study by its SOP Instance UID; `frames_of_reference` are those of
    the study's images.
    """
    if headers.text(report, "SOPClassUID") not in _CLASSES:
        return []
    source, uid = _source(report), headers.text(report, "SOPInstanceUID")
    claims = _claims(report)
    return [
        _vertebra(level, claims[level], source, uid, _Study(image_of=image_of, frames=frames_of_reference))
        for level in sorted(claims, key=ORDER.__getitem__)
    ]


@dataclass(frozen=True, kw_only=True)
class _Study:
    """What points can refer to."""

    image_of: ImageOf
    frames: Collection[str]


def _claims(report: Dataset) -> dict[str, _Claim]:
    claims: dict[str, _Claim] = {}
    for group in _groups(report):
        reading, label = _level(group)
        named = list(spots_and_lines(group, label))
        level = reading.code or reading.label
        if level is not None and named:
            claim = claims.setdefault(level, _Claim())
            claim.spots.extend(named)
            claim.flags.extend(_flags(group))
            claim.conflicts.extend([reading] if reading.conflict else [])
    return claims


def _flags(group: Dataset) -> list[str]:
    """Return the lasting words among the flags of a group of ours."""
    name = (codes.FLAG.scheme_designator, codes.FLAG.value)
    items = headers.items(group, "ContentSequence")
    words = [headers.text(item, "TextValue") for item in items if headers.code(item, "ConceptNameCodeSequence") == name]
    return [word for word in words if word in _LASTING]


def _source(report: Dataset) -> LandmarkSource:
    """Return where the points come from: a report that a reader verified (PS3.3 C.17.2) holds reviewed points."""
    verified = headers.text(report, "VerificationFlag") == "VERIFIED"
    return LandmarkSource.REVIEWED if verified else LandmarkSource.SUPPLIED_SR


def _groups(report: Dataset) -> Iterator[Dataset]:
    """Give every Measurement Group (TID 1501, TID 1410) of the content tree, in document order."""
    waiting = [report]
    while waiting:
        item = waiting.pop()
        if headers.code(item, "ConceptNameCodeSequence")[1] == codes.MEASUREMENT_GROUP.value:
            yield item
        waiting.extend(reversed(headers.items(item, "ContentSequence")))


def _level(group: Dataset) -> tuple[Reading, str]:
    """Return what code and label of a group say of the level, and the label."""
    items = headers.items(group, "ContentSequence")
    sites = _values(items, _SITES)
    coded = (_coded_level(*headers.code(item, "ConceptCodeSequence")) for item in sites)
    labels = [headers.text(item, "TextValue") for item in _values(items, _LABELS)]
    labels += [
        meaning_of(item, "ConceptCodeSequence")
        for item in sites
        if headers.code(item, "ConceptCodeSequence")[0] not in _STANDARD_SCHEMES
    ]
    named = (level_from_label(_without_point_name(label)) for label in labels)
    reading = Reading(code=next(filter(None, coded), None), label=next(filter(None, named), None))
    return reading, next((label for label in labels if point_name(label)), "")


def _coded_level(scheme: str, value: str) -> str | None:
    return level_from_code(scheme, value) or codes.level_of(scheme, value)


def _values(items: Iterable[Dataset], names: tuple[str, ...]) -> list[Dataset]:
    """Return the items whose concept name is one of `names`, in the order of `names`."""
    known = [(headers.code(item, "ConceptNameCodeSequence")[1], item) for item in items]
    return [item for wanted in names for name, item in known if name == wanted]


def _without_point_name(label: str) -> str:
    name = point_name(label)
    return label.replace(name, " ", 1) if name else label


def _vertebra(level: str, claim: _Claim, source: LandmarkSource, report_uid: str, study: _Study) -> VertebraLandmarks:
    ends = [spot for item in claim.spots for spot in (item.ends if isinstance(item, Line) else (item,))]
    first, plane = ends[0], _plane(ends[0], study.image_of)
    reason = _unplaced(claim, ends, plane, study.frames)
    named = [spot for item in claim.spots for spot in _named(item, plane)] if reason is None else []
    points = {spot.name: spot.point for spot in named}
    reason = reason or _unclear(named, points)
    if reason is not None:
        return VertebraLandmarks(level=level, source=source, landmarks=None, reason=reason)
    wanted = POINT_NAMES if {"MS", "MI"} <= points.keys() else [name for name in POINT_NAMES if name in CORNERS]
    return VertebraLandmarks(
        level=level,
        source=source,
        landmarks=Landmarks(
            space=first.space,
            points={name: points[name] for name in wanted},
            sop_instance_uid=first.sop_instance_uid or report_uid,
            frame=first.frame,
            frame_of_reference_uid=first.frame_of_reference_uid or None,
        ),
        flags=tuple(dict.fromkeys(claim.flags)),
        plane=plane,
    )


def _unplaced(claim: _Claim, ends: list[Spot], plane: ImagePlane | None, frames: Collection[str]) -> Reason | None:
    """Return why these points lie in no one image and no one frame of reference of the study."""
    if claim.conflicts:
        return Reason.LEVEL_CONFLICT
    if len({(spot.space, spot.sop_instance_uid, spot.frame, spot.frame_of_reference_uid) for spot in ends}) > 1:
        return Reason.MIXED_SPACES
    if ends[0].space is Space.PATIENT:
        frame_of_reference_uid = ends[0].frame_of_reference_uid
        if not frame_of_reference_uid:
            return Reason.FRAME_OF_REFERENCE_UNKNOWN
        return None if frame_of_reference_uid in frames else Reason.IMAGE_MISSING
    if plane is None:
        return Reason.IMAGE_MISSING
    return Reason.NOT_LATERAL if plane.is_lateral is False else None


def _unclear(named: list[Spot], points: dict[str, Point]) -> Reason | None:
    """Return what keeps the names of the points from saying one body."""
    if any(points[spot.name] != spot.point for spot in named):
        return Reason.LEVEL_DUPLICATED
    return None if points.keys() >= CORNERS else Reason.INCOMPLETE_POINTS


def _plane(spot: Spot, image_of: ImageOf) -> ImagePlane | None:
    """Return the plane of the image that a point refers to; None where there is none of that UID and SOP class."""
    image = image_of(spot.sop_instance_uid) if spot.space is Space.IMAGE else None
    if image is None or spot.sop_class_uid not in {"", headers.text(image, "SOPClassUID")}:
        return None
    return plane_of(image, spot.frame)


def _named(item: Spot | Line, plane: ImagePlane | None) -> Iterable[Spot]:
    """Return a spot, or the ends of a line by which one is superior; as written where that is not known.

    LPS z is superior (PS3.3 C.7.6.2.1.1).
    """
    if isinstance(item, Spot):
        return (item,)
    axis = (0.0, 0.0, 1.0) if plane is None else plane.superior
    if axis is None:
        return named_line(item, swap=False)
    first, second = (sum(a * b for a, b in zip(axis, spot.point, strict=True)) for spot in item.ends)
    return named_line(item, swap=first < second)
