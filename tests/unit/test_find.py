from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_templates.findings import POINT_NAMES
from workers.landmarks.mask.find import find
from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.volumes import Array, Volume
from workers.phantom.vertebra import Shape, Vertebra
from workers.phantom.voxels import occupancy

SHAPE = Shape(anterior_mm=22, middle_mm=22, posterior_mm=27, depth_mm=34, width_mm=45)
GRID = (76, 84, 64)
SPACING_MM = 1.5
MIRROR = np.diag([1.0, -1.0, 1.0])


def _volume(shape: Shape = SHAPE, axes: Array | None = None, centre: Array | None = None) -> Volume:
    """Return a whole vertebra, with room on all sides, on a grid whose axes run left, backwards, up."""
    vertebra = Vertebra(
        level="L2",
        shape=shape,
        centre=np.zeros(3) if centre is None else centre,
        axes=np.eye(3) if axes is None else axes,
    )
    affine = np.diag([SPACING_MM] * 3 + [1.0])
    affine[:3, 3] = (-56.25, -36.0, -48.0)
    mask = occupancy(vertebra, affine, GRID) > 0.5
    return Volume(mask=mask, affine=affine, low=(1, 1, 1), high=(1, 1, 1))


def _one(volume: Volume) -> VertebraLandmarks:
    return find({"L2": volume})[0]


def _points(vertebra: VertebraLandmarks) -> Array:
    assert vertebra.landmarks is not None, vertebra.reason
    return np.array([vertebra.landmarks.points[name] for name in POINT_NAMES])


def _heights(vertebra: VertebraLandmarks) -> list[float]:
    points = _points(vertebra)
    return [float(height) for height in np.linalg.norm(points[:3] - points[3:], axis=1)]


@pytest.fixture(scope="module")
def straight() -> Volume:
    """Return an upright vertebra."""
    return _volume()


@pytest.fixture(scope="module")
def found(straight: Volume) -> VertebraLandmarks:
    """Return what is found of the upright vertebra."""
    return _one(straight)


def test_heights_and_points_are_those_of_the_phantom(found: VertebraLandmarks) -> None:
    """Heights within a voxel, points within its diagonal, plane within a degree, axial spacing that of the voxels."""
    truth = np.array([SHAPE.points[name] for name in POINT_NAMES])
    assert [22, 22, 27] == pytest.approx(_heights(found), abs=SPACING_MM + 0.01)
    assert np.abs(truth - _points(found)).max() < SPACING_MM * np.sqrt(2)
    assert (1.0, 0.0, 0.0) == pytest.approx(found.midsagittal_normal, abs=0.02)
    assert 1.5 == pytest.approx(found.axial_spacing_mm, abs=0.01)


def test_moving_the_patient_moves_the_points(straight: Volume, found: VertebraLandmarks) -> None:
    """A shift of the affine shifts every point by as much."""
    shift = np.array([101.5, -37.25, 999.0])
    affine = straight.affine.copy()
    affine[:3, 3] += shift
    moved = _one(replace(straight, affine=affine))
    assert _points(found) + shift == pytest.approx(_points(moved), abs=1e-6)


@pytest.mark.parametrize(("order", "flipped"), [((2, 1, 0), 0), ((1, 2, 0), 2), ((0, 2, 1), 1)])
def test_the_order_and_direction_of_axes_do_not_matter(
    straight: Volume, found: VertebraLandmarks, order: tuple[int, int, int], flipped: int
) -> None:
    """The same voxels with the axes in another order, one of them reversed, give the same points within 0.1 mm."""
    affine = straight.affine.copy()
    affine[:3, 3] += affine[:3, flipped] * (GRID[flipped] - 1)
    affine[:3, flipped] *= -1
    turned = replace(
        straight,
        mask=np.flip(straight.mask, flipped).transpose(order),
        affine=np.column_stack([affine[:, list(order)], affine[:, 3]]),
    )
    assert _points(found) == pytest.approx(_points(_one(turned)), abs=0.1)


def test_the_same_mask_gives_the_same_points(straight: Volume, found: VertebraLandmarks) -> None:
    """Nothing is random."""
    assert found == _one(straight)


