from dataclasses import replace
from typing import Any

from comparison_samples import PRIOR, PRIOR_STUDY, SAME, T12
from pydicom.dataset import Dataset
from report_samples import COMPREHENSIVE_3D, build, context, findings, groups, named

from sr_templates.comparison import (
    Comparison,
    Heights,
    LevelComparison,
    Losses,
    NotCompared,
    Remark,
)


def _report(*levels: LevelComparison, **changes: Any) -> Dataset:
    compared = Comparison(prior=PRIOR, levels=levels, **changes)
    return build(replace(findings("patient"), comparison=compared), context("patient"))


def _numbers(group: Dataset) -> list[tuple[str, float, str]]:
    """Return the numbers of a group that speak of a change."""
    found = [item for item in group.ContentSequence if item.ValueType == "NUM"]
    return [
        (
            item.ConceptNameCodeSequence[0].CodeValue,
            item.MeasuredValueSequence[0].FloatingPointValue,
            item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue,
        )
        for item in found
        if item.ConceptNameCodeSequence[0].CodeValue.startswith(("CHANGE", "LSC"))
    ]


def _answer(group: Dataset, meaning: str) -> list[str]:
    return [item.ConceptCodeSequence[0].CodeValue for item in named(group, meaning)]


def _lines(made: Dataset) -> list[str]:
    (summary,) = named(made, "Qualitative Evaluations")
    return [item.TextValue for item in named(summary, "Comparison with a prior study")]


def test_each_change_stands_beside_its_least_significant_change() -> None:
    """Millimetres, percent and points, now minus then, at the end of the numbers of the level."""
    assert [
        ("CHANGE_ANT_MM", -6.0, "mm"),
        ("CHANGE_ANT_PCT", -20.0, "%"),
        ("LSC_ANT_MM", 2.2, "mm"),
        ("CHANGE_POST_MM", 0.0, "mm"),
        ("CHANGE_POST_PCT", 0.0, "%"),
        ("LSC_POST_MM", 2.2, "mm"),
        ("CHANGE_LOSS_ANT", 20.0, "%"),
        ("LSC_LOSS_ANT", 8.3, "%"),
    ] == _numbers(groups(_report(T12))[0])


def test_the_grade_then_stands_beside_the_grade_now() -> None:
    """Grade 0 then, grade 2 now; a change was reached, and one height is lower by 20 % and 4 mm."""
    group = groups(_report(T12))[0]

    assert _answer(group, "Genant-type grade of height-loss deformity") == ["GRADE_2"]
    assert _answer(group, "Genant-type grade in the prior study") == ["GRADE_0"]
    assert _answer(group, "A change reaches the least significant change") == ["373066001"]
    assert _answer(group, "A height is lower by at least 20 % and at least 4 mm") == ["373066001"]


def test_a_change_below_the_least_significant_one_is_none() -> None:
    """What may be chance is answered No (373067005, SCT)."""
    group = groups(_report(replace(T12, heights=Heights(anterior=SAME), losses=Losses())))[0]

    assert _answer(group, "A change reaches the least significant change") == ["373067005"]
    assert _answer(group, "A height is lower by at least 20 % and at least 4 mm") == ["373067005"]


def test_a_part_that_is_not_compared_has_its_reason() -> None:
    """Heights of an image without a scale have no change but a coded word; the losses are compared all the same."""
    part = replace(T12, heights=Heights(reason=NotCompared.UNCALIBRATED))
    group = groups(_report(part))[0]

    assert [("CHANGE_LOSS_ANT", 20.0, "%"), ("LSC_LOSS_ANT", 8.3, "%")] == _numbers(group)
    assert ["heights not compared: UNCALIBRATED"] == [
        item.TextValue for item in named(group, "Comparison with a prior study")
    ]
    assert _answer(group, "A height is lower by at least 20 % and at least 4 mm") == []


def test_a_level_without_a_prior_says_nothing_of_change() -> None:
    """L1 is not among the levels of the comparison: its group is as without one."""
    assert groups(_report(T12))[1] == groups(build(findings("patient"), context("patient")))[1]


def test_the_study_says_what_it_is_compared_with() -> None:
    """Date, modality, software and protocol of the prior, what a reader should know, and the levels left out."""
    lost = LevelComparison(level="T9", tracking_uid=None, reason=NotCompared.LEVEL_MISSING_THEN)

    assert _lines(_report(T12, lost, remarks=(Remark.POSTURE_NOT_STATED,))) == [
        "prior study of 2024-05-06 (CT, spondyl 1.0.0, protocol spondyl-six-point/1): change is now minus then",
        "POSTURE_NOT_STATED",
        "T9 not compared: LEVEL_MISSING_THEN",
    ]


def test_a_study_that_is_not_compared_says_why() -> None:
    """Numbers of two modalities are not compared, and the report says so."""
    made = _report(reason=NotCompared.OTHER_MODALITY)

    assert _lines(made)[0].endswith(": not compared: OTHER_MODALITY")
    assert [_numbers(group) for group in groups(made)] == [[], [], []]


def test_the_prior_report_is_other_evidence() -> None:
    """Our report on the earlier study is referred to in that study (PS3.3 C.17.2.3), where it is known."""
    (study,) = _report(T12).PertinentOtherEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    (instance,) = series.ReferencedSOPSequence
    unknown = Comparison(prior=replace(PRIOR, report=None), levels=(T12,))
    bare = build(replace(findings("patient"), comparison=unknown), context("patient"))

    assert (study.StudyInstanceUID, series.SeriesInstanceUID) == (PRIOR_STUDY, "1.2.7")
    assert (COMPREHENSIVE_3D, "1.2.8") == (instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID)
    assert "PertinentOtherEvidenceSequence" not in bare
