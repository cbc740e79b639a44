"""Whose study it is, as a header says, cleaned so that two of one patient are alike. It never goes into a log."""

import re
from typing import Final

from pydicom.dataset import Dataset

from service.study_identity import StudyIdentity
from sr_templates import headers

#: What stands for a Patient ID where nobody has one: it would make all of them one patient.
_NOBODY: Final = frozenset(
    {"", "0", "anon", "anonymous", "anonymized", "anonymised", "n/a", "na", "none", "null", "test", "unknown"}
)
#: DA, and DA of the standard's predecessor, "2026.03.04" (PS3.5 6.2).
_DATE: Final = re.compile(r"([0-9]{4})\.?([0-9]{2})\.?([0-9]{2})")


def identity_of(header: Dataset) -> StudyIdentity:
    """Return the identity that `header` states; a Patient ID that stands for nobody is none."""
    patient_id = headers.text(header, "PatientID").strip()
    return StudyIdentity(
        patient_id="" if patient_id.strip("0").lower() in _NOBODY else patient_id,
        issuer_of_patient_id=headers.text(header, "IssuerOfPatientID").strip(),
        patient_birth_date=_date(headers.text(header, "PatientBirthDate")),
        study_date=_date(headers.text(header, "StudyDate")),
        study_time=_time(headers.text(header, "StudyTime")),
        accession_number=headers.text(header, "AccessionNumber").strip(),
    )


def is_same_patient(one: StudyIdentity, other: StudyIdentity) -> bool:
    """Whether two studies are of one patient: same Patient ID and issuer, and no two birth dates."""
    births = {one.patient_birth_date, other.patient_birth_date} - {""}
    same = (one.patient_id, one.issuer_of_patient_id) == (other.patient_id, other.issuer_of_patient_id)
    return bool(one.patient_id) and same and len(births) <= 1


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
