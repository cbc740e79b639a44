"""The content tree of a report: TID 1500 Measurement Report (PS3.16)."""

from collections.abc import Iterator

from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    LanguageOfContentItemAndDescendants,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    RelationshipTypeValues,
)

from sr_templates import codes, headers, identity, uids
from sr_templates.change import change_of
from sr_templates.context import ReportContext
from sr_templates.coordinates import Imaging
from sr_templates.findings import LandmarkSource, StudyFindings, VertebraFinding
from sr_templates.library import image_library
from sr_templates.measurements import VertebraGroup
from sr_templates.slices import frame_of_reference
from sr_templates.summary import qualitative_evaluations


def report_content(findings: StudyFindings, context: ReportContext, *, has_3d: bool) -> ContainerContentItem:
    """Return TID 1500: language (TID 1204), observers (TID 1003, 1004), image library, groups, summary.

    `has_3d` says whether the SOP class of the report has SCOORD3D. Put together here, since highdicom has no report
    without a measurement and no row 12. Image library and measurements stand there even empty: stored versions of OHIF
    look into them unasked. Every container is SEPARATE: of continuous text dcmtk shows the values without names.
    """
    root = ContainerContentItem(codes.IMAGING_MEASUREMENT_REPORT, is_content_continuous=False, template_id="1500")
    root.ContentSequence = ContentSequence(
        [
            *LanguageOfContentItemAndDescendants(CodedConcept.from_code(codes.LANGUAGE)),
            *_observers(findings, context),
            CodeContentItem(codes.PROCEDURE_REPORTED, codes.PROCEDURE, RelationshipTypeValues.HAS_CONCEPT_MOD),
            image_library(context.library.values()),
            _measurements(findings, context, has_3d=has_3d),
            qualitative_evaluations(findings),
        ]
    )
    return root


def _observers(findings: StudyFindings, context: ReportContext) -> Iterator[ContentItem]:
    """Give the device, TID 1004, then the reader who reviewed the points, TID 1003; nobody who only supplied them.

    Of several readers the first: PixelMed takes a second person for an error. The algorithm's parameters name them all.
    """
    yield from ObserverContext(CodedConcept.from_code(codes.DEVICE), _device(findings, context))
    if any(vertebra.landmark_source is LandmarkSource.REVIEWED for vertebra in findings.vertebrae):
        for name in findings.observers[:1]:
            # A caret says that a single word is meant to be the family name; highdicom quotes the name otherwise.
            person = PersonObserverIdentifyingAttributes(name if "^" in name else f"{name}^")
            yield from ObserverContext(CodedConcept.from_code(codes.PERSON), person)


def _measurements(findings: StudyFindings, context: ReportContext, *, has_3d: bool) -> ContainerContentItem:
    """Return row 6 with a group for each measured vertebra."""
    container = ContainerContentItem(
        codes.IMAGING_MEASUREMENTS, is_content_continuous=False, relationship_type=RelationshipTypeValues.CONTAINS
    )
    if groups := [item for group in _groups(findings, context, has_3d=has_3d) for item in group]:
        container.ContentSequence = ContentSequence(groups)
    return container


def _groups(findings: StudyFindings, context: ReportContext, *, has_3d: bool) -> Iterator[VertebraGroup]:
    imaging, algorithm = _imaging(context, has_3d=has_3d), _algorithm(findings, context)
    for vertebra in findings.vertebrae:
        if vertebra.measured is not None:
            yield VertebraGroup(
                vertebra,
                vertebra.measured,
                imaging=imaging,
                tracking_uid=_tracking_uid(vertebra, findings, context),
                algorithm=algorithm,
                change=change_of(findings, vertebra.level),
            )


def _tracking_uid(vertebra: VertebraFinding, findings: StudyFindings, context: ReportContext) -> str:
    """Return the UID the vertebra has had since the prior; without one, the one it has in this study."""
    study_uid, level = findings.study_instance_uid, vertebra.level
    given = context.tracking.get(level) or vertebra.tracking_uid
    return given or uids.tracking_uid(context.uid_root, study_instance_uid=study_uid, level=level)


def _imaging(context: ReportContext, *, has_3d: bool) -> Imaging:
    frames = {frame for item in context.evidence if (frame := frame_of_reference(item))}
    shared = frames.pop() if len(frames) == 1 else None
    derived = frozenset(headers.text(image, "SOPInstanceUID") for image in context.derived)
    return Imaging(images=context.library, frame_of_reference_uid=shared, has_3d=has_3d, derived=derived)


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
