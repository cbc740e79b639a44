"""Findings as a DICOM Structured Report: TID 1500 in a Comprehensive (3D) SR, byte for byte reproducible.

The report is UNVERIFIED and PRELIMINARY, lies in the study it measures, and refers to what it rests on.
"""

from io import BytesIO
from typing import Final

from highdicom import UID
from highdicom.sr import (
    Comprehensive3DSR,
    ComprehensiveSR,
)
from pydicom import dcmwrite
from pydicom.dataset import Dataset

from sr_templates import codes, headers, identity, uids
from sr_templates.content import report_content
from sr_templates.context import Predecessor, ReportContext
from sr_templates.findings import Space, StudyFindings

__all__ = ["Predecessor", "ReportContext", "build_report", "to_bytes"]

SERIES_DESCRIPTION: Final = "Vertebral morphometry (unverified)"
_KIND: Final = "sr"


class _WithoutPatient:
    """Keeps highdicom from copying patient and study: it fails at a SOP class that it does not know."""

    def copy_patient_and_study_information(self, dataset: Dataset) -> None:
        """Copy nothing: `headers.identity` is laid over the report."""


class _Comprehensive(_WithoutPatient, ComprehensiveSR):
    """Comprehensive SR of any sources."""


class _Comprehensive3D(_WithoutPatient, Comprehensive3DSR):
    """Comprehensive 3D SR of any sources."""


def build_report(findings: StudyFindings, context: ReportContext) -> Dataset:
    """Return the report on `findings`.

    Raises ValueError where nothing was measured (such a study gets no report), a level appears twice, the evidence is
    missing or of another study, or points refer to an image or a frame of reference that the evidence does not have.
    """
    _check(findings, context)
    source = headers.identity(context.evidence[0])
    report = _document(findings, context, source)
    report.update(source)
    _identify(report, findings, context)
    return report


def to_bytes(report: Dataset) -> bytes:
    """Return the report as a DICOM file (PS3.10)."""
    with BytesIO() as file:
        dcmwrite(file, report, enforce_file_format=True)
        return file.getvalue()


def _check(findings: StudyFindings, context: ReportContext) -> None:
    levels = [vertebra.level for vertebra in findings.vertebrae if vertebra.measured is not None]
    if not levels or len(set(levels)) < len(levels):
        raise ValueError(f"expected measured vertebrae, each level once, found {levels or 'none'}")
    studies = {headers.text(item, "StudyInstanceUID") for item in context.evidence}
    if studies != {findings.study_instance_uid}:
        raise ValueError("expected the headers of objects of the measured study as evidence, found others or none")


def _document(findings: StudyFindings, context: ReportContext, source: Dataset) -> Dataset:
    """Return the SR object around the content tree, still without patient and study attributes."""
    is_3d = context.sop_class == "comprehensive_3d" or any(
        vertebra.measured is not None and vertebra.measured.landmarks.space is Space.PATIENT
        for vertebra in findings.vertebrae
    )
    document = _Comprehensive3D if is_3d else _Comprehensive
    moment = headers.local(context.started_at, source)
    return document(
        evidence=[headers.reference(item) for item in context.evidence],
        content=report_content(findings, context),
        series_instance_uid=uids.series_uid(
            context.uid_root,
            study_instance_uid=findings.study_instance_uid,
            kind=_KIND,
            software=findings.software,
            series_number=context.series_number,
        ),
        series_number=context.series_number,
        sop_instance_uid=_instance_uid(findings, context, source),
        instance_number=context.revision,
        manufacturer=identity.MANUFACTURER,
        manufacturer_model_name=identity.MODEL,
        software_versions=findings.software,
        is_complete=True,
        is_final=False,
        is_verified=False,
        institution_name=context.institution_name or None,
        previous_versions=_previous(findings, context),
        series_description=SERIES_DESCRIPTION,
        content_date=moment.date(),
        content_time=moment.time(),
        specific_character_set=headers.CHARACTER_SET,
    )


def _instance_uid(findings: StudyFindings, context: ReportContext, source: Dataset) -> str:
    """Return the UID that follows from all that the report says: sources, software, configuration, findings, time."""
    return uids.derived_uid(
        context.uid_root,
        _KIND,
        [headers.text(item, "SOPInstanceUID") for item in context.evidence],
        findings,
        context.started_at.isoformat(),
        [context.series_number, context.sop_class, context.institution_name, context.parameters, context.revision],
        context.predecessor,
        [(element.tag, str(element.value)) for element in source],
    )


def _previous(findings: StudyFindings, context: ReportContext) -> list[Dataset] | None:
    if context.predecessor is None:
        return None
    earlier = Dataset()
    earlier.StudyInstanceUID = findings.study_instance_uid
    earlier.SeriesInstanceUID = context.predecessor.series_instance_uid
    earlier.SOPClassUID = context.predecessor.sop_class_uid
    earlier.SOPInstanceUID = context.predecessor.sop_instance_uid
    return [earlier]


def _identify(report: Dataset, findings: StudyFindings, context: ReportContext) -> None:
    """Say who made the report, and take out what highdicom reads from the clock or says of itself."""
    report.InstanceCreationDate, report.InstanceCreationTime = report.ContentDate, report.ContentTime
    report.file_meta.ImplementationClassUID = UID(identity.IMPLEMENTATION_CLASS_UID)
    report.file_meta.ImplementationVersionName = identity.version_name(findings.software)
    scheme = Dataset()
    scheme.CodingSchemeDesignator = codes.SCHEME
    scheme.CodingSchemeName = codes.SCHEME_NAME
    scheme.CodingSchemeVersion = codes.SCHEME_VERSION
    scheme.CodingSchemeResponsibleOrganization = identity.MANUFACTURER
    report.CodingSchemeIdentificationSequence = [scheme]
    device_uid = uids.device_uid(context.uid_root, software=findings.software)
    report.ContributingEquipmentSequence = [_algorithm_as_equipment(report, device_uid)]


def _algorithm_as_equipment(report: Dataset, device_uid: str) -> Dataset:
    """Return the item that IHE AIR asks for, one for each algorithm; highdicom refuses its purpose code."""
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = codes.PROCESSING_ALGORITHM[:3]
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [purpose]
    item.Manufacturer = report.Manufacturer
    item.ManufacturerModelName = report.ManufacturerModelName
    item.SoftwareVersions = report.SoftwareVersions
    item.DeviceUID = device_uid
    return item
