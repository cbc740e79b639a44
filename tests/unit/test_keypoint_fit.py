"""From a radiograph to a network's input and back, with 0, 0 at the corner of the first pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from workers.finders.keypoints.fit import Fit, fitted

SIZES = st.tuples(st.integers(8, 60), st.integers(8, 60))
FITS = st.builds(
    fitted,
    SIZES,
    SIZES,
    resize=st.sampled_from(["pad", "stretch"]),
    placed=st.sampled_from(["top_left", "centre"]),
    mirrored=st.booleans(),
)


@given(FITS, st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=1))
def test_there_and_back(fit: Fit, points: list[tuple[float, float]]) -> None:
    """A point comes back to where it was, to rounding."""
    there = np.array(points)

    assert there == pytest.approx(fit.to_source(fit.to_input(there)), abs=1e-9)


@given(FITS)
def test_the_image_lies_inside(fit: Fit) -> None:
    """The corners of the radiograph lie in the input, and touch it on two sides opposite each other at least."""
    corners = fit.to_input(np.array([[0.0, 0.0], [fit.source[0], fit.source[1]]]))
    low, high = corners.min(axis=0), corners.max(axis=0)

    assert (low >= -1e-9).all()
    assert (high <= np.array(fit.target) + 1e-9).all()
    assert np.isclose(high - low, fit.target).any()


@examples(max_examples=25)
@given(
    st.integers(40, 80),
    st.integers(40, 80),
    st.sampled_from(["pad", "stretch"]),
    st.sampled_from(["top_left", "centre"]),
    st.booleans(),
    st.floats(0.4, 0.6),
    st.floats(0.4, 0.6),
)
def test_pixels_go_where_points_go(
    width: int, height: int, resize: str, placed: str, mirrored: bool, across: float, down: float
) -> None:
    """The centre of mass of a spot in the resampled image is the mapped centre of the spot, to a tenth of a pixel."""
    source = (60, 50)
    spot = np.array([source[0] * across, source[1] * down])
    columns, rows = (np.arange(size) + 0.5 for size in source)
    squared = (columns[np.newaxis] - spot[0]) ** 2 + (rows[:, np.newaxis] - spot[1]) ** 2
    image = np.exp(-squared / (2 * 3.0**2))
    fit = fitted(source, (width, height), resize=resize, placed=placed, mirrored=mirrored)  # type: ignore[arg-type]  # drawn
    found = fit.resampled(image)
    x, y = (np.arange(size) + 0.5 for size in fit.target)

    assert (height, width) == found.shape
    mass = np.array([(found * x[np.newaxis]).sum(), (found * y[:, np.newaxis]).sum()]) / found.sum()
    assert fit.to_input(spot) == pytest.approx(mass, abs=0.1)


def test_nothing_is_moved_where_sizes_agree() -> None:
    """An input of the radiograph's size is the radiograph, pixel for pixel; mirrored, its mirror image."""
    image = np.arange(80.0).reshape(8, 10)
    same, mirrored = (
        fitted((10, 8), (10, 8), resize="pad", placed="centre", mirrored=turned) for turned in (False, True)
    )

    assert image == pytest.approx(same.resampled(image))
    assert image[:, ::-1] == pytest.approx(mirrored.resampled(image))


def test_room_is_dark() -> None:
    """Half of an input twice as wide is filled with 0: on the right, or on both sides."""
    image = np.ones((8, 8))
    filled = [
        fitted((8, 8), (16, 8), resize="pad", placed=placed, mirrored=False).resampled(image).any(axis=0).tolist()
        for placed in ("top_left", "centre")
    ]

    assert [[True] * 8 + [False] * 8, [False] * 4 + [True] * 8 + [False] * 4] == filled
