import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outlines import FILM, Heights, film, moved, patient, stack, without

from sr_templates.findings import (
    Deformity,
    LandmarkSource,
    Measured,
    ReferenceRule,
    Triple,
    VertebraFinding,
    WedgingAssessment,
    WedgingDirection,
)
from workers.landmarks.points import VertebraLandmarks
from workers.morphometry.findings import Policy, measure
from workers.morphometry.flags import Flag
from workers.morphometry.wedging import WedgingLimit

NORMAL: Heights = (28.0, 27.5, 28.0)
WEDGE: Heights = (19.0, 23.5, 28.0)
COLUMN: dict[str, Heights] = {"T11": NORMAL, "T12": NORMAL, "L1": WEDGE, "L2": NORMAL, "L3": NORMAL}
NOTHING = Triple(anterior=None, middle=None, posterior=None)


def found(vertebrae: list[VertebraLandmarks], level: str, policy: Policy | None = None) -> VertebraFinding:
    """Return the finding of one level."""
    findings, _ = measure(vertebrae, policy or Policy())
    return next(finding for finding in findings if finding.level == level)


def numbers(vertebrae: list[VertebraLandmarks], level: str) -> Measured:
    """Return the numbers of one level, which was measured."""
    measured = found(vertebrae, level).measured
    assert measured is not None
    return measured


def test_a_study_from_points_to_findings() -> None:
    """A wedged L1 among four sound vertebrae has its loss, grade, shape, reference and certainty."""
    measured = numbers(stack(COLUMN), "L1")
    assert (round(100 * 9 / 28, 1), round(100 * 4 / 27.5, 1), 0.0) == (
        measured.height_loss_percent.anterior,
        measured.height_loss_percent.middle,
        measured.height_loss_percent.posterior,
    )
    assert (2, Deformity.ANTERIOR_WEDGE, False) == (measured.genant_grade, measured.deformity, measured.borderline)
    assert (ReferenceRule.FIT, ("T11", "T12", "L2", "L3")) == (measured.reference.rule, measured.reference.levels)
    assert (WedgingDirection.ANTERIOR, WedgingAssessment.OUTSIDE_LIMITS) == (
        measured.wedging_direction,
        measured.wedging_assessment,
    )
    assert measured.grade_probabilities is not None
    assert 1 == pytest.approx(sum(measured.grade_probabilities))
    assert (1.0, 1.0) == pytest.approx((measured.crush_above, measured.crush_below))


def test_nothing_in_nothing_out() -> None:
    """A study without vertebrae has no findings, and that is no error."""
    findings, summary = measure([], Policy())
    assert ((), 0, None) == (findings, summary.graded, summary.spinal_deformity_index)


def test_output_runs_from_cranial_to_caudal() -> None:
    """The order of the input does not matter, and the output is that of the column."""
    vertebrae = stack(COLUMN)
    assert measure(vertebrae, Policy()) == measure(vertebrae[::-1], Policy())
    assert tuple(COLUMN) == tuple(finding.level for finding in measure(vertebrae[::-1], Policy())[0])


def test_same_input_same_bytes() -> None:
    """Random draws are fixed: twice the same input gives exactly the same numbers."""
    spread = {"anterior": 0.4, "middle": 0.3, "posterior": 0.5}
    vertebrae = [patient(level, at=(0, 0, -40 * i), height_sd_mm=spread) for i, level in enumerate(COLUMN)]
    assert repr(measure(vertebrae, Policy())) == repr(measure(vertebrae, Policy()))


def test_rejected_vertebra_has_a_reason_and_keeps_its_words() -> None:
    """A vertebra without points is a finding with the finder's reason, its source and its flags."""
    gone = VertebraLandmarks(
        level="L4", source=LandmarkSource.SEGMENTATION, landmarks=None, reason="NO_BODY", flags=("FRAGMENTED",)
    )
    finding = found([*stack(COLUMN), gone], "L4")
    assert (None, "NO_BODY", ("FRAGMENTED",)) == (finding.measured, finding.reason, finding.flags)
    assert finding.landmark_source is LandmarkSource.SEGMENTATION


