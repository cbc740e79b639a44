"""Whose study it is, as a header says, cleaned so that two of one patient are alike. It never goes into a log."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from pydicom.dataset import Dataset

from service.study_identity import StudyIdentity
from sr_templates import headers

#: What stands for a Patient ID where nobody has one: it would make all of them one patient.
_NOBODY: Final = frozenset(
    {"", "0", "anon", "anonymous", "anonymized", "anonymised", "n/a", "na", "none", "null", "test", "unknown"}
)
#: A longer Patient ID is none: an LO has 64 characters (PS3.5 6.2), four times that spares an odd one.
_LONGEST_ID: Final = 256
#: Unicode categories that no text of a header has, and some databases refuse: control characters and half characters.
_NO_TEXT: Final = frozenset({"Cc", "Cs"})
#: The sexes that tell two patients apart; O says as little as nothing (PS3.3 C.7.1.1).
_SEXES: Final = frozenset({"M", "F"})
#: Parts of an identity that one patient has only one of.
_OF_ONE: Final = ("patient_id", "issuer_of_patient_id", "patient_birth_date", "patient_sex")
_OF_THE_STUDY: Final[Mapping[str, str]] = {"study_date": "", "study_time": "", "accession_number": ""}
#: DA, and DA of the standard's predecessor, "2026.03.04" (PS3.5 6.2).
_DATE: Final = re.compile(r"([0-9]{4})\.?([0-9]{2})\.?([0-9]{2})")


def identity_of(header: Dataset) -> StudyIdentity:
    """Return the identity that `header` states; a Patient ID that stands for nobody is none."""
    patient_id, sex = _text(header, "PatientID"), _text(header, "PatientSex").upper()
    is_nobody = patient_id.strip("0").lower() in _NOBODY or len(patient_id) > _LONGEST_ID
    return StudyIdentity(
        patient_id="" if is_nobody else patient_id,
        issuer_of_patient_id=_text(header, "IssuerOfPatientID"),
        patient_birth_date=_date(_text(header, "PatientBirthDate")),
        patient_sex=sex if sex in _SEXES else "",
        study_date=_date(_text(header, "StudyDate")),
        study_time=_time(_text(header, "StudyTime")),
        accession_number=_text(header, "AccessionNumber"),
    )


def is_same_patient(one: StudyIdentity, other: StudyIdentity) -> bool:
    """Whether two studies are surely of one patient: same Patient ID and issuer, no two birth dates or sexes.

    A Patient ID without an issuer may be another hospital's: then both must state the birth date.
    """
    same = (one.patient_id, one.issuer_of_patient_id) == (other.patient_id, other.issuer_of_patient_id)
    sure = one.issuer_of_patient_id or (one.patient_birth_date and other.patient_birth_date)
    return bool(one.patient_id and same and sure) and not contradict(one, other)


def contradict(one: StudyIdentity, other: StudyIdentity) -> bool:
    """Whether two identities cannot be of one patient: both state a part of which one patient has one, and differ."""
    both = ((getattr(one, part), getattr(other, part)) for part in _OF_ONE)
    return any(mine and yours and mine != yours for mine, yours in both)


def contradictions(study: Iterable[Dataset]) -> int:
    """Return how many headers of one study name a patient that another one of them contradicts."""
    stated = Counter(replace(identity_of(header), **_OF_THE_STUDY) for header in study)
    return sum(count for one, count in stated.items() if any(contradict(one, other) for other in stated))


def is_earlier(one: StudyIdentity, other: StudyIdentity) -> bool:
    """Whether `one` was begun before `other`, as far as their dates tell."""
    if not one.study_date or not other.study_date:
        return False
    if one.study_date != other.study_date:
        return one.study_date < other.study_date
    return bool(one.study_time) and bool(other.study_time) and one.study_time < other.study_time


def _date(text: str) -> str:
    found = _DATE.fullmatch(text.strip())
    return "".join(found.groups()) if found else ""


def _time(text: str) -> str:
    """Return HHMMSS; "" where there is no hour."""
    digits = text.strip().replace(":", "").split(".")[0]
    return digits.ljust(6, "0")[:6] if digits.isdecimal() and len(digits) > 1 else ""


def _text(header: Dataset, keyword: str) -> str:
    """Return an attribute without the blanks that pad it, and without what is no text."""
    found = headers.text(header, keyword)
    return "".join(letter for letter in found if unicodedata.category(letter) not in _NO_TEXT).strip()
