"""Every coded concept we write, once, with its template (TID) or context group (CID) of PS3.16. PURE data.

Public codes come first wherever a source confirms them; the rest is our private scheme. Values of the private scheme
are permanent: a published value is never reused or given another meaning.
"""

from collections.abc import Mapping
from typing import Final

from pydicom.sr.coding import Code

from sr_templates.findings import (
    Deformity,
    LandmarkSource,
    ReferenceRule,
    WedgingAssessment,
    WedgingDirection,
)
from sr_templates.levels import LEVELS

#: Private designators start with 99 (PS3.16 8.2).
SCHEME: Final = "99SPONDYL"
SCHEME_NAME: Final = "Spondyl vertebral morphometry"
SCHEME_VERSION: Final = "1"
#: uuid5 of the designator in the namespace of uids.py, as a UUID-derived OID: permanent.
SCHEME_UID: Final = "2.25.161131056810908944495739209846395022558"


def _own(value: str, meaning: str) -> Code:
    return Code(value, SCHEME, meaning)


# Units (UCUM); CID 7181 and CID 7183.
MILLIMETRE: Final = Code("mm", "UCUM", "mm")
DEGREE: Final = Code("deg", "UCUM", "deg")
PERCENT: Final = Code("%", "UCUM", "%")
RATIO: Final = Code("{ratio}", "UCUM", "ratio")

# TID 1500 and what it includes.
LANGUAGE: Final = Code("en-US", "RFC5646", "English (United States)")  # TID 1204, CID 5000
DEVICE: Final = Code("121007", "DCM", "Device")  # CID 270
PERSON: Final = Code("121006", "DCM", "Person")  # CID 270
IMAGING_MEASUREMENTS: Final = Code("126010", "DCM", "Imaging Measurements")  # TID 1500 row 6
PROCEDURE: Final = Code("363679005", "SCT", "Imaging procedure")  # CID 100
PROCEDURE_REPORTED: Final = Code("121058", "DCM", "Procedure reported")  # TID 1500 row 4
IMAGE_LIBRARY: Final = Code("111028", "DCM", "Image Library")  # TID 1600 row 1
IMAGE_LIBRARY_GROUP: Final = Code("126200", "DCM", "Image Library Group")  # TID 1600 row 2
MODALITY: Final = Code("121139", "DCM", "Modality")  # TID 1602 row 1
FRAME_OF_REFERENCE: Final = Code("112227", "DCM", "Frame of Reference UID")  # TID 1602 row 10
SOURCE: Final = Code("260753009", "SCT", "Source")  # TID 1601 row 1
QUALITATIVE_EVALUATIONS: Final = Code("C0034375", "UMLS", "Qualitative Evaluations")  # TID 1500 row 12
COMMENT: Final = Code("121106", "DCM", "Comment")
SUMMARY: Final = Code("121111", "DCM", "Summary")
#: IHE AIR Rev 1.1, 6.5.3.1; a later revision may replace it.
PROCESSING_ALGORITHM: Final = Code("Newcode1", "99IHE", "Processing Algorithm")

# Images and documents that we derive.
IMAGING_MEASUREMENT_REPORT: Final = Code("126000", "DCM", "Imaging Measurement Report")  # CID 7021
SOURCE_IMAGE: Final = Code("121322", "DCM", "Source image for image processing operation")  # CID 7202
MULTIPLANAR: Final = Code("113072", "DCM", "Multiplanar reformatting")  # CID 7203
CURVED_MULTIPLANAR: Final = Code("113073", "DCM", "Curved multiplanar reformatting")  # CID 7203

# TID 2010 Key Object Selection, as a rejection note (IHE RAD TF-2, 4.66).
KEY_OBJECT_DESCRIPTION: Final = Code("113012", "DCM", "Key Object Description")  # row 7
#: CID 7010, by the word with which it is asked for.
REJECTIONS: Final[Mapping[str, Code]] = {
    "quality": Code("113001", "DCM", "Rejected for Quality Reasons"),
    "patient-safety": Code("113037", "DCM", "Rejected for Patient Safety Reasons"),
    "worklist-entry": Code("113038", "DCM", "Incorrect Modality Worklist Entry"),
    "retention": Code("113039", "DCM", "Data Retention Policy Expired"),
}

#: CID 29, by Modality (0008,0060).
MODALITIES: Final[Mapping[str, Code]] = {
    "CT": Code("CT", "DCM", "Computed Tomography"),
    "MR": Code("MR", "DCM", "Magnetic Resonance"),
    "CR": Code("CR", "DCM", "Computed Radiography"),
    "DX": Code("DX", "DCM", "Digital Radiography"),
    "RF": Code("RF", "DCM", "Radiofluoroscopy"),
    "XA": Code("XA", "DCM", "X-Ray Angiography"),
    "RG": Code("RG", "DCM", "Radiographic imaging"),
    "BMD": Code("BMD", "DCM", "Bone Mineral Densitometry"),
}