@pytest.mark.parametrize(("axis", "cut"), [(2, slice(0, 38)), (2, slice(26, 64)), (1, slice(16, 84))])
def test_a_body_that_is_cut_off_is_refused(straight: Volume, axis: int, cut: slice) -> None:
    """Cut at the superior endplate, at the inferior one, or in front: no points, and the reason."""
    part = [slice(None)] * 3
    part[axis] = cut
    low = [1, 1, 1]
    high = [1, 1, 1]
    low[axis], high[axis] = (0, 1) if cut.start else (1, 0)
    affine = straight.affine.copy()
    affine[:3, 3] += affine[:3, axis] * cut.start
    volume = Volume(
        mask=straight.mask[tuple(part)],
        affine=affine,
        low=(low[0], low[1], low[2]),
        high=(high[0], high[1], high[2]),
    )
    assert "TOUCHES_BORDER" == _one(volume).reason


def test_posterior_elements_that_are_cut_off_do_not_matter(straight: Volume, found: VertebraLandmarks) -> None:
    """A spinous process that leaves the volume keeps the body measurable."""
    volume = replace(straight, mask=straight.mask[:, :60], high=(1, 0, 1))
    assert _heights(found) == pytest.approx(_heights(_one(volume)), abs=0.3)


def test_a_vertebra_that_faces_backwards_is_refused() -> None:
    """Posterior elements in front of the body contradict the patient's axes."""
    volume = _volume(axes=MIRROR, centre=np.array([0.0, 24.0, 0.0]))
    assert "ORIENTATION_CONFLICT" == _one(volume).reason


def test_levels_that_run_upwards_are_refused(straight: Volume) -> None:
    """L3 above L2 contradicts either the labels or the patient's axes: neither is measured."""
    affine = straight.affine.copy()
    affine[2, 3] += 34
    both = find({"L2": straight, "L3": replace(straight, affine=affine)})
    assert [("L2", "ORIENTATION_CONFLICT"), ("L3", "ORIENTATION_CONFLICT")] == [(v.level, v.reason) for v in both]


def test_body_and_whole_vertebra_agree(found: VertebraLandmarks) -> None:
    """Posterior elements change no height by more than 0.3 mm."""
    body = _volume(replace(SHAPE, posterior_elements=False))
    assert _heights(found) == pytest.approx(_heights(_one(body)), abs=0.3)


def test_a_mask_in_two_parts_carries_a_flag(straight: Volume) -> None:
    """A tenth of the mask elsewhere is measured with FRAGMENTED."""
    mask = straight.mask.copy()
    mask[:14, :14, :14] = True
    assert "FRAGMENTED" in _one(replace(straight, mask=mask)).flags


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_whatever_a_mask_is_there_are_points_or_a_reason(seed: int) -> None:
    """Blobs of any shape, ragged or smooth, on grids of any spacing and direction, are measured or refused."""
    rng = np.random.default_rng(seed)
    spacing = rng.choice([0.8, 1.5, 3.0, 8.0], 3)
    size = np.maximum(2, rng.uniform(10, 90, 3) / spacing).astype(int)
    place = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in size], indexing="ij"), axis=-1)
    blobs = [(np.abs((place - rng.uniform(-0.7, 0.7, 3)) / rng.uniform(0.1, 0.8, 3)) ** 4).sum(-1) < 1 for _ in "abc"]
    mask = np.any(blobs, axis=0) ^ (rng.random(size) < rng.choice([0.0, 0.03, 0.3]))
    mask.flat[0] = True
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(rng.standard_normal((3, 3)))[0] * spacing
    (found,) = find({"L2": Volume(mask=mask, affine=affine, low=(1, 1, 1), high=(1, 1, 1))})
    assert (found.reason is None) == (found.landmarks is not None)


def test_no_masks_give_nothing() -> None:
    """A study without vertebrae has no result, which is no error."""
    assert [] == find({})


def test_numbers_are_handed_over_as_every_cpu_gives_them(found: VertebraLandmarks) -> None:
    """Points keep a millionth of a mm, directions nine decimals: what CPUs differ by is far below."""
    assert found.midsagittal_normal is not None
    assert found.height_sd_mm is not None
    assert found.axial_spacing_mm is not None
    lengths = [*_points(found).ravel().tolist(), *found.height_sd_mm.values(), found.axial_spacing_mm]

    assert [round(length, 6) for length in lengths] == lengths
    assert [round(part, 9) for part in found.midsagittal_normal] == list(found.midsagittal_normal)
