import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structure_sets import contours, images, outlines

from workers.landmarks.reasons import Reason
from workers.landmarks.regions.contours import Drawn, covered, draw
from workers.landmarks.regions.image_stacks import image_stacks
from workers.landmarks.volumes import Volume

Array = npt.NDArray[np.float64]

SIZE = (12, 14)


def _box(top: float, left: float, bottom: float, right: float) -> Array:
    return np.array([(top, left), (top, right), (bottom, right), (bottom, left)])


def _cells(top: int, left: int, bottom: int, right: int) -> npt.NDArray[np.bool_]:
    cells = np.zeros(SIZE, dtype=np.bool_)
    cells[top:bottom, left:right] = True
    return cells


@pytest.mark.parametrize("side", range(4))
def test_a_pixel_counts_from_half_its_area(side: int) -> None:
    """A line that leaves 0.4 of a pixel inside leaves it out, one that leaves 0.6 takes it in, at each side."""
    edges, outwards = np.array([2.5, 2.5, 6.5, 6.5]), (-1, -1, 1, 1)[side]
    smaller, larger = edges.copy(), edges.copy()
    smaller[side], larger[side] = edges[side] + outwards * 0.4, edges[side] + outwards * 0.6

    assert (_cells(3, 3, 7, 7) == covered([_box(*smaller)], SIZE)).all()
    assert 20 == covered([_box(*larger)], SIZE).sum()


def test_contours_of_one_plane_exclude_each_other() -> None:
    """A hole is out, an island in the hole is in, and so is a part elsewhere, whatever the order or the direction."""
    lines = [
        _box(0.5, 0.5, 9.5, 9.5),
        _box(2.5, 2.5, 7.5, 7.5)[::-1],
        _box(4.5, 4.5, 5.5, 5.5),
        _box(1.5, 10.5, 3.5, 12.5),
    ]
    expected = _cells(1, 1, 10, 10) & ~_cells(3, 3, 8, 8) | _cells(5, 5, 6, 6) | _cells(2, 11, 4, 13)

    assert (expected == covered(lines, SIZE)).all()
    assert (expected == covered(lines[::-1], SIZE)).all()


def test_a_keyhole_is_a_hole() -> None:
    """The two banks of the channel run on the same line and cancel each other (PS3.3 C.8.8.6.3)."""
    outer, inner = _box(0.5, 0.5, 9.5, 9.5), _box(2.5, 2.5, 7.5, 7.5)
    channel = [*outer, outer[0], inner[0], *inner[::-1], outer[0]]

    assert (_cells(1, 1, 10, 10) & ~_cells(3, 3, 8, 8) == covered([np.array(channel)], SIZE)).all()


def test_a_line_through_centres_holds_the_pixels_it_passes() -> None:
    """Traced through the centres of the outermost pixels, a region has them, at slopes of any steepness too."""
    corners = np.array([(2.0, 2.0), (2.0, 6.0), (6.0, 8.0), (8.0, 2.0)])
    passed = {(2, 2), (2, 3), (2, 4), (2, 5), (2, 6), (4, 7), (6, 8), (7, 5), (8, 2), (5, 2)}
    found = covered([corners], SIZE, with_path=True)

    assert all(found[at] for at in passed)
    assert not found[2, 7]
    assert not found[8, 3]
    assert (found >= covered([corners], SIZE)).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 11), st.integers(0, 13)] * 2), min_size=1, max_size=4))
def test_boxes_along_pixel_edges_hold_the_pixels_that_an_odd_number_of_them_holds(
    corners: list[tuple[int, int, int, int]],
) -> None:
    """The even-odd rule, for any number of boxes."""
    boxes = [(min(a, c), min(b, d), max(a, c) + 1, max(b, d) + 1) for a, b, c, d in corners]
    expected = np.sum([_cells(*box) for box in boxes], axis=0) % 2 == 1

    assert (expected == covered([_box(t - 0.5, a - 0.5, b - 0.5, z - 0.5) for t, a, b, z in boxes], SIZE)).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_outline_of_pixels_gives_the_pixels(seed: int) -> None:
    """Any mask comes back from the lines round it."""
    mask = np.random.default_rng(seed).random(SIZE) < 0.5

    assert (mask == covered(list(outlines(mask)), SIZE)).all()


SPACING_MM = (2.0, 0.8, 1.2)
SHAPE = (20, 40, 30)


def _turned() -> Array:
    """Return a rotation by 20 degrees about x, then 15 about z."""
    a, b = np.radians([20, 15])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x)


