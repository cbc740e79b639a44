"""What the objects that we write hold, module by module, and where each value comes from (PS3.2 A.8.1).

tests/contract/test_conformance_objects.py compares this with objects that the node makes.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from service import sop_classes
from service.ledger.rows import REJECTION
from sr_templates.objects import ObjectKind
from workers.conformance.modules import Module, Written
from workers.conformance.modules import module as _module

_PATIENT: Final = _module(
    "Patient",
    "C.7.1.1",
    """
PatientName VNAP COPY
PatientID VNAP COPY
IssuerOfPatientID ANAP COPY
IssuerOfPatientIDQualifiersSequence ANAP COPY
PatientBirthDate VNAP COPY
PatientSex VNAP COPY
OtherPatientNames ANAP COPY
EthnicGroup ANAP COPY
PatientIdentityRemoved ANAP COPY
DeidentificationMethod ANAP COPY
DeidentificationMethodCodeSequence ANAP COPY
""",
)
_TRIAL: Final = _module(
    "Clinical Trial Subject",
    "C.7.1.3",
    """
ClinicalTrialSponsorName ANAP COPY
ClinicalTrialProtocolID ANAP COPY
ClinicalTrialProtocolName ANAP COPY
ClinicalTrialSiteID ANAP COPY
ClinicalTrialSiteName ANAP COPY
ClinicalTrialSubjectID ANAP COPY
""",
)
_STUDY: Final = _module(
    "General Study",
    "C.7.2.1",
    """
StudyInstanceUID ALWAYS COPY
StudyDate VNAP COPY
StudyTime VNAP COPY
ReferringPhysicianName VNAP COPY
StudyID VNAP COPY
AccessionNumber VNAP COPY
IssuerOfAccessionNumberSequence ANAP COPY
StudyDescription ANAP COPY
""",
)
_PATIENT_STUDY: Final = _module(
    "Patient Study",
    "C.7.2.2",
    """
PatientAge ANAP COPY
PatientSize ANAP COPY
PatientWeight ANAP COPY
""",
)
_EQUIPMENT: Final = _module(
    "General Equipment",
    "C.7.5.1",
    """
Manufacturer ALWAYS FIXED Spondyl
ManufacturerModelName ALWAYS FIXED Spondyl
SoftwareVersions ALWAYS AUTO
InstitutionName ANAP CONFIG [report] institution_name
""",
)
_SOP_COMMON: Final = _module(
    "SOP Common",
    "C.12.1",
    """
SpecificCharacterSet ALWAYS FIXED ISO_IR 192
SOPClassUID ALWAYS AUTO
SOPInstanceUID ALWAYS AUTO follows from all other bytes; root: [report] uid_root
InstanceCreationDate ALWAYS AUTO start of the analysis
InstanceCreationTime ALWAYS AUTO
InstanceNumber ALWAYS AUTO revision of a report, number of a note; else 100 (revision - 1) + its number
TimezoneOffsetFromUTC ANAP COPY
ContributingEquipmentSequence ALWAYS AUTO the algorithm: (Newcode1, 99IHE)
CodingSchemeIdentificationSequence ALWAYS FIXED 99IHE; of a report 99SPONDYL, too
""",
)
_SERIES_LINES: Final = """
SeriesInstanceUID ALWAYS AUTO follows from study, kind and what a series shares
SeriesNumber ALWAYS CONFIG [report] {kind}_series_number
SeriesDescription ALWAYS CONFIG [report] {kind}_series_description
"""
_SPINE: Final = "BodyPartExamined ALWAYS FIXED SPINE\n"


def _series(
    kind: str, modality: str, more: str = "", *, name: str = "General Series", section: str = "C.7.3.1"
) -> Module:
    return _module(name, section, f"Modality ALWAYS FIXED {modality}{_SERIES_LINES.format(kind=kind)}{more}")


_REPORT_GENERAL: Final = _module(
    "SR Document General",
    "C.17.2",
    """
ContentDate ALWAYS AUTO start of the analysis
ContentTime ALWAYS AUTO
CompletionFlag ALWAYS FIXED COMPLETE
VerificationFlag ALWAYS FIXED UNVERIFIED
PreliminaryFlag ALWAYS FIXED PRELIMINARY
PerformedProcedureCodeSequence ALWAYS FIXED empty
ReferencedRequestSequence ANAP COPY
CurrentRequestedProcedureEvidenceSequence ALWAYS AUTO slices nearest to the points, source of the points
PertinentOtherEvidenceSequence ANAP AUTO our report on the prior study
PredecessorDocumentsSequence ANAP AUTO the reports that this one replaces
""",
)
_REPORT_CONTENT: Final = _module(
    "SR Document Content",
    "C.17.3",
    """