@pytest.mark.parametrize("flag", ["CEMENT", "HARDWARE", "FUSION", "TUMOUR", "INFECTION"])
def test_what_the_input_flags_keeps_its_heights_only(flag: str) -> None:
    """Heights, ratios and angle stand; losses, grade, shape, limits and crush as reference do not (row 1)."""
    vertebrae = stack(COLUMN | {"L4": (30.0, 27.0, 22.0)})
    vertebrae[-1] = replace(vertebrae[-1], flags=(flag,))
    measured = numbers(vertebrae, "L4")
    assert Triple(anterior=30.0, middle=27.0, posterior=22.0) == measured.heights_mm
    assert (NOTHING, None, None, None, False) == (
        measured.height_loss_percent,
        measured.genant_grade,
        measured.grade_probabilities,
        measured.deformity,
        measured.borderline,
    )
    assert WedgingAssessment.NO_LIMIT_FOR_LEVEL is measured.wedging_assessment
    assert (flag,) == found(vertebrae, "L4").flags
    assert "L4" not in numbers(vertebrae, "L3").reference.levels


def test_coarse_sampling_is_not_graded() -> None:
    """Above 3.5 mm along the axis heights stay and no grade is given."""
    vertebrae = [patient(level, at=(0, 0, -40 * i), axial_spacing_mm=5.0) for i, level in enumerate(COLUMN)]
    findings, summary = measure(vertebrae, Policy())
    assert (0, tuple(COLUMN), None) == (summary.graded, summary.ungradable, summary.max_grade)
    assert {("SAMPLING_TOO_COARSE",)} == {finding.flags for finding in findings}
    assert all(finding.measured is not None and finding.measured.heights_mm is not None for finding in findings)


def test_limited_sampling_is_less_certain() -> None:
    """At 3 mm the same loss is graded with an SD of 6 points, and says so."""
    vertebrae = [patient(level, at=(0, 0, -40 * i), axial_spacing_mm=3.0) for i, level in enumerate(COLUMN)]
    assert 6 == pytest.approx(numbers(vertebrae, "L2").loss_sd_points)
    assert (Flag.LIMITED_SAMPLING,) == found(vertebrae, "L2").flags


def test_four_points_have_no_middle() -> None:
    """Without mid-points middle height, biconcavity and middle loss are absent, and that is said."""
    vertebrae = [without(one, ["MS", "MI"]) for one in stack(COLUMN)]
    measured = numbers(vertebrae, "L1")
    assert measured.heights_mm is not None
    assert (None, None, None) == (
        measured.heights_mm.middle,
        measured.biconcavity_ratio,
        measured.height_loss_percent.middle,
    )
    assert (2, Deformity.ANTERIOR_WEDGE) == (measured.genant_grade, measured.deformity)
    assert Flag.BICONCAVITY_NOT_ASSESSABLE in found(vertebrae, "L1").flags


@pytest.mark.parametrize("level", ["C5", "S1"])
def test_levels_without_grades(level: str) -> None:
    """Cervical vertebrae and the sacrum are measured, not graded."""
    finding = found([film(level, (14.0, 13.0, 14.0), depth=16.0)], level)
    assert finding.measured is not None
    assert finding.measured.genant_grade is None
    assert (Flag.LEVEL_NOT_GRADED,) == finding.flags


def test_unusual_direction_is_said() -> None:
    """A posteriorly wedged L1 makes its label or orientation doubtful; an L5 does not."""
    vertebrae = stack({"T12": NORMAL, "L1": (28.0, 26.0, 23.0), "L2": NORMAL})
    assert Flag.UNUSUAL_DIRECTION in found(vertebrae, "L1").flags
    assert Flag.UNUSUAL_DIRECTION not in found([film("L5", (30.3, 28.3, 26.3))], "L5").flags


def test_borderline_wedging_needs_a_measured_spread() -> None:
    """An L4 just above its limit is outside; where the finder measured how it scatters, it is borderline."""
    heights: Heights = (28.0, 27.0, 25.48)
    spread = dict.fromkeys(("anterior", "middle", "posterior"), 0.5)
    assert WedgingAssessment.OUTSIDE_LIMITS is numbers([patient("L4", heights)], "L4").wedging_assessment
    assert (
        WedgingAssessment.BORDERLINE is numbers([patient("L4", heights, height_sd_mm=spread)], "L4").wedging_assessment
    )


def test_policy_decides_borders_and_limits() -> None:
    """The severe border and the limits of wedging are the department's."""
    policy = Policy(
        severe_border_grade=3,
        wedging_limits={"L5": WedgingLimit(mean_percent=13.2, upper_percent=20.0, source="a department")},
    )
    vertebrae = stack({"L3": NORMAL, "L4": (16.8, 22.0, 28.0), "L5": (28.0, 27.0, 25.0)})
    grades = [found(vertebrae, "L4", one).measured for one in (Policy(), policy)]
    assert [2, 3] == [one.genant_grade for one in grades if one is not None]
    wedged = [found(vertebrae, "L5", one).measured for one in (Policy(), policy)]
    assert [WedgingAssessment.NO_LIMIT_FOR_LEVEL, WedgingAssessment.WITHIN_LIMITS] == [
        one.wedging_assessment for one in wedged if one is not None
    ]


