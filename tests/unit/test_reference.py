import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_templates.findings import ReferenceRule
from workers.morphometry.reference import GROWTH, Neighbour, expected

OWN = np.array((20.0, 21.0, 22.0))
OFFSETS = (-3, -2, -1, 1, 2, 3)


def at(offset: int, *heights: float, valid: bool = True) -> Neighbour:
    """Return a neighbour; one height stands for all three."""
    return Neighbour(
        level=f"n{offset}", offset=offset, heights=np.array(heights * (1 if len(heights) == 3 else 3)), valid=valid
    )


@settings(max_examples=20, deadline=None)
@given(
    base=st.floats(18, 30),
    slope=st.floats(-0.8, 0.8),
    offsets=st.sampled_from([c for n in (3, 4, 5, 6) for c in combinations(OFFSETS, n)]),
)
def test_a_straight_column_is_read_exactly(base: float, slope: float, offsets: tuple[int, ...]) -> None:
    """Heights on a line that grows like a spine are found exactly, from between them and from one end."""
    found = expected(OWN, [at(offset, base + slope * offset) for offset in offsets])
    assert found.rule is ReferenceRule.FIT
    assert [base] * 3 == pytest.approx(found.heights.tolist())
    assert [0] * 3 == pytest.approx(found.residual.tolist(), abs=1e-6)


def test_fit_agrees_with_least_squares() -> None:
    """The fit is numpy's line, each position for itself, and its error factor that of the closed form."""
    offsets, known = np.array((-3, -1, 1, 2)), np.array(((21, 22, 23), (24, 23, 25), (25, 27, 26), (28, 27, 29.0)))
    found = expected(OWN, [at(int(x), *h) for x, h in zip(offsets, known, strict=True)])
    lines = np.polynomial.polynomial.polyfit(offsets, known, 1)
    rest = known - lines[0] - np.outer(offsets, lines[1])
    centre, spread = offsets.mean(), ((offsets - offsets.mean()) ** 2).sum()
    assert lines[0].tolist() == pytest.approx(found.heights.tolist())
    assert np.sqrt((rest**2).sum(axis=0) / 2).tolist() == pytest.approx(found.residual.tolist())
    assert math.sqrt(1 / 4 + centre**2 / spread) == pytest.approx(found.error_factor)
    assert ("n-3", "n-1", "n1", "n2") == found.levels


def test_one_sided_fit_is_held_to_growth() -> None:
    """A low vertebra among three on one side is not carried on: the slope is at most a level's growth (Palm 2025)."""
    found = expected(OWN, [at(1, 30.0), at(2, 27.0), at(3, 15.0)])
    assert [24 * (1 + 2 * GROWTH)] * 3 == pytest.approx(found.heights.tolist())
    assert math.sqrt(7 / 3) == pytest.approx(found.error_factor)


def test_two_sided_fit_is_not_held() -> None:
    """Between references the line is taken as it is."""
    assert [25] * 3 == pytest.approx(expected(OWN, [at(-1, 20.0), at(1, 30.0), at(-2, 15.0)]).heights.tolist())


def test_two_neighbours_equal_the_fit() -> None:
    """With the two direct neighbours the mean is the line (1.5)."""
    found = expected(OWN, [at(1, 28.0), at(-1, 24.0)])
    assert (ReferenceRule.ADJACENT_2, ("n-1", "n1")) == (found.rule, found.levels)
    assert [26] * 3 == found.heights.tolist()
    assert math.sqrt(1 / 2) == pytest.approx(found.error_factor)


def test_one_neighbour_is_not_scaled() -> None:
    """One direct neighbour gives its own heights; one further away alone gives nothing."""
    found = expected(OWN, [at(-1, 24.0, 25.0, 26.0), at(2, 40.0)])
    assert (ReferenceRule.ADJACENT_1, ("n-1",), [24, 25, 26]) == (found.rule, found.levels, found.heights.tolist())
    assert expected(OWN, [at(-2, 24.0), at(2, 28.0)]).rule is ReferenceRule.WITHIN_VERTEBRA


def test_nobody_left() -> None:
    """Invalid, distant and coinciding neighbours do not serve: the vertebra's own larger wall does."""
    found = expected(OWN, [at(-1, 30.0, valid=False), at(4, 30.0), at(-4, 30.0), at(0, 30.0)])
    assert (ReferenceRule.WITHIN_VERTEBRA, (), [22, 22, 22]) == (found.rule, found.levels, found.heights.tolist())


def test_a_reference_has_every_height_of_the_vertebra() -> None:
    """A vertebra of six points takes no reference of four; one of four takes both, and expects no middle."""
    four, six = at(-1, 24.0, math.nan, 26.0), at(1, 28.0, 27.0, 28.0)
    assert ("n1",) == expected(OWN, [four, six]).levels
    found = expected(np.array((20.0, math.nan, 22.0)), [four, six])
    assert ("n-1", "n1") == found.levels
    assert [26, 27] == found.heights[[0, 2]].tolist()
    assert math.isnan(found.heights[1])
