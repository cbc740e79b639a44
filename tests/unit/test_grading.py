import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.morphometry.grading import (
    borderline,
    distance_to_border,
    genant_grade,
    grade_probabilities,
    largest,
    loss_percent,
    other_grade,
    rounded,
)

losses = st.floats(-50, 100)
sds = st.floats(0.5, 12)


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (100 * (1 - 24 / 30), 20.0),
        (19.949999, 19.9),
        (19.95, 20.0),
        (24.95, 25.0),
        (24.9499999999, 25.0),
        (40.04, 40.0),
        (40.05, 40.1),
        (-0.04, 0.0),
        (-0.05, 0.0),
        (-0.06, -0.1),
    ],
)
def test_rounding_is_half_up_in_decimals(value: float, printed: float) -> None:
    """A loss is rounded half-up to 0.1, and binary noise is no part of it."""
    assert printed == rounded(value)
    assert math.copysign(1, printed) == math.copysign(1, rounded(value))


@pytest.mark.parametrize(
    ("loss", "grade"),
    [
        (-5, 0),
        (19.9, 0),
        (19.94, 0),
        (19.95, 1),
        (20, 1),
        (24.9, 1),
        (24.95, 2),
        (25, 2),
        (40, 2),
        (40.04, 2),
        (40.1, 3),
    ],
)
def test_borders(loss: float, grade: int) -> None:
    """<20 is 0, [20, 25) is 1, [25, 40] is 2, >40 is 3, on the rounded number."""
    assert grade == genant_grade(loss)


@pytest.mark.parametrize(("loss", "grade"), [(39.9, 2), (39.95, 3), (40.0, 3), (40.04, 3), (40.1, 3)])
def test_severe_border_belongs_where_the_setting_says(loss: float, grade: int) -> None:
    """With the other convention exactly 40.0 is grade 3, and nothing else changes."""
    assert grade == genant_grade(loss, severe_border_grade=3)


@settings(max_examples=25, deadline=None)
@given(a=losses, b=losses, severe=st.sampled_from([2, 3]))
def test_grade_never_falls_with_the_loss(a: float, b: float, severe: int) -> None:
    """More loss is never a lower grade."""
    low, high = sorted((a, b))
    assert genant_grade(low, severe) <= genant_grade(high, severe)


@settings(max_examples=25, deadline=None)
@given(height=st.floats(4, 45), less=st.floats(0, 4), reference=st.floats(10, 45))
def test_loss_never_falls_with_the_height(height: float, less: float, reference: float) -> None:
    """A lower height is never a smaller loss."""
    tall, short = loss_percent(np.array((height, height - less)), np.full(2, reference))
    assert tall <= short


@settings(max_examples=25, deadline=None)
@given(loss=losses, sd=sds)
def test_probabilities_are_a_distribution(loss: float, sd: float) -> None:
    """Probabilities are not negative and sum to 1."""
    found = grade_probabilities(loss, sd)
    assert all(p >= 0 for p in found)
    assert 1 == pytest.approx(sum(found), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(a=losses, b=losses, sd=sds)
def test_more_loss_makes_high_grades_more_probable(a: float, b: float, sd: float) -> None:
    """P(grade >= g) never falls with the loss."""
    low, high = (grade_probabilities(loss, sd) for loss in sorted((a, b)))
    assert all(sum(low[g:]) <= sum(high[g:]) + 1e-12 for g in (1, 2, 3))


def test_grade_1_is_never_certain() -> None:
    """In the middle of its band grade 1 has 0.99, 0.79, 0.60, 0.47 for an SD of 1, 2, 3, 4 points (2.3)."""
    assert [0.99, 0.79, 0.60, 0.47] == [round(grade_probabilities(22.5, sd)[1], 2) for sd in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("loss", "sd", "expected"),
    [
        (10, 3, False),
        (32.5, 3, False),
        (60, 3, False),
        (17, 3, True),  # exactly one SD from 20
        (16.9, 3, False),  # P(0) = 0.85, more than one SD away
        (22.5, 3, True),  # P(1) = 0.60
        (22.5, 1, False),  # P(1) = 0.99, 2.5 SD away
        (25, 0.5, True),  # on a border
        (32.5, 7.6, True),  # a border within one SD
    ],
)
def test_borderline(loss: float, sd: float, expected: bool) -> None:
    """Borderline is: no grade with P >= 0.8, or a border within one SD (3.5)."""
    assert expected == borderline(loss, sd)


@settings(max_examples=25, deadline=None)
@given(loss=losses, sd=sds)
def test_a_probable_deformity_is_borderline_at_grade_0(loss: float, sd: float) -> None:
    """Where P(grade >= 1) exceeds 0.2 at grade 0, the grade is borderline (section 4, row 2)."""
    if genant_grade(loss) == 0 and sum(grade_probabilities(loss, sd)[1:]) > 0.2:
        assert borderline(loss, sd)


def test_distance_to_border() -> None:
    """The distance is that to the nearest of 20, 25 and 40."""
    assert [20, 1, 2, 5] == [distance_to_border(loss) for loss in (0, 21, 27, 45)]


def test_largest_leaves_out_what_is_not_there() -> None:
    """A position without a height takes no part, even against negative losses."""
    assert (2, -1.0) == largest(np.array((-3.0, math.nan, -1.0)))


@pytest.mark.parametrize(
    ("loss", "grade", "other"),
    [
        *((0.0, 0, 1), (19.9, 0, 1), (20.0, 1, 0), (22.5, 1, 0), (22.6, 1, 2), (25.0, 2, 1), (32.4, 2, 1)),
        *((32.6, 2, 3), (40.0, 2, 3), (40.0, 3, 2), (40.1, 3, 2), (80.0, 3, 2), (-5.0, 0, 1)),
    ],
)
def test_the_other_grade_lies_beyond_the_nearest_border(loss: float, grade: int, other: int) -> None:
    """Of two borders as near the lower counts."""
    assert other == other_grade(loss, grade)
