from dataclasses import replace
from math import sqrt
from typing import Any

import pytest
from earlier import NOW, THEN, before, findings, kept
from hypothesis import given
from hypothesis import strategies as st

from sr_templates.comparison import RULE, LevelComparison, NotCompared, Remark
from sr_templates.findings import LandmarkSource, ReferenceRule, StudyFindings, Triple
from workers.morphometry.comparison import (
    PRECISION_PERCENT,
    SUPPLIED_PROTOCOL,
    compare,
    compare_levels,
    height_change,
    height_sd_percent,
    least_significant,
    loss_change,
)
from workers.morphometry.kept import KeptVertebra

SUPINE, PRONE = ("HFS",), ("FFP",)


def vertebra(**more: Any) -> KeptVertebra:
    """Return a graded vertebra of the patient's mm, unless `more` says otherwise."""
    numbers: dict[str, Any] = {
        "heights_mm": Triple(anterior=25.0, middle=24.0, posterior=26.0),
        "losses": Triple(anterior=1.0, middle=0.5, posterior=0.0),
        "loss_sd_points": 3.0,
        "genant_grade": 0,
        "reference_rule": ReferenceRule.FIT,
        "spacing_source": "patient",
        "tracking_uid": "2.25.1",
    }
    return KeptVertebra(level="L1", is_measured=True, **{**numbers, **more})


def level_of(now: KeptVertebra, then: KeptVertebra) -> LevelComparison:
    """Return L1 of two studies."""
    return compare_levels("L1", then, now)


# ---- one number


@pytest.mark.parametrize(
    ("then", "now", "meets"),
    [
        (26.0, 22.0, False),  # 15.4 %
        (20.0, 16.0, True),
        (30.0, 24.0, True),
        (30.0, 24.01, True),  # 19.97 % is printed as 20.0
        (30.0, 24.1, False),
        (10.0, 8.0, False),  # 2 mm
        (20.0, 25.0, False),
    ],
)
def test_the_rule_needs_both_conditions(then: float, now: float, meets: bool) -> None:
    """20 % and 4 mm are reached at the border, on the printed numbers, and the rule needs both."""
    assert meets == height_change(then, now, sd_then_percent=4.4, sd_now_percent=4.4).meets_rule


def test_rule_has_a_name() -> None:
    """The rule is named, so that a report can say which one was applied."""
    assert RULE == "20_percent_and_4_mm"


def test_a_height_that_is_lower_has_a_negative_change() -> None:
    """Now minus then, in mm and in percent of then; higher now is positive."""
    lower = height_change(25.0, 20.0, sd_then_percent=4.4, sd_now_percent=4.4)
    higher = height_change(20.0, 25.0, sd_then_percent=4.4, sd_now_percent=4.4)
    assert (-5.0, -20.0) == (lower.change_mm, lower.change_percent)
    assert (5.0, 25.0) == (higher.change_mm, higher.change_percent)


def test_the_least_significant_change_is_2_77_precision_errors() -> None:
    """The ISCD's factor for 95 % confidence, where both studies have the same precision error."""
    assert least_significant(1.0, 1.0) == pytest.approx(2.77, abs=0.005)
    assert least_significant(3.0, 4.0) == pytest.approx(1.96 * 5.0)


def test_the_least_significant_change_of_a_height_is_in_mm_and_percent_of_then() -> None:
    """SDs are of each height: 4 % of 25 mm and 5 % of 20 mm are 1 mm each."""
    change = height_change(25.0, 20.0, sd_then_percent=4.0, sd_now_percent=5.0)
    assert change.least_significant_mm == pytest.approx(1.96 * sqrt(2))
    assert change.least_significant_percent == pytest.approx(1.96 * sqrt(2) / 25 * 100)
    assert change.is_significant


@given(st.floats(5, 45), st.floats(5, 45), st.floats(1, 20), st.floats(1, 20))
def test_a_change_is_that_of_the_other_direction(then: float, now: float, sd_then: float, sd_now: float) -> None:
    """Exchanged, two studies show the opposite change, and it is as significant."""
    there = loss_change(then, now, sd_then=sd_then, sd_now=sd_now)
    back = loss_change(now, then, sd_then=sd_now, sd_now=sd_then)
    assert there.change_points == -back.change_points
    assert there.least_significant_points == pytest.approx(back.least_significant_points)
    assert there.is_significant == back.is_significant


