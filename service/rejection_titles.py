"""As what objects are rejected: the words of the command, the page and the API."""

from enum import StrEnum


class Title(StrEnum):
    """As what the objects are rejected: the title of the note, of CID 7010."""

    #: (113001, DCM, "Rejected for Quality Reasons")
    QUALITY = "quality"
    #: (113037, DCM, "Rejected for Patient Safety Reasons"): another patient's, another side, another level.
    PATIENT_SAFETY = "patient-safety"
    #: (113038, DCM, "Incorrect Modality Worklist Entry")
    WORKLIST_ENTRY = "worklist-entry"
    #: (113039, DCM, "Data Retention Policy Expired")
    RETENTION = "retention"
