import numpy as np
import numpy.typing as npt
import pytest
from structure_sets import images

from workers.landmarks.regions.image_stacks import ImageStack, image_stacks
from workers.landmarks.volumes import Volume

Array = npt.NDArray[np.float64]

#: Axial images: 3 mm apart, pixels 0.8 x 0.5 mm, 30 slices of 100 rows and 120 columns.
SPACING_MM = (3.0, 0.8, 0.5)
SHAPE = (30, 100, 120)
AXIAL = np.array([[0, 0, 1.0], [0, 1, 0], [1, 0, 0]])


def _affine(directions: Array, spacing: tuple[float, float, float], origin: tuple[float, float, float]) -> Array:
    affine = np.eye(4)
    affine[:3, :3] = directions.T * spacing
    affine[:3, 3] = origin
    return affine


def _stack() -> ImageStack:
    (stack,) = image_stacks(images(_affine(AXIAL, SPACING_MM, (10, 20, 30)), SHAPE))
    return stack


def _box(affine: Array, size: tuple[int, int, int]) -> Volume:
    return Volume(mask=np.ones(size, dtype=np.bool_), affine=affine, low=(0, 0, 0), high=(0, 0, 0))


def test_a_stack_knows_its_pixels_and_its_direction() -> None:
    """Row and column spacing are not exchanged, and a normal is one whichever way it points."""
    stack = _stack()
    assert [0.8, 0.5] == pytest.approx(stack.pixel_mm.tolist())
    assert 3.0 == pytest.approx(stack.step_mm)
    assert stack.parallel_to(np.array([0, 0, -1.0]))
    assert not stack.parallel_to(np.array([0, np.sin(0.05), np.cos(0.05)]))


def test_the_series_of_most_slices_comes_first() -> None:
    """Whatever the order of the images; an image without pixel spacing makes no stack."""
    few = images(_affine(AXIAL, SPACING_MM, (0, 0, 0)), (3, 10, 10))
    for image in few:
        image.SeriesInstanceUID = "2.25.2"
    many = images(_affine(AXIAL, SPACING_MM, (10, 20, 30)), SHAPE)
    del many[0].PixelSpacing
    found = image_stacks([*few, *many])

    assert [29, 3] == [len(stack.corners) for stack in found]


@pytest.mark.parametrize(
    ("start", "size", "low", "high"),
    [
        ((4, 10, 20), (6, 50, 60), (4, 10, 20), (20, 40, 40)),
        ((0, 0, 0), (30, 100, 120), (0, 0, 0), (0, 0, 0)),
        ((1, 1, 1), (28, 98, 118), (1, 1, 1), (1, 1, 1)),
    ],
)
def test_a_mask_on_the_pixels_has_the_room_of_the_pixels(
    start: tuple[int, int, int], size: tuple[int, int, int], low: tuple[int, int, int], high: tuple[int, int, int]
) -> None:
    """Slices, rows and columns before and behind it; none where it holds the outermost."""
    affine = _affine(AXIAL, SPACING_MM, (10 + start[2] * 0.5, 20 + start[1] * 0.8, 30 + start[0] * 3.0))
    assert (low, high) == _stack().room(_box(affine, size))


def test_a_sagittal_mask_has_the_room_that_axial_images_leave_it() -> None:
    """Planes to the left, rows upwards, columns backwards: from x 20 to 30, z 36 to 96, y 40 to 60 mm."""
    directions = np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
    volume = _box(_affine(directions, (1.0, 1.0, 1.0), (20, 40, 36)), (11, 61, 21))
    room = _stack().room(volume)
    assert room is not None
    low, high = room

    # Left: images from 10.0 to 69.5 mm. Posterior: from 20.0 to 99.2 mm. Superior: from 30 to 117 mm.
    assert (10, 6, 20) == low
    assert (39, 21, 39) == high


def test_a_line_through_the_outermost_centres_leaves_no_room() -> None:
    """Half a pixel short of the edge is where tracing stops, so it is the edge."""
    volume = _box(_affine(AXIAL, (3.0, 0.4, 0.25), (10 + 0.125, 20 + 0.2, 60)), (5, 20, 20))
    room = _stack().room(volume)
    assert room is not None
    assert (0, 0) == room[0][1:]


def test_images_that_do_not_hold_the_mask_tell_nothing() -> None:
    """Where contours begin before the first slice, or behind the last, or run askew, other images were contoured."""
    before = _box(_affine(AXIAL, SPACING_MM, (20, 30, 30 - 7)), (6, 20, 20))
    behind = _box(_affine(AXIAL, SPACING_MM, (20, 30, 117 - 6)), (6, 20, 20))
    turn = np.array([[np.cos(0.3), -np.sin(0.3), 0], [np.sin(0.3), np.cos(0.3), 0], [0, 0, 1]])
    askew = _box(_affine(AXIAL @ turn, SPACING_MM, (20, 30, 60)), (6, 20, 20))

    assert [None, None, None] == [_stack().room(volume) for volume in (before, behind, askew)]
