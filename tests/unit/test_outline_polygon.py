"""Closed lines: which are outlines, their points along the arc, the smallest rectangle around them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from radiographs import Array, Profile

from workers.landmarks.outline.polygon import along, area, problem, rectangle_axis, tidied
from workers.landmarks.outline.reasons import Reason

SQUARE = np.array([(0, 0), (4, 0), (8, 0), (8, 4), (8, 8), (4, 8), (0, 8), (0, 4)], dtype=np.float64)


def _star(points: int) -> Array:
    angles = np.arange(2 * points) * np.pi / points
    radii = np.where(np.arange(2 * points) % 2, 3.0, 10.0)
    return np.column_stack([np.cos(angles) * radii, np.sin(angles) * radii])


@settings(max_examples=30, deadline=None)
@given(start=st.integers(0, 7), back=st.booleans(), x=st.floats(-500, 500), scale=st.floats(0.01, 1000))
def test_an_outline_is_one_from_any_vertex_and_either_way(start: int, back: bool, x: float, scale: float) -> None:
    """Neither winding, start, place nor size makes a simple polygon of eight vertices anything else."""
    line = np.roll(SQUARE, start, axis=0)[:: -1 if back else 1] * scale + x

    assert problem(line) is None
    assert 64 * scale**2 == pytest.approx(area(line))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (SQUARE[:7], Reason.TOO_FEW_VERTICES),
        (np.where(SQUARE == 4, np.nan, SQUARE), Reason.NOT_FINITE),
        (SQUARE[[0, 1, 2, 3, 7, 5, 6, 4]], Reason.SELF_INTERSECTION),
        (np.concatenate([SQUARE[:4], SQUARE[:1] + 8, [(2, 8), (4, 0), (0, 8)]]), Reason.SELF_INTERSECTION),
        (SQUARE * (1, 0.02), Reason.DEGENERATE),
        (SQUARE * (1, 0), Reason.SELF_INTERSECTION),
        (_star(7), None),
    ],
    ids=["seven", "nan", "crossing", "touching", "thin", "flat", "star"],
)
def test_what_is_no_outline_is_told(line: Array, expected: Reason | None) -> None:
    """Too few vertices, no numbers, a line that crosses or touches itself, and one around nothing are refused."""
    assert expected == problem(line)


def test_a_large_outline_is_checked_in_parts() -> None:
    """A spiral of 4000 vertices does not cross itself; with two of them exchanged it does."""
    turn = np.linspace(0, 12 * np.pi, 2000)
    arm = np.column_stack([np.cos(turn), np.sin(turn)]) * (turn[:, None] + 1)
    spiral = np.concatenate([arm, arm[::-1] * 1.02])

    assert problem(spiral) is None
    spiral[[700, 1400]] = spiral[[1400, 700]]
    assert Reason.SELF_INTERSECTION is problem(spiral)


def test_repeats_and_strokes_that_return_are_dropped() -> None:
    """A vertex that is written twice, the closing one, and a stroke out and back leave the polygon as it was."""
    line = np.array([(0, 0), (0, 0), (8, 0), (12, 0), (8, 0), (8, 8), (0, 8), (0, 0)], dtype=np.float64)

    assert [[0, 0], [8, 0], [8, 8], [0, 8]] == tidied(line).tolist()


@settings(max_examples=20, deadline=None)
@given(step=st.floats(0.05, 20))
def test_points_along_the_arc_are_near_each_other(step: float) -> None:
    """No two neighbours are farther apart than asked, all vertices are kept, and the area stays."""
    line = Profile().outline(60)
    points = along(line, step)

    assert np.hypot(*(np.roll(points, -1, axis=0) - points).T).max() <= step + 1e-9
    assert {tuple(vertex) for vertex in line.tolist()} <= {tuple(point) for point in points.tolist()}
    assert area(line) == pytest.approx(area(points))


@settings(max_examples=30, deadline=None)
@given(turn=st.floats(-180, 180), height=st.floats(0.2, 0.9))
def test_the_smallest_rectangle_lies_along_the_sides_of_a_box(turn: float, height: float) -> None:
    """However a box is turned, one of its sides is the axis."""
    angle = np.radians(turn)
    side = np.array([np.cos(angle), np.sin(angle)])
    box = SQUARE * (1, height) @ np.array([side, (-side[1], side[0])])
    off = sorted(abs(float(rectangle_axis(box) @ one)) for one in (side, (-side[1], side[0])))

    assert [0, 1] == pytest.approx(off, abs=1e-6)
