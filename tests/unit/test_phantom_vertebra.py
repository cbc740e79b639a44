from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sr_templates.findings import POINT_NAMES
from sr_templates.levels import ORDER
from workers.phantom.column import STAGES, column
from workers.phantom.vertebra import Shape, Vertebra, posterior_elements
from workers.phantom.voxels import occupancy

SHAPE = Shape(anterior_mm=24, middle_mm=21, posterior_mm=27, depth_mm=34, width_mm=45)
#: No endplate of these rises more than (3 * 15 - 4 * 9 + 15) / 34 = 0.71 mm a mm, less than the hair below goes down.
HEIGHTS = st.floats(18, 30)


@settings(max_examples=40, deadline=None)
@given(anterior=HEIGHTS, middle=HEIGHTS, posterior=HEIGHTS)
def test_the_six_points_lie_on_the_surface_of_the_body(anterior: float, middle: float, posterior: float) -> None:
    """A hair towards the centre of the body is inside, a hair up or down and outwards is outside."""
    shape = replace(SHAPE, anterior_mm=anterior, middle_mm=middle, posterior_mm=posterior)
    assert set(POINT_NAMES) == set(shape.points)
    points = np.array([shape.points[name] for name in POINT_NAMES])
    outwards = np.sign(points[:, 2])[:, None] * np.array([0.0, 0.0, 1e-3])
    inwards = -np.sign(points) * [0, 0.05, 0] - 40 * outwards
    assert not shape.body(points + outwards).any()
    assert shape.body(points + inwards).all()


def test_heights_are_those_asked_for() -> None:
    """The distances of the three pairs of points are Ha, Hm and Hp."""
    distances = [float(np.linalg.norm(SHAPE.points[f"{at}S"] - SHAPE.points[f"{at}I"])) for at in "AMP"]
    assert [24, 21, 27] == pytest.approx(distances)


def test_an_osteophyte_reaches_out_in_front_and_a_node_into_the_endplate() -> None:
    """5 mm before the anterior superior rim there is bone only with an osteophyte; the node is a hollow."""
    beak = np.array([0.0, -17 - 4.0, 24 / 2 - 1.5])
    hollow = np.array([0.0, 0.22 * 34, 10.0])
    assert not SHAPE.body(beak)
    assert SHAPE.body(hollow)
    deformed = replace(SHAPE, osteophyte_mm=5.0, schmorl_mm=3.5)
    assert deformed.body(beak)
    assert not deformed.body(hollow)


def test_the_canal_parts_the_body_from_the_posterior_elements() -> None:
    """In the midsagittal plane no posterior element comes nearer than 12 mm to the posterior wall."""
    behind = np.linspace(17.1, 29, 60)
    up = np.linspace(-20, 20, 81)
    canal = np.stack(np.meshgrid([0.0], behind, up, indexing="ij"), axis=-1)
    assert not any(knob.inside(canal).any() for knob in posterior_elements(SHAPE))


def test_occupancy_holds_the_volume_of_the_shape() -> None:
    """The voxels of a turned body fill as much as a fine sampling of the shape itself does, within 1 %."""
    shape = replace(SHAPE, posterior_elements=False)
    turn = np.array([[0.8, 0.6, 0.0], [-0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    affine = np.diag([1.5, 1.5, 2.0, 1.0])
    affine[:3, 3] = (-40, -40, -30)
    filled = occupancy(
        Vertebra(level="L2", shape=shape, centre=np.array([1.0, 2.0, 3.0]), axes=turn), affine, (54, 54, 31)
    )
    step = 0.5
    fine = np.stack(np.meshgrid(*[np.arange(-n, n, step) + step / 2 for n in (24, 20, 15)], indexing="ij"), axis=-1)
    assert float(shape.body(fine).sum()) * step**3 == pytest.approx(float(filled.sum()) * 4.5, rel=0.01)
    assert filled.min() >= 0
    assert filled.max() == 1


def test_the_column_runs_from_t9_to_l5_without_touching_bodies() -> None:
    """Levels in order; bodies of neighbours are at least 3 mm apart at every pair of endplate points."""
    vertebrae = column()
    assert [stage.level for stage in reversed(STAGES)] == [vertebra.level for vertebra in vertebrae]
    assert sorted((v.level for v in vertebrae), key=ORDER.__getitem__) == [v.level for v in vertebrae]
    for upper, lower in pairwise(vertebrae):
        gaps = [upper.points[f"{at}I"] - lower.points[f"{at}S"] for at in "AMP"]
        assert min(float(gap @ lower.axes[2]) for gap in gaps) > 3