def test_a_change_that_equals_the_least_significant_one_counts() -> None:
    """It must equal or exceed it (ISCD), as both are printed."""
    least = least_significant(3.0, 3.0)
    assert loss_change(0.0, least, sd_then=3.0, sd_now=3.0).is_significant
    assert not loss_change(0.0, least - 0.2, sd_then=3.0, sd_now=3.0).is_significant


# ---- how surely a height repeats


def test_no_height_repeats_better_than_readers_do() -> None:
    """A small SD of the loss leaves 4.4 %, the CV of six-point heights between readers."""
    assert height_sd_percent(vertebra(loss_sd_points=2.5)) == PRECISION_PERCENT == 4.4


def test_scattered_points_widen_it() -> None:
    """Against two neighbours the SD of a loss is sqrt(3) s, that of a height sqrt(2) s (2.3)."""
    assert height_sd_percent(vertebra(loss_sd_points=9.0)) == pytest.approx(9.0 * sqrt(2 / 3))
    assert height_sd_percent(vertebra(axial_spacing_mm=3.5)) == pytest.approx(7.0 * sqrt(2 / 3))


@pytest.mark.parametrize(
    "doubt", [{"flags": ("REFERENCE_DOUBTFUL",)}, {"reference_rule": ReferenceRule.ADJACENT_1}], ids=["doubt", "growth"]
)
def test_doubts_of_the_expected_height_are_not_those_of_the_height(doubt: dict[str, Any]) -> None:
    """An SD that speaks of the neighbours leaves the height as sure as it is."""
    assert height_sd_percent(vertebra(loss_sd_points=20.0, **doubt)) == PRECISION_PERCENT


# ---- one level


def test_a_level_has_changes_and_both_grades() -> None:
    """Heights, losses, grade then and now, and the UID that the vertebra had then."""
    now = vertebra(
        heights_mm=Triple(anterior=18.0, middle=24.0, posterior=26.0),
        losses=Triple(anterior=28.0, middle=0.5, posterior=0.0),
        genant_grade=2,
        tracking_uid="2.25.2",
    )
    level = level_of(now, vertebra())
    assert level.heights.anterior is not None
    assert level.losses.anterior is not None
    assert (-7.0, -28.0, True, True) == (
        level.heights.anterior.change_mm,
        level.heights.anterior.change_percent,
        level.heights.anterior.is_significant,
        level.heights.anterior.meets_rule,
    )
    assert (27.0, True) == (level.losses.anterior.change_points, level.losses.anterior.is_significant)
    assert (0, 2, "2.25.1") == (level.grade_then, level.grade_now, level.tracking_uid)
    assert level.heights.posterior is not None
    assert (0.0, False) == (level.heights.posterior.change_mm, level.heights.posterior.is_significant)


def test_a_height_that_one_study_lacks_is_not_compared() -> None:
    """Without mid-points then there is no middle change; the others stand."""
    then = vertebra(
        heights_mm=Triple(anterior=25.0, middle=None, posterior=26.0),
        losses=Triple(anterior=1.0, middle=None, posterior=0.0),
    )
    level = level_of(vertebra(), then)
    assert (None, None) == (level.heights.middle, level.losses.middle)
    assert level.heights.anterior is not None


