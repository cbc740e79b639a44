import pytest

from sr_templates.findings import Deformity, ReferenceRule, WedgingAssessment, WedgingDirection
from workers.morphometry.wedging import DEFAULT_LIMITS, WedgingLimit, assess, direction, is_deformed, is_unusual

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
@pytest.mark.parametrize("percent", [-30.0, 0.0, 5.0, 30.0])
def test_a_deformity_is_outside_any_limit(percent: float, limit: WedgingLimit | None) -> None:
    """What neighbours show to be deformed is beyond limits at every level, also where the level's own are kept."""
    assert OUTSIDE is assess(percent, limit, is_deformed=True)


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