DIRECTIONS = {
    "axial": np.array([[0, 0, 1.0], [0, 1, 0], [1, 0, 0]]),
    "sagittal": np.array([[-1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "coronal": np.array([[0, 1.0, 0], [0, 0, -1], [1, 0, 0]]),
    "oblique": np.array([[-1.0, 0, 0], [0, 0, -1], [0, 1, 0]]) @ _turned(),
}


def _affine(direction: str) -> Array:
    affine = np.eye(4)
    affine[:3, :3] = DIRECTIONS[direction].T * SPACING_MM
    affine[:3, 3] = (-31.0, 12.0, 250.0)
    return affine


def _blob(direction: str = "axial") -> Volume:
    """Return an egg with a hole, 4 planes, 6 rows and 5 columns or more from each edge of the images."""
    plane, row, column = np.indices(SHAPE)
    egg = ((plane - 9.5) / 5.5) ** 2 + ((row - 19) / 13) ** 2 + ((column - 14) / (9 - 0.2 * (row - 19))) ** 2 < 1
    hole = (np.abs(row - 17) < 3) & (np.abs(column - 14) < 2) & (np.abs(plane - 9) < 3)
    return Volume(mask=egg & ~hole, affine=_affine(direction), low=(0, 0, 0), high=(0, 0, 0))


def _whole(drawn: Drawn, like: Volume) -> npt.NDArray[np.bool_]:
    """Return the drawn mask on the grid of `like`."""
    centres = np.argwhere(drawn.volume.mask).astype(float)
    index = like.to_index(drawn.volume.to_patient(centres))
    assert np.abs(index - index.round()).max() < 0.01
    mask = np.zeros(like.mask.shape, dtype=np.bool_)
    mask[tuple(index.round().astype(int).T)] = True
    return mask


@pytest.mark.parametrize("direction", list(DIRECTIONS))
def test_contours_of_a_mask_give_the_mask_wherever_its_planes_lie(direction: str) -> None:
    """On the images' pixels, with the room that the images have round it; the normal may point either way."""
    blob = _blob(direction)
    drawn = draw(contours(blob), image_stacks(images(blob.affine, SHAPE)))
    assert isinstance(drawn, Drawn)
    filled = np.argwhere(blob.mask)
    before, behind = filled.min(axis=0).tolist(), (np.array(SHAPE) - 1 - filled.max(axis=0)).tolist()

    assert (blob.mask == _whole(drawn, blob)).all()
    assert (before[1:], behind[1:]) == (list(drawn.volume.low[1:]), list(drawn.volume.high[1:]))
    assert {before[0], behind[0]} == {drawn.volume.low[0], drawn.volume.high[0]}
    assert (True, True, False) == (drawn.pixels_known, drawn.edge_known, drawn.filled)


def test_without_images_the_grid_is_half_a_millimetre_and_the_edge_is_unknown() -> None:
    """What the contours enclose has its volume and its place all the same, within a tenth."""
    blob = _blob("oblique")
    drawn = draw(contours(blob), [])
    assert isinstance(drawn, Drawn)
    volume = drawn.volume
    expected = blob.to_patient(np.argwhere(blob.mask).astype(float))
    found = volume.to_patient(np.argwhere(volume.mask).astype(float))

    assert [2.0, 0.5, 0.5] == pytest.approx(volume.spacing_mm.tolist(), abs=1e-6)
    assert len(expected) * np.prod(SPACING_MM) == pytest.approx(len(found) * 0.5, rel=0.1)
    assert expected.mean(axis=0) == pytest.approx(found.mean(axis=0), abs=0.1)
    assert (False, False) == (drawn.pixels_known, drawn.edge_known)
    assert min(*volume.low, *volume.high) > 0


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_contours_does_not_matter(random: object) -> None:
    """Contours of all planes in any order give one volume."""
    blob = _blob()
    lines = contours(blob)
    random.shuffle(lines)  # type: ignore[attr-defined] # Hypothesis gives a random.Random
    drawn = draw(lines, image_stacks(images(blob.affine, SHAPE)))
    assert isinstance(drawn, Drawn)

    assert (blob.mask == _whole(drawn, blob)).all()


def test_a_plane_that_was_not_drawn_is_filled_by_shape() -> None:
    """Between a smaller and a larger outline lies one of middle size; the gap is said."""
    cone = Volume(mask=np.zeros(SHAPE, dtype=np.bool_), affine=_affine("axial"), low=(0, 0, 0), high=(0, 0, 0))
    for plane in range(3, 8):
        cone.mask[plane, 20 - plane : 20 + plane, 15 - plane : 15 + plane] = True
    drawn = draw(contours(cone, [3, 4, 6, 7]), image_stacks(images(cone.affine, SHAPE)))
    assert isinstance(drawn, Drawn)
    areas = [int(area) for area in drawn.volume.mask.sum(axis=(1, 2))]

    assert 5 == len(areas)
    assert sorted(areas) == sorted([areas[2], *(4 * plane**2 for plane in (3, 4, 6, 7))])
    assert 64 < areas[2] < 144
    assert 4.0 == pytest.approx(drawn.gap_mm)
    assert drawn.filled


def _shifted(lines: list[Array], moves: dict[float, float]) -> list[Array]:
    """Return axial contours with the planes at some heights, mm, moved by so much."""
    return [line + np.array([0, 0, moves.get(round(float(line[0, 2]), 3), 0.0)]) for line in lines]


def _bent(line: Array) -> Array:
    return np.asarray(line + np.linspace([0, 0, 0], [0, 0, 1], len(line)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda lines: lines[:1], Reason.NO_GEOMETRY),
        (lambda _: [], Reason.EMPTY),
        (lambda lines: [line[:2] for line in lines], Reason.EMPTY),
        (lambda lines: [line[[0, 1]][[0, 1, 0]] for line in lines], Reason.NO_GEOMETRY),
        (lambda lines: _shifted(lines, {266.0: 0.7}), Reason.IRREGULAR_SPACING),
        (lambda lines: _shifted(lines, dict.fromkeys((276.0, 278.0, 280.0), 10.0)), Reason.IRREGULAR_SPACING),
        (lambda lines: [*lines[1:], lines[0][:, [2, 1, 0]] + np.array([-240, 0, 240])], Reason.IRREGULAR_SPACING),
        (
            lambda lines: [line + np.linspace([0, 0, 0], [0, 0, 1], len(line)) for line in lines],
            Reason.IRREGULAR_SPACING,
        ),
        (lambda lines: _shifted(lines, {266.0: 260.0}), Reason.IMPLAUSIBLE_SIZE),
    ],
    ids=["one plane", "none", "points", "lines", "unequal", "a gap", "another direction", "not flat", "huge"],
)
def test_contours_that_enclose_no_volume_give_the_reason(change: object, reason: Reason) -> None:
    """One plane, lines without area, unequal distances, wide gaps, planes that cross, bent or far-off contours."""
    blob = _blob()
    assert reason is draw(change(contours(blob)), image_stacks(images(blob.affine, SHAPE)))  # type: ignore[operator] # a lambda


def test_contours_through_the_centres_of_pixels_hold_those_pixels() -> None:
    """rt-utils traces the outermost pixels of a mask: drawn again, none of them is lost, also not round a hole."""
    affine = _affine("axial")
    blob = Volume(mask=np.zeros(SHAPE, dtype=np.bool_), affine=affine, low=(0, 0, 0), high=(0, 0, 0))
    blob.mask[4:9, 5:15, 4:21] = True
    blob.mask[4:9, 8:12, 9:15] = False
    traced = [
        blob.to_patient(np.column_stack([np.full(4, float(plane)), corners]))
        for plane in range(4, 9)
        for corners in (_box(5, 4, 14, 20), _box(7, 8, 12, 15))
    ]
    drawn = draw(traced, image_stacks(images(affine, SHAPE)))
    assert isinstance(drawn, Drawn)

    assert (blob.mask == _whole(drawn, blob)).all()


def test_pixels_far_finer_than_the_method_are_taken_together() -> None:
    """Five of 0.1 mm make a voxel, so a vertebra does not need a gigabyte; its volume is that of the contours."""
    affine = np.diag([2.0, 0.1, 0.1, 1.0])[[2, 1, 0, 3]]
    affine[:3, 3] = 0.0
    lines = [np.array([(2.0, 2.0, z), (22.0, 2.0, z), (22.0, 12.0, z), (2.0, 12.0, z)]) for z in (2.0, 4.0, 6.0)]
    drawn = draw(lines, image_stacks(images(affine, (8, 300, 400))))
    assert isinstance(drawn, Drawn)

    assert [2.0, 0.5, 0.5] == pytest.approx(drawn.volume.spacing_mm.tolist())
    assert 20 * 10 * 6 == pytest.approx(drawn.volume.mask.sum() * 0.5, rel=0.05)