ValueType ALWAYS FIXED CONTAINER
ConceptNameCodeSequence ALWAYS FIXED (126000, DCM, "Imaging Measurement Report")
ContinuityOfContent ALWAYS FIXED SEPARATE
ContentTemplateSequence ALWAYS FIXED TID 1500 of DCMR
ContentSequence ALWAYS AUTO TID 1500: section 8.2
""",
)
_DERIVED: Final = """
DerivationDescription ALWAYS AUTO
DerivationCodeSequence ANAP AUTO CID 7203
SourceImageSequence ANAP AUTO images whose pixels went into it
LossyImageCompression ANAP COPY 01 where a source says so
BurnedInAnnotation ANAP AUTO YES or NO as the sources say
"""
#: What every object of ours has.
COMMON: Final = (_PATIENT, _TRIAL, _STUDY, _PATIENT_STUDY, _EQUIPMENT, _SOP_COMMON)
_MOMENT: Final = "ContentDate ALWAYS AUTO start of the analysis\nContentTime ALWAYS AUTO\n"

_PRESENTATION: Final = (
    _module(
        "Presentation State, Relationship",
        "C.11.10, C.11.11",
        """
PresentationCreationDate ALWAYS AUTO start of the analysis
PresentationCreationTime ALWAYS AUTO
ContentLabel ALWAYS FIXED MORPHOMETRY
ContentDescription ALWAYS AUTO unverified; how many of the measured vertebrae it shows
ContentCreatorName ALWAYS FIXED empty: nobody has drawn or seen it
ReferencedSeriesSequence ALWAYS AUTO
""",
    ),
    _module(
        "Displayed Area, Graphics",
        "C.10.4, C.10.5, C.10.7",
        """
DisplayedAreaSelectionSequence ALWAYS AUTO the whole image
GraphicAnnotationSequence ALWAYS AUTO outline, three heights, text of level and grade; PIXEL units
GraphicLayerSequence ALWAYS AUTO one layer, MORPHOMETRY
""",
    ),
    _module(
        "Modality LUT, Softcopy VOI LUT, Softcopy Presentation LUT",
        "C.11.1, C.11.8, C.11.6",
        """
RescaleIntercept ANAP COPY
RescaleSlope ANAP COPY
RescaleType ANAP COPY
ModalityLUTSequence ANAP COPY
SoftcopyVOILUTSequence ANAP COPY first window or VOI LUT; of a CT that states none 400 +- 900 HU
PresentationLUTShape ALWAYS AUTO INVERSE of MONOCHROME1, else IDENTITY
""",
    ),
)
_CAPTURE: Final = (
    _module("SC Equipment", "C.8.6.1", "ConversionType ALWAYS FIXED WSD"),
    _module(
        "General Image, SC Image",
        "C.7.6.1, C.8.6.2",
        f"ImageType ALWAYS AUTO\nPatientOrientation ALWAYS FIXED empty\n{_MOMENT}{_DERIVED}",
    ),
    _module(
        "Image Pixel",
        "C.7.6.3",
        """
SamplesPerPixel ALWAYS FIXED 3
PhotometricInterpretation ALWAYS FIXED RGB
PlanarConfiguration ALWAYS FIXED 0
Rows ALWAYS AUTO
Columns ALWAYS AUTO
BitsAllocated ALWAYS FIXED 8
BitsStored ALWAYS FIXED 8
HighBit ALWAYS FIXED 7
PixelRepresentation ALWAYS FIXED 0
PixelData ALWAYS AUTO not compressed
""",
    ),
)
_DOCUMENT: Final = (
    _module("SC Equipment", "C.8.6.1", "ConversionType ALWAYS FIXED WSD"),
    _module(
        "Encapsulated Document",
        "C.24.2",
        f"""{_MOMENT}
AcquisitionDateTime ALWAYS FIXED empty
BurnedInAnnotation ALWAYS AUTO
SourceInstanceSequence ANAP AUTO images whose pixels went into it
DocumentTitle ALWAYS CONFIG [report] pdf_series_description
ConceptNameCodeSequence ALWAYS FIXED (126000, DCM, "Imaging Measurement Report")
MIMETypeOfEncapsulatedDocument ALWAYS FIXED application/pdf
EncapsulatedDocument ALWAYS AUTO
EncapsulatedDocumentLength ALWAYS AUTO
""",
    ),
)
_SECTION: Final = (
    _module(
        "Frame of Reference",
        "C.7.4.1",
        "FrameOfReferenceUID ALWAYS COPY\nPositionReferenceIndicator ALWAYS FIXED empty",
    ),
    _module(
        "General Image",
        "C.7.6.1",
        f"ImageType ALWAYS AUTO\n{_MOMENT}AcquisitionNumber ALWAYS FIXED empty\nPatientPosition VNAP COPY{_DERIVED}",
    ),
    _module(
        "Image Plane",
        "C.7.6.2",
        """
