from dataclasses import fields
from typing import Any

import pytest
from outlines import Heights, stack

from sr_templates.findings import (
    Deformity,
    Measured,
    ReferenceRule,
    VertebraFinding,
    WedgingAssessment,
    WedgingDirection,
)
from sr_templates.levels import ORDER
from workers.morphometry.findings import Policy, measure
from workers.morphometry.wedging import DEFAULT_LIMITS, WedgingLimit, assess, direction, is_deformed, is_unusual

LEVELS = [level for level in ORDER if level not in {"T13", "L6"}]
L4 = DEFAULT_LIMITS["L4"]
WITHIN, OUTSIDE = WedgingAssessment.WITHIN_LIMITS, WedgingAssessment.OUTSIDE_LIMITS
BORDERLINE, NO_LIMIT = WedgingAssessment.BORDERLINE, WedgingAssessment.NO_LIMIT_FOR_LEVEL


def test_limits_are_those_of_l4_alone() -> None:
    """L4 has mean 4.8 and limit 8.3 %, with their source; no other level has any."""
    assert {"L4": (4.8, 8.3)} == {
        level: (limit.mean_percent, limit.upper_percent) for level, limit in DEFAULT_LIMITS.items()
    }
    assert "no primary source" in L4.source


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        (5.0, WedgingDirection.POSTERIOR),
        (-5.0, WedgingDirection.ANTERIOR),
        (0.0, WedgingDirection.NONE),
        (0.05001, WedgingDirection.POSTERIOR),
        (0.03, WedgingDirection.NONE),
        (-0.03, WedgingDirection.NONE),
        (-0.06, WedgingDirection.ANTERIOR),
    ],
)
def test_direction(percent: float, expected: WedgingDirection) -> None:
    """The sign names the lower side; what is printed as 0.0 names none."""
    assert expected is direction(percent)


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        (0.0, WITHIN),
        (4.8, WITHIN),
        (8.3, WITHIN),
        (8.34, WITHIN),
        (8.36, OUTSIDE),
        (9.0, OUTSIDE),
        (-19.9, WITHIN),
        (-20.0, NO_LIMIT),
    ],
)
def test_limit_of_the_level(percent: float, expected: WedgingAssessment) -> None:
    """What prints above the limit is outside; anterior wedging is within, unless neighbours share it."""
    assert expected is assess(percent, L4)


def test_level_without_limit() -> None:
    """A level without a limit gets none from another."""
    assert assess(13.2, None) is NO_LIMIT


@pytest.mark.parametrize(
    ("percent", "sd", "expected"),
    [(7.3, 1.0, BORDERLINE), (7.2, 1.0, WITHIN), (9.3, 1.0, BORDERLINE), (9.4, 1.0, OUTSIDE), (9.0, None, OUTSIDE)],
)
def test_borderline_needs_a_measured_spread(percent: float, sd: float | None, expected: WedgingAssessment) -> None:
    """Within one SD of the limit is borderline, and only where the SD was measured."""
    assert expected is assess(percent, L4, sd_percent=sd)


@pytest.mark.parametrize("limit", [L4, None])
@pytest.mark.parametrize("percent", [-30.0, 0.1, 5.0, 30.0])
def test_a_deformity_is_outside_any_limit(percent: float, limit: WedgingLimit | None) -> None:
    """What neighbours show to be deformed is beyond limits at every level, also where the level's own are kept."""
    assert OUTSIDE is assess(percent, limit, is_deformed=True)


@pytest.mark.parametrize(("limit", "expected"), [(L4, WITHIN), (None, NO_LIMIT)])
@pytest.mark.parametrize("percent", [0.0, 0.04, -0.04])
def test_what_is_not_wedged_is_outside_no_limit(
    percent: float, limit: WedgingLimit | None, expected: WedgingAssessment
) -> None:
    """An even crush prints a wedging of 0.0 %, direction none: nothing of that lies beyond a limit."""
    assert expected is assess(percent, limit, is_deformed=True)


@pytest.mark.parametrize(
    ("percent", "deformity", "posterior_loss", "expected"),
    [
        (30.0, Deformity.POSTERIOR_WEDGE, 30.0, True),
        (-30.0, Deformity.ANTERIOR_WEDGE, 0.0, True),
        (30.0, Deformity.ANTERIOR_WEDGE, 0.0, False),
        (0.03, Deformity.ANTERIOR_WEDGE, 19.9, False),
        (-8.0, Deformity.CRUSH, 20.0, True),
        (6.2, Deformity.CRUSH, 29.6, True),
        (4.8, Deformity.BICONCAVE, 21.8, True),
        (4.8, Deformity.BICONCAVE, 19.9, False),
        (0.0, Deformity.NONE, 0.0, False),
        (0.0, None, None, False),
        (-30.0, None, None, False),
    ],
)
def test_what_neighbours_show(
    percent: float, deformity: Deformity | None, posterior_loss: float | None, expected: bool
) -> None:
    """A wedge of the same side, or a posterior loss of 20 % whatever the shape, is a deformity (4b, last row)."""
    assert expected is is_deformed(percent, deformity, posterior_loss, ReferenceRule.FIT)