@pytest.mark.parametrize(
    ("then", "now", "reason"),
    [
        ({"heights_mm": None, "spacing_source": None}, {}, "UNCALIBRATED"),
        ({}, {"heights_mm": None, "spacing_source": None}, "UNCALIBRATED"),
        ({"spacing_source": "calibrated"}, {}, "OTHER_SPACING_SOURCE"),
        ({"spacing_source": "detector_plane"}, {"spacing_source": "detector_plane"}, "MAGNIFICATION_UNKNOWN"),
        (
            {"spacing_source": "magnification_corrected"},
            {"spacing_source": "magnification_corrected"},
            "MAGNIFICATION_UNKNOWN",
        ),
        ({"flags": ("LIMITED_SAMPLING",)}, {}, "OTHER_SAMPLING"),
        ({"flags": ("SAMPLING_TOO_COARSE",)}, {"flags": ("SAMPLING_TOO_COARSE",)}, "OTHER_SAMPLING"),
    ],
)
def test_heights_need_the_same_mm(then: dict[str, Any], now: dict[str, Any], reason: str) -> None:
    """Heights of another scale or sampling are not compared; losses are ratios and survive."""
    level = level_of(vertebra(**now), vertebra(**then))
    assert (reason, None, None) == (level.heights.reason, level.heights.anterior, level.heights.posterior)
    assert level.losses.anterior is not None


@pytest.mark.parametrize(
    ("then", "now", "reason"),
    [
        ({"genant_grade": None}, {}, "NOT_GRADED_THEN"),
        ({}, {"genant_grade": None}, "NOT_GRADED_NOW"),
        ({"reference_rule": ReferenceRule.WITHIN_VERTEBRA}, {}, "OTHER_REFERENCE"),
    ],
)
def test_losses_need_grades_and_neighbours(then: dict[str, Any], now: dict[str, Any], reason: str) -> None:
    """A loss against the vertebra itself is another number than one against neighbours; heights stand."""
    level = level_of(vertebra(**now), vertebra(**then))
    assert (reason, None) == (level.losses.reason, level.losses.anterior)
    assert level.heights.anterior is not None


def test_two_losses_within_the_vertebra_compare() -> None:
    """Both against the vertebra itself: the same kind of number."""
    own = vertebra(reference_rule=ReferenceRule.WITHIN_VERTEBRA)
    assert level_of(own, own).losses.reason is None


@pytest.mark.parametrize(
    ("then", "now", "reason"),
    [
        (None, vertebra(), "LEVEL_MISSING_THEN"),
        (vertebra(), None, "LEVEL_MISSING_NOW"),
        (KeptVertebra(level="L1", is_measured=False), vertebra(), "NOT_MEASURED_THEN"),
        (vertebra(), KeptVertebra(level="L1", is_measured=False), "NOT_MEASURED_NOW"),
    ],
)
def test_a_level_without_numbers_says_which_study_lacks_them(
    then: KeptVertebra | None, now: KeptVertebra | None, reason: str
) -> None:
    """No change and no grade, since nothing was compared."""
    level = compare_levels("L1", then, now)
    assert (reason, None, None, None) == (level.reason, level.heights.anterior, level.grade_then, level.grade_now)


# ---- two studies


def test_levels_of_both_studies_are_listed_once_from_cranial_to_caudal() -> None:
    """A level of either study has its line."""
    column = {"T11": (23.0, 22.0, 24.0), **NOW}
    compared = compare(findings(column), before({**THEN, "L3": (27.0, 26.0, 28.0)}))
    assert ["T11", "T12", "L1", "L2", "L3"] == [level.level for level in compared.levels]
    reasons = {level.level: level.reason for level in compared.levels if level.reason}
    assert {"T11": "LEVEL_MISSING_THEN", "L3": "LEVEL_MISSING_NOW"} == reasons


def test_a_vertebra_that_lost_height_stands_out() -> None:
    """L1 lost 6 mm in front: 24 % of 25 mm, beyond 2.77 x 4.4 %; its neighbours are unchanged."""
    levels = {level.level: level for level in compare(findings(NOW), before()).levels}
    l1 = levels["L1"].heights.anterior
    assert l1 is not None
    assert (-6.0, -24.0, True, True) == (l1.change_mm, l1.change_percent, l1.is_significant, l1.meets_rule)
    assert (0, 1) == (levels["L1"].grade_then, levels["L1"].grade_now)
    for level in ("T12", "L2"):
        unchanged = levels[level].heights.anterior
        assert unchanged is not None
        assert not unchanged.is_significant