# TID 1501, TID 300.
MEASUREMENT_GROUP: Final = Code("125007", "DCM", "Measurement Group")
MEASUREMENT_METHOD: Final = Code("370129005", "SCT", "Measurement Method")  # TID 1501 row 5
FINDING: Final = Code("121071", "DCM", "Finding")  # TID 1501 row 3b
FINDING_SITE: Final = Code("363698007", "SCT", "Finding Site")  # TID 1501 row 6
TOPOGRAPHICAL_MODIFIER: Final = Code("106233006", "SCT", "Topographical modifier")  # TID 1501 row 8
TRACKING_IDENTIFIER: Final = Code("112039", "DCM", "Tracking Identifier")  # TID 4108
OUTLINE: Final = Code("111041", "DCM", "Outline")
SOURCE_OF_MEASUREMENT: Final = Code("121112", "DCM", "Source of Measurement")  # CID 7552, TID 1501 row 10b
HEIGHT: Final = Code("121207", "DCM", "Height")  # CID 7470
ANTERIOR: Final = Code("255549009", "SCT", "Anterior")  # CID 2
CENTRAL: Final = Code("26216008", "SCT", "Central")  # CID 2
POSTERIOR: Final = Code("255551008", "SCT", "Posterior")  # CID 2
SIX_POINT: Final = _own("SIX_POINT", "Six-point vertebral morphometry")

# Points, where the SOP class of the report has no outline in the patient (TID 1501 row 10c).
POINTS: Final[Mapping[str, Code]] = {
    "AS": _own("POINT_AS", "Anterior superior landmark"),
    "MS": _own("POINT_MS", "Middle superior landmark"),
    "PS": _own("POINT_PS", "Posterior superior landmark"),
    "AI": _own("POINT_AI", "Anterior inferior landmark"),
    "MI": _own("POINT_MI", "Middle inferior landmark"),
    "PI": _own("POINT_PI", "Posterior inferior landmark"),
}
PROJECTION: Final = _own("PROJECTION", "Centre of the landmarks, projected onto the nearest image")

# Measurements.
HEIGHT_ANTERIOR: Final = _own("HEIGHT_ANTERIOR", "Anterior vertebral body height")
HEIGHT_MIDDLE: Final = _own("HEIGHT_MIDDLE", "Middle vertebral body height")
HEIGHT_POSTERIOR: Final = _own("HEIGHT_POSTERIOR", "Posterior vertebral body height")
EXPECTED_ANTERIOR: Final = _own("EXPECTED_ANT", "Expected anterior vertebral body height")
EXPECTED_MIDDLE: Final = _own("EXPECTED_MID", "Expected middle vertebral body height")
EXPECTED_POSTERIOR: Final = _own("EXPECTED_POST", "Expected posterior vertebral body height")
LOSS: Final = _own("LOSS", "Greatest vertebral body height loss")
LOSS_ANTERIOR: Final = _own("LOSS_ANTERIOR", "Anterior vertebral body height loss")
LOSS_MIDDLE: Final = _own("LOSS_MIDDLE", "Middle vertebral body height loss")
LOSS_POSTERIOR: Final = _own("LOSS_POSTERIOR", "Posterior vertebral body height loss")
LOSS_SD: Final = _own("LOSS_SD", "Standard deviation of height loss, percentage points")
WEDGING: Final = _own("WEDGING", "Wedging percentage, positive for posterior wedging")
WEDGE_ANGLE: Final = _own("WEDGE_ANGLE", "Endplate wedge angle, positive for posterior wedging")
WEDGE_ANGLE_SD: Final = _own("WEDGE_ANGLE_SD", "Standard deviation of endplate wedge angle")
SAMPLING: Final = _own("SAMPLING_AXIAL", "Sampling distance along the vertebral axis")
RATIO_WEDGE: Final = _own("RATIO_WEDGE", "Wedge ratio, anterior to posterior height")
RATIO_BICONCAVITY: Final = _own("RATIO_BICONCAVE", "Biconcavity ratio, middle to posterior height")
RATIO_CRUSH_ABOVE: Final = _own("RATIO_CRUSH_UP", "Crush ratio, posterior height to that of vertebra above")
RATIO_CRUSH_BELOW: Final = _own("RATIO_CRUSH_LOW", "Crush ratio, posterior height to that of vertebra below")
CERTAINTY: Final = _own("GRADE_CERTAINTY", "Probability of the reported grade")
PROBABILITIES: Final = tuple(_own(f"GRADE_{grade}_PROB", f"Probability of grade {grade}") for grade in range(4))