def test_an_image_without_spacing_gives_ratios_and_a_grade() -> None:
    """Without spacing there are no mm; ratios, angle, losses and grade are those of the same image with spacing."""
    plain, flat = stack(COLUMN), [replace(one, plane=replace(FILM, scale=None)) for one in stack(COLUMN)]
    measured = numbers(flat, "L1")
    assert measured.heights_mm is None
    assert (2, ("T11", "T12", "L2", "L3")) == (measured.genant_grade, measured.reference.levels)
    assert numbers(plain, "L1").wedge_angle_deg == pytest.approx(measured.wedge_angle_deg)
    assert (Flag.UNCALIBRATED,) == found(flat, "L1").flags


def run_of(share: float) -> dict[str, Heights]:
    """Return ten vertebrae, each 1 mm higher than the one above; T11 to L2 have lost a percentage anteriorly."""
    levels = ("T8", "T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
    lost = {"T11", "T12", "L1", "L2"}
    return {
        level: (h * (1 - share / 100) if level in lost else h, h, h)
        for level, h in zip(levels, (22.0 + step for step in range(10)), strict=True)
    }


@pytest.mark.parametrize(("share", "grade"), [(0.0, 0), (22.0, 1), (30.0, 2), (45.0, 3)])
def test_a_run_of_deformed_vertebrae_is_graded(share: float, grade: int) -> None:
    """Four deformed vertebrae in a row have their own grades, the sound ones none (2.2)."""
    findings, summary = measure(stack(run_of(share)), Policy())
    grades = {f.level: f.measured.genant_grade for f in findings if f.measured is not None}
    assert dict.fromkeys(grades, 0) | dict.fromkeys(("T11", "T12", "L1", "L2"), grade) == grades
    assert 4 * grade == summary.spinal_deformity_index
    assert not any(Flag.REFERENCE_DOUBTFUL in finding.flags for finding in findings)


def test_a_crushed_end_of_the_column_is_not_certain() -> None:
    """A low L5 beside low ones can only be compared with itself: grade 0 is said with doubt and the other grade."""
    column: dict[str, Heights] = dict.fromkeys(("T10", "T11", "T12", "L1", "L2"), (26.0, 26.0, 26.0))
    vertebrae = stack(column | dict.fromkeys(("L3", "L4", "L5"), (15.0, 15.0, 15.0)))
    finding = found(vertebrae, "L5")
    assert finding.measured is not None
    assert (0, True, ReferenceRule.WITHIN_VERTEBRA) == (
        finding.measured.genant_grade,
        finding.measured.borderline,
        finding.measured.reference.rule,
    )
    assert (Flag.CRUSH_NOT_ASSESSABLE, Flag.REFERENCE_DOUBTFUL, Flag.MAY_BE_GRADE_3) == finding.flags
    assert finding.measured.grade_probabilities is not None
    assert finding.measured.grade_probabilities[0] < 0.8
    assert 3 == numbers(vertebrae, "L3").genant_grade


def test_a_vertebra_above_its_references_is_not_certain() -> None:
    """Where a vertebra is 20 % higher than expected, what is expected is doubtful, and grade 0 less than certain."""
    vertebrae = stack({"L1": NORMAL, "L2": (33.6, 33.0, 33.6), "L3": NORMAL})
    finding = found(vertebrae, "L2")
    assert finding.measured is not None
    assert Flag.REFERENCE_DOUBTFUL in finding.flags
    assert finding.measured.grade_probabilities is not None
    assert 0.5 < finding.measured.grade_probabilities[0] < 0.9


def test_a_column_wedged_throughout_is_not_silent() -> None:
    """Where every vertebra has the same wedge of 40 %, neighbours show no loss, but its own walls do."""
    vertebrae = stack(dict.fromkeys(("T11", "T12", "L1", "L2", "L3", "L4"), (15.0, 20.0, 25.0)))
    for finding in measure(vertebrae, Policy())[0]:
        assert finding.measured is not None
        assert (0, True) == (finding.measured.genant_grade, finding.measured.borderline)
        assert (Flag.OWN_RATIO_LOW, Flag.MAY_BE_GRADE_2) == finding.flags
        assert WedgingAssessment.NO_LIMIT_FOR_LEVEL is finding.measured.wedging_assessment


@pytest.mark.parametrize(
    ("anterior", "other"), [(22.3, "MAY_BE_GRADE_0"), (21.1, "MAY_BE_GRADE_2"), (20.9, "MAY_BE_GRADE_1")]
)
def test_a_borderline_grade_names_the_other_one(anterior: float, other: str) -> None:
    """Beside the grade stands the one on the other side of the nearest border: 1 and 0, 1 and 2, 2 and 1 (3.5)."""
    vertebrae = stack(dict.fromkeys(COLUMN, (28.0, 28.0, 28.0)) | {"L1": (anterior, 28.0, 28.0)})
    assert numbers(vertebrae, "L1").borderline
    assert [other] == [flag for flag in found(vertebrae, "L1").flags if flag.startswith("MAY_BE")]


@pytest.mark.parametrize(
    ("heights", "deformity"),
    [((21.0, 20.0, 19.7), Deformity.CRUSH), ((23.0, 18.0, 21.9), Deformity.BICONCAVE)],
)
def test_a_posterior_loss_is_outside_limits_whatever_the_shape(heights: Heights, deformity: Deformity) -> None:
    """An L4 with a posterior loss of 20 % is outside limits, though its wedging is below 8.3 % (4b)."""
    around: Heights = (28.0, 27.0, 28.0)
    measured = numbers(stack({"L2": around, "L3": around, "L4": heights, "L5": around}), "L4")
    assert (deformity, WedgingAssessment.OUTSIDE_LIMITS) == (measured.deformity, measured.wedging_assessment)


def test_direction_and_limit_act_on_what_is_printed() -> None:
    """+0.03 % is no wedging, and 8.34 % prints as 8.3 and is within the limit of L4."""
    level = numbers([film("L4", (30.0, 29.0, 29.991))], "L4")
    assert 0.03 == pytest.approx(level.wedging_percent)
    assert WedgingDirection.NONE is level.wedging_direction
    near = numbers([film("L4", (30.0, 29.0, 27.498))], "L4")
    assert 8.34 == pytest.approx(near.wedging_percent)
    assert WedgingAssessment.WITHIN_LIMITS is near.wedging_assessment


@settings(max_examples=15, deadline=None)
@given(
    heights=st.lists(st.tuples(*[st.floats(14.0, 32.0)] * 3), min_size=1, max_size=5),
    spread=st.none() | st.floats(0.0, 2.0),
    axial=st.none() | st.floats(0.5, 3.5),
)
def test_probabilities_are_shares_of_one(heights: list[Heights], spread: float | None, axial: float | None) -> None:
    """P(grade 0..3) are four numbers from 0 to 1 that sum to 1, to the eight digits that are kept."""
    sds = None if spread is None else dict.fromkeys(("anterior", "middle", "posterior"), spread)
    vertebrae = [
        patient(level, own, at=(0, 0, -40 * i), height_sd_mm=sds, axial_spacing_mm=axial)
        for i, (level, own) in enumerate(zip(COLUMN, heights, strict=False))
    ]
    for finding in measure(vertebrae, Policy())[0]:
        assert finding.measured is not None
        shares = finding.measured.grade_probabilities
        assert shares is not None
        assert all(0 <= share <= 1 for share in shares)
        assert 1 == pytest.approx(sum(shares), abs=4e-8)


@settings(max_examples=6, deadline=None)
@given(anterior=st.floats(14, 28), less=st.floats(0, 6))
def test_more_loss_is_never_a_lower_grade(anterior: float, less: float) -> None:
    """Lowering one height of one vertebra never lowers its grade."""
    grades = [
        numbers(stack(COLUMN | {"L1": (height, 27.5, 28.0)}), "L1").genant_grade or 0
        for height in (anterior, anterior - less)
    ]
    assert grades[0] <= grades[1]


def test_unreadable_point_spoils_one_vertebra_only() -> None:
    """A bad vertebra is a reason of its own; its neighbours are measured without it."""
    vertebrae = stack(COLUMN)
    vertebrae[1] = moved(vertebrae[1], {"AS": (math.nan, 0.0)})
    assert Flag.NOT_FINITE == found(vertebrae, "T12").reason
    assert ("T11", "L2", "L3") == numbers(vertebrae, "L1").reference.levels
    assert numbers(vertebrae, "L1").crush_above is None
