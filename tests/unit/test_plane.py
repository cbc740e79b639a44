from dataclasses import replace

import numpy as np
import pytest

from workers.landmarks.mask.field import Field, occupancy
from workers.landmarks.mask.frame import Frame, angle_deg, unit
from workers.landmarks.mask.plane import disagreeing, of_body, recentred, symmetric
from workers.landmarks.volumes import Array, Volume
from workers.phantom.vertebra import Shape, Vertebra
from workers.phantom.voxels import occupancy as filled

LEFT, HEAD = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
SHAPE = Shape(anterior_mm=26, middle_mm=25, posterior_mm=27, depth_mm=34, width_mm=45)


def _yawed(degrees: float) -> Array:
    angle = np.radians(degrees)
    return np.array([np.cos(angle), np.sin(angle), 0.0])


def _field(vertebra: Vertebra) -> Field:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-55, -32, -38)
    mask = filled(vertebra, affine, (56, 58, 38)) > 0.5
    return occupancy(Volume(mask=mask, affine=affine, low=(1, 1, 1), high=(1, 1, 1)))


@pytest.fixture(scope="module")
def turned() -> tuple[Vertebra, Field]:
    """Return a vertebra yawed by 12 degrees, 3 mm off the middle, and its field."""
    frame = Frame.about(np.array([3.0, 0.0, 0.0]), _yawed(12), HEAD)
    vertebra = Vertebra(level="L2", shape=SHAPE, centre=frame.origin, axes=frame.axes)
    return vertebra, _field(vertebra)


def test_the_plane_of_symmetry_is_found_from_the_patients_axes(turned: tuple[Vertebra, Field]) -> None:
    """A vertebra yawed by 12 degrees is found within 1 degree, its plane within half a millimetre."""
    vertebra, field = turned
    frame = symmetric(field, Frame.about(np.zeros(3), LEFT, HEAD))
    assert angle_deg(frame.left, vertebra.axes[0]) < 1
    assert abs((frame.origin - vertebra.centre) @ vertebra.axes[0]) < 0.5


def test_the_search_ends_thirty_degrees_from_its_seed(turned: tuple[Vertebra, Field]) -> None:
    """From a seed 60 degrees off, no plane beyond 30 degrees in either tilt is returned."""
    seed = Frame.about(np.zeros(3), _yawed(72), HEAD)
    frame = symmetric(turned[1], seed)
    tilts = [abs(frame.left @ axis) / (frame.left @ seed.left) for axis in (seed.posterior, seed.superior)]
    assert max(tilts) <= np.tan(np.radians(30)) + 1e-6


def test_the_search_gives_the_same_plane_every_time(turned: tuple[Vertebra, Field]) -> None:
    """Nothing in the search is random."""
    seed = Frame.about(np.zeros(3), LEFT, HEAD)
    first, second = symmetric(turned[1], seed), symmetric(turned[1], seed)
    assert first.left.tolist() == second.left.tolist()
    assert first.origin.tolist() == second.origin.tolist()


def test_a_plane_of_given_direction_is_moved_to_the_middle(turned: tuple[Vertebra, Field]) -> None:
    """With the true normal, the offset alone is found within half a millimetre."""
    vertebra, field = turned
    frame = recentred(field, Frame.about(np.array([-1.0, 0.0, 0.0]), vertebra.axes[0], HEAD))
    assert abs((frame.origin - vertebra.centre) @ vertebra.axes[0]) < 0.5


def test_posterior_elements_lost_on_one_side_do_not_turn_the_plane_of_the_body() -> None:
    """Half an arch turns a small vertebra's plane by more than 10 degrees, what lies before the wall less than 3."""
    small = Shape(anterior_mm=17, middle_mm=16.5, posterior_mm=18, depth_mm=24, width_mm=27)
    vertebra = Vertebra(level="T5", shape=small, centre=np.array([3.0, 0.0, 0.0]))
    whole = _field(vertebra)
    index = np.argwhere(whole.values > 0)
    local = vertebra.to_local(index @ whole.affine[:3, :3].T + whole.affine[:3, 3])
    values = whole.values.copy()
    values[tuple(index[(local[:, 0] > 2) & (local[:, 1] > small.depth_mm / 2)].T)] = 0.0
    half = replace(whole, values=values)

    misled = symmetric(half, Frame.about(np.zeros(3), LEFT, HEAD))
    own = of_body(half, misled, (vertebra.points["PS"] + vertebra.points["PI"]) / 2)

    assert angle_deg(misled.left, LEFT) > 10
    assert angle_deg(own.left, LEFT) < 3


def test_a_column_that_turns_evenly_agrees() -> None:
    """Six degrees from level to level, as in scoliosis, is no disagreement."""
    assert {} == disagreeing({f"L{n}": _yawed(6 * n) for n in range(1, 6)})


@pytest.mark.parametrize("wrong", ["L2", "L3", "L4"])
def test_the_odd_plane_is_replaced_by_its_neighbours_and_accuses_none(wrong: str) -> None:
    """A plane 30 degrees off is set aside alone; the plane half-way between its neighbours takes its place."""
    normals = {f"L{n}": _yawed(2 * n) for n in range(1, 6)}
    found = disagreeing({**normals, wrong: _yawed(40)})
    assert [wrong] == list(found)
    assert angle_deg(found[wrong], normals[wrong]) == pytest.approx(0, abs=0.1)


def test_neighbours_on_one_side_accuse_nobody() -> None:
    """Two vertebrae cannot tell which of them is wrong."""
    assert {} == disagreeing({"L1": _yawed(0), "L2": _yawed(40)})


def test_a_frame_is_right_handed_and_orthonormal() -> None:
    """Left x posterior = superior, whatever the seeds' angle."""
    frame = Frame.about(np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.3, -0.2]), np.array([0.2, -0.5, 1.0]))
    assert np.abs(frame.axes @ frame.axes.T - np.eye(3)).max() < 1e-12
    assert np.cross(frame.left, frame.posterior) == pytest.approx(frame.superior)
    assert frame.to_local(frame.to_patient(np.array([4.0, 5.0, 6.0]))) == pytest.approx(np.array([4.0, 5.0, 6.0]))
    assert unit(np.array([3.0, 4.0, 0.0])).tolist() == [0.6, 0.8, 0.0]


def test_levels_that_the_study_does_not_have_take_no_place() -> None:
    """T12 is next to L1 where there is no T13: a plane between them is interpolated half way."""
    normals = {"T12": np.array([1.0, 0.2, 0.0]), "L2": np.array([1.0, -0.2, 0.0]), "L1": np.array([1.0, 2.0, 0.0])}

    found = disagreeing({level: normal / np.linalg.norm(normal) for level, normal in normals.items()})

    assert {"L1"} == set(found)
    assert np.allclose([1.0, 0.0, 0.0], found["L1"])
