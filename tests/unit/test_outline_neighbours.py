"""Outlines on a radiograph that share a body, stand too steep, or are in two pieces: none gives a number."""

from dataclasses import replace

import numpy as np
import pytest
from radiographs import Array, Profile, Stand
from report_samples import dx_lateral

from workers.landmarks.outline.drawn import Drawn, Outlines, Where
from workers.landmarks.outline.find import find
from workers.landmarks.outline.images import films_of
from workers.landmarks.outline.mask import Parts, parts_of
from workers.landmarks.points import VertebraLandmarks

FILM = dx_lateral()
HERE = Where(sop_instance_uid=str(FILM.SOPInstanceUID))
LEVELS = ("T8", "T9", "T10", "T11", "T12")
#: Height and depth of each body, and of the disc below it, mm.
HEIGHT, DEPTH, DISC = 24.0, 30.0, 6.0
STAND = Stand(at=(500.0, 400.0), pixel=(0.2, 0.2))


def _box(top: float, bottom: float, front: float = 0.0, rear: float = DEPTH) -> Array:
    """Return a body from `top` to `bottom` mm, its walls a little hollow: no box."""
    height, depth = bottom - top, rear - front
    ring = Profile(heights=(height, height, height), depth=depth).outline()
    middle = ((front + rear) / 2 + 80.0, (top + bottom) / 2 + 20.0)
    return np.asarray((np.array(middle) + ring * (1, -1)) / 0.2)


def _column(levels: tuple[str, ...] = LEVELS, *, reach: float = 0.0, took: str = "T9") -> list[Drawn]:
    """Return bodies of which one has `reach` mm more below, which the next one lacks where it reaches that far."""
    drawn = []
    for number, level in enumerate(levels):
        top = number * (HEIGHT + DISC)
        more = reach if level == took else 0.0
        lacks = max(0.0, reach - DISC) if levels[number - 1] == took and number else 0.0
        ring = _box(top + lacks, top + HEIGHT + more)
        drawn.append(Drawn(level=level, where=HERE, holder="1.2", rings=(ring,)))
    return drawn


def _found(drawn: list[Drawn]) -> dict[str, VertebraLandmarks]:
    return {one.level: one for one in find(Outlines(drawn=tuple(drawn)), films_of([FILM]))}


def _reasons(drawn: list[Drawn]) -> dict[str, str | None]:
    return {level: one.reason for level, one in _found(drawn).items()}


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_an_outline_with_disc_and_part_of_the_next_body_refuses_both(share: float) -> None:
    """However much of T10 the outline of T9 took, neither has points, both say with whom, and the rest is measured."""
    found = _found(_column(reach=DISC + share * HEIGHT))

    assert {"MERGED_NEIGHBOUR"} == {found["T9"].reason, found["T10"].reason}
    assert (("MERGED_WITH_T10",), ("MERGED_WITH_T9",)) == (found["T9"].flags, found["T10"].flags)
    assert [None] * 3 == [found[level].reason for level in ("T8", "T11", "T12")]


def test_the_disc_alone_is_too_much() -> None:
    """An outline that ends at the next body is a quarter too high: both are refused."""
    assert {"T9", "T10"} == {level for level, reason in _reasons(_column(reach=DISC)).items() if reason}


def test_two_levels_alone_are_refused_where_one_is_higher_than_deep() -> None:
    """Without a third one to compare with, a body that is higher than deep and meets the next one holds two."""
    assert {"MERGED_NEIGHBOUR"} == set(_reasons(_column(("T9", "T10"), reach=DISC + 8)).values())


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_a_part_across_the_disc_refuses_both(share: float) -> None:
    """A mask with a piece of the next body, apart from its own, is no better than one that hangs together."""
    drawn = _column(reach=DISC + share * HEIGHT)
    top = HEIGHT + DISC
    own, piece = _box(top, top + HEIGHT), _box(top + HEIGHT + DISC, top + HEIGHT + DISC + share * HEIGHT)
    drawn[1] = replace(drawn[1], rings=(own,), others=(piece,))

    assert {"T9", "T10"} == {level for level, reason in _reasons(drawn).items() if reason == "MERGED_NEIGHBOUR"}


