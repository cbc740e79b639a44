"""A structured report as a tree of lines (PS3.3 C.17.3, the SR Document Content Module), as a page shows it.

Nothing of it is markup: whoever shows a line escapes it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.valuerep import PersonName

from service.errors import Unknown

#: Deeper than any template of TID 1500 goes; what lies below is not shown.
_DEEPEST: Final = 24
#: More coordinates than a vertebra has: of a longer list the beginning is shown.
_MOST_NUMBERS: Final = 12

#: What the head of a report says, in this order; all of it speaks of a patient or a reader.
_HEAD: Final = {
    "PatientName": "Patient's name",
    "PatientID": "Patient ID",
    "IssuerOfPatientID": "Issuer of Patient ID",
    "PatientBirthDate": "Birth date",
    "PatientSex": "Sex",
    "StudyDate": "Study date",
    "AccessionNumber": "Accession number",
    "ContentDate": "Content date",
    "CompletionFlag": "Completion",
    "VerificationFlag": "Verification",
    "PreliminaryFlag": "Preliminary",
    "SeriesDescription": "Series",
    "SOPInstanceUID": "SOP Instance UID",
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One content item, and what is below it."""

    #: The concept name; empty where it has none.
    name: str
    #: Empty for a container.
    value: str
    #: Value type (PS3.3 C.17.3.2.1) and relationship with what is above: "NUM", "CONTAINS".
    kind: str
    relationship: str
    lines: tuple["Line", ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReportText:
    """A report to be read."""

    #: (what, value), of what is stated.
    head: tuple[tuple[str, str], ...]
    root: Line


def read(path: Path) -> ReportText:
    """Return a report of ours; Unknown where its file is gone, or is no structured report."""
    try:
        found = pydicom.dcmread(path)
    except (FileNotFoundError, InvalidDicomError):
        raise Unknown("the file of this report is not there any more: it was removed for its age") from None
    if "ContentSequence" not in found:
        raise Unknown("this object is no structured report")
    said = ((name, _text(found.get(keyword))) for keyword, name in _HEAD.items())
    return ReportText(head=tuple((name, value) for name, value in said if value), root=_line(found, 0))


def _line(item: Dataset, depth: int) -> Line:
    kind = _text(item.get("ValueType"))
    below = item.get("ContentSequence") or [] if depth < _DEEPEST else []
    if "ReferencedContentItemIdentifier" in item:
        where = ".".join(str(number) for number in item.ReferencedContentItemIdentifier)
        return Line(name="", value=f"see item {where}", kind="", relationship=_relation(item))
    return Line(
        name=_meaning(item, "ConceptNameCodeSequence"),
        value=_VALUES.get(kind, _nothing)(item),
        kind=kind,
        relationship=_relation(item),
        lines=tuple(_line(each, depth + 1) for each in below),
    )


def _relation(item: Dataset) -> str:
    return _text(item.get("RelationshipType")).lower()


def _text(value: object) -> str:
    if isinstance(value, PersonName):
        return " ".join(part for part in (value.family_comma_given(),) if part)
    return "" if value is None else str(value).strip()


def _meaning(item: Dataset, keyword: str) -> str:
    codes = item.get(keyword) or []
    return _text(codes[0].get("CodeMeaning")) if codes else ""


def _nothing(_: Dataset) -> str:
    return ""


def _number(item: Dataset) -> str:
    measured = item.get("MeasuredValueSequence") or []
    if not measured:
        return _meaning(item, "NumericValueQualifierCodeSequence") or "not stated"
    unit = measured[0].get("MeasurementUnitsCodeSequence") or []
    code = _text(unit[0].get("CodeValue")) if unit else ""
    # UCUM's "1", and what stands in braces, say that there is no unit.
    shown = "" if code in {"", "1"} or code.startswith("{") else f" {code}"
    return f"{_text(measured[0].get('NumericValue'))}{shown}"


def _reference(item: Dataset) -> str:
    return ", ".join(_references(item))


def _references(item: Dataset) -> Iterator[str]:
    for each in item.get("ReferencedSOPSequence") or []:
        frames = each.get("ReferencedFrameNumber")
        yield f"{_text(each.get('ReferencedSOPInstanceUID'))}{f', frame {frames}' if frames is not None else ''}"


def _coordinates(item: Dataset) -> str:
    data = item.get("GraphicData") or []
    numbers = [f"{float(each):.1f}" for each in data]
    dots = " ..." if len(numbers) > _MOST_NUMBERS else ""
    return f"{_text(item.get('GraphicType')).lower()} {', '.join(numbers[:_MOST_NUMBERS])}{dots}"


_VALUES: Final[dict[str, Callable[[Dataset], str]]] = {
    "CODE": lambda item: _meaning(item, "ConceptCodeSequence"),
    "NUM": _number,
    "TEXT": lambda item: _text(item.get("TextValue")),
    "UIDREF": lambda item: _text(item.get("UID")),
    "PNAME": lambda item: _text(item.get("PersonName")),
    "DATE": lambda item: _text(item.get("Date")),
    "TIME": lambda item: _text(item.get("Time")),
    "DATETIME": lambda item: _text(item.get("DateTime")),
    "IMAGE": _reference,
    "COMPOSITE": _reference,
    "WAVEFORM": _reference,
    "SCOORD": _coordinates,
    "SCOORD3D": _coordinates,
}
