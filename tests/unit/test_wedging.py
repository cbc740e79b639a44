import pytest

from sr_templates.findings import Deformity, ReferenceRule, WedgingAssessment, WedgingDirection
from workers.morphometry.wedging import DEFAULT_LIMITS, against_neighbours, assess, direction, is_unusual

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
        (1e-12, WedgingDirection.NONE),
        (-1e-12, WedgingDirection.NONE),
    ],
)
def test_direction(percent: float, expected: WedgingDirection) -> None:
    """The sign names the lower side; binary noise names none."""
    assert expected is direction(percent)


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(0.0, WITHIN), (4.8, WITHIN), (8.3, WITHIN), (8.3 + 1e-12, WITHIN), (8.34, OUTSIDE), (-3.0, NO_LIMIT)],
)
def test_limit_of_the_level(percent: float, expected: WedgingAssessment) -> None:
    """Above the limit is outside, the limit itself is not; anterior wedging has no limit."""
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


@pytest.mark.parametrize(
    ("percent", "deformity", "expected"),
    [
        (30.0, Deformity.POSTERIOR_WEDGE, OUTSIDE),
        (-30.0, Deformity.ANTERIOR_WEDGE, OUTSIDE),
        (-30.0, Deformity.POSTERIOR_WEDGE, NO_LIMIT),
        (30.0, Deformity.CRUSH, NO_LIMIT),
        (5.0, Deformity.NONE, NO_LIMIT),
    ],
)
def test_a_graded_wedge_is_outside_any_limit(percent: float, deformity: Deformity, expected: WedgingAssessment) -> None:
    """A height loss of 20 % on the wedge's side is beyond limits at every level (4b, last row)."""
    assert expected is assess(percent, None, deformity=deformity)


@pytest.mark.parametrize("rule", list(ReferenceRule))
def test_deformity_must_come_from_neighbours(rule: ReferenceRule) -> None:
    """The vertebra's own heights cannot say that it is outside limits."""
    expected = None if rule is ReferenceRule.WITHIN_VERTEBRA else Deformity.POSTERIOR_WEDGE
    assert expected is against_neighbours(Deformity.POSTERIOR_WEDGE, rule)


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
