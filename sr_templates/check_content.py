"""The content tree of a report of ours, checked: each content item's value, and the rows of our templates (PS3.16).

Rows are those that this product writes: TID 1500 (root), 1204 (language), 1001 (observer), 1501 (one group a vertebra),
300 (one measurement). A row is mandatory here where every report of ours has it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydicom.sr.coding import Code

from sr_templates import codes
from sr_templates.plain import Plain

#: Value that a content item of each value type must have (PS3.3 C.17.3, C.18); "" where its children say it all.
_VALUE: Final[Mapping[str, str]] = {
    "CONTAINER": "ContinuityOfContent",
    "TEXT": "TextValue",
    "CODE": "ConceptCodeSequence",
    "NUM": "MeasuredValueSequence",
    "UIDREF": "UID",
    "PNAME": "PersonName",
    "DATE": "Date",
    "TIME": "Time",
    "DATETIME": "DateTime",
    "IMAGE": "ReferencedSOPSequence",
    "COMPOSITE": "ReferencedSOPSequence",
    "SCOORD": "GraphicData",
    "SCOORD3D": "GraphicData",
}
#: Numbers of one point in Graphic Data (PS3.3 C.18.6, C.18.9).
_DIMENSIONS: Final = {"SCOORD": 2, "SCOORD3D": 3}
#: Value types whose concept name may be absent (PS3.3 table C.17.3-3).
_UNNAMED: Final = frozenset({"IMAGE", "COMPOSITE", "SCOORD", "SCOORD3D"})


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A row of a template: how often a content item of this name stands below the parent."""

    tid: int
    name: Code
    kind: str
    relationship: str
    least: int = 1
    most: int | None = None


_OBSERVER_TYPE: Final = Code("121005", "DCM", "Observer Type")
_DEVICE_UID: Final = Code("121012", "DCM", "Device Observer UID")
_LANGUAGE: Final = Code("121049", "DCM", "Language of Content Item and Descendants")
_TRACKING_UID: Final = Code("112040", "DCM", "Tracking Unique Identifier")
_REPORT: Final = ("126000", "DCM")

_ROOT: Final = (
    _Row(tid=1204, name=_LANGUAGE, kind="CODE", relationship="HAS CONCEPT MOD", most=1),
    _Row(tid=1001, name=_OBSERVER_TYPE, kind="CODE", relationship="HAS OBS CONTEXT"),
    _Row(tid=1004, name=_DEVICE_UID, kind="UIDREF", relationship="HAS OBS CONTEXT", most=1),
    _Row(tid=1500, name=codes.PROCEDURE_REPORTED, kind="CODE", relationship="HAS CONCEPT MOD"),
    _Row(tid=1500, name=codes.IMAGE_LIBRARY, kind="CONTAINER", relationship="CONTAINS", least=0, most=1),
    _Row(tid=1500, name=codes.IMAGING_MEASUREMENTS, kind="CONTAINER", relationship="CONTAINS", most=1),
    _Row(tid=1500, name=codes.QUALITATIVE_EVALUATIONS, kind="CONTAINER", relationship="CONTAINS", most=1),
)
_GROUP: Final = (
    _Row(tid=4108, name=codes.TRACKING_IDENTIFIER, kind="TEXT", relationship="HAS OBS CONTEXT", most=1),
    _Row(tid=4108, name=_TRACKING_UID, kind="UIDREF", relationship="HAS OBS CONTEXT", most=1),
    _Row(tid=1501, name=codes.MEASUREMENT_METHOD, kind="CODE", relationship="HAS CONCEPT MOD", most=1),
    _Row(tid=1501, name=codes.FINDING_SITE, kind="CODE", relationship="HAS CONCEPT MOD"),
)


