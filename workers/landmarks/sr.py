"""Points supplied as a TID 1500 Structured Report: our own after a reader moved points, or any other producer's.

Such a report is read for what it certainly says. A group that names no vertebra or holds no named point is none of
ours and is left alone; one that names a vertebra but cannot be used gives the coded reason.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

from sr_templates import codes, headers
from sr_templates.findings import POINT_NAMES, Landmarks, LandmarkSource, Space
from sr_templates.levels import ORDER
from workers.landmarks.document import CORNERS
from workers.landmarks.image_plane import plane_of
from workers.landmarks.levels import Reading, level_from_code, level_from_label
from workers.landmarks.points import ImagePlane, VertebraLandmarks
from workers.landmarks.sr_points import Line, Spot, code_of, meaning_of, named_line, point_name, spots_and_lines

ImageOf = Callable[[str], Dataset | None]
_CLASSES: Final = frozenset({EnhancedSRStorage, ComprehensiveSRStorage, Comprehensive3DSRStorage})
#: Finding Site (SCT, and SNOMED-RT G-C0E3 before it), then Finding: what may name the vertebra in code.
_SITES: Final = ("363698007", "G-C0E3", codes.FINDING.value)
#: Tracking Identifier, then Comment: what may name it in words.
_LABELS: Final = (codes.TRACKING_IDENTIFIER.value, codes.COMMENT.value)
_STANDARD_SCHEMES: Final = frozenset({"SCT", "SRT", "DCM", "UMLS"})


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
    #: The image that the points lie in is not in the study.
    IMAGE_MISSING = "IMAGE_MISSING"


def from_report(report: Dataset, image_of: ImageOf) -> list[VertebraLandmarks]:
    """Return the vertebrae of a report, from cranial to caudal; [] where it holds none.

    `image_of` gives the header of an object of the study by its SOP Instance UID.
    """
    if headers.text(report, "SOPClassUID") not in _CLASSES:
        return []
    found: dict[str, list[Spot | Line]] = {}
    conflicts: set[str] = set()
    for group in _groups(report):
        reading, label = _level(group)
        named = list(spots_and_lines(group, label))
        level = reading.code or reading.label
        if level is not None and named:
            found.setdefault(level, []).extend(named)
            conflicts |= {level} if reading.conflict else set()
    source = _source(report)
    return [
        _refused(level, source, Reason.LEVEL_CONFLICT)
        if level in conflicts
        else _vertebra(level, found[level], source, headers.text(report, "SOPInstanceUID"), image_of)
        for level in sorted(found, key=ORDER.__getitem__)
    ]


def _source(report: Dataset) -> LandmarkSource:
    """Return where the points come from: a report that a reader verified (PS3.3 C.17.2) holds reviewed points."""
    verified = headers.text(report, "VerificationFlag") == "VERIFIED"
    return LandmarkSource.REVIEWED if verified else LandmarkSource.SUPPLIED_SR


def _groups(report: Dataset) -> Iterator[Dataset]:
    """Give every Measurement Group (TID 1501, TID 1410) of the content tree, in document order."""
    waiting = [report]
    while waiting:
        item = waiting.pop()
        if code_of(item, "ConceptNameCodeSequence")[1] == codes.MEASUREMENT_GROUP.value:
            yield item
        waiting.extend(reversed(headers.items(item, "ContentSequence")))


def _level(group: Dataset) -> tuple[Reading, str]:
    """Return what code and label of a group say of the level, and the label."""
    items = headers.items(group, "ContentSequence")
    sites = _values(items, _SITES)
    coded = (_coded_level(*code_of(item, "ConceptCodeSequence")) for item in sites)
    labels = [headers.text(item, "TextValue") for item in _values(items, _LABELS)]
    labels += [
        meaning_of(item, "ConceptCodeSequence")
        for item in sites
        if code_of(item, "ConceptCodeSequence")[0] not in _STANDARD_SCHEMES
    ]
    named = (level_from_label(_without_point_name(label)) for label in labels)
    reading = Reading(code=next(filter(None, coded), None), label=next(filter(None, named), None))
    return reading, next((label for label in labels if point_name(label)), "")


def _coded_level(scheme: str, value: str) -> str | None:
    return level_from_code(scheme, value) or codes.level_of(scheme, value)


def _values(items: Iterable[Dataset], names: tuple[str, ...]) -> list[Dataset]:
    """Return the items whose concept name is one of `names`, in the order of `names`."""
    known = [(code_of(item, "ConceptNameCodeSequence")[1], item) for item in items]
    return [item for wanted in names for name, item in known if name == wanted]


def _without_point_name(label: str) -> str:
    name = point_name(label)
    return label.replace(name, " ", 1) if name else label


def _refused(level: str, source: LandmarkSource, reason: Reason) -> VertebraLandmarks:
    return VertebraLandmarks(level=level, source=source, landmarks=None, reason=reason)


def _vertebra(
    level: str, found: list[Spot | Line], source: LandmarkSource, report_uid: str, image_of: ImageOf
) -> VertebraLandmarks:
    ends = [spot for item in found for spot in (item.ends if isinstance(item, Line) else (item,))]
    if len({(spot.space, spot.sop_instance_uid, spot.frame, spot.frame_of_reference_uid) for spot in ends}) > 1:
        return _refused(level, source, Reason.MIXED_SPACES)
    first = ends[0]
    plane = _plane(first, image_of)
    if first.space is Space.IMAGE and plane is None:
        return _refused(level, source, Reason.IMAGE_MISSING)
    named = [spot for item in found for spot in _named(item, plane)]
    points = {spot.name: spot.point for spot in named}
    if any(points[spot.name] != spot.point for spot in named):
        return _refused(level, source, Reason.LEVEL_DUPLICATED)
    if not points.keys() >= CORNERS:
        return _refused(level, source, Reason.INCOMPLETE_POINTS)
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
        plane=plane,
    )


def _plane(spot: Spot, image_of: ImageOf) -> ImagePlane | None:
    image = image_of(spot.sop_instance_uid) if spot.space is Space.IMAGE else None
    return None if image is None else plane_of(image, spot.frame)


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
