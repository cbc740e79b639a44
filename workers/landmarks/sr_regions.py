"""Closed lines in the measurement groups of a report (TID 1410, TID 1411) that outline a vertebra, and nothing in it.

A finding site says where something is, not what it is. So the finding must be a vertebra or bone, or a label must
name the level; the contour of a lesion in L3 is none of L3's.
"""

from math import dist
from typing import Final

from pydicom.dataset import Dataset

from sr_templates import codes, headers
from workers.landmarks.claims import SHAPE_SIZES, Shape, Spot
from workers.landmarks.labels import Naming, Said, said
from workers.landmarks.levels import STANDARD_SCHEMES, level_from_code
from workers.landmarks.regions.claims import GENERIC_TYPES
from workers.landmarks.sr_points import meaning_of, points_of

Line = tuple[Spot, ...]
#: A line is closed where its last point repeats the first (PS3.3 C.18.6.1.2), pixels: FL has seven digits.
_SAME: Final = 1e-3
#: Corners that enclose anything.
_TRIANGLE: Final = 3


def closed_lines(group: Dataset, naming: Naming, label: Said) -> list[Line]:
    """Return the closed image lines of a group that outlines a vertebra, each once, without the closing point.

    `naming` and `label` are what the group's codes and labels say.
    """
    if not _is_vertebra(group, naming, label):
        return []
    items = headers.items(group, "ContentSequence")
    below = [child for item in items for child in headers.items(item, "ContentSequence")]
    found: dict[Line, None] = {}
    for item in (*items, *below):
        if headers.text(item, "ValueType") == "SCOORD" and headers.text(item, "GraphicType").strip() == "POLYLINE":
            spots = points_of(item)
            if len(spots) > _TRIANGLE and dist(spots[0].point, spots[-1].point) < _SAME:
                found[tuple(spots[:-1])] = None
    return list(found)


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
