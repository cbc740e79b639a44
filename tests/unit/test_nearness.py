import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.landmarks.nearness import boxes, distances

SQUARE = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]


@pytest.mark.parametrize(
    ("places", "points", "expected"),
    [
        ([(3.0, 4.0)], [(0.0, 0.0)], 5.0),
        ([(5.0, 3.0)], [(0.0, 0.0), (10.0, 0.0)], 3.0),
        ([(13.0, 4.0)], [(0.0, 0.0), (10.0, 0.0)], 5.0),
        ([(5.0, 5.0)], SQUARE, 0.0),
        ([(15.0, 5.0)], SQUARE, 5.0),
        ([(14.0, 2.0), (30.0, 8.0)], SQUARE, 4.0),
        ([(13.0, 14.0), (30.0, 20.0)], SQUARE, 5.0),
        ([(30.0, 20.0), (13.0, 14.0)], SQUARE, 5.0),
    ],
)  # fmt: skip
def test_distance_is_measured_to_the_nearest_edge(
    places: list[tuple[float, float]], points: list[tuple[float, float]], expected: float
) -> None:
    """From an anchor point or a box to a point, a line or a polygon; inside a polygon it is 0."""
    assert [expected] == pytest.approx(distances(points, boxes([places])).tolist())


@given(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), st.floats(-50, 50), st.floats(-50, 50))
def test_distance_does_not_depend_on_where_the_image_begins(
    anchor: tuple[float, float], right: float, down: float
) -> None:
    """Text and graphic moved together stay as far apart."""
    moved = [(x + right, y + down) for x, y in SQUARE]

    there = (anchor[0] + right, anchor[1] + down)
    assert distances(SQUARE, boxes([[anchor]])) == pytest.approx(distances(moved, boxes([[there]])), abs=1e-6)


def test_a_text_without_a_place_is_nowhere() -> None:
    """It has no distance, and those beside it keep theirs."""
    assert [5.0, float("inf"), 10.0] == distances([(0.0, 0.0)], boxes([[(3.0, 4.0)], [], [(6.0, 8.0)]])).tolist()


def test_absurd_places_are_near_nothing() -> None:
    """Coordinates as large as a damaged file may have them give neither an exception nor a distance within an image."""
    assert not (distances([(1e300, -1e300), (-1e300, 1e300)], boxes([[(3.0, 4.0)], [(1e308, 1e308)]])) < 1e6).any()


def test_points_that_coincide_are_one_point() -> None:
    """A line or a polygon without length has the distance of its one place."""
    for count in (1, 2, 4):
        assert [5.0] == distances([(0.0, 0.0)] * count, boxes([[(3.0, 4.0)]])).tolist()