def test_bone_on_bone_is_measured() -> None:
    """Bodies without a disc between them, each of its own height, share nothing."""
    drawn = [replace(one, rings=(_box(n * HEIGHT, (n + 1) * HEIGHT),)) for n, one in enumerate(_column())]

    assert {None} == set(_reasons(drawn).values())


@pytest.mark.parametrize("tilt", [-80, -60, -46, 38, 44, 48, 55, 70, 85])
def test_a_body_far_off_the_images_superior_is_refused(tilt: float) -> None:
    """Where only the image says which end is superior, walls and endplates are not told apart beyond 35 degrees."""
    ring = replace(STAND, at=(500.0, 1000.0), tilt_deg=tilt).to_image(Profile().outline())

    assert "SUPERIOR_UNDECIDABLE" == _found([Drawn(level="L2", where=HERE, holder="1", rings=(ring,))])["L2"].reason


@pytest.mark.parametrize(("tilt", "expected"), [(30, None), (45, "SUPERIOR_UNDECIDABLE"), (90, "SUPERIOR_UNDECIDABLE")])
def test_a_body_far_off_its_column_is_refused(tilt: float, expected: str | None) -> None:
    """A body that lies on its side between upright ones is no body of this column."""
    drawn = _column()
    stand = Stand(at=((80 + DEPTH / 2) / 0.2, (20 + 2.5 * HEIGHT + 2 * DISC) / 0.2), pixel=(0.2, 0.2), tilt_deg=tilt)
    drawn[2] = replace(drawn[2], rings=(stand.to_image(Profile(heights=(16, 16, 16), depth=26).outline()),))

    assert expected == _reasons(drawn)["T10"]


def test_a_kyphotic_column_is_followed() -> None:
    """Bodies that are tilted by as much as 60 degrees against the image stand along their column, and are measured."""
    drawn, at = [], np.array([100.0, 100.0])
    for level, tilt in zip(LEVELS, (60, 40, 0, -40, -60), strict=True):
        stand = Stand(pixel=(0.2, 0.2), tilt_deg=tilt)
        step = (stand.to_image(np.array([0.0, -(HEIGHT + DISC) / 2])) - np.array(stand.at)) * 0.2
        at = at + step
        ring = replace(stand, at=(at[0] / 0.2, at[1] / 0.2)).to_image(Profile(heights=(24, 24, 24)).outline())
        drawn.append(Drawn(level=level, where=HERE, holder="1.2", rings=(ring,)))
        at = at + step

    assert {None} == set(_reasons(drawn).values())


def _split(*, upright: bool, gap: float) -> Drawn:
    """Return a mask that a slit through the whole body parts, from front to rear or from end to end."""
    stand = replace(STAND, at=(500.0, 1000.0))
    share = stand.shadow(Profile(heights=(14, 13, 14)) if upright else Profile(), (2000, 1000), samples=1)
    columns, rows = np.meshgrid(np.arange(1000) + 0.5, np.arange(2000) + 0.5)
    off = (columns - 515) if upright else (rows - 1005)
    share[np.abs(off) * 0.2 < gap / 2] = 0
    parts = parts_of(share, (1.0, 1.0))
    assert isinstance(parts, Parts)
    return Drawn(level="L2", where=HERE, holder="1", rings=parts.rings, others=parts.others, step=(1.0, 1.0))


@pytest.mark.parametrize("upright", [False, True], ids=["from front to rear", "from end to end"])
@pytest.mark.parametrize("gap", [0.8, 2.0])
def test_a_mask_in_two_halves_is_refused(*, upright: bool, gap: float) -> None:
    """A slit through a mask leaves no half that is taken for the body."""
    assert "NO_BODY" == _found([_split(upright=upright, gap=gap)])["L2"].reason
