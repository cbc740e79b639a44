from dataclasses import replace

import pytest
from pydicom.dataset import Dataset
from report_samples import build, context, findings, groups, named, report, report_bytes, unmeasured

from sr_templates.document import SOP_CLASSES
from sr_templates.findings import StudyFindings, Summary
from sr_templates.narrative import narrative
from sr_templates.summary import RESEARCH_ONLY


def _summary(made: Dataset) -> Dataset:
    return named(made, "Qualitative Evaluations")[0]


def _texts(made: Dataset, meaning: str) -> list[str]:
    return [item.TextValue for item in named(_summary(made), meaning)]


def _with(summary: Summary) -> Dataset:
    found: StudyFindings = replace(findings("image"), summary=summary, notes=("NO_SPACING",))
    return build(found, context("image"))


def test_the_study_is_summed_up() -> None:
    """Highest grade, number graded and index with its bound stand at the report's level (TID 1500 rows 12 to 14)."""
    (grade,) = named(_summary(report("patient")), "Highest Genant-type grade in this study")

    assert grade.ConceptCodeSequence[0].CodeValue == "GRADE_2"
    assert _texts(report("patient"), "Number of graded vertebrae") == ["3"]
    assert _texts(report("patient"), "Number of vertebrae with grade 1, 2 or 3") == ["3"]
    assert ["4; lower bound, not every level from T4 to L4 is graded"] == _texts(
        report("patient"), "Spinal deformity index, sum of grades T4 to L4"
    )


def test_an_unmeasurable_level_is_named_with_its_reason() -> None:
    """L4 stands in the summary, never as a group without coordinates, which OHIF cannot open."""
    sites = [named(group, "Finding Site")[0].ConceptCodeSequence[0].CodeMeaning for group in groups(report("patient"))]

    assert _texts(report("patient"), "Level that could not be evaluated") == ["L4: TOUCHES_BORDER"]
    assert "L4 vertebra" not in sites


def test_kyphosis_and_listhesis_are_stated_with_their_sign() -> None:
    """Degrees over named levels; millimetres and percent of a slip, positive for anterior."""
    assert _texts(report("patient"), "Segmental kyphosis") == [
        "L1: 18.2 deg from T12 to L2",
        "T12: 24.5 deg from T11 to L1, above the limit of 20 deg (source: a department)",
    ]
    assert _texts(report("patient"), "Listhesis") == [
        "L4 on L5: 3.2 mm, 9.1 %, positive is anterior; Meyerding-type grade 1"
    ]


def test_a_pattern_is_a_word_with_its_levels() -> None:
    """What adjacent vertebrae show together stands in the summary as its coded word, and nothing is made of it."""
    assert _texts(report("patient"), "Pattern of adjacent vertebrae") == ["T12, L1, L2: ADJACENT_MILD_WEDGING"]
    assert _texts(_with(replace(findings("image").summary, patterns=())), "Pattern of adjacent vertebrae") == []


def test_a_study_without_any_grade_says_so() -> None:
    """No grade is not grade 0; a level that is measured but not graded gives its flags."""
    vertebra = findings("image").vertebrae[0]
    assert vertebra.measured is not None
    ungraded = replace(vertebra, measured=replace(vertebra.measured, genant_grade=None, grade_probabilities=None))
    empty = Summary(
        graded=0,
        deformed=0,
        ungradable=("T12",),
        max_grade=None,
        spinal_deformity_index=None,
        sdi_is_lower_bound=True,
    )
    made = build(
        replace(findings("image"), vertebrae=(ungraded, replace(ungraded, level="L1", flags=())), summary=empty),
        context("image"),
    )

    assert ["NOT_GRADABLE"] == [
        item.ConceptCodeSequence[0].CodeValue
        for item in named(_summary(made), "Highest Genant-type grade in this study")
    ]
    assert ["not available: no level from T4 to L4 is graded"] == _texts(
        made, "Spinal deformity index, sum of grades T4 to L4"
    )
    assert [
        "T12: measured but not graded: LIMITED_SAMPLING",
        "L1: measured but not graded: reason not stated",
    ] == _texts(made, "Level that could not be evaluated")


def test_a_complete_index_has_no_bound_and_inputs_have_notes() -> None:
    """An index over all levels is the index; what a reader should know of the inputs is a comment."""
    whole = Summary(
        graded=14, deformed=0, ungradable=(), max_grade=0, spinal_deformity_index=0, sdi_is_lower_bound=False
    )
    made = _with(whole)

    assert _texts(made, "Spinal deformity index, sum of grades T4 to L4") == ["0"]
    assert "Input: NO_SPACING" in _texts(made, "Comment")


def test_the_fixed_line_is_in_every_report() -> None:
    """Research use only, and needs review: docs/morphometry 6.3."""
    assert RESEARCH_ONLY in _texts(report("image"), "Comment")


@pytest.mark.parametrize(
    "word",
    [b"fracture", b"osteopor", b"unstable", b"vertebroplasty", b"no deformity", b"risk", b"follow-up", b"scheuermann"],
)
def test_the_report_makes_no_diagnosis(word: bytes) -> None:
    """Words that would diagnose, date or treat stand nowhere in a report (docs/morphometry 6.3)."""
    assert word not in report_bytes("patient").lower()


def test_normal_stands_in_the_standards_words_only() -> None:
    """The software never calls a vertebra normal; only CID 4254 has the word, and this sample has no limit."""
    assert b"normal" not in report_bytes("patient").lower()


def test_the_evaluations_stand_in_the_order_of_a_reading() -> None:
    """Highest grade, counts, index, alignment, what is missing, patterns, the text, notes on the input, fixed lines."""
    names = [item.ConceptNameCodeSequence[0].CodeValue for item in _summary(report("patient")).ContentSequence]

    assert names == [
        *("MAX_GRADE", "GRADED_COUNT", "DEFORMED_COUNT", "SDI", "KYPHOSIS", "KYPHOSIS", "LISTHESIS"),
        *("NOT_EVALUABLE", "PATTERN", "121111", "121106", "121106"),
    ]


def test_the_study_is_told_in_plain_language() -> None:
    """The Summary (121111, DCM) is the narrative of the findings."""
    assert _texts(report("patient"), "Summary") == [narrative(findings("patient"))]


@pytest.mark.parametrize("sop_class_uid", SOP_CLASSES)
def test_a_study_that_cannot_be_analysed_is_reported_with_its_reason(sop_class_uid: str) -> None:
    """The reason and the levels are told; the empty container and the Image Library are there, or OHIF fails."""
    nothing = Summary(
        graded=0, deformed=0, ungradable=("L4",), max_grade=None, spinal_deformity_index=None, sdi_is_lower_bound=True
    )
    found = replace(findings("image"), vertebrae=(unmeasured("L4"),), summary=nothing, reason="NO_VERTEBRA_MEASURED")
    made = build(found, context("image"), sop_class_uid)

    assert _texts(made, "Reason why the study is not analysable") == ["NO_VERTEBRA_MEASURED"]
    assert _texts(made, "Level that could not be evaluated") == ["L4: TOUCHES_BORDER"]
    assert "ContentSequence" not in named(made, "Imaging Measurements")[0]
    assert named(made, "Image Library")
