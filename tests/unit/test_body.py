from dataclasses import replace

import numpy as np
import pytest

from workers.landmarks.mask.body import REACH_MM, outline_sign, posterior_sign, section
from workers.landmarks.mask.coarse import Coarse, look
from workers.landmarks.mask.field import signed_distance
from workers.landmarks.mask.frame import Frame
from workers.landmarks.reasons import Reason
from workers.landmarks.volumes import Mask, Volume
from workers.phantom.vertebra import Shape, Vertebra
from workers.phantom.voxels import occupancy

SHAPE = Shape(anterior_mm=26, middle_mm=25, posterior_mm=27, depth_mm=34, width_mm=45)
FRAME = Frame.about(np.zeros(3), np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]))
BACK_TO_FRONT = Frame.about(np.zeros(3), np.array([-1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]))
SPACING_MM = 1.5


def _mask(shape: Shape) -> Mask:
    vertebra = Vertebra(level="L2", shape=shape, centre=np.zeros(3))
    return np.asarray(occupancy(vertebra, _affine(), (74, 78, 50)) > 0.5)


def _affine() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    affine = np.diag([SPACING_MM] * 3 + [1.0])
    affine[:3, 3] = (-54.75, -32.25, -36.75)
    return affine


def _volume(mask: Mask) -> Volume:
    return Volume(mask=mask, affine=_affine(), low=(1, 1, 1), high=(1, 1, 1))


def _look(mask: Mask) -> Coarse:
    coarse = look(_volume(mask))
    assert isinstance(coarse, Coarse)
    return coarse


@pytest.fixture(scope="module")
def whole() -> Mask:
    """Return the mask of a vertebra with posterior elements."""
    return _mask(SHAPE)


@pytest.fixture(scope="module")
def body() -> Mask:
    """Return the mask of the same vertebra's body."""
    return _mask(replace(SHAPE, posterior_elements=False))


def test_the_largest_ball_lies_in_the_body(whole: Mask) -> None:
    """Its centre is within 4 mm of the centre of the body, whatever hangs behind it."""
    assert np.abs(_look(whole).centre).max() < 4


def test_the_section_is_the_body_without_posterior_elements(whole: Mask, body: Mask) -> None:
    """Whole vertebra and body alone give the same samples: 34 mm less the waist, times 26.5 mm less the bowl."""
    sections = [section(signed_distance(_volume(mask), FRAME, REACH_MM), FRAME, 0.0) for mask in (whole, body)]
    first, second = (found.values > 0 for found in sections if found is not None)
    assert (34 - 1.5) * (26.5 - 1.0) == pytest.approx(float(second.sum()) * 0.25, rel=0.08)
    assert (first == second).all()


def test_a_section_beside_the_body_is_none(body: Mask) -> None:
    """A plane 40 mm to the side meets no body."""
    assert section(signed_distance(_volume(body), FRAME, REACH_MM), FRAME, 40.0) is None


def test_posterior_elements_tell_which_side_is_posterior(whole: Mask) -> None:
    """Bone behind the canal votes for its side; a frame turned back to front gets the opposite answer."""
    field = _look(whole).field
    assert 1 == posterior_sign(field, FRAME)
    assert -1 == posterior_sign(field, BACK_TO_FRONT)


def test_posterior_elements_joined_to_the_body_still_tell(whole: Mask) -> None:
    """Where the canal is filled, the longer side is posterior."""
    filled = whole.copy()
    filled[:, 30:60, 20:32] |= whole[:, 30:31, 20:32]
    assert 1 == posterior_sign(_look(filled).field, FRAME)


def test_a_body_alone_has_no_posterior_elements_but_a_flat_back(body: Mask) -> None:
    """Without posterior elements nothing is voted; the outline is wider behind than in front."""
    field = _look(body).field
    assert 0 == posterior_sign(field, FRAME)
    assert 1 == outline_sign(field, FRAME)
    assert -1 == outline_sign(field, BACK_TO_FRONT)


def test_a_box_does_not_tell_its_front(body: Mask) -> None:
    """An outline that is alike at both ends says nothing."""
    box = np.zeros_like(body)
    box[22:52, 10:34, 16:34] = True
    assert 0 == outline_sign(_look(box).field, FRAME)


def test_strays_are_dropped_and_fragments_are_told(body: Mask) -> None:
    """A few voxels far away go unnoticed; a tenth of the mask elsewhere makes the largest share 0.9."""
    stray, fragment = body.copy(), body.copy()
    stray[70:72, 70:72, 2:4] = True
    fragment[:, 60:, :] |= np.cumsum(np.ones_like(body[:, 60:, :]), axis=None).reshape(74, 18, 50) <= body.sum() / 9
    assert _look(stray).volume.mask.sum() == body.sum()
    assert 0.9 == pytest.approx(_look(fragment).largest_share, abs=0.01)


def test_a_mask_thinner_than_any_body_has_none(body: Mask) -> None:
    """A plate of 3 mm holds no ball of 3 mm radius."""
    plate = np.zeros_like(body)
    plate[20:50, 10:40, 20:22] = True
    assert Reason.NO_BODY is look(_volume(plate))