# Questions and answers. ACR/RSNA RDES150 has a Genant element, but its element and value ids could not be confirmed:
# GENANT_GRADE and GRADES are to be mapped to it once they are.
GENANT_GRADE: Final = _own("GENANT_GRADE", "Genant-type grade of height-loss deformity")
GRADES: Final = (
    _own("GRADE_0", "Grade 0: no height loss of 20 % or more measured"),
    _own("GRADE_1", "Grade 1: height loss of 20 % to less than 25 %"),
    _own("GRADE_2", "Grade 2: height loss from 25 % to the severe border of 40 %"),
    _own("GRADE_3", "Grade 3: height loss beyond the severe border of 40 %"),
)
NOT_GRADABLE: Final = _own("NOT_GRADABLE", "Not gradable")
SEVERITY: Final = Code("246112005", "SCT", "Severity")
#: CID 3716, mirrors grades 0 to 3.
SEVERITIES: Final = (
    Code("260413007", "SCT", "None"),
    Code("255604002", "SCT", "Mild"),
    Code("6736007", "SCT", "Moderate"),
    Code("24484000", "SCT", "Severe"),
)
BORDERLINE_GRADE: Final = _own("BORDERLINE", "Grade is borderline")
YES: Final = Code("373066001", "SCT", "Yes")  # CID 230
NO: Final = Code("373067005", "SCT", "No")  # CID 230
DEFORMITY: Final = _own("DEFORMITY", "Type of height-loss deformity")
DEFORMITIES: Final[Mapping[Deformity, Code]] = {
    Deformity.NONE: _own("DEFORM_NONE", "No height-loss deformity measured"),
    Deformity.ANTERIOR_WEDGE: _own("DEFORM_ANT", "Anterior wedge deformity"),
    Deformity.POSTERIOR_WEDGE: _own("DEFORM_POST", "Posterior wedge deformity"),
    Deformity.BICONCAVE: _own("DEFORM_BICONCAVE", "Biconcave deformity"),
    Deformity.CRUSH: _own("DEFORM_CRUSH", "Crush deformity"),
}
DIRECTION: Final = _own("WEDGING_DIR", "Wedging direction")
DIRECTIONS: Final[Mapping[WedgingDirection, Code]] = {
    WedgingDirection.NONE: _own("WEDGING_NONE", "No wedging"),
    WedgingDirection.ANTERIOR: _own("WEDGING_ANT", "Anterior wedging"),
    WedgingDirection.POSTERIOR: _own("WEDGING_POST", "Posterior wedging"),
}
ASSESSMENT: Final = _own("WEDGING_LIMITS", "Wedging against limits")
#: CID 4254, save for the last.
ASSESSMENTS: Final[Mapping[WedgingAssessment, Code]] = {
    WedgingAssessment.WITHIN_LIMITS: Code("125112009", "SCT", "Within normal limits"),
    WedgingAssessment.BORDERLINE: Code("111848", "DCM", "Borderline"),
    WedgingAssessment.OUTSIDE_LIMITS: Code("111847", "DCM", "Outside normal limits"),
    WedgingAssessment.NO_LIMIT_FOR_LEVEL: _own("NO_LIMIT", "No limit is set for this level"),
}
REFERENCE: Final = _own("REFERENCE", "Rule for the expected heights")
REFERENCES: Final[Mapping[ReferenceRule, Code]] = {
    ReferenceRule.FIT: _own("REF_FIT", "Linear fit over vertebrae within three levels"),
    ReferenceRule.ADJACENT_2: _own("REF_ADJACENT_2", "Mean of both adjacent vertebrae"),
    ReferenceRule.ADJACENT_1: _own("REF_ADJACENT_1", "One adjacent vertebra"),
    ReferenceRule.WITHIN_VERTEBRA: _own("REF_WITHIN", "Same vertebra; crush not assessable"),
}
REFERENCE_LEVEL: Final = _own("REF_LEVEL", "Vertebra used for the expected heights")
LANDMARKS: Final = _own("LANDMARKS", "Source of the landmarks")
LANDMARK_SOURCES: Final[Mapping[LandmarkSource, Code]] = {
    LandmarkSource.REVIEWED: _own("LM_REVIEWED", "Points reviewed by a reader"),
    LandmarkSource.SUPPLIED_SR: _own("LM_SR", "Points supplied as DICOM SR, review not stated"),
    LandmarkSource.SUPPLIED_GSPS: _own("LM_GSPS", "Points supplied as DICOM GSPS, review not stated"),
    LandmarkSource.SUPPLIED_FIDUCIALS: _own("LM_FIDUCIALS", "Points supplied as DICOM fiducials, review not stated"),
    LandmarkSource.SUPPLIED_JSON: _own("LM_JSON", "Points supplied as a document, review not stated"),
    LandmarkSource.SEGMENTATION: _own("LM_SEGMENTATION", "Automatic from a segmentation, unreviewed"),
    LandmarkSource.MODEL: _own("LM_MODEL", "Automatic from an image model, unreviewed"),
}
FLAG: Final = _own("FLAG", "Measurement flag")

