"""Masks on radiographs: the edge between pixels, strays, fragments, holes."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from radiographs import Array

from workers.landmarks.outline.edges import loops
from workers.landmarks.outline.mask import Parts, parts_of
from workers.landmarks.outline.polygon import area, problem
from workers.landmarks.outline.reasons import Reason
from workers.landmarks.reasons import Flag

ROWS, COLUMNS = np.mgrid[:120, :160] + 0.5


def _disc(x: float, y: float, radius: float) -> Array:
    """Return how much of each pixel a disc fills, nearly."""
    return np.asarray(np.clip(radius + 0.5 - np.hypot(COLUMNS - x, ROWS - y), 0, 1))


def _parts(share: Array) -> Parts:
    parts = parts_of(share, (1.0, 1.0))
    assert isinstance(parts, Parts)
    return parts


@settings(max_examples=20, deadline=None)
@given(x=st.floats(60, 100), y=st.floats(50, 70), radius=st.floats(10, 45))
@example(x=60.0, y=50.0, radius=10.5)
def test_the_edge_lies_between_pixels(x: float, y: float, radius: float) -> None:
    """Of a disc whose edge pixels are filled in part, the line keeps the radius within a tenth of a pixel."""
    (line,) = _parts(_disc(x, y, radius)).rings

    assert np.abs(np.hypot(*(line - (x, y)).T) - radius).max() < 0.1
    assert problem(line) is None


def test_a_box_of_whole_pixels_keeps_its_sides() -> None:
    """Rows 30 to 59 and columns 20 to 89 reach from 20 to 90 and from 30 to 60: 0 is the first pixel's corner."""
    share = np.zeros((120, 160))
    share[30:60, 20:90] = 1
    (line,) = _parts(share).rings

    assert ([20, 30], [90, 60]) == (line.min(axis=0).tolist(), line.max(axis=0).tolist())
    # Each of the four corners is cut by half a pixel's triangle.
    assert 70 * 30 - 4 * 0.125 == pytest.approx(area(line))


def test_pixels_that_share_a_corner_are_apart() -> None:
    """Two pixels over a corner give two lines, a ring of pixels one around it and one around its hole."""
    apart, ring = np.zeros((6, 6), dtype=np.bool_), np.zeros((6, 6), dtype=np.bool_)
    apart[[1, 2], [1, 2]] = True
    ring[1:5, 1:5] = True
    ring[2:4, 2:4] = False

    assert 2 == len(loops(apart, apart.astype(np.float64)))
    assert [16 - 0.5, 4 - 0.5] == [area(line) for line in loops(ring, ring.astype(np.float64))]


@pytest.mark.parametrize(
    ("share", "flags", "rings", "others"),
    [
        (_disc(60, 60, 30), (), 1, 0),
        (_disc(60, 60, 30) + _disc(130, 60, 2.5), (), 1, 0),
        (_disc(60, 60, 30) + _disc(130, 60, 12), (Flag.FRAGMENTED,), 1, 1),
        (_disc(60, 60, 30) - _disc(60, 60, 2), (), 1, 0),
        (_disc(60, 60, 30) - _disc(60, 60, 5), (Flag.HOLES_FILLED,), 1, 0),
        (_disc(60, 60, 30) - _disc(60, 60, 10), (), 2, 0),
    ],
    ids=["whole", "stray", "fragment", "speck", "fault", "foramen"],
)
def test_strays_go_and_faults_are_filled(share: Array, flags: tuple[Flag, ...], rings: int, others: int) -> None:
    """Below 1 % nothing is said; a fragment is kept apart and told; a hole up to 5 % is filled and told, else kept."""
    parts = _parts(share)

    assert (flags, rings, others) == (parts.flags, len(parts.rings), len(parts.others))


def test_the_thickest_part_is_the_body() -> None:
    """A long thin part, larger by its area, is not; where pixels are not square, thickness is not counted in them."""
    share = _disc(40, 60, 18)
    share[20:100, 100:116] = 1
    first = _parts(share).rings[0]
    wide = parts_of(share, (3.0, 1.0))

    assert first[:, 0].max() < 60
    assert isinstance(wide, Parts)
    assert wide.rings[0][:, 0].min() > 60


def test_an_empty_mask_has_no_edge() -> None:
    """No pixel that is half filled: the reason says so."""
    assert Reason.EMPTY is parts_of(np.full((4, 4), 0.4), (1.0, 1.0))
