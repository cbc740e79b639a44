"""Four or six points named by where they lie."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.landmarks.corners import MOST_TILT_DEG, is_box, named_corners

#: Half depth 17, half heights 12, 10.5, 12.5: u to posterior, v to superior.
BODY = {
    "AS": (-17.0, 12.0),
    "MS": (0.0, 10.5),
    "PS": (17.0, 12.5),
    "PI": (17.0, -12.5),
    "MI": (0.0, -10.5),
    "AI": (-17.0, -12.0),
}
CORNERS = ("AS", "PS", "PI", "AI")


def _turned(degrees: float, names: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return {
        name: (cos * u - sin * v + 300.0, sin * u + cos * v - 90.0) for name, (u, v) in BODY.items() if name in names
    }


@pytest.mark.parametrize("names", [tuple(BODY), CORNERS], ids=["six", "four"])
@given(degrees=st.floats(-MOST_TILT_DEG + 3, MOST_TILT_DEG - 3), seed=st.integers(0, 10**6))
def test_points_are_named_by_their_place_in_any_order(names: tuple[str, ...], degrees: float, seed: int) -> None:
    """A body tilted by up to 32 degrees has its points named, in whatever order they were clicked."""
    turned = _turned(degrees, names)
    order = random.Random(seed).sample(names, k=len(names))

    assert {name: place for place, name in enumerate(order)} == named_corners([turned[name] for name in order])


@pytest.mark.parametrize("names", [tuple(BODY), CORNERS], ids=["six", "four"])
@pytest.mark.parametrize("degrees", [-90, -60, -45, 45, 60, 90, 135])
def test_a_body_that_lies_on_its_side_is_not_named(names: tuple[str, ...], degrees: float) -> None:
    """Where a side could be an endplate no point gets a name, rather than the wrong one."""
    assert named_corners(list(_turned(degrees, names).values())) == {}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 7, 8])
def test_only_four_or_six_points_are_a_body(count: int) -> None:
    """Any other number of points is not named."""
    ring = [(math.cos(2 * math.pi * k / 9), math.sin(2 * math.pi * k / 9)) for k in range(count)]

    assert named_corners(ring) == {}


def test_six_points_without_clear_mid_points_are_not_named() -> None:
    """In a regular hexagon every point turns alike: none of them is a mid-point."""
    hexagon = [(20 * math.cos(math.radians(a)), 20 * math.sin(math.radians(a))) for a in range(0, 360, 60)]

    assert named_corners(hexagon) == {}


def test_points_on_one_spot_are_not_named() -> None:
    """Points that coincide make no body and no error."""
    assert named_corners([(1.0, 1.0)] * 4) == {}
    assert named_corners([(1.0, 1.0)] * 6) == {}


@given(st.floats(-180, 180), st.floats(1, 50), st.floats(1, 50))
def test_a_rectangle_is_a_box_however_it_is_turned(degrees: float, width: float, height: float) -> None:
    """Four right angles are drawn by a tool, not placed on a vertebra."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    box = [(cos * u - sin * v, sin * u + cos * v) for u, v in ((0, 0), (width, 0), (width, height), (0, height))]

    assert is_box(box)


def test_a_wedged_body_is_no_box() -> None:
    """The four corners of a body with unequal heights are no rectangle: its walls lean by 0.8 degrees."""
    assert not is_box([BODY[name] for name in CORNERS])
    assert not is_box(list(BODY.values()))