# Beside a prior study (docs/morphometry 6.1): now minus then.
CHANGE_HEIGHTS_MM: Final = (
    _own("CHANGE_ANT_MM", "Anterior height, change since prior study, mm"),
    _own("CHANGE_MID_MM", "Middle height, change since prior study, mm"),
    _own("CHANGE_POST_MM", "Posterior height, change since prior study, mm"),
)
CHANGE_HEIGHTS_PERCENT: Final = (
    _own("CHANGE_ANT_PCT", "Anterior height, change since prior study, percent"),
    _own("CHANGE_MID_PCT", "Middle height, change since prior study, percent"),
    _own("CHANGE_POST_PCT", "Posterior height, change since prior study, percent"),
)
LEAST_HEIGHTS: Final = (
    _own("LSC_ANT_MM", "Anterior height, least significant change, mm"),
    _own("LSC_MID_MM", "Middle height, least significant change, mm"),
    _own("LSC_POST_MM", "Posterior height, least significant change, mm"),
)
CHANGE_LOSSES: Final = (
    _own("CHANGE_LOSS_ANT", "Anterior height loss, change since prior study, points"),
    _own("CHANGE_LOSS_MID", "Middle height loss, change since prior study, points"),
    _own("CHANGE_LOSS_POST", "Posterior height loss, change since prior study, points"),
)
LEAST_LOSSES: Final = (
    _own("LSC_LOSS_ANT", "Anterior height loss, least significant change, points"),
    _own("LSC_LOSS_MID", "Middle height loss, least significant change, points"),
    _own("LSC_LOSS_POST", "Posterior height loss, least significant change, points"),
)
PRIOR_GRADE: Final = _own("GENANT_PRIOR", "Genant-type grade in the prior study")
CHANGE_REACHED: Final = _own("CHANGE_REACHED", "A change reaches the least significant change")
CHANGE_RULE: Final = _own("CHANGE_RULE", "A height is lower by at least 20 % and at least 4 mm")
COMPARISON: Final = _own("COMPARISON", "Comparison with a prior study")

# Report level.
NOT_ANALYSABLE: Final = _own("NOT_ANALYSABLE", "Reason why the study is not analysable")
MAX_GRADE: Final = _own("MAX_GRADE", "Highest Genant-type grade in this study")
GRADED_COUNT: Final = _own("GRADED_COUNT", "Number of graded vertebrae")
SDI: Final = _own("SDI", "Spinal deformity index, sum of grades T4 to L4")
NOT_EVALUABLE: Final = _own("NOT_EVALUABLE", "Level that could not be evaluated")
DEFORMED_COUNT: Final = _own("DEFORMED_COUNT", "Number of vertebrae with grade 1, 2 or 3")
PATTERN: Final = _own("PATTERN", "Pattern of adjacent vertebrae")
KYPHOSIS: Final = _own("KYPHOSIS", "Segmental kyphosis")
LISTHESIS: Final = _own("LISTHESIS", "Listhesis")

#: No SNOMED CT code is known for these vertebrae.
_OWN_VERTEBRAE: Final[Mapping[str, Code]] = {
    "T13": _own("VERTEBRA_T13", "T13 vertebra"),
    "L6": _own("VERTEBRA_L6", "L6 vertebra"),
}


def vertebra(level: str) -> Code:
    """Return the code of a vertebra by its level: SNOMED CT (CID 7603; S1 outside it), private for T13 and L6."""
    sct = LEVELS[level].vertebra
    return Code(sct, "SCT", f"{level} vertebra") if sct else _OWN_VERTEBRAE[level]


def level_of(scheme: str, value: str) -> str | None:
    """Return the level that one of our private vertebra codes names; None for any other code."""
    return next((name for name, code in _OWN_VERTEBRAE.items() if (code[1], code[0]) == (scheme, value)), None)
