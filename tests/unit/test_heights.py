import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outlines import outline

from workers.morphometry.heights import endplate_angle_deg, heights, ratios, wedging_percent

sizes = st.floats(5, 45)


@settings(max_examples=20, deadline=None)
@given(anterior=sizes, middle=sizes, posterior=sizes)
def test_heights_are_distances_of_paired_points(anterior: float, middle: float, posterior: float) -> None:
    """An outline made from three heights has these heights."""
    assert (anterior, middle, posterior) == pytest.approx(tuple(heights(outline((anterior, middle, posterior)))))


@settings(max_examples=20, deadline=None)
@given(anterior=sizes, posterior=sizes, depth=st.floats(12, 55))
def test_angle_in_closed_form(anterior: float, posterior: float, depth: float) -> None:
    """A symmetric body has the angle 2 atan((Ha - Hp) / 2D), positive for posterior wedging (1.5)."""
    angle = 2 * math.degrees(math.atan((anterior - posterior) / 2 / depth))
    assert angle == pytest.approx(float(endplate_angle_deg(outline((anterior, 20.0, posterior), depth))), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(anterior=sizes, posterior=sizes)
def test_wedging_changes_sign_with_the_sides(anterior: float, posterior: float) -> None:
    """Exchanging the sides turns the sign, and the lower side decides it."""
    found = float(wedging_percent(np.array((anterior, 20.0, posterior))))
    assert -found == pytest.approx(float(wedging_percent(np.array((posterior, 20.0, anterior)))))
    assert math.copysign(1, anterior - posterior) == math.copysign(1, found)


def test_wedging_at_the_known_points() -> None:
    """28 and 26.656 mm are 4.8 %; the share is of the larger height."""
    assert 4.8 == pytest.approx(float(wedging_percent(np.array((28.0, 27.0, 26.656)))))


def test_many_bodies_at_once() -> None:
    """Leading axes are kept: one call serves many outlines."""
    many = np.stack([outline((20.0, 21.0, 22.0)), outline((30.0, 31.0, 32.0))])
    assert [[20, 21, 22], [30, 31, 32]] == heights(many).tolist()
    assert (2,) == endplate_angle_deg(many).shape == wedging_percent(heights(many)).shape


def test_ratios_without_a_middle() -> None:
    """Without mid-points there is no biconcavity ratio."""
    found = ratios(np.array((14.0, math.nan, 28.0)))
    assert (0.5, None, 2.0) == (found.wedge, found.biconcavity, found.posterior)
