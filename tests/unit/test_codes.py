import pytest
from pydicom.sr.codedict import codes as dicom
from pydicom.sr.coding import Code

from sr_templates import codes
from sr_templates.findings import (
    Deformity,
    LandmarkSource,
    ReferenceRule,
    WedgingAssessment,
    WedgingDirection,
)
from sr_templates.levels import LEVELS

#: What was published with scheme version 1: a value is never taken out or given another meaning.
PUBLISHED = {
    "BORDERLINE": "Grade is borderline",
    "CHANGE_ANT_MM": "Anterior height, change since prior study, mm",
    "CHANGE_ANT_PCT": "Anterior height, change since prior study, percent",
    "CHANGE_LOSS_ANT": "Anterior height loss, change since prior study, points",
    "CHANGE_LOSS_MID": "Middle height loss, change since prior study, points",
    "CHANGE_LOSS_POST": "Posterior height loss, change since prior study, points",
    "CHANGE_MID_MM": "Middle height, change since prior study, mm",
    "CHANGE_MID_PCT": "Middle height, change since prior study, percent",
    "CHANGE_POST_MM": "Posterior height, change since prior study, mm",
    "CHANGE_POST_PCT": "Posterior height, change since prior study, percent",
    "CHANGE_REACHED": "A change reaches the least significant change",
    "CHANGE_RULE": "A height is lower by at least 20 % and at least 4 mm",
    "COMPARISON": "Comparison with a prior study",
    "DEFORMED_COUNT": "Number of vertebrae with grade 1, 2 or 3",
    "DEFORMITY": "Type of height-loss deformity",
    "DEFORM_ANT": "Anterior wedge deformity",
    "DEFORM_BICONCAVE": "Biconcave deformity",
    "DEFORM_CRUSH": "Crush deformity",
    "DEFORM_NONE": "No height-loss deformity measured",
    "DEFORM_POST": "Posterior wedge deformity",
    "EXPECTED_ANT": "Expected anterior vertebral body height",
    "EXPECTED_MID": "Expected middle vertebral body height",
    "EXPECTED_POST": "Expected posterior vertebral body height",
    "FLAG": "Measurement flag",
    "GENANT_GRADE": "Genant-type grade of height-loss deformity",
    "GENANT_PRIOR": "Genant-type grade in the prior study",
    "GRADED_COUNT": "Number of graded vertebrae",
    "GRADE_0": "Grade 0: no height loss of 20 % or more measured",
    "GRADE_0_PROB": "Probability of grade 0",
    "GRADE_1": "Grade 1: height loss of 20 % to less than 25 %",
    "GRADE_1_PROB": "Probability of grade 1",
    "GRADE_2": "Grade 2: height loss from 25 % to the severe border of 40 %",
    "GRADE_2_PROB": "Probability of grade 2",
    "GRADE_3": "Grade 3: height loss beyond the severe border of 40 %",
    "GRADE_3_PROB": "Probability of grade 3",
    "GRADE_CERTAINTY": "Probability of the reported grade",
    "HEIGHT_ANTERIOR": "Anterior vertebral body height",
    "HEIGHT_MIDDLE": "Middle vertebral body height",
    "HEIGHT_POSTERIOR": "Posterior vertebral body height",
    "KYPHOSIS": "Segmental kyphosis",
    "LANDMARKS": "Source of the landmarks",
    "LISTHESIS": "Listhesis",
    "LM_FIDUCIALS": "Points supplied as DICOM fiducials, review not stated",
    "LM_GSPS": "Points supplied as DICOM GSPS, review not stated",
    "LM_JSON": "Points supplied as a document, review not stated",
    "LM_MODEL": "Automatic from an image model, unreviewed",
    "LM_REVIEWED": "Points reviewed by a reader",
    "LM_SEGMENTATION": "Automatic from a segmentation, unreviewed",
    "LM_SR": "Points supplied as DICOM SR, review not stated",
    "LOSS": "Greatest vertebral body height loss",
    "LOSS_ANTERIOR": "Anterior vertebral body height loss",
    "LOSS_MIDDLE": "Middle vertebral body height loss",
    "LOSS_POSTERIOR": "Posterior vertebral body height loss",
    "LOSS_SD": "Standard deviation of height loss, percentage points",
    "LSC_ANT_MM": "Anterior height, least significant change, mm",
    "LSC_LOSS_ANT": "Anterior height loss, least significant change, points",
    "LSC_LOSS_MID": "Middle height loss, least significant change, points",
    "LSC_LOSS_POST": "Posterior height loss, least significant change, points",
    "LSC_MID_MM": "Middle height, least significant change, mm",
    "LSC_POST_MM": "Posterior height, least significant change, mm",
    "MAX_GRADE": "Highest Genant-type grade in this study",
    "NOT_ANALYSABLE": "Reason why the study is not analysable",
    "NOT_EVALUABLE": "Level that could not be evaluated",
    "NOT_GRADABLE": "Not gradable",
    "NO_LIMIT": "No limit is set for this level",
    "PATTERN": "Pattern of adjacent vertebrae",
    "POINT_AI": "Anterior inferior landmark",
    "POINT_AS": "Anterior superior landmark",
    "POINT_MI": "Middle inferior landmark",
    "POINT_MS": "Middle superior landmark",
    "POINT_PI": "Posterior inferior landmark",
    "POINT_PS": "Posterior superior landmark",
    "PROJECTION": "Centre of the landmarks, projected onto the nearest image",
    "RATIO_BICONCAVE": "Biconcavity ratio, middle to posterior height",
    "RATIO_CRUSH_LOW": "Crush ratio, posterior height to that of vertebra below",
    "RATIO_CRUSH_UP": "Crush ratio, posterior height to that of vertebra above",
    "RATIO_WEDGE": "Wedge ratio, anterior to posterior height",
    "REFERENCE": "Rule for the expected heights",
    "REF_ADJACENT_1": "One adjacent vertebra",
    "REF_ADJACENT_2": "Mean of both adjacent vertebrae",
    "REF_FIT": "Linear fit over vertebrae within three levels",
    "REF_LEVEL": "Vertebra used for the expected heights",
    "REF_WITHIN": "Same vertebra; crush not assessable",
    "SAMPLING_AXIAL": "Sampling distance along the vertebral axis",
    "SDI": "Spinal deformity index, sum of grades T4 to L4",
    "SIX_POINT": "Six-point vertebral morphometry",
    "VERTEBRA_L6": "L6 vertebra",
    "VERTEBRA_T13": "T13 vertebra",
    "WEDGE_ANGLE": "Endplate wedge angle, positive for posterior wedging",
    "WEDGE_ANGLE_SD": "Standard deviation of endplate wedge angle",
    "WEDGING": "Wedging percentage, positive for posterior wedging",
    "WEDGING_ANT": "Anterior wedging",
    "WEDGING_DIR": "Wedging direction",
    "WEDGING_LIMITS": "Wedging against limits",
    "WEDGING_NONE": "No wedging",
    "WEDGING_POST": "Posterior wedging",
}


