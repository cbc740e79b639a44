"""Whose study it is, and of when. It never goes into a log."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StudyIdentity:
    """Whose study it is and of when, as its headers say; "" where they do not."""

    patient_id: str = ""
    #: Without one a Patient ID is that of who sent it: it matches only others without one, and says less.
    issuer_of_patient_id: str = ""
    #: YYYYMMDD, and M or F; two that are stated and differ are two patients, whatever their IDs.
    patient_birth_date: str = ""
    patient_sex: str = ""
    #: YYYYMMDD and HHMMSS, so that they sort.
    study_date: str = ""
    study_time: str = ""
    accession_number: str = ""
