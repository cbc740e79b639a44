"""The content tree of a report: TID 1500 Measurement Report (PS3.16)."""

from collections.abc import Iterator

from highdicom.sr import (
    AlgorithmIdentification,
    DeviceObserverIdentifyingAttributes,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
)
from pydicom.sr.codedict import codes as dicom_codes

from sr_templates import codes, headers, identity, uids
from sr_templates.context import ReportContext
from sr_templates.findings import StudyFindings
from sr_templates.library import image_library
from sr_templates.measurements import Imaging, VertebraGroup
from sr_templates.summary import qualitative_evaluations


def report_content(findings: StudyFindings, context: ReportContext) -> MeasurementReport:
    """Return TID 1500: language (TID 1204), device observer (TID 1004), image library, groups, summary."""
    content = MeasurementReport(
        observation_context=ObservationContext(
            observer_device_context=ObserverContext(dicom_codes.DCM.Device, _device(findings, context)),
        ),
        procedure_reported=codes.PROCEDURE,
        imaging_measurements=list(_groups(findings, context)),
    )
    root = content[0].ContentSequence
    if context.images:
        root.insert(len(root) - 1, image_library(context.library.values()))
    root.append(qualitative_evaluations(findings))
    return content


def _groups(findings: StudyFindings, context: ReportContext) -> Iterator[VertebraGroup]:
    imaging, algorithm = _imaging(context), _algorithm(findings, context)
    study_uid = findings.study_instance_uid
    for vertebra in findings.vertebrae:
        if vertebra.measured is not None:
            tracking_uid = uids.tracking_uid(context.uid_root, study_instance_uid=study_uid, level=vertebra.level)
            yield VertebraGroup(
                vertebra, vertebra.measured, imaging=imaging, tracking_uid=tracking_uid, algorithm=algorithm
            )


def _imaging(context: ReportContext) -> Imaging:
    frames = {frame for item in context.evidence if (frame := headers.text(item, "FrameOfReferenceUID"))}
    return Imaging(images=context.library, frame_of_reference_uid=frames.pop() if len(frames) == 1 else None)


def _algorithm(findings: StudyFindings, context: ReportContext) -> AlgorithmIdentification:
    """Return TID 4019 with what a reader needs to know to make the same numbers again."""
    return AlgorithmIdentification(
        name=f"{identity.MODEL} vertebral morphometry",
        version=findings.software,
        parameters=[
            f"landmark protocol: {findings.landmark_protocol}",
            f"configuration: {findings.config_digest}",
            *context.parameters,
        ],
    )


def _device(findings: StudyFindings, context: ReportContext) -> DeviceObserverIdentifyingAttributes:
    return DeviceObserverIdentifyingAttributes(
        uid=uids.device_uid(context.uid_root, software=findings.software),
        name=findings.software,
        manufacturer_name=identity.MANUFACTURER,
        model_name=identity.MODEL,
    )