def _all() -> list[Code]:
    found: list[Code] = [codes.vertebra(level) for level in ("T13", "L6")]
    for name, held in vars(codes).items():
        if isinstance(held, Code):
            found.append(held)
        elif isinstance(held, dict) and not name.startswith("_"):
            found.extend(item for item in held.values() if isinstance(item, Code))
        elif isinstance(held, tuple):
            found.extend(item for item in held if isinstance(item, Code))
    return found


OWN = [code for code in _all() if code.scheme_designator == codes.SCHEME]
PUBLIC = [code for code in _all() if code.scheme_designator in {"DCM", "SCT"}]


def test_published_private_codes_are_permanent() -> None:
    """Every private value keeps its meaning, and a new one is added to this register."""
    assert PUBLISHED == {code.value: code.meaning for code in OWN}


def test_a_private_value_names_one_concept() -> None:
    """No private value stands twice."""
    assert len(OWN) == len({code.value for code in OWN})


@pytest.mark.parametrize("code", _all(), ids=lambda code: code.value)
def test_codes_fit_their_attributes(code: Code) -> None:
    """Code Value and Coding Scheme Designator are SH (16 characters), Code Meaning is LO (64; PS3.5 6.2)."""
    assert len(code.value) <= 16
    assert len(code.scheme_designator) <= 16
    assert len(code.meaning) <= 64


@pytest.mark.parametrize("word", ["fracture", "osteoporo", "normal", "acute", "stable"])
def test_private_meanings_make_no_diagnosis(word: str) -> None:
    """Our own words measure and grade; they never diagnose (docs/morphometry 6.3)."""
    assert [] == [code.meaning for code in OWN if word in code.meaning.lower()]


@pytest.mark.parametrize("code", PUBLIC, ids=lambda code: code.value)
def test_public_codes_are_those_of_the_standard(code: Code) -> None:
    """Every DCM and SCT code that pydicom's context groups know has the meaning they give."""
    known = getattr(dicom, code.scheme_designator)
    concepts = [getattr(known, name) for name in known.dir()]
    meanings = {concept.meaning.removesuffix(" (attribute)") for concept in concepts if concept.value == code.value}

    assert code.meaning in meanings


@pytest.mark.parametrize("level", [name for name in LEVELS if name not in {"T13", "L6", "S1"}])
def test_vertebrae_are_members_of_cid_7603(level: str) -> None:
    """The code of a vertebra is the SNOMED CT code of CID 7603."""
    assert getattr(dicom.cid7603, f"{level}Vertebra") == codes.vertebra(level)


def test_vertebrae_without_a_public_code_are_private() -> None:
    """T13 and L6 have private codes that lead back to their level; S1 has the code TotalSegmentator writes."""
    assert ("65985001", "SCT", "S1 vertebra") == codes.vertebra("S1")[:3]
    for level in ("T13", "L6"):
        code = codes.vertebra(level)
        assert codes.SCHEME == code.scheme_designator
        assert level == codes.level_of(code.scheme_designator, code.value)
    assert codes.level_of("SCT", "66794005") is None


def test_every_answer_has_a_code() -> None:
    """Each deformity, direction, assessment, reference rule and source of landmarks has a code of its own."""
    answers = (
        (Deformity, codes.DEFORMITIES),
        (WedgingDirection, codes.DIRECTIONS),
        (WedgingAssessment, codes.ASSESSMENTS),
        (ReferenceRule, codes.REFERENCES),
        (LandmarkSource, codes.LANDMARK_SOURCES),
    )
    for words, table in answers:
        assert set(words) == set(table)
        assert len(table) == len({code.value for code in table.values()})


def test_severity_mirrors_the_grades() -> None:
    """Grades 0 to 3 have none, mild, moderate and severe of CID 3716 beside them."""
    group = dicom.cid3716

    assert [group.None_, group.Mild, group.Moderate, group.Severe] == list(codes.SEVERITIES)
