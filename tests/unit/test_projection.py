from dataclasses import replace

import numpy as np
import pytest
from report_samples import ct_slice

from sr_templates.projection import ROUNDING_MM, Stack, projected, unprojected
from sr_templates.slices import Slice, slices_of


def _slice(number: int, thickness_mm: float | None = None) -> Slice:
    """Return a sagittal slice at x = 3 mm times its number, from (y, z) = (-100, 128) mm backwards and down."""
    (one,) = slices_of(ct_slice(number))
    return replace(one, thickness_mm=thickness_mm)


def test_the_centre_of_the_first_pixel_is_half_a_pixel_from_the_corner() -> None:
    """Image Position is the centre of the first pixel, 0, 0 its top left corner (PS3.3 C.7.6.2, C.18.6.1.1)."""
    assert projected(np.array([[3.0, -100.0, 128.0]]), _slice(1)) == pytest.approx(np.array([[0.5, 0.5]]))


def test_columns_and_rows_have_their_own_spacing() -> None:
    """Pixel Spacing gives the rows first: 2 mm between columns halve the columns only."""
    image = ct_slice(1)
    image.PixelSpacing = [1.0, 2.0]
    (one,) = slices_of(image)

    assert projected(np.array([[3.0, -80.0, 118.0]]), one) == pytest.approx(np.array([[10.5, 10.5]]))


def test_the_way_back_leads_to_the_plane_of_the_slice() -> None:
    """Columns and rows are read at their own spacing; what a point had beside the plane is gone."""
    image = ct_slice(1)
    image.PixelSpacing = [1.0, 2.0]
    (one,) = slices_of(image)

    assert unprojected(np.array([[10.5, 10.5]]), one) == pytest.approx(np.array([[3.0, -80.0, 118.0]]))
    assert unprojected(np.array([[10.5, 10.5]]), replace(one, pixel_mm=None)) is None


@pytest.mark.parametrize("point", [(3.0, -101.0, 0.0), (3.0, 101.0, 0.0), (3.0, 0.0, 129.0), (3.0, 0.0, -129.0)])
def test_what_lies_beside_the_image_is_not_in_it(point: tuple[float, float, float]) -> None:
    """Nobody draws outside of the pixels: 200 columns and 256 rows of 1 mm."""
    assert projected(np.array([point]), _slice(1)) is None


def test_without_a_spacing_there_is_no_pixel() -> None:
    """A slice that does not say how far its pixels lie apart shows no point."""
    assert projected(np.array([[3.0, 0.0, 0.0]]), replace(_slice(1), pixel_mm=None)) is None


@pytest.mark.parametrize(
    ("off_mm", "thickness_mm", "shows"),
    [(1.99, 4.0, True), (2.0 + 2 * ROUNDING_MM, 4.0, False), (0.49, None, True), (0.52, None, False)],
)
def test_a_slice_shows_its_slab(off_mm: float, thickness_mm: float | None, shows: bool) -> None:
    """A point is in a slice up to half its thickness from its plane; half a millimetre where none is stated."""
    found = Stack(slices=[_slice(1, thickness_mm)]).through(np.array([[3.0 + off_mm, 0.0, 0.0]]))

    assert shows is (found is not None)


def test_a_point_midway_is_in_one_of_both() -> None:
    """Slices as thick as they lie apart leave no gap: 1.5 mm from either of two, 3 mm apart."""
    assert Stack(slices=[_slice(1, 3.0), _slice(2, 3.0)]).through(np.array([[4.5, 0.0, 0.0]])) is not None


def test_all_points_lie_on_one_slice_or_on_none() -> None:
    """Of two points each on a slice of its own no line is drawn on either."""
    stack = Stack(slices=[_slice(1, 1.0), _slice(2, 1.0)])

    assert stack.through(np.array([[3.0, 0.0, 0.0], [6.0, 0.0, 0.0]])) is None


def test_the_slice_that_is_nearest_to_all_is_taken() -> None:
    """Where several slabs hold the points, the one whose plane is nearest to the farthest of them shows them best."""
    found = Stack(slices=[_slice(3, 30.0), _slice(1, 30.0), _slice(2, 30.0)]).through(
        np.array([[5.0, 0.0, 0.0], [6.5, 0.0, 0.0]])
    )

    assert found is not None
    assert found.slice.image.SOPInstanceUID == ct_slice(2).SOPInstanceUID


def test_the_nearest_slice_is_found_however_far() -> None:
    """The nearest image of a point that none shows: column 100.5, row 128.5 under the origin of the patient."""
    found = Stack(slices=[_slice(1), _slice(2)]).nearest(np.array([[40.0, 0.0, 0.0]]))

    assert found is not None
    assert found.slice.image.SOPInstanceUID == ct_slice(2).SOPInstanceUID
    assert found.pixels == pytest.approx(np.array([[100.5, 128.5]]))


def test_no_slices_show_nothing() -> None:
    """Images without a plane make an empty stack, which is no error."""
    assert Stack().through(np.array([[0.0, 0.0, 0.0]])) is None
    assert Stack().nearest(np.array([[0.0, 0.0, 0.0]])) is None
