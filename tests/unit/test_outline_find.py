"""Six points out of an outline: of every shape, however it is placed, drawn and scaled; and what is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from radiographs import SHAPES, Array, Heights, Profile, Stand
from report_samples import dx_lateral

from sr_templates.findings import POINT_NAMES, LandmarkSource, Space
from workers.landmarks.outline.devices import told
from workers.landmarks.outline.drawn import Device, Drawn, Mark, Outlines, Where
from workers.landmarks.outline.find import find
from workers.landmarks.outline.images import films_of
from workers.landmarks.outline.mask import Parts, parts_of
from workers.landmarks.outline.polygon import along
from workers.landmarks.points import VertebraLandmarks, without_points

FILM = dx_lateral()
HERE = Where(sop_instance_uid=str(FILM.SOPInstanceUID))
#: No body bulges: its middle is the lowest, or as high as the lower wall.
HEIGHTS = st.tuples(st.floats(14, 30), st.floats(0.6, 1), st.floats(14, 30)).map(
    lambda drawn: (drawn[0], drawn[1] * min(drawn[0], drawn[2]), drawn[2])
)
#: In the middle of the film; its pixels are 0.2 mm.
STAND = Stand(at=(500.0, 1000.0), pixel=(0.2, 0.2))


def _drawn(*rings: Array, level: str = "L2", holder: str = "1.2") -> Drawn:
    return Drawn(level=level, where=HERE, holder=holder, rings=rings)


def _found(*drawn: Drawn, marks: Sequence[Mark] = (), **film: object) -> dict[str, VertebraLandmarks]:
    image = dx_lateral()
    for keyword, value in film.items():
        setattr(image, keyword, value)
    outlines = Outlines(drawn=drawn, marks=tuple(marks))
    return {one.level: one for one in find(outlines, films_of([image]))}


def _points(found: VertebraLandmarks) -> Array:
    assert found.landmarks is not None, found.reason
    return np.array([found.landmarks.points[name] for name in POINT_NAMES])


def _heights(points: Array) -> Array:
    """Return anterior, middle and posterior height, mm on the detector."""
    return np.asarray(np.linalg.norm(points[:3] - points[3:], axis=1) * 0.2)


def _measured(ring: Array, **film: Any) -> Array:
    return _points(_found(_drawn(ring), **film)["L2"])


def _moved(points: Array, x: float, y: float) -> Array:
    return np.asarray(points + np.array([x, y]))


def _masked(profile: Profile, stand: Stand = STAND) -> Drawn:
    parts = parts_of(stand.shadow(profile, (2000, 1000), samples=2), (1.0, 1.0))
    assert isinstance(parts, Parts)
    return replace(_drawn(*parts.rings), others=parts.others, flags=parts.flags, step=(1.0, 1.0))


@pytest.mark.parametrize("heights", SHAPES.values(), ids=list(SHAPES))
@pytest.mark.parametrize("extra", [{}, {"osteophyte": 5.0, "schmorl": 3.0}], ids=["plain", "osteophyte and node"])
def test_every_shape_gives_its_heights(heights: Heights, extra: Mapping[str, Any]) -> None:
    """Heights are within 0.8 mm of the truth, a middle point within 0.5 mm of its own; osteophyte and node are cut."""
    profile = Profile(heights=heights, **extra)
    points = _measured(STAND.to_image(profile.outline()))

    assert list(heights) == pytest.approx(_heights(points).tolist(), abs=0.8)
    assert np.abs(STAND.to_local(points) - profile.points)[[1, 4]].max() < 0.5


@settings(max_examples=8, deadline=None)
@given(
    start=st.integers(1, 150),
    tilt=st.floats(-34, 34),
    heights=HEIGHTS,
)
def test_the_points_are_those_of_the_shape(start: int, tilt: float, heights: Heights) -> None:
    """Vertex order and start change nothing; moved and mirrored films give such points, within 0.02 mm."""
    stand = replace(STAND, tilt_deg=tilt)
    ring = stand.to_image(Profile(heights=heights, osteophyte=4.0).outline())
    points = _measured(ring)
    mirrored = _measured((1000, 0) + ring * (-1, 1), PatientOrientation=["A", "F"])

    assert points.tolist() == _measured(np.roll(ring, start, axis=0)).tolist()
    assert points.tolist() == _measured(ring[::-1]).tolist()
    assert np.abs(_moved(points, 7, -3) - _measured(_moved(ring, 7, -3))).max() < 0.1
    assert np.abs(points - (1000, 0) - mirrored * (-1, 1)).max() < 0.1


@settings(max_examples=8, deadline=None)
@given(scale=st.floats(0.4, 3.0), spacing=st.floats(0.05, 2.0))
def test_magnification_and_spacing_do_not_move_the_points(scale: float, spacing: float) -> None:
    """A larger image of the same body has the same points, larger; what a pixel measures plays no part."""
    ring = STAND.to_image(Profile(heights=(19.0, 20.0, 25.0)).outline())
    points, middle = _measured(ring), np.array(STAND.at)

    assert points.tolist() == _measured(ring, ImagerPixelSpacing=[spacing, spacing]).tolist()
    assert points.tolist() == _measured(ring, ImagerPixelSpacing=None).tolist()
    larger = _measured(middle + (ring - middle) * scale, Rows=6000, Columns=3000)
    assert np.abs(points - middle - (larger - middle) / scale).max() < 1e-4


@settings(max_examples=8, deadline=None)
@given(turn=st.floats(-34, 34), heights=HEIGHTS)
def test_a_turned_body_has_the_same_heights(turn: float, heights: Heights) -> None:
    """Heights stay within 0.3 mm when the body is turned under the same letters, or stood on its head."""
    profile = Profile(heights=heights)
    straight = _heights(_measured(STAND.to_image(profile.outline())))
    turned = _heights(_measured(replace(STAND, tilt_deg=turn).to_image(profile.outline())))
    overturned = _measured((0, 2000) + STAND.to_image(profile.outline()) * (1, -1), PatientOrientation=["P", "H"])

    assert np.abs(straight - turned).max() < 0.3
    assert np.abs(straight - _heights(overturned)).max() < 0.3


def test_pixels_that_are_not_square_are_stretched_by_their_spacing() -> None:
    """Pixels twice as high as wide halve the rows of the points and nothing else."""
    ring = STAND.to_image(Profile().outline())
    points = _measured(ring)
    stretched = _measured(ring * (1, 0.5), ImagerPixelSpacing=[0.4, 0.2])

    assert np.abs(points * (1, 0.5) - stretched).max() < 1e-5


@pytest.mark.parametrize("heights", SHAPES.values(), ids=list(SHAPES))
def test_a_whole_vertebra_is_cut_at_its_posterior_wall(heights: Heights) -> None:
    """With pedicles, processes and lamina in the shadow, heights are those of the body, and the flag says so."""
    found = _found(_masked(Profile(heights=heights, posterior_elements=True), replace(STAND, pixel=(0.4, 0.4))))["L2"]

    assert ("POSTERIOR_JOINED",) == found.flags
    assert list(heights) == pytest.approx((_heights(_points(found)) * 2).tolist(), abs=0.8)


@pytest.mark.parametrize("heights", [(26, 15, 4.5), (20, 20, 5), (18, 9, 4.5), (22, 14, 6), (26, 12, 8)])
def test_a_steep_posterior_wedge_is_measured_to_its_own_wall(heights: Heights) -> None:
    """A body that is next to nothing behind is not taken for one with posterior elements on it."""
    found = _found(_drawn(STAND.to_image(Profile(heights=heights, depth=32).outline())))["L2"]

    assert () == found.flags
    assert list(heights) == pytest.approx(_heights(_points(found)).tolist(), abs=0.8)


def test_the_finding_says_where_it_lies() -> None:
    """Points lie in their image, with its plane; they are ours, derived from an outline."""
    found = _found(_drawn(STAND.to_image(Profile().outline())))["L2"]

    assert found.landmarks is not None
    assert (Space.IMAGE, FILM.SOPInstanceUID) == (found.landmarks.space, found.landmarks.sop_instance_uid)
    assert LandmarkSource.SEGMENTATION is found.source
    assert found.plane is not None
    assert (None, None) == (found.axial_spacing_mm, found.height_sd_mm)


RING = STAND.to_image(Profile().outline())
BELOW = _moved(RING, 0, 160)


def _mark(x: float, y: float, *, is_anterior: bool = True) -> Mark:
    return Mark(where=HERE, point=np.array([x, y]), is_anterior=is_anterior)


@pytest.mark.parametrize(
    ("letters", "marks", "expected"),
    [
        (["P", "F"], [], None),
        (["", ""], [], "SUPERIOR_UNDECIDABLE"),
        (["L", "F"], [], "NOT_LATERAL"),
        (["", "F"], [], "ANTERIOR_UNDECIDABLE"),
        (["P", ""], [], "SUPERIOR_UNDECIDABLE"),
        (["", "F"], [_mark(300, 1000)], None),
        (["", "F"], [_mark(720, 990, is_anterior=False)], None),
        (["", "F"], [_mark(300, 1000), _mark(310, 1000, is_anterior=False)], "ORIENTATION_CONFLICT"),
        (["", "F"], [_mark(500, 700)], "ANTERIOR_UNDECIDABLE"),
        (["P", "F"], [_mark(720, 990)], "ORIENTATION_CONFLICT"),
        (["F", "F"], [], "NOT_LATERAL"),
    ],
)
def test_anterior_and_superior_are_read_and_never_guessed(
    letters: list[str], marks: list[Mark], expected: str | None
) -> None:
    """The image says which side is anterior, else a mark; without either, or where they contradict, it is refused."""
    found = _found(_drawn(RING), marks=marks, PatientOrientation=letters)["L2"]

    assert expected == found.reason
    if expected is None:
        assert _points(_found(_drawn(RING))["L2"]).tolist() == _points(found).tolist()


def test_the_order_of_two_levels_says_which_end_is_superior() -> None:
    """Without a letter for it L2 above L3 tells; where the letters say the opposite both are refused."""
    both = _drawn(RING), _drawn(BELOW, level="L3")
    found = _found(*both, PatientOrientation=["P", ""])
    turned = _found(*both, PatientOrientation=["P", "H"])

    assert 0.3 > np.abs(_points(found["L2"]) - _points(_found(_drawn(RING))["L2"])).max() * 0.2
    assert {"ORIENTATION_CONFLICT"} == {one.reason for one in turned.values()}


@pytest.mark.parametrize(
    ("film", "expected"),
    [
        ({"ViewPosition": "AP"}, "NOT_LATERAL"),
        ({"ViewPosition": "LL"}, None),
        ({"ImagerPixelSpacing": None, "PixelAspectRatio": [4, 3]}, "ANISOTROPY_UNKNOWN"),
        ({"ImagerPixelSpacing": None, "PixelAspectRatio": [1, 1]}, None),
        ({"SOPInstanceUID": "1.2.3"}, "IMAGE_MISSING"),
        ({"NumberOfFrames": 2}, "SEVERAL_IMAGES"),
        ({"Columns": 584}, "TOUCHES_BORDER"),
        ({"Columns": 590}, None),
    ],
)
def test_the_image_decides_whether_anything_is_measured(film: dict[str, Any], expected: str | None) -> None:
    """A frontal view, unknown pixels, another image, and a body cut off by the edge are refused."""
    assert expected == _found(_drawn(RING), **film)["L2"].reason


def _rectangle(tilt: float = 0.0) -> Array:
    """Return a box of eight vertices: its corners, and the middle of each side."""
    corners = [(-17, -12), (0, -12), (17, -12), (17, 0), (17, 12), (0, 12), (-17, 12), (-17, 0)]
    return replace(STAND, tilt_deg=tilt).to_image(np.array(corners, dtype=np.float64))


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ([_drawn(RING[:5])], "TOO_FEW_VERTICES"),
        ([_drawn(RING[np.random.default_rng(1).permutation(len(RING))])], "SELF_INTERSECTION"),
        ([_drawn(RING), _drawn(_moved(RING, 1, 1)), _drawn(RING - (1, 1))], "LEVEL_DUPLICATED"),
        ([_drawn(RING), _drawn(BELOW)], "LEVEL_DUPLICATED"),
        ([_drawn(_rectangle())], "BOX"),
        ([_drawn(_rectangle(tilt=20))], "BOX"),
        ([_drawn(RING), _drawn(_moved(RING, 1, 1), holder="1.3")], "LEVEL_DUPLICATED"),
    ],
)
def test_what_is_no_outline_of_one_body_is_refused(drawn: list[Drawn], expected: str) -> None:
    """A reason for each: too few vertices, a crossing, outlines of one level that are no double contour."""
    assert expected == _found(*drawn)["L2"].reason


def _ellipse() -> Array:
    angle = np.linspace(0, 6.2, 80)
    return STAND.to_image(np.column_stack([np.cos(angle) * 17, np.sin(angle) * 14]))


def _trough() -> Array:
    corners = [(-17, 13), (-12, 13), (-12, -5), (12, -5), (12, 13), (17, 13), (17, -13), (-17, -13)]
    return STAND.to_image(np.array(corners, dtype=np.float64))


@pytest.mark.parametrize(
    ("ring", "expected"), [(_ellipse(), "IMPLAUSIBLE_SHAPE"), (_trough(), "NO_BODY")], ids=["ellipse", "trough"]
)
def test_what_is_no_body_is_refused(ring: Array, expected: str) -> None:
    """An ellipse bulges as no body does; the six points of a trough have too little in common with it."""
    assert expected == _found(_drawn(ring))["L2"].reason


def test_posterior_elements_on_the_anterior_side_are_a_conflict() -> None:
    """A whole vertebra that looks the other way than the film says is refused."""
    drawn = _masked(Profile(posterior_elements=True), replace(STAND, pixel=(0.4, 0.4)))

    assert "ORIENTATION_CONFLICT" == _found(drawn, PatientOrientation=["A", "F"])["L2"].reason


@pytest.mark.parametrize(("gap", "flags"), [(1.5, ()), (3.0, ("OBLIQUE",))])
def test_a_double_contour_is_measured_midway(gap: float, flags: tuple[str, ...]) -> None:
    """Two lines around one body give the points between them; wider apart than 2 mm the beam was oblique."""
    outer, inner = (Profile(heights=(h, h - 1, h)) for h in (26 + gap, 26 - gap))
    found = _found(*(_drawn(STAND.to_image(one.outline())) for one in (outer, inner)))["L2"]

    assert flags == found.flags
    assert [26, 25, 26] == pytest.approx(_heights(_points(found)).tolist(), abs=0.3)


def test_a_ring_of_pixels_is_a_double_contour() -> None:
    """A mask of the line alone has an inner and an outer edge: midway, and oblique where it is thick."""
    outer, inner = (
        STAND.to_image(Profile(heights=(h, h, h + 1), depth=d, waist=0).outline()) for h, d in ((28, 36), (22, 30))
    )
    found = _found(_drawn(outer, inner))["L2"]

    assert ("OBLIQUE",) == found.flags
    assert [25, 25, 26] == pytest.approx(_heights(_points(found)).tolist(), abs=0.2)


def test_a_layer_above_the_body_is_oblique() -> None:
    """A mask with a gap below its endplate shows two contours of it: it is measured to the outer one and said."""
    slit = np.array([(-14, 8.5), (14, 8.5), (14, 9.5), (-14, 9.5)], dtype=float)
    found = _found(_drawn(RING, STAND.to_image(slit)))["L2"]

    assert ("OBLIQUE",) == found.flags
    assert [26, 25, 26] == pytest.approx(_heights(_points(found)).tolist(), abs=0.2)


def _evenly(count: int, start: float) -> Array:
    """Return so many vertices, evenly along a body of 26, 25 and 26 mm, wherever its corners are."""
    around = along(Profile().outline(), 0.05)
    places = np.linspace(0, len(around), count, endpoint=False) + start * len(around) / count
    return STAND.to_image(around[places.astype(int) % len(around)])


@pytest.mark.parametrize("start", [0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("count", [9, 10, 12, 16])
def test_corners_that_were_cut_are_coarse(count: int, start: float) -> None:
    """Few vertices, none of them at a corner: refused, or so far apart as the heights are wrong by, give or take."""
    found = _found(_drawn(_evenly(count, start)))["L2"]
    if found.landmarks is not None:
        points = {name: np.array(point) for name, point in found.landmarks.points.items()}
        heights = [np.hypot(*(points[f"{wall}S"] - points[f"{wall}I"])) * 0.2 for wall in "AP"]
        assert max(abs(26.0 - height) for height in heights) < 2.0 + (found.axial_spacing_mm or 0.0)


@pytest.mark.parametrize("count", [80, 120])
def test_many_vertices_are_fine_wherever_they_lie(count: int) -> None:
    """A millimetre and a half apart and less, they say all that is needed."""
    assert {None} == {_found(_drawn(_evenly(count, start)))["L2"].axial_spacing_mm for start in (0.0, 0.3, 0.6)}


def test_corners_may_be_all_that_was_drawn() -> None:
    """With two vertices at each corner and none between them the corners are measured, and no middle height is."""
    corners = np.array([(-16, 13), (16, 13), (17, 12), (16.5, -12), (15.5, -13), (-16, -13), (-17, -12), (-17, 12)])
    found = _found(_drawn(STAND.to_image(corners)))["L2"]

    assert found.landmarks is not None
    assert {"AS", "PS", "AI", "PI"} == set(found.landmarks.points)
    assert (found.axial_spacing_mm or 0.0) < 3.5


def test_a_coarse_mask_says_how_coarse_it_is() -> None:
    """Eight pixels of 0.2 mm to one of the mask: sampled at 1.6 mm along the axis, which counts."""
    found = _found(replace(_drawn(RING), step=(8.0, 8.0)))["L2"]

    assert 1.6 == pytest.approx(found.axial_spacing_mm)


@pytest.mark.parametrize(
    ("device", "flags"),
    [
        (
            Device(flag="CEMENT", where=HERE, rings=(np.array([(490, 990), (510, 990), (510, 1010), (490, 1010)]),)),
            ("CEMENT",),
        ),
        (
            Device(flag="HARDWARE", where=HERE, rings=(np.array([(700, 990), (720, 990), (720, 1010), (700, 1010)]),)),
            (),
        ),
        (Device(flag="DEVICE_UNREADABLE"), ("DEVICE_UNREADABLE",)),
        (Device(flag="CEMENT", level="L2"), ("CEMENT",)),
        (Device(flag="CEMENT", level="L3"), ()),
        (Device(flag="CEMENT", where=Where(sop_instance_uid="9"), rings=(RING,)), ()),
    ],
)
def test_cement_and_hardware_in_the_body_are_told(device: Device, flags: tuple[str, ...]) -> None:
    """What covers part of the body is said of it, what lies beside it is not; unreadable, it may be anywhere."""
    assert [flags] == [one.flags for one in told([_found(_drawn(RING))["L2"]], [device])]


def test_a_level_on_two_images_is_taken_from_the_one_with_more() -> None:
    """L2 on the film with two levels counts; what is refused by its carrier stays refused."""
    other = dx_lateral()
    other.SOPInstanceUID = "9.9"
    moved = replace(_drawn(_moved(RING, 50, 0)), where=Where(sop_instance_uid="9.9"))
    outlines = Outlines(
        drawn=(moved, _drawn(RING), _drawn(BELOW, level="L3"), _drawn(RING - (0, 160), level="L1")),
        refused={"L1": without_points("L1", "LEVEL_CONFLICT")},
    )
    found = {one.level: one for one in find(outlines, films_of([dx_lateral(), other]))}

    assert ["L1", "L2", "L3"] == list(found)
    assert "LEVEL_CONFLICT" == found["L1"].reason
    assert found["L2"].landmarks is not None
    assert FILM.SOPInstanceUID == found["L2"].landmarks.sop_instance_uid
