"""Findings as a DICOM Structured Report: TID 1500 in one of three SOP classes, byte for byte reproducible.

The report is UNVERIFIED and PRELIMINARY, lies in the study it measures, and refers to what it rests on. highdicom makes
the templates; the document around them is put together here, since highdicom's own SR classes copy and parse the
finished tree once more, which takes longer than making it (benchmarks/report.py), and read 22 MB of tables in each
process to learn that a report has a Content Date.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage
from pydicom.valuerep import DA, TM

from sr_templates import codes, headers, identity
from sr_templates.content import report_content
from sr_templates.context import Predecessor, ReportContext
from sr_templates.encoding import to_bytes
from sr_templates.envelope import add_equipment, add_file_meta, scheme_of_ihe
from sr_templates.evidence import Instance, hierarchical, instance_of
from sr_templates.findings import StudyFindings
from sr_templates.objects import ObjectKind
from sr_templates.seal import seal

__all__ = ["SOP_CLASSES", "Predecessor", "ReportContext", "build_report", "build_reports", "to_bytes"]

#: What a report can be, from the class that says most of where it measured to the one that most nodes take.
SOP_CLASSES: Final[tuple[str, ...]] = (Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage)
_KIND: Final = ObjectKind.SR


def build_report(findings: StudyFindings, context: ReportContext, sop_class_uid: str) -> Dataset:
    """Return the report on `findings` in one of SOP_CLASSES; a study without numbers is reported with its reason.

    Raises ValueError where there are neither numbers nor a reason, a level appears twice, the evidence is missing or of
    another study, or points refer to an image or a frame of reference that the evidence does not have.
    """
    return next(build_reports(findings, context, {sop_class_uid: context.predecessors}))


def build_reports(
    findings: StudyFindings, context: ReportContext, predecessors: Mapping[str, Sequence[Predecessor]]
) -> Iterator[Dataset]:
    """Yield the report in several of SOP_CLASSES, each with its own `predecessors`; see `build_report`.

    Classes that say alike where it was measured share a content tree: none may be changed, the next may have the same.
    """
    trees: dict[bool, Dataset] = {}
    for sop_class_uid, earlier in predecessors.items():
        _check(findings, context, sop_class_uid)
        has_3d = sop_class_uid == Comprehensive3DSRStorage
        tree = trees.get(has_3d) or report_content(findings, context, has_3d=has_3d)
        trees[has_3d] = tree
        report = _common_modules(findings, context, sop_class_uid)
        _add_document_modules(report, findings, replace(context, predecessors=tuple(earlier)))
        report.update(tree)
        yield seal(report, _KIND, uid_root=context.uid_root)


def _check(findings: StudyFindings, context: ReportContext, sop_class_uid: str) -> None:
    if sop_class_uid not in SOP_CLASSES:
        raise ValueError(f"expected one of the SOP classes {', '.join(SOP_CLASSES)}, found {sop_class_uid}")
    levels = [vertebra.level for vertebra in findings.vertebrae if vertebra.measured is not None]
    if len(set(levels)) < len(levels) or not (levels or findings.reason):
        raise ValueError(f"expected a reason, or measured vertebrae, each level once, found {levels or 'none'}")
    studies = {headers.text(item, "StudyInstanceUID") for item in context.evidence}
    if studies != {findings.study_instance_uid}:
        raise ValueError("expected the headers of objects of the measured study as evidence, found others or none")


def _common_modules(findings: StudyFindings, context: ReportContext, sop_class_uid: str) -> Dataset:
    """Return patient, study, series, equipment, SOP common and file meta; Series and SOP Instance UID come last."""
    source = headers.identity(context.evidence[0])
    report = Dataset()
    report.SpecificCharacterSet = headers.CHARACTER_SET
    report.update(source)
    report.SOPClassUID, report.StudyInstanceUID = sop_class_uid, findings.study_instance_uid
    report.Modality, report.InstanceNumber = "SR", context.revision
    report.SeriesNumber, report.SeriesDescription = context.series_numbers[_KIND], context.series_descriptions[_KIND]
    moment = headers.local(context.started_at, source)
    report.ContentDate = report.InstanceCreationDate = DA(moment.date())
    report.ContentTime = report.InstanceCreationTime = TM(moment.time())
    software = findings.software
    add_equipment(report, software, uid_root=context.uid_root, institution_name=context.institution_name)
    report.CodingSchemeIdentificationSequence = [_own_scheme(), scheme_of_ihe()]
    add_file_meta(report, software)
    return report


def _add_document_modules(report: Dataset, findings: StudyFindings, context: ReportContext) -> None:
    """Add SR Document General (PS3.3 C.17.2) and SR Document Series (C.17.1), their type 2 sequences empty."""
    report.CompletionFlag, report.PreliminaryFlag, report.VerificationFlag = "COMPLETE", "PRELIMINARY", "UNVERIFIED"
    report.PerformedProcedureCodeSequence = []
    report.ReferencedPerformedProcedureStepSequence = []
    report.CurrentRequestedProcedureEvidenceSequence = hierarchical(map(instance_of, context.evidence))
    if others := hierarchical(_prior_report(findings)):
        report.PertinentOtherEvidenceSequence = others
    if predecessors := hierarchical(_predecessors(findings, context)):
        report.PredecessorDocumentsSequence = predecessors


def _predecessors(findings: StudyFindings, context: ReportContext) -> Iterator[Instance]:
    for earlier in context.predecessors:
        yield Instance(
            study_instance_uid=findings.study_instance_uid,
            series_instance_uid=earlier.series_instance_uid,
            sop_class_uid=earlier.sop_class_uid,
            sop_instance_uid=earlier.sop_instance_uid,
        )


def _prior_report(findings: StudyFindings) -> Iterator[Instance]:
    """Give the report on the earlier study that this one is compared with (PS3.3 C.17.2.3), where it is known."""
    prior = None if findings.comparison is None else findings.comparison.prior
    if prior is not None and prior.report is not None:
        yield Instance(
            study_instance_uid=prior.study_instance_uid,
            series_instance_uid=prior.report.series_instance_uid,
            sop_class_uid=prior.report.sop_class_uid,
            sop_instance_uid=prior.report.sop_instance_uid,
        )


def _own_scheme() -> Dataset:
    scheme = Dataset()
    scheme.CodingSchemeDesignator = codes.SCHEME
    scheme.CodingSchemeUID = codes.SCHEME_UID
    scheme.CodingSchemeName = codes.SCHEME_NAME
    scheme.CodingSchemeVersion = codes.SCHEME_VERSION
    scheme.CodingSchemeResponsibleOrganization = identity.MANUFACTURER
    return scheme
