"""Who placed points, as the object says that holds them. A person's name belongs into the report, never into a log.

Names are as DICOM writes them (PN, PS3.5 6.2): "Doe^Jane"; `shown` is what a line of text has of one.
"""

from collections.abc import Iterable
from typing import Final

from pydicom.dataset import Dataset

from sr_templates import headers

#: Person Observer Name (TID 1003).
_PERSON_OBSERVER: Final = ("DCM", "121008")
#: Names that programs write where nobody said who it was.
_NOBODY: Final = frozenset({"", "unknown", "unknown unknown", "anonymous", "anonymized", "none", "n/a", "na"})
#: Characters of a component group of a person's name (PS3.5 6.2).
_LONGEST: Final = 64


def observers(report: Dataset) -> tuple[str, ...]:
    """Return the persons who verified a Structured Report (PS3.3 C.17.2), else those who observed (TID 1003)."""
    items = headers.items(report, "VerifyingObserverSequence")
    verified = headers.text(report, "VerificationFlag") == "VERIFIED"
    verifying = [headers.text(item, "VerifyingObserverName") for item in items] if verified else []
    return _persons(verifying) or _persons([*_observing(report), *_authors(report)])


def creator(source: Dataset) -> tuple[str, ...]:
    """Return the Content Creator's Name (PS3.3 table 10-12) of a presentation state or of fiducials."""
    return _persons([headers.text(source, "ContentCreatorName")])


def _observing(report: Dataset) -> Iterable[str]:
    """Give every Person Observer Name at the root; older files have it as text."""
    for item in headers.items(report, "ContentSequence"):
        if headers.code(item, "ConceptNameCodeSequence") == _PERSON_OBSERVER:
            yield headers.text(item, "PersonName") or headers.text(item, "TextValue")


def _authors(report: Dataset) -> Iterable[str]:
    """Give the persons among the authors (PS3.3 C.17.2; Observer Type PSN)."""
    for item in headers.items(report, "AuthorObserverSequence"):
        if headers.text(item, "ObserverType") == "PSN":
            yield headers.text(item, "PersonName")


def person(name: str) -> str:
    """Return a name as a value of PN: one line, no backslash, which would begin another value."""
    groups = (_line(group.replace("\\", " "))[:_LONGEST].strip() for group in name.split("="))
    return "=".join(groups).rstrip("=^ ")


def shown(name: str) -> str:
    """Return "Doe^Jane" as "Doe Jane": the first component group, in one line."""
    alphabetic = next((group for group in name.split("=") if group.strip("^ ")), "")
    return _line(alphabetic.replace("^", " "))[:_LONGEST]


def _persons(names: Iterable[str]) -> tuple[str, ...]:
    """Return each person once."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(shown(name), person(name))
    return tuple(name for words, name in found.items() if words.lower() not in _NOBODY)


def _line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
