"""The same report by highdicom's own SR classes: what ours is measured against, in bytes and in time."""

from typing import Final

from highdicom.sr import Comprehensive3DSR, ComprehensiveSR, ContentSequence, EnhancedSR
from pydicom.dataset import Dataset

from sr_templates import headers
from sr_templates.content import report_content
from sr_templates.context import ReportContext
from sr_templates.document import SOP_CLASSES
from sr_templates.findings import StudyFindings

_CLASSES: Final = dict(zip(SOP_CLASSES, (Comprehensive3DSR, ComprehensiveSR, EnhancedSR), strict=True))
#: What highdicom reads from the clock, says of itself, or does not write.
_OURS: Final = (
    "InstanceCreationDate",
    "InstanceCreationTime",
    "CodingSchemeIdentificationSequence",
    "ContributingEquipmentSequence",
)


def plain_report(findings: StudyFindings, context: ReportContext, like: Dataset) -> Dataset:
    """Return the report as highdicom makes it, with the UIDs and the time of `like`."""
    document = _CLASSES[like.SOPClassUID]
    root = report_content(findings, context, has_3d=document is Comprehensive3DSR)
    made: Dataset = document(
        evidence=[_evidence(item) for item in context.evidence],
        content=ContentSequence([root], is_root=True),
        series_instance_uid=like.SeriesInstanceUID,
        series_number=like.SeriesNumber,
        sop_instance_uid=like.SOPInstanceUID,
        instance_number=like.InstanceNumber,
        manufacturer=like.Manufacturer,
        manufacturer_model_name=like.ManufacturerModelName,
        software_versions=like.SoftwareVersions,
        is_complete=True,
        series_description=like.SeriesDescription,
        content_date=like.ContentDate,
        content_time=like.ContentTime,
        specific_character_set=headers.CHARACTER_SET,
    )
    return made


def dressed(plain: Dataset, context: ReportContext, like: Dataset) -> Dataset:
    """Return a plain report with what we lay over it: who the patient is, and who made it."""
    plain.update(headers.identity(context.evidence[0]))
    for keyword in _OURS:
        setattr(plain, keyword, like[keyword].value)
    plain.file_meta = like.file_meta
    return plain


def _evidence(source: Dataset) -> Dataset:
    item = Dataset()
    for keyword in headers.TYPE_2:
        setattr(item, keyword, "")
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(item, keyword, headers.text(source, keyword))
    return item
