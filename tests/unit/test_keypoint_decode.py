"""From what a network gives to points and vertebrae."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.finders.keypoints.decode import UnexpectedOutput, by_level, decoded
from workers.finders.keypoints.description import Output

CORNERS = ["AS", "PS", "AI", "PI"]
SIX = ["AS", "MS", "PS", "AI", "MI", "PI"]


def _output(**keys: Any) -> Output:
    plain = {"name": "found", "kind": "heatmaps", "levels": ["L4"], "points": CORNERS, "score_threshold": 0.3}
    return Output.model_validate({key: value for key, value in (plain | keys).items() if value is not None})


def _gaussian(x: float, y: float, *, height: float = 1.0, size: tuple[int, int] = (24, 20)) -> np.ndarray:
    """Return a heatmap, (rows, columns), with its peak at (x, y), 0, 0 being the corner of its first pixel."""
    columns, rows = (np.arange(extent) + 0.5 for extent in size)
    squared = (columns[np.newaxis] - x) ** 2 + (rows[:, np.newaxis] - y) ** 2
    peak: np.ndarray = height * np.exp(-squared / 8.0)
    return peak


@given(st.floats(2.0, 22.0), st.floats(2.0, 18.0))
def test_the_peak_of_a_gaussian_is_found_between_pixels(x: float, y: float) -> None:
    """The place of a Gaussian is found exactly, and scaled to the network's input, here four times as large."""
    maps = np.stack([_gaussian(x, y)] * 4)[np.newaxis]
    found = decoded(maps, _output(), (96, 80))

    assert np.array([[4 * x, 4 * y]] * 4) == pytest.approx(found.places, abs=1e-6)
    assert found.placed.all()


def test_a_peak_at_the_edge_is_its_pixel() -> None:
    """Without neighbours on both sides, or with nothing around it, the centre of the pixel is the place."""
    edge, alone = np.zeros((20, 24)), np.zeros((20, 24))
    edge[0, 23], alone[5, 7] = 1.0, 1.0
    found = decoded(np.stack([edge, alone, edge, alone])[np.newaxis], _output(), (24, 20))

    assert [[23.5, 0.5], [7.5, 5.5]] == found.places[:2].tolist()


def test_low_peaks_and_no_numbers_are_not_placed() -> None:
    """Peaks below the threshold, and heatmaps without a number, place no point; at the threshold one is placed."""
    maps = [_gaussian(5.5, 5.5, height=height) for height in (0.3, 0.29, 1.0)] + [np.full((20, 24), np.nan)]
    found = decoded(np.stack(maps)[np.newaxis], _output(), (24, 20))

    assert [True, False, True, False] == found.placed.tolist()


@pytest.mark.parametrize(
    ("keys", "row", "place"),
    [
        ({"first_pixel_centre": 0.5}, [10.0, 20.0, 0.9], (10.0, 20.0)),
        ({"first_pixel_centre": 0.0}, [10.0, 20.0, 0.9], (10.5, 20.5)),
        ({"coordinates": "normalised"}, [0.25, 0.5, 0.9], (24.0, 40.0)),
        ({"coordinates": "normalised", "score_threshold": None}, [0.25, 0.5], (24.0, 40.0)),
    ],
)
def test_points_are_read_in_their_convention(
    keys: dict[str, Any], row: list[float], place: tuple[float, float]
) -> None:
    """Pixels from a corner or from a centre, and shares of width and height, come out in pixels from the corner."""
    found = decoded(np.array([[row] * 4]), _output(kind="points", **keys), (96, 80))

    assert [list(place)] * 4 == found.places.tolist()
    assert found.placed.all()


@pytest.mark.parametrize(
    ("keys", "shape"),
    [
        ({}, (1, 5, 20, 24)),
        ({}, (2, 4, 20, 24)),
        ({}, (4, 20, 24)),
        ({"kind": "points", "first_pixel_centre": 0.5}, (1, 4, 2)),
        ({"kind": "points", "first_pixel_centre": 0.5}, (1, 2, 4, 3)),
    ],
)
def test_another_shape_is_refused(keys: dict[str, Any], shape: tuple[int, ...]) -> None:
    """What does not have the described shape is not guessed at; the message says both."""
    with pytest.raises(UnexpectedOutput, match=r"expected .* found \("):
        decoded(np.zeros(shape), _output(**keys), (96, 80))


def test_levels_lie_outside_of_points() -> None:
    """The first numbers are the points of the first level, in the order of the description."""
    output = _output(kind="points", first_pixel_centre=0.5, levels=["L4", "T12"])
    rows = np.array([[[float(n), float(n), 1.0] for n in range(8)]])
    flat, nested = (decoded(found, output, (96, 80)) for found in (rows, rows.reshape(1, 2, 4, 3)))

    assert flat.places.tolist() == nested.places.tolist()
    assert {"AS": (4.0, 4.0), "PS": (5.0, 5.0), "AI": (6.0, 6.0), "PI": (7.0, 7.0)} == by_level(
        flat.places, flat.placed, output
    )["T12"]


@pytest.mark.parametrize(
    ("missing", "points"), [(set(), set(SIX)), ({"MS"}, set(CORNERS)), ({"MS", "MI"}, set(CORNERS)), ({"PI"}, None)]
)
def test_a_vertebra_needs_its_corners(missing: set[str], points: set[str] | None) -> None:
    """Without one of the corners a vertebra is left out, without one of the middle points it has neither."""
    placed = np.array([name not in missing for name in SIX])
    found = by_level(np.zeros((6, 2)), placed, _output(points=SIX))

    assert points == (set(found["L4"]) if found else None)
