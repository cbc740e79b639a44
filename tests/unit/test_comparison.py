import pytest

from workers.morphometry.comparison import RULE, compare


@pytest.mark.parametrize(
    ("baseline", "followup", "percent", "mm"),
    [
        (26.0, 22.0, False, True),
        (20.0, 16.0, True, True),
        (30.0, 24.0, True, True),
        (30.0, 24.01, True, True),
        (30.0, 24.1, False, True),
        (10.0, 8.0, True, False),
        (20.0, 25.0, False, False),
    ],
)
def test_both_conditions(baseline: float, followup: float, percent: bool, mm: bool) -> None:
    """20 % and 4 mm are reached at the border, on the rounded numbers, and the rule needs both."""
    found = compare(baseline, followup)
    assert (percent, mm, percent and mm) == (found.at_least_20_percent, found.at_least_4_mm, found.meets_rule)


def test_rule_has_a_name() -> None:
    """The rule is named, so that a report can say which one was applied."""
    assert RULE == "20_percent_and_4_mm"


def test_growth_is_negative() -> None:
    """A height that is larger now has dropped by less than nothing."""
    assert (-5.0, -25.0) == (compare(20.0, 25.0).drop_mm, compare(20.0, 25.0).drop_percent)