def content_problems(report: Plain) -> Iterator[str]:
    """Yield what is wrong with the content tree, a line each, without values."""
    yield from _items(report, "ContentSequence")
    if _name(report) != _REPORT:
        yield "ContentSequence: the root is no Imaging Measurement Report"
    yield from _rows(report, _ROOT, "TID 1500")
    tracked = []
    for container in _children(report, codes.IMAGING_MEASUREMENTS):
        for number, group in enumerate(container.items("ContentSequence")):
            where = f"group {number + 1}"
            yield from _group(group, where)
            tracked += [item.text("UID") for item in _children(group, _TRACKING_UID)]
    if len(set(tracked)) < len(tracked):
        yield "TID 4108: two groups have one tracking UID"


def _group(group: Plain, where: str) -> Iterator[str]:
    if _name(group) != _key(codes.MEASUREMENT_GROUP):
        yield f"{where}: TID 1501: is no Measurement Group"
    yield from _rows(group, _GROUP, where)
    numbers = [item for item in group.items("ContentSequence") if item.text("ValueType") == "NUM"]
    if not numbers:
        yield f"{where}: TID 1501: has no measurement"
    for item in numbers:
        yield from _measurement(item, where)


def _measurement(item: Plain, where: str) -> Iterator[str]:
    """Yield what is wrong with a row of TID 300: a number with its unit, or a qualifier that says why there is none."""
    for value in item.items("MeasuredValueSequence"):
        if value.numbers("NumericValue") == []:
            yield f"{where}: TID 300: a measurement without a number"
        if value.code("MeasurementUnitsCodeSequence")[0] != "UCUM":
            yield f"{where}: TID 300: a number without a unit of UCUM"


def _rows(parent: Plain, rows: tuple[_Row, ...], where: str) -> Iterator[str]:
    named = [(_name(item), item) for item in parent.items("ContentSequence")]
    for row in rows:
        found = [item for name, item in named if name == _key(row.name)]
        if not row.least <= len(found) or (row.most is not None and len(found) > row.most):
            yield f"{where}: TID {row.tid}: {row.name.meaning} stands there {len(found)} times"
        for item in found:
            kind = item.text("ValueType"), item.text("RelationshipType")
            if kind != (row.kind, row.relationship):
                yield f"{where}: TID {row.tid}: {row.name.meaning} is no {row.kind} by {row.relationship}"


def _items(parent: Plain, path: str) -> Iterator[str]:
    """Yield what is wrong with each content item below `parent`."""
    for number, item in enumerate(parent.items("ContentSequence")):
        where = f"{path}[{number}]"
        value_type = item.text("ValueType")
        keyword = _VALUE.get(value_type)
        if keyword is None:
            yield f"{where}: ValueType is none that is written"
        elif item.is_empty(keyword):
            yield f"{where}: {value_type} without {keyword}"
        if not item.text("RelationshipType"):
            yield f"{where}: RelationshipType is missing"
        if value_type not in _UNNAMED and not all(_name(item)):
            yield f"{where}: {value_type} without a concept name"
        yield from _coordinates(item, value_type, where)
        yield from _items(item, where)


def _coordinates(item: Plain, value_type: str, where: str) -> Iterator[str]:
    size = _DIMENSIONS.get(value_type)
    if size is None:
        return
    numbers = item.numbers("GraphicData")
    if not numbers or len(numbers) % size:
        yield f"{where}: GraphicData is no list of points"
    if value_type == "SCOORD3D" and not item.text("ReferencedFrameOfReferenceUID"):
        yield f"{where}: SCOORD3D without a frame of reference"
    if value_type == "SCOORD" and not any(
        below.text("ValueType") == "IMAGE" for below in item.items("ContentSequence")
    ):
        yield f"{where}: SCOORD without an image"


def _children(parent: Plain, name: Code) -> list[Plain]:
    return [item for item in parent.items("ContentSequence") if _name(item) == _key(name)]


def _name(item: Plain) -> tuple[str, str]:
    scheme, value = item.code("ConceptNameCodeSequence")
    return value, scheme


def _key(code: Code) -> tuple[str, str]:
    return code.value, code.scheme_designator
