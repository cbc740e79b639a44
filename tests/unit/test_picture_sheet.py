"""The sheet through the points of a spine."""

import numpy as np
import pytest
from pictured import turned
from report_samples import patient_points

from workers.pictures.grid import grid_over
from workers.pictures.sheet import Sheet

STRAIGHT = [patient_points(middle) for middle in (0.0, -32.0, -64.0)]
TWISTED = [turned(level, patient_points(middle)) for level, middle in (("T12", 0.0), ("L1", -32.0), ("L6", -64.0))]


def test_a_straight_spine_gives_the_flat_sagittal_plane() -> None:
    """All points at x = 1: the plane is there; across is posterior (y), down inferior (-z), the normal to the right."""
    sheet = Sheet.through(STRAIGHT)

    assert sheet is not None
    assert [0, 1, 0, 0, 0, -1, -1, 0, 0] == pytest.approx(sheet.axes.ravel().tolist(), abs=1e-9)
    assert 1.0 == pytest.approx(sheet.origin[0])
    places = np.array([(0.0, 0.0), (80.0, 20.0), (-40.0, -90.0)])
    assert [0.0, 0.0, 0.0] == pytest.approx(sheet.off(places).tolist(), abs=1e-9)


@pytest.mark.parametrize("vertebrae", [STRAIGHT, TWISTED], ids=["straight", "twisted"])
def test_every_point_lies_on_the_sheet(vertebrae: list[dict[str, tuple[float, ...]]]) -> None:
    """Bodies that are turned against each other by 15 degrees each are all met, within a tenth of a millimetre."""
    sheet = Sheet.through(vertebrae)

    assert sheet is not None
    for points in vertebrae:
        flat = sheet.flat(np.array(list(points.values())))
        assert flat[:, 2].tolist() == pytest.approx(sheet.off(flat[:, :2]).tolist(), abs=0.1)


def test_the_pixel_under_a_point_is_the_point() -> None:
    """A pixel of the grid on the sheet, taken back to the patient, is the point that is drawn there."""
    sheet = Sheet.through(TWISTED)
    assert sheet is not None
    points = np.array([point for each in TWISTED for point in each.values()])
    grid = grid_over(sheet, points, pixel_mm=0.25)
    places = grid.on_sheet().reshape(grid.rows, grid.columns, 3)

    for point, (column, row) in zip(points, grid.pixels(points), strict=True):
        # The centre of its pixel is half a pixel's diagonal away at most, 0.18 mm, and the coarse sheet a little more.
        assert np.linalg.norm(places[int(row), int(column)] - point) < 0.4


def test_the_grid_holds_every_point_with_room_around_it() -> None:
    """18 mm above and below, 25 mm in front and 45 mm behind the points are in the picture."""
    sheet = Sheet.through(STRAIGHT)
    assert sheet is not None
    points = np.array([point for each in STRAIGHT for point in each.values()])
    grid = grid_over(sheet, points, pixel_mm=0.5)
    pixels = grid.pixels(points)

    assert (50.0, 36.0) == pytest.approx(tuple(pixels.min(axis=0)))
    # 34 mm deep; from 12.5 mm above the first middle to 12.5 mm below the last one, 64 mm lower.
    assert (2 * (25 + 34 + 45), 2 * (64 + 25 + 2 * 18)) == (grid.columns, grid.rows)


def test_a_spine_upside_down_in_its_coordinates_stands_upright() -> None:
    """Where the bodies say that up is -z, they are believed: superior points are above inferior ones."""
    swap = {"S": "I", "I": "S"}
    sheet = Sheet.through([{f"{name[0]}{swap[name[1]]}": point for name, point in each.items()} for each in STRAIGHT])

    assert sheet is not None
    assert [0, 0, 1] == pytest.approx(sheet.axes[1].tolist())


def test_points_on_one_line_span_no_plane() -> None:
    """A body without area has no sagittal plane, and nothing has none either."""
    line = {name: (1.0, 0.0, 2.0 * place) for place, name in enumerate(("AS", "PS", "AI", "PI"))}

    assert Sheet.through([line]) is None
    assert Sheet.through([]) is None
