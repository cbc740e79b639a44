"""Rejection notes, as the node asks for them: written, looked at by the gate, kept in the study's folder."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import pydicom
from pydicom.dataset import Dataset

import service
from service.errors import Quarantined
from service.ledger import NewReport, ReportRow, StudyRow
from service.ledger.rows import REJECTION, SR
from service.retraction import Wish
from service.wiring import Node
from sr_templates.document import to_bytes
from sr_templates.evidence import Instance
from sr_templates.objects import ObjectKind
from sr_templates.rejection_note import Rejection, build_rejection_note
from workers.gate import Gate
from workers.reporting import ReportFile

#: What the ledger keeps of a study's header, by the keyword that it goes back under.
_KEPT: Final = {
    "PatientID": "patient_id",
    "IssuerOfPatientID": "issuer_of_patient_id",
    "PatientBirthDate": "patient_birth_date",
    "PatientSex": "patient_sex",
    "StudyDate": "study_date",
    "StudyTime": "study_time",
    "AccessionNumber": "accession_number",
}


def make_note(
    node: Node, study: StudyRow, rejected: Sequence[ReportRow], wish: Wish, *, at: datetime, number: int
) -> NewReport:
    """Keep a rejection note in the study's folder (service.retraction.NoteMaker)."""
    settings = node.settings.report
    rejection = Rejection(
        rejected=[_instance(study, row) for row in rejected], title=wish.title, why=wish.why, at=at, number=number
    )
    note = build_rejection_note(
        rejection,
        _header(node, study, rejected),
        software=f"spondyl {service.__version__}",
        uid_root=settings.uid_root,
        institution_name=settings.institution_name,
    )
    data = to_bytes(note)
    _check(node, note, data, rejected)
    name = f"{REJECTION}-{note.SOPInstanceUID}.dcm"
    node.spool.write_report(study.key, name, data)
    return NewReport(
        kind=REJECTION,
        sop_instance_uid=str(note.SOPInstanceUID),
        sop_class_uid=str(note.SOPClassUID),
        series_instance_uid=str(note.SeriesInstanceUID),
        file_name=name,
        findings_digest=hashlib.sha256("\n".join(row.sop_instance_uid for row in rejected).encode()).hexdigest(),
        predecessor_uid=None,
    )


def _instance(study: StudyRow, row: ReportRow) -> Instance:
    return Instance(
        study_instance_uid=study.study_instance_uid,
        series_instance_uid=row.series_instance_uid,
        sop_class_uid=row.sop_class_uid,
        sop_instance_uid=row.sop_instance_uid,
    )


def _check(node: Node, note: Dataset, data: bytes, rejected: Sequence[ReportRow]) -> None:
    """Raise Quarantined where the gate finds something: what must not be sent must not take a study out either."""
    file = ReportFile(
        kind=ObjectKind.SR,  # the gate asks for none
        data=data,
        sop_instance_uid=str(note.SOPInstanceUID),
        sop_class_uid=str(note.SOPClassUID),
        series_instance_uid=str(note.SeriesInstanceUID),
    )
    found = Gate(node.spool, dciodvfy=node.settings.report.dciodvfy).examine(
        file, known={row.sop_instance_uid for row in rejected}
    )
    if found is not None:
        raise Quarantined(f"the rejection note is no valid object: {found.finding}")


def _header(node: Node, study: StudyRow, rejected: Sequence[ReportRow]) -> Dataset:
    """Return the header whose patient and study the note repeats: that of the newest object that it rejects.

    Where its file was removed for its age, what the ledger keeps; a name is not among it.
    """
    newest_first = sorted(rejected, key=lambda row: (row.kind == SR, row.id), reverse=True)
    for row in newest_first:
        path = node.spool.report(study.key, row.file_name)
        if path.is_file():
            return pydicom.dcmread(path, stop_before_pixels=True)
    kept = node.ledger.retractions.identity(study.id)
    header = Dataset()
    header.StudyInstanceUID = study.study_instance_uid
    for keyword, name in _KEPT.items():
        setattr(header, keyword, getattr(kept, name))
    return header