def test_own_heights_show_no_deformity() -> None:
    """The vertebra's own heights cannot say that it is outside limits."""
    assert not is_deformed(30.0, Deformity.POSTERIOR_WEDGE, 30.0, ReferenceRule.WITHIN_VERTEBRA)


@pytest.mark.parametrize(
    ("level", "percent", "expected"),
    [
        ("L1", 5.0, True),
        ("T8", 5.0, True),
        ("L1", 2.0, False),
        ("L1", -5.0, False),
        ("L4", 5.0, False),
        ("L5", 13.2, False),
    ],
)
def test_unusual_direction(level: str, percent: float, expected: bool) -> None:
    """Posterior wedging beyond its SD makes label and orientation doubtful above L4 (4b)."""
    assert expected == is_unusual(level, percent, 3.0)


def posterior(level: str, percent: float, **more: Any) -> tuple[VertebraFinding, Measured]:
    """Measure one vertebra among sound neighbours, one of its walls lower than theirs: positive, the posterior one."""
    above, below = LEVELS[LEVELS.index(level) - 1], LEVELS[LEVELS.index(level) + 1]
    sound: Heights = (28.0, 27.5, 28.0)
    heights: Heights = (28.0 * (1 + min(percent, 0) / 100), 27.5, 28.0 * (1 - max(percent, 0) / 100))
    findings, _ = measure(stack({above: sound, level: heights, below: sound}), Policy(**more))
    finding = next(one for one in findings if one.level == level)
    assert finding.measured is not None
    return finding, finding.measured


@pytest.mark.parametrize(
    ("level", "percent", "grade", "expected", "is_unusual"),
    [
        ("L4", -5.0, 0, WITHIN, False),
        ("L5", -5.0, 0, NO_LIMIT, False),
        ("L1", -5.0, 0, NO_LIMIT, False),
        ("L4", 0.0, 0, WITHIN, False),
        ("L4", 8.3, 0, WITHIN, False),
        ("L4", 8.4, 0, OUTSIDE, False),
        ("L4", 19.9, 0, OUTSIDE, False),
        ("L5", 13.2, 0, NO_LIMIT, False),
        ("L5", 19.9, 0, NO_LIMIT, False),
        ("L3", 13.2, 0, NO_LIMIT, True),
        ("L1", 13.2, 0, NO_LIMIT, True),
        ("T7", 13.2, 0, NO_LIMIT, True),
        ("L5", 20.0, 1, OUTSIDE, False),
        ("L4", 24.9, 1, OUTSIDE, False),
        ("L1", 30.0, 2, OUTSIDE, True),
        ("T7", 45.0, 3, OUTSIDE, True),
    ],
)
def test_each_row_of_the_table(
    level: str, percent: float, grade: int, expected: WedgingAssessment, is_unusual: bool
) -> None:
    """L4 alone has limits, L5 is described, above L4 the label is doubted; 20 % against neighbours is a grade (4b)."""
    finding, found = posterior(level, percent)
    assert percent == pytest.approx(found.wedging_percent)
    assert (grade, expected) == (found.genant_grade, found.wedging_assessment)
    assert is_unusual == ("UNUSUAL_DIRECTION" in finding.flags)
    assert (found.deformity is Deformity.POSTERIOR_WEDGE) == (grade > 0)


def test_limits_of_any_level_are_settings() -> None:
    """A department's limit acts at the level that it names, and L4 has none where the department sets none."""
    own = {"L5": WedgingLimit(mean_percent=13.2, upper_percent=15.0, source="a department")}
    found = [posterior(level, percent, wedging_limits=own)[1] for level, percent in (("L5", 14.0), ("L5", 16.0))]
    assert [WITHIN, OUTSIDE] == [one.wedging_assessment for one in found]
    assert NO_LIMIT is posterior("L4", 9.0, wedging_limits=own)[1].wedging_assessment


@pytest.mark.parametrize("percent", [5.0, 13.2, 30.0])
@pytest.mark.parametrize("level", ["T7", "L1", "L4", "L5"])
def test_shape_alone_never_prints_a_cause(level: str, percent: float) -> None:
    """None of the candidates of table 4b, nor anything like one, stands in what is said of a posterior wedge."""
    finding, found = posterior(level, percent)
    said = " ".join((*finding.flags, str(found.deformity), found.wedging_direction, found.wedging_assessment)).lower()
    candidates = ("physiolog", "congenital", "degenerat", "trauma", "cause", "fracture", "acute", "scheuermann")
    assert [] == [word for word in candidates if word in said]
    assert [] == [field.name for field in fields(Measured) if "cause" in field.name or "candidate" in field.name]