@pytest.mark.parametrize(
    ("now", "then", "reason"),
    [
        ({"modalities": ("CT",)}, {}, "OTHER_MODALITY"),
        ({"modalities": ("CT", "DX")}, {"modalities": ("CT", "DX")}, "OTHER_MODALITY"),
        ({"modalities": ()}, {}, "MODALITY_UNKNOWN"),
        ({}, {"landmark_protocol": "p/2"}, "OTHER_PROTOCOL"),
        ({"landmark_protocol": SUPPLIED_PROTOCOL}, {}, "OTHER_PROTOCOL"),
        ({"patient_positions": SUPINE}, {"patient_positions": PRONE}, "OTHER_POSTURE"),
    ],
)
def test_unlike_studies_are_not_compared(now: dict[str, Any], then: dict[str, Any], reason: str) -> None:
    """The coded reason stands in place of every number."""
    compared = compare(findings(NOW, **now), before(**then))
    assert (reason, ()) == (compared.reason, compared.levels)
    assert "1.2.3.1" == compared.prior.study_instance_uid


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ({"modalities": ("CR",)}, {}),
        ({"patient_positions": SUPINE}, {"patient_positions": ("FFS",)}),
        ({"patient_positions": ("HFDR",)}, {"patient_positions": ("HFDL",)}),
        ({"patient_positions": SUPINE}, {}),
    ],
)
def test_like_studies_are_compared(now: dict[str, Any], then: dict[str, Any]) -> None:
    """CR and DX are both radiographs; which end entered first, or which side was down, is the same posture."""
    compared = compare(findings(NOW, **now), before(**then))
    assert compared.reason is None
    assert 3 == len(compared.levels)


def test_what_a_reader_should_know_is_said() -> None:
    """Points that were supplied twice may be placed in two ways; a posture that is not stated may be another."""
    supplied: dict[str, Any] = {"landmark_protocol": SUPPLIED_PROTOCOL}
    both = compare(findings(NOW, **supplied), before(**supplied))
    assert (Remark.PROTOCOL_NOT_STATED, Remark.POSTURE_NOT_STATED) == both.remarks
    lying: dict[str, Any] = {"patient_positions": SUPINE}
    assert () == compare(findings(NOW, **lying), before(**lying)).remarks


def test_a_review_of_one_of_both_is_said() -> None:
    """A reader went over the points of one: part of a change may be theirs. Of both or of none, nothing is said."""

    def reviewed(study: StudyFindings) -> StudyFindings:
        own = (replace(vertebra, landmark_source=LandmarkSource.REVIEWED) for vertebra in study.vertebrae)
        return replace(study, vertebrae=tuple(own))

    now, then = findings(NOW), findings(THEN, "1.2.3.1")
    said = [
        Remark.REVIEWED_IN_ONE in compare(one, kept(other)).remarks
        for one in (now, reviewed(now))
        for other in (then, reviewed(then))
    ]
    assert [False, True, True, False] == said


@given(st.lists(st.tuples(*[st.floats(15.0, 34.0)] * 3), min_size=3, max_size=5))
def test_an_unchanged_study_has_not_changed(heights: list[tuple[float, float, float]]) -> None:
    """Beside itself no change is other than 0, and none is significant."""
    found = findings(dict(zip(("T11", "T12", "L1", "L2", "L3"), heights, strict=False)))
    for level in compare(found, kept(found)).levels:
        for height in (level.heights.anterior, level.heights.middle, level.heights.posterior):
            assert height is None or (0.0, False, False) == (height.change_mm, height.is_significant, height.meets_rule)
        for loss in (level.losses.anterior, level.losses.middle, level.losses.posterior):
            assert loss is None or (0.0, False) == (loss.change_points, loss.is_significant)


def test_a_label_that_names_no_level_is_not_compared() -> None:
    """What a source called by some other word is in nobody's list of levels."""
    compared = compare(findings({**NOW, "X9": NOW["L2"]}), before({**THEN, "patient": THEN["L2"]}))
    assert ["T12", "L1", "L2"] == [level.level for level in compared.levels]


def test_a_comparison_has_a_reason_or_levels() -> None:
    """A study that is not compared shows no change by accident."""
    compared = compare(findings(NOW), before())
    with pytest.raises(ValueError, match="OTHER_MODALITY"):
        replace(compared, reason=NotCompared.OTHER_MODALITY)
