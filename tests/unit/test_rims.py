import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.landmarks.mask.body import Section
from workers.landmarks.mask.rims import Rims, find_rims

Array = npt.NDArray[np.float64]

ACROSS = np.arange(-36, 36.25, 0.5)
UP = np.arange(-32, 32.25, 0.5)
POSTERIOR, SUPERIOR = np.meshgrid(ACROSS, UP)


def _body(anterior: float, posterior: float, depth: float = 34.0) -> Array:
    """Return the distance inside a body with straight endplates, mm: (superior, posterior)."""
    half_height = (anterior + (posterior - anterior) * (POSTERIOR / depth + 0.5)) / 2
    return np.asarray(np.minimum(depth / 2 - np.abs(POSTERIOR), half_height - np.abs(SUPERIOR)))


def _box(front: float, rear: float, low: float, high: float) -> Array:
    distances = [POSTERIOR - front, rear - POSTERIOR, SUPERIOR - low, high - SUPERIOR]
    return np.asarray(np.minimum.reduce(distances))


def _rims(values: Array) -> Rims:
    rims = find_rims(Section(across=ACROSS, up=UP, values=values))
    assert rims is not None
    return rims


def _heights(rims: Rims) -> Array:
    return np.asarray(np.linalg.norm(rims.points[:3] - rims.points[3:], axis=1))


@settings(max_examples=30, deadline=None)
@given(anterior=st.floats(12, 32), posterior=st.floats(12, 32), depth=st.floats(26, 38))
def test_a_body_with_straight_endplates_gives_its_corners(anterior: float, posterior: float, depth: float) -> None:
    """Corners at the ends of the depth, middle points half-way on the endplates: within one sample."""
    rims = _rims(_body(anterior, posterior, depth))
    half = depth / 2
    heights = np.array([anterior, (anterior + posterior) / 2, posterior]) / 2
    superior = np.column_stack([[-half, 0, half], heights])
    expected = np.concatenate([superior, superior * [1, -1]])
    assert np.abs(expected - rims.points).max() <= 0.5 + 1e-9
    assert not rims.joined


def test_an_osteophyte_is_cut_at_a_tenth_of_the_depth() -> None:
    """A claw 12 mm long below the anterior superior rim leaves Ha as it is and the rim within 10 % of the wall."""
    rims = _rims(np.maximum(_body(25, 25), _box(-29, -15, 6, 12.5)))
    assert 25 == pytest.approx(_heights(rims)[0], abs=0.6)
    assert -17 - 3.4 - 0.5 < rims.points[0, 0] < -17 + 0.5


def test_a_narrow_node_at_the_middle_is_bridged() -> None:
    """A pit of 1.5 mm width, less than half of the central window, does not lower the middle point."""
    rims = _rims(np.minimum(_body(25, 25), -_box(-0.75, 0.75, 6, 20)))
    assert 25 == pytest.approx(_heights(rims)[1], abs=0.5)


def test_posterior_elements_that_hang_on_the_body_are_cut_at_its_wall() -> None:
    """A bridge over the upper half of the wall is told from the body, and the posterior rims stay at the wall."""
    rims = _rims(np.maximum(_body(26, 26, 34.4), _box(10, 34, -1, 9)))
    assert rims.joined
    assert [17.2, 17.2] == pytest.approx(rims.points[[2, 5], 0].tolist(), abs=0.6)
    assert 26 == pytest.approx(_heights(rims)[2], abs=0.6)


@settings(max_examples=20, deadline=None)
@given(anterior=st.floats(14, 30), posterior=st.floats(14, 30))
def test_a_mirrored_body_gives_mirrored_points(anterior: float, posterior: float) -> None:
    """Upside down, superior and inferior points change places."""
    values = _body(anterior, posterior) + 0.02 * SUPERIOR
    straight, turned = _rims(values), _rims(values[::-1])
    assert np.abs(straight.points[[3, 4, 5, 0, 1, 2]] * [1, -1] - turned.points).max() < 1e-6


def test_the_lean_of_the_endplates_is_seen() -> None:
    """A body turned by 10 degrees in its plane leans by 10 degrees."""
    angle = np.radians(10)
    u = POSTERIOR * np.cos(angle) + SUPERIOR * np.sin(angle)
    v = SUPERIOR * np.cos(angle) - POSTERIOR * np.sin(angle)
    rims = _rims(np.minimum(17 - np.abs(u), 13 - np.abs(v)))
    assert 10 == pytest.approx(float(np.degrees(rims.lean_rad)), abs=0.5)


@pytest.mark.parametrize("values", [np.full_like(POSTERIOR, -1.0), _box(5, 20, 5, 20)], ids=["empty", "off centre"])
def test_nothing_at_the_centre_gives_no_points(values: Array) -> None:
    """A section without a body about its origin has no rims."""
    assert find_rims(Section(across=ACROSS, up=UP, values=values)) is None


def test_a_step_has_no_front_wall_and_gives_no_points() -> None:
    """Where the lower half stands 9 mm before the upper one, no rim is near the wall between them: no points."""
    step = np.maximum(_box(-17, 17, -9.75, 0.2), _box(-8, 17, -0.1, 10.25))
    assert find_rims(Section(across=ACROSS, up=UP, values=step)) is None


def test_a_sliver_does_not_lean() -> None:
    """A body of a single column of samples has endplates of one point each, which have no slope."""
    assert 0 == _rims(_box(-0.2, 0.2, -10, 10)).lean_rad
