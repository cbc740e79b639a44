"""The named points in a TID 1500 content tree, whoever wrote it: read tolerantly, named only where it is certain.

A point has its name from the height it bounds (one NUM with a line of two points, as our reports, dcmqi and 3D Slicer
write them), or from its own name or label ("AS", "L4 PI").
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from math import isfinite
from typing import Final

from pydicom.dataset import Dataset

from sr_templates import codes, headers
from sr_templates.findings import Space
from workers.landmarks.claims import Line, Spot
from workers.landmarks.labels import Said, said

#: Coordinates a point, by the value type of the item (PS3.3 C.18.6, C.18.9).
_DIMENSIONS: Final = {"SCOORD": 2, "SCOORD3D": 3}
_POSITIONS: Final = {
    (code.scheme_designator, code.value): position
    for position, found in {
        "anterior": (codes.HEIGHT_ANTERIOR, codes.LOSS_ANTERIOR, codes.ANTERIOR),
        "middle": (codes.HEIGHT_MIDDLE, codes.LOSS_MIDDLE, codes.CENTRAL),
        "posterior": (codes.HEIGHT_POSTERIOR, codes.LOSS_POSTERIOR, codes.POSTERIOR),
    }.items()
    for code in found
}
#: A height by its meaning, from producers with a vocabulary of their own.
_HEIGHT: Final = re.compile(
    r"\b(anterior|middle|mid|central|posterior)\b.*\bheight\b|\bheight\b.*\b(anterior|middle|mid|central|posterior)\b"
)
_OTHER_THAN_HEIGHT: Final = re.compile(r"\b(loss|ratio|expected|difference|mean|disc|disk|foramen|foraminal|canal)\b")
_SYNONYMS: Final = {"mid": "middle", "central": "middle"}
#: A plain length, whose label may say which height it is: Length, Distance (CID 7470), by code or in words.
_LENGTHS: Final = frozenset({("SCT", "410668003"), ("DCM", "121206")})
_LENGTH_WORDS: Final = frozenset({"length", "distance", "height"})
#: Graphic Types that hold the points themselves (PS3.3 C.18.6.1.2, C.18.9.1.2); "" where the item does not say.
_POINTED: Final = frozenset({"", "POINT", "MULTIPOINT", "POLYLINE"})
#: Where cornerstone3D puts the text of a label: a place on the screen, not in the body.
_TEXT_POSITION: Final = ("99CS3D", "TextPosition")


def spots_and_lines(group: Dataset, label: Said) -> Iterator[Spot | Line]:
    """Give the named points and the height lines of one measurement group whose labels say `label`."""
    for item in headers.items(group, "ContentSequence"):
        if headers.text(item, "ValueType") != "NUM":
            yield from _spot(item, label)
            continue
        position = _position(item, label)
        for child in headers.items(item, "ContentSequence"):
            points = points_of(child)
            if position and len(points) == 2:  # noqa: PLR2004 - a line
                yield Line(position=position, spots=tuple(points))
            else:
                yield from _spot(child, label)


def meaning_of(item: Dataset, keyword: str) -> str:
    """Return the meaning of the first code in a code sequence; "" where there is none."""
    return headers.text(next(iter(headers.items(item, keyword)), Dataset()), "CodeMeaning").strip()


def _position(number: Dataset, label: Said) -> str:
    """Return which height a NUM is: by our code, by Height with a modifier, by its meaning, or as a length by label."""
    name = headers.code(number, "ConceptNameCodeSequence")
    if name in _POSITIONS:
        return _POSITIONS[name]
    meaning = meaning_of(number, "ConceptNameCodeSequence").lower()
    if _OTHER_THAN_HEIGHT.search(meaning):
        return ""
    modified = next(filter(None, map(_modifier, _descendants(number))), "")
    if name == (codes.HEIGHT.scheme_designator, codes.HEIGHT.value):
        return modified or label.position
    if name in _LENGTHS or meaning in _LENGTH_WORDS:
        # A length with a modifier of its own is some other length than the height that the label names.
        return "" if modified else label.position
    found = _HEIGHT.search(meaning)
    word = next(filter(None, found.groups()), "") if found else ""
    return _SYNONYMS.get(word, word)


def _modifier(item: Dataset) -> str:
    if headers.code(item, "ConceptNameCodeSequence")[1] != codes.TOPOGRAPHICAL_MODIFIER.value:
        return ""
    return _POSITIONS.get(headers.code(item, "ConceptCodeSequence"), "")


def _descendants(item: Dataset) -> list[Dataset]:
    """Return children and grandchildren: a modifier stands below its Finding Site."""
    children = headers.items(item, "ContentSequence")
    return [*children, *(grand for child in children for grand in headers.items(child, "ContentSequence"))]


def _spot(item: Dataset, label: Said) -> Iterator[Spot]:
    """Give a single point by its own name, else by the label of its group."""
    if headers.code(item, "ConceptNameCodeSequence") == _TEXT_POSITION:
        return
    name = said(meaning_of(item, "ConceptNameCodeSequence")).point or label.point
    points = points_of(item)
    if name and len(points) == 1:
        yield replace(points[0], name=name)


def points_of(item: Dataset, *, damaged: bool = False) -> list[Spot]:
    """Return the points of a coordinate item, still without names; [] for any other item.

    One with a coordinate that is no finite number gives [] too, or where `damaged` what it has.
    """
    size = _DIMENSIONS.get(headers.text(item, "ValueType"), 0)
    kind = headers.text(item, "GraphicType").strip()
    numbers = _floats(headers.value(item, "GraphicData"))
    if not damaged and not all(map(isfinite, numbers)):
        return []
    if not size or not numbers or len(numbers) % size or kind not in _POINTED:
        return []
    if kind == "POINT" and len(numbers) == 2 * size:
        # dcmjs writes an arrow so: its head, then its tail.
        numbers = numbers[:size]
    image = next(
        (
            found
            for child in headers.items(item, "ContentSequence")
            for found in headers.items(child, "ReferencedSOPSequence")
        ),
        Dataset(),
    )
    frame = headers.text(image, "ReferencedFrameNumber").strip()
    return [
        Spot(
            name="",
            point=tuple(numbers[at : at + size]),
            space=Space.IMAGE if size == _DIMENSIONS["SCOORD"] else Space.PATIENT,
            sop_instance_uid=headers.text(image, "ReferencedSOPInstanceUID").strip(),
            sop_class_uid=headers.text(image, "ReferencedSOPClassUID").strip(),
            frame=int(frame) if frame.isdecimal() else None,
            frame_of_reference_uid=headers.text(item, "ReferencedFrameOfReferenceUID").strip(),
        )
        for at in range(0, len(numbers), size)
    ]


def _floats(found: object) -> list[float]:
    try:
        return [float(number) for number in found] if hasattr(found, "__iter__") else []
    except (ValueError, TypeError):
        return []