PixelSpacing ALWAYS AUTO 0.5 to 1 mm
ImageOrientationPatient ALWAYS AUTO
ImagePositionPatient ALWAYS AUTO
SliceThickness ALWAYS AUTO the slab that was averaged
""",
    ),
    _module(
        "Image Pixel, VOI LUT",
        "C.7.6.3, C.11.2",
        """
SamplesPerPixel ALWAYS FIXED 1
PhotometricInterpretation ALWAYS FIXED MONOCHROME2
Rows ALWAYS AUTO
Columns ALWAYS AUTO
BitsAllocated ALWAYS FIXED 16
BitsStored ALWAYS AUTO 16 of CT, 12 of MR
HighBit ALWAYS AUTO
PixelRepresentation ALWAYS AUTO 1 of CT, 0 of MR
PixelPaddingValue ANAP FIXED -2000, where no slice was; of CT alone
WindowCenter ALWAYS AUTO
WindowWidth ALWAYS AUTO
PixelData ALWAYS AUTO not compressed
""",
    ),
    _module(
        "CT Image",
        "C.8.2.1",
        "RescaleIntercept ANAP AUTO\nRescaleSlope ANAP AUTO\nRescaleType ANAP AUTO\nKVP ANAP FIXED empty; of CT alone",
    ),
    _module(
        "MR Image",
        "C.8.3.1",
        """
ScanningSequence ANAP COPY of MR alone, as all of this module
SequenceVariant ANAP COPY
ScanOptions ANAP COPY
MRAcquisitionType ANAP COPY
EchoTime ANAP COPY
EchoTrainLength ANAP COPY
RepetitionTime ANAP COPY
InversionTime ANAP COPY of inversion recovery alone
""",
    ),
)


def _named(classes: tuple[str, ...]) -> Mapping[str, str]:
    return MappingProxyType({uid: sop_classes.NAMES[uid] for uid in classes})


def _written(kind: ObjectKind, title: str, *modules: Module) -> Written:
    uids = tuple(sop_classes.REPORTS.values()) if kind is ObjectKind.SR else sop_classes.WRITTEN[kind]
    return Written(kind=kind.value, title=title, sop_classes=_named(uids), modules=modules)


#: The note that takes objects back, which no measuring makes.
NOTE: Final = Written(
    kind=REJECTION,
    title="Rejection note",
    sop_classes=_named((sop_classes.REJECTION_NOTE,)),
    modules=(
        _module(
            "Key Object Document Series",
            "C.17.6.1",
            """
Modality ALWAYS FIXED KO
SeriesInstanceUID ALWAYS AUTO follows from study, kind and what a series shares
SeriesNumber ALWAYS FIXED 9010
SeriesDescription ALWAYS FIXED Rejection note
ReferencedPerformedProcedureStepSequence ALWAYS FIXED empty
""",
        ),
        _module(
            "Key Object Document",
            "C.17.6.2",
            """
ContentDate ALWAYS AUTO when it was asked for
ContentTime ALWAYS AUTO
ReferencedRequestSequence ANAP COPY
CurrentRequestedProcedureEvidenceSequence ALWAYS AUTO the objects that are rejected
""",
        ),
        _module(
            "SR Document Content",
            "C.17.3",
            """
ValueType ALWAYS FIXED CONTAINER
ConceptNameCodeSequence ALWAYS AUTO 113001, 113037, 113038 or 113039 of DCM (CID 7010)
ContinuityOfContent ALWAYS FIXED SEPARATE
ContentTemplateSequence ALWAYS FIXED TID 2010 of DCMR
ContentSequence ALWAYS AUTO TID 2010: observer, why, what is rejected
""",
        ),
    ),
)
#: Every kind of object that we write.
WRITTEN: Final = (
    _written(
        ObjectKind.SR,
        "Structured report",
        _series(
            "sr",
            "SR",
            "ReferencedPerformedProcedureStepSequence ALWAYS FIXED empty",
            name="SR Document Series",
            section="C.17.1",
        ),
        _REPORT_GENERAL,
        _REPORT_CONTENT,
    ),
    _written(
        ObjectKind.PRESENTATION,
        "Presentation state",
        _series("gsps", "PR", _SPINE),
        *_PRESENTATION,
    ),
    _written(ObjectKind.SUMMARY, "Summary page", _series("summary", "OT", _SPINE), *_CAPTURE),
    _written(ObjectKind.PDF, "Page as PDF", _series("pdf", "DOC"), *_DOCUMENT),
    _written(
        ObjectKind.SAGITTAL, "Sagittal section", _series("sagittal", "CT or MR, as its slices", _SPINE), *_SECTION
    ),
    NOTE,
)
