import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outlines import FILM, NORMAL, film, named, on_image, outline, patient, rotation, without

from sr_templates.findings import Landmarks
from workers.landmarks.points import PixelScale, VertebraLandmarks
from workers.morphometry.geometry import MI, MS, Body, coordinates, place

angles = st.floats(-180, 180)
directions = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda axis: math.hypot(*axis) > 0.1)


def points_of(vertebra: VertebraLandmarks) -> Landmarks:
    """Return the landmarks, which are there."""
    assert vertebra.landmarks is not None
    return vertebra.landmarks


def body_of(vertebra: VertebraLandmarks) -> Body:
    """Return the body of a vertebra."""
    return place(points_of(vertebra), plane=vertebra.plane, normal=vertebra.midsagittal_normal)


def test_film_in_its_own_plane() -> None:
    """A body on a film is back at its outline: u to posterior, v to superior, mm, middle at 0."""
    assert outline() == pytest.approx(body_of(film("L3")).points)


def test_depth_is_between_the_walls() -> None:
    """Depth is the distance of the middles of the two walls."""
    assert 34.0 == pytest.approx(body_of(film("L3", depth=34.0)).depth)


def test_rows_and_columns_have_their_own_spacing() -> None:
    """Columns are scaled by the column spacing and rows by the row spacing."""
    plane = replace(FILM, scale=PixelScale(row_mm=0.6, column_mm=0.3))
    pixels = outline() / (0.3, -0.6) + 300
    assert outline() == pytest.approx(body_of(on_image("L3", named(pixels), plane=plane)).points)


def test_without_scale_the_pixel_is_the_unit() -> None:
    """Without spacing coordinates stay in pixels."""
    plane = replace(FILM, scale=None)
    assert outline() * 2 == pytest.approx(body_of(replace(film("L3"), plane=plane)).points)


def test_image_points_need_their_image() -> None:
    """Image points without their image are a broken contract, not a finding."""
    with pytest.raises(ValueError, match="need their image"):
        place(points_of(film("L3")))


def test_missing_mid_points_are_not_a_number() -> None:
    """A vertebra of four points has NaN in the middle."""
    body = body_of(without(film("L3"), ["MS", "MI"]))
    assert [MS, MI] == np.flatnonzero(np.isnan(body.points).any(axis=1)).tolist()


def test_plane_is_fitted_to_four_points() -> None:
    """Without a normal the plane is fitted to the points that there are."""
    turned = patient("L3", turn=rotation(25, (1, 2, 3)), normal=False)
    body = body_of(without(turned, ["MS", "MI"]))
    assert outline()[[0, 2, 3, 5]] == pytest.approx(body.points[[0, 2, 3, 5]])
    assert body.off_plane_mm == pytest.approx(0, abs=1e-9)


def test_anterior_wall_on_the_posterior_one() -> None:
    """Walls in the same place have no direction: the depth is 0, and nothing divides by it."""
    body = body_of(on_image("L3", named(np.full((6, 2), 100.0))))
    assert body.depth == 0


@settings(max_examples=20, deadline=None)
@given(angle=angles, axis=directions, shift=st.tuples(*[st.floats(-1000, 1000)] * 3), fitted=st.booleans())
def test_patient_points_do_not_depend_on_the_frame(
    angle: float, axis: tuple[float, float, float], shift: tuple[float, float, float], fitted: bool
) -> None:
    """However a vertebra lies in the patient, its own plane shows the same outline."""
    wedge = (20.0, 24.0, 28.0)
    body = body_of(patient("L3", wedge, at=shift, turn=rotation(angle, axis), normal=not fitted))
    assert outline(wedge) == pytest.approx(body.points, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(angle=angles, mirrored=st.booleans(), shift=st.tuples(*[st.floats(-1000, 1000)] * 2))
def test_image_points_do_not_depend_on_the_image(angle: float, mirrored: bool, shift: tuple[float, float]) -> None:
    """Turned, moved, mirrored: a vertebra on an image keeps its outline."""
    turn = rotation(angle, (0, 0, 1))[:2, :2] @ np.diag((-1.0 if mirrored else 1.0, 1.0))
    pixels = 2 * (outline(NORMAL) @ turn.T + np.array(shift))
    assert outline(NORMAL) == pytest.approx(body_of(on_image("L3", named(pixels))).points, abs=1e-6)


def test_plane_and_space_are_inverse() -> None:
    """A point of the plane is found again after going to the patient and back."""
    vertebra = patient("L3", at=(5, -20, 300), turn=rotation(20, (1, 1, 0)))
    body = body_of(vertebra)
    assert coordinates(points_of(vertebra).points) == pytest.approx(body.frame.to_space(body.points))
    assert body.points == pytest.approx(body.frame.to_plane(body.frame.to_space(body.points)))
