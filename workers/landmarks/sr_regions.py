"""Closed lines in the measurement groups of a report (TID 1410, TID 1411) that outline a vertebra, and nothing in it.

A finding site says where something is, not what it is. So the finding must be a vertebra or bone, or a label must
name the level; the contour of a lesion in L3 is none of L3's.
"""

from math import isfinite

from pydicom.dataset import Dataset

from sr_templates import codes, headers
from workers.landmarks.claims import SHAPE_SIZES, Shape, Spot
from workers.landmarks.labels import Naming, Said, said
from workers.landmarks.levels import STANDARD_SCHEMES, level_from_code
from workers.landmarks.lines import OUTLINE_VERTICES, ring_size
from workers.landmarks.regions.claims import GENERIC_TYPES
from workers.landmarks.sr_points import meaning_of, points_of

Line = tuple[Spot, ...]


def closed_lines(group: Dataset, naming: Naming, label: Said) -> list[Line]:
    """Return the closed image lines of a group that outlines a vertebra, each once, without the closing point.

    `naming` and `label` are what the group's codes and labels say.
    """
    if not _is_vertebra(group, naming, label):
        return []
    return list(dict.fromkeys(line[:size] for line in polylines(group) if (size := _size(line)) is not None))


def unusable_lines(group: Dataset, naming: Naming, label: Said) -> list[Line]:
    """Return those that would outline the vertebra, but have no end, or a coordinate that is no number."""
    if not _is_vertebra(group, naming, label):
        return []
    return [line for line in polylines(group) if len(line) >= OUTLINE_VERTICES and _size(line) is None]


def polylines(group: Dataset) -> list[Line]:
    """Return every line through points of an image in a group, finite or not."""
    items = headers.items(group, "ContentSequence")
    below = [child for item in items for child in headers.items(item, "ContentSequence")]
    return [
        tuple(points_of(item, damaged=True))
        for item in (*items, *below)
        if headers.text(item, "ValueType") == "SCOORD" and headers.text(item, "GraphicType").strip() == "POLYLINE"
    ]


def is_finite(line: Line) -> bool:
    """Whether every coordinate is a finite number."""
    return all(isfinite(value) for spot in line for value in spot.point)


def _size(line: Line) -> int | None:
    return ring_size([spot.point for spot in line]) if is_finite(line) else None


def shapes(group: Dataset, naming: Naming, label: Said) -> list[Shape]:
    """Return the closed lines through four corners, or through six points, of a vertebra."""
    return [Shape(spots=line) for line in closed_lines(group, naming, label) if len(line) in SHAPE_SIZES]


def _is_vertebra(group: Dataset, naming: Naming, label: Said) -> bool:
    """Whether a group is about a vertebra as such: by its finding, or by a label that names the level and no part."""
    if label.is_something:
        return False
    name = (codes.FINDING.scheme_designator, codes.FINDING.value)
    items = headers.items(group, "ContentSequence")
    findings = [item for item in items if headers.code(item, "ConceptNameCodeSequence") == name]
    return all(map(_is_bone, findings)) and bool(findings or naming.labels)


def _is_bone(finding: Dataset) -> bool:
    scheme, value = headers.code(finding, "ConceptCodeSequence")
    if (scheme, value) in GENERIC_TYPES or level_from_code(scheme, value) or codes.level_of(scheme, value):
        return True
    return scheme not in STANDARD_SCHEMES and said(meaning_of(finding, "ConceptCodeSequence")).is_level_only
