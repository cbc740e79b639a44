"""Points in presentation states: what is read, what is refused with which word, and what is left alone."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from annotated import annotation, by_highdicom, code, graphic, presentation, reference, text
from damage import damage
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from report_samples import context, ct_slice, dx_lateral, findings, image_points

from sr_templates.findings import LandmarkSource, Point, Space
from sr_templates.presentation_state import build_presentations
from workers.landmarks.claims import Study
from workers.landmarks.pairing import drawn
from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.presentation import from_presentation, is_ours

#: Bodies 60 pixels apart, each 34 wide: L1 about row 1000, L2 below it.
MIDDLES = {"L1": 0.0, "L2": -60.0}
NAMES = ("AS", "MS", "PS", "AI", "MI", "PI")
AROUND = ("AS", "MS", "PS", "PI", "MI", "AI")
CORNERS = ("AS", "PS", "PI", "AI")


def _study(image: Dataset) -> Study:
    return Study(image_of=lambda uid: image if uid == image.SOPInstanceUID else None, frames=())


def _read(state: Dataset, image: Dataset | None = None) -> dict[str, VertebraLandmarks]:
    return {one.level: one for one in from_presentation(state, _study(image or dx_lateral()))}


def _points(found: Mapping[str, VertebraLandmarks], level: str) -> dict[str, Point]:
    landmarks = found[level].landmarks
    assert landmarks is not None, found[level].reason
    return dict(landmarks.points)


def _reasons(state: Dataset, image: Dataset | None = None) -> dict[str, str | None]:
    return {level: one.reason for level, one in _read(state, image).items()}


def _drawn(*annotations: Dataset) -> Dataset:
    return presentation(dx_lateral(), *annotations)


def _beside(point: Point) -> Point:
    return (point[0] + 3.0, point[1] - 3.0)


def _named_points(middle: float, label: Callable[[str], str] = str) -> tuple[list[Dataset], list[Dataset]]:
    """Return points, each with a text beside it."""
    points = image_points(middle)
    texts = [text(label(name), anchor=_beside(point)) for name, point in points.items()]
    return [graphic(point) for point in points.values()], texts


def _ring(names: Sequence[str], middle: float = 0.0) -> list[Point]:
    points = image_points(middle)
    return [points[name] for name in names]


def test_points_named_by_their_tracking_id_are_read() -> None:
    """What highdicom writes with a Tracking ID a point is read back, for every vertebra, with image and plane."""
    image = dx_lateral()
    found = _read(by_highdicom(image, {level: image_points(middle) for level, middle in MIDDLES.items()}), image)

    assert list(found) == ["L1", "L2"]
    for level, middle in MIDDLES.items():
        assert {name: pytest.approx(point) for name, point in image_points(middle).items()} == _points(found, level)
    landmarks = found["L1"].landmarks
    assert landmarks is not None
    assert (landmarks.space, landmarks.sop_instance_uid) == (Space.IMAGE, image.SOPInstanceUID)
    assert {LandmarkSource.SUPPLIED_GSPS} == {one.source for one in found.values()}
    assert found["L1"].plane is not None


@pytest.mark.parametrize(
    ("maker", "creator", "expected"),
    [
        ("Spondyl", "Doe^Jane", LandmarkSource.REVIEWED),
        ("Spondyl", "", LandmarkSource.SUPPLIED_GSPS),
        ("Other", "Doe^Jane", LandmarkSource.SUPPLIED_GSPS),
    ],
)
def test_points_of_ours_under_a_readers_name_are_reviewed(maker: str, creator: str, expected: LandmarkSource) -> None:
    """A person saved our presentation state: they went over our points. Elsewhere nobody says what was looked at."""
    image = dx_lateral()
    state = by_highdicom(image, {"L1": image_points(0.0)})
    state.Manufacturer = state.ManufacturerModelName = maker
    state.ContentCreatorName = creator

    assert [expected] == [one.source for one in _read(state, image).values()]


@cache
def _of_ours(uid_root: str = "") -> Dataset:
    """Return what we draw on the film of T12, L1 and L6; it is shared."""
    film = dx_lateral()
    film.PhotometricInterpretation = "MONOCHROME2"
    (made,) = build_presentations(findings("image"), replace(context("image"), images=(film,), uid_root=uid_root))
    return made


def _edited() -> tuple[Dataset, dict[str, Dataset]]:
    """Return a copy of ours, and its graphics by Tracking ID."""
    state = copy.deepcopy(_of_ours())
    return state, {one.TrackingID: one for one in state.GraphicAnnotationSequence[0].GraphicObjectSequence}


@pytest.mark.parametrize("root", ["", "1.2.826.0.1.3680043.10.99"[:24]])
def test_ours_is_known_under_another_makers_name(root: str) -> None:
    """The Tracking UID of a height follows from that of its vertebra, whatever root a site has."""
    state = copy.deepcopy(_of_ours(root))
    state.Manufacturer = state.ManufacturerModelName = "Viewer"
    state.ContentCreatorName = "Doe^Jane"

    assert is_ours(state)
    assert {LandmarkSource.REVIEWED} == {one.source for one in _read(state).values()}
    for graphic_object in state.GraphicAnnotationSequence[0].GraphicObjectSequence:
        last = (int(graphic_object.TrackingUID[-1]) + 1) % 10
        graphic_object.TrackingUID = f"{graphic_object.TrackingUID[:-1]}{last}"
    assert not is_ours(state)
    assert {LandmarkSource.SUPPLIED_GSPS} == {one.source for one in _read(state).values()}


@pytest.mark.parametrize("what", ["", "L1 vertebra", "L1 anterior height", "both"])
def test_an_outline_of_ours_and_heights_that_part_are_said(what: str) -> None:
    """The lines count, whichever was moved; an outline that was drawn anew by hand is looked at too."""
    state, graphics = _edited()
    for name in ("L1 vertebra", "L1 anterior height"):
        if what in {name, "both"}:
            data = list(graphics[name].GraphicData)
            data[1] -= 5.0
            if name == "L1 vertebra":
                data[-1] -= 5.0
            graphics[name].GraphicData = data
    expected = ("OUTLINE_DIFFERS",) if what not in {"", "both"} else ()

    assert {"T12": (), "L1": expected, "L6": ()} == {level: one.flags for level, one in _read(state).items()}


def test_an_outline_of_ours_with_more_vertices_is_compared() -> None:
    """A tool that draws freehand gives more vertices than we did: beside the points, none of them is measured."""
    state, graphics = _edited()
    data = list(graphics["L1 vertebra"].GraphicData)
    middle = [(a + b) / 2 for a, b in zip(data[0:2], data[2:4], strict=True)]
    graphics["L1 vertebra"].GraphicData = [*data[:2], middle[0], middle[1] - 6.0, *data[2:4], *middle, *data[4:]]

    assert ("OUTLINE_DIFFERS",) == _read(state)["L1"].flags


def test_texts_beside_their_points_name_them() -> None:
    """One item holds two vertebrae; each point has the label that stands next to it."""
    pairs = [_named_points(middle, lambda name, level=level: f"{level} {name}") for level, middle in MIDDLES.items()]  # type: ignore[misc]  # bound now
    found = _read(_drawn(annotation([g for gs, _ in pairs for g in gs], [t for _, ts in pairs for t in ts])))

    assert {level: image_points(middle) for level, middle in MIDDLES.items()} == {
        level: _points(found, level) for level in found
    }


def test_one_level_in_an_item_names_all_its_points() -> None:
    """Texts that only say AS to PI belong to the one vertebra that the item, or its layer, names."""
    graphics, texts = _named_points(0.0)
    by_text = _read(_drawn(annotation(graphics, [*texts, text("L1", anchor=(700.0, 1000.0))])))
    by_layer = _read(_drawn(annotation(graphics, texts, layer="L1")))

    assert image_points(0.0) == _points(by_text, "L1") == _points(by_layer, "L1")


def test_several_levels_in_an_item_leave_nameless_points_in_doubt() -> None:
    """Where an item names two vertebrae and its points none, both are refused."""
    graphics, texts = _named_points(0.0)
    levels = [text("L1", anchor=(700.0, 1000.0)), text("L2", anchor=(700.0, 1060.0))]

    assert _reasons(_drawn(annotation(graphics, [*texts, *levels]))) == dict.fromkeys(("L1", "L2"), "LABEL_AMBIGUOUS")


@pytest.mark.parametrize("label", ["{level} {word}", "{level} {word} height", "{level} {word}: 24.5 mm"])
def test_height_lines_are_read_in_either_direction(label: str) -> None:
    """A line of two points that its text calls anterior, middle or posterior gives both ends, whichever was first."""
    points = image_points(0.0)
    lines, texts = [], []
    for letter, word in (("A", "anterior"), ("M", "mid"), ("P", "Hp")):
        ends = points[f"{letter}I"], points[f"{letter}S"]
        lines.append(graphic(*ends))
        texts.append(
            text(label.format(level="L1", word=word), box=[_beside(ends[0]), (ends[0][0] + 9, ends[0][1] + 2)])
        )

    assert points == _points(_read(_drawn(annotation(lines, texts))), "L1")


def test_a_graphic_group_belongs_together() -> None:
    """The label of a group names the vertebra of its points, and a text of a group names nothing outside it."""
    groups = []
    graphics, texts = [], []
    for number, (level, middle) in enumerate(MIDDLES.items(), start=1):
        groups.append(code("", "", ""))
        groups[-1].GraphicGroupID, groups[-1].GraphicGroupLabel = number, level
        for name, point in image_points(middle).items():
            graphics.append(graphic(point, GraphicGroupID=number))
            texts.append(text(name, anchor=_beside(point), GraphicGroupID=number))
    found = _read(presentation(dx_lateral(), annotation(graphics, texts), GraphicGroupSequence=groups))

    assert {level: image_points(middle) for level, middle in MIDDLES.items()} == {
        level: _points(found, level) for level in found
    }


def test_a_tracking_uid_joins_text_and_graphic() -> None:
    """A text with the Tracking UID of a graphic is its label, however far it stands and in whatever units."""
    graphics, texts = [], []
    for number, (name, point) in enumerate(image_points(0.0).items()):
        graphics.append(graphic(point, TrackingUID=f"1.2.{number}"))
        texts.append(text(f"L1 {name}", anchor=(0.9, 0.1), units="DISPLAY", TrackingUID=f"1.2.{number}"))

    assert image_points(0.0) == _points(_read(_drawn(annotation(graphics), annotation([], texts))), "L1")


def test_one_item_for_each_annotation_needs_no_nearness() -> None:
    """A text alone with its graphic in one item is its label, in whatever units it is placed."""
    items = [
        annotation([graphic(point)], [text(f"L1 {name}", anchor=(0.5, 0.5), units="DISPLAY")])
        for name, point in image_points(0.0).items()
    ]

    assert image_points(0.0) == _points(_read(_drawn(*items)), "L1")


def test_two_names_of_one_point_leave_it_in_doubt() -> None:
    """Where Tracking ID and text call one point differently it has no name, and the level is refused."""
    points = image_points(0.0)
    graphics = [graphic(point, TrackingID=f"L1 {name}") for name, point in list(points.items())[1:]]
    odd = graphic(points["AS"], TrackingID="L1 AS", TrackingUID="1.2.1")
    texts = [text("L1 PI", anchor=(0.0, 0.0), TrackingUID="1.2.1")]

    assert {"L1": "LABEL_AMBIGUOUS"} == _reasons(_drawn(annotation([odd, *graphics], texts)))


def test_texts_of_another_item_count_by_nearness_alone() -> None:
    """Labels that a viewer keeps apart from what they name are joined where each has one near neighbour."""
    graphics, texts = _named_points(0.0, lambda name: f"L1 {name}")

    assert image_points(0.0) == _points(_read(_drawn(annotation(graphics), annotation([], texts))), "L1")


def test_a_text_between_two_points_belongs_to_neither() -> None:
    """Where the next one is not more than twice as far, nothing is assigned and the level is refused."""
    points = [graphic((100.0, 100.0)), graphic((120.0, 100.0))]
    texts = [text("L1 AS", anchor=(109.0, 100.0)), text("L1 AI", anchor=(111.0, 100.0))]

    assert {"L1": "LABEL_AMBIGUOUS"} == _reasons(_drawn(annotation(points, texts)))


@pytest.mark.parametrize("is_apart", [False, True], ids=["one item", "two items"])
@pytest.mark.parametrize("shift", [(0.0, -60.0), (0.0, -20.0), (0.0, 40.0), (17.0, 0.0)])
def test_labels_that_stand_beside_the_next_point_name_none(shift: Point, is_apart: bool) -> None:
    """Moved by a vertebra, a body, a disc or half a depth, each label is nearest to the wrong point."""
    points = [(f"{level} {name}", p) for level, middle in MIDDLES.items() for name, p in image_points(middle).items()]
    graphics = [graphic(point) for _, point in points]
    texts = [text(label, anchor=(x + shift[0], y + shift[1])) for label, (x, y) in points]
    items = [annotation(graphics), annotation([], texts)] if is_apart else [annotation(graphics, texts)]

    assert {"LABEL_AMBIGUOUS"} == set(_reasons(_drawn(*items)).values())


def test_one_label_that_was_dragged_away_leaves_the_others() -> None:
    """A single point and a single label that are left over belong to each other."""
    graphics, texts = _named_points(0.0, lambda name: f"L1 {name}")
    texts[0].AnchorPoint = [300.0, 1000.0]

    assert image_points(0.0) == _points(_read(_drawn(annotation(graphics, texts))), "L1")


def test_labels_without_a_place_do_not_name_several_points() -> None:
    """Texts in units of the display cannot be joined to several points of one item."""
    points = image_points(0.0)
    texts = [text(f"L1 {name}", anchor=(0.5, 0.5), units="DISPLAY") for name in points]

    assert {"L1": "LABEL_AMBIGUOUS"} == _reasons(_drawn(annotation([graphic(one) for one in points.values()], texts)))


@pytest.mark.parametrize("names", [AROUND, CORNERS], ids=["six", "four"])
@pytest.mark.parametrize("is_closed", [True, False])
def test_a_shape_that_names_its_level_is_sorted_by_its_place(names: Sequence[str], is_closed: bool) -> None:
    """Four or six unnamed points of one vertebra are named where the image says where anterior and superior are."""
    ring = _ring(names)
    state = _drawn(annotation([graphic(*ring, *ring[:is_closed])], [text("L1", anchor=(500.0, 1000.0))]))

    assert {name: image_points(0.0)[name] for name in NAMES if name in names} == _points(_read(state), "L1")


def test_a_shape_on_an_image_without_directions_is_refused() -> None:
    """Which end is anterior is never guessed."""
    image = dx_lateral()
    del image.PatientOrientation
    state = _drawn(annotation([graphic(*_ring(CORNERS))], [text("L1", anchor=(500.0, 1000.0))]))

    assert {"L1": "ORDER_UNKNOWN"} == _reasons(state, image)


def test_a_box_is_no_vertebra() -> None:
    """A rectangle with a level beside it marks a region, as detectors and viewers draw them."""
    box = [(480.0, 985.0), (520.0, 985.0), (520.0, 1015.0), (480.0, 1015.0), (480.0, 985.0)]

    assert {"L1": "BOX"} == _reasons(_drawn(annotation([graphic(*box)], [text("L1", anchor=(525.0, 1000.0))])))


def test_a_region_with_its_own_values_is_no_vertebra() -> None:
    """A polygon whose own label is no level is not the body of the level that stands further away."""
    region = graphic(*_ring(CORNERS))
    values = text("Mean: 120 HU", box=[(520.0, 990.0), (560.0, 1010.0)])

    assert {} == _read(_drawn(annotation([region], [values, text("L1", anchor=(530.0, 1015.0))])))


def test_a_disc_is_not_the_vertebra_above_it() -> None:
    """A label in the middle of L1 does not name a polygon of 8 by 34 below it, though nothing else stands near."""
    disc = [(483.0, 1014.0), (517.0, 1015.0), (516.5, 1023.0), (483.5, 1022.0)]

    assert {} == _read(_drawn(annotation([graphic(*disc)], [text("L1", anchor=(500.0, 1000.0))])))


def test_a_level_far_from_a_shape_is_not_its_label() -> None:
    """A text farther away than the shape is high does not name it, though both stand alone in their item."""
    assert {} == _read(_drawn(annotation([graphic(*_ring(CORNERS))], [text("L1", anchor=(700.0, 1000.0))])))


def test_points_count_before_a_shape() -> None:
    """After a point was moved the outline that was left behind does not contradict it."""
    points = image_points(0.0)
    moved = {**points, "AS": (480.0, 980.0)}
    graphics = [graphic(point, TrackingID=f"L1 {name}") for name, point in moved.items()]
    shape = graphic(*_ring(AROUND), TrackingID="L1")

    assert moved == _points(_read(_drawn(annotation([*graphics, shape]))), "L1")


def test_labels_of_levels_alone_place_nothing() -> None:
    """A spine that is only labelled, or lines without a name beside it, give no vertebra and no reason."""
    labels = [text(f"L{number}", anchor=(500.0, 900.0 + 60 * number)) for number in range(1, 6)]
    ruler = graphic((100.0, 100.0), (100.0, 400.0))

    assert {} == _read(_drawn(annotation([], labels)))
    assert {} == _read(_drawn(annotation([ruler], [*labels, text("60.0 mm", anchor=(110.0, 250.0))])))


@pytest.mark.parametrize("units", ["DISPLAY", "MATRIX", ""])
def test_graphics_that_are_not_in_pixels_are_refused(units: str) -> None:
    """Units of the display depend on the window, those of a tiled image on its tiles: the level says so."""
    graphics = [graphic((0.1, 0.2), units=units, TrackingID=f"L1 {name}") for name in NAMES]

    assert {"L1": "DISPLAY_UNITS"} == _reasons(_drawn(annotation(graphics)))


def test_points_on_several_images_are_refused() -> None:
    """An item on two images, two frames or all frames does not say in which its points lie; one frame is kept."""
    image = dx_lateral()
    image.NumberOfFrames = 3
    graphics = [graphic(point, TrackingID=f"L1 {name}") for name, point in image_points(0.0).items()]
    two_images = annotation(graphics, ReferencedImageSequence=[reference(image), reference(ct_slice(1))])
    two_frames = annotation(graphics, ReferencedImageSequence=[reference(image, ReferencedFrameNumber=[1, 2])])
    one_frame = annotation(graphics, ReferencedImageSequence=[reference(image, ReferencedFrameNumber=2)])

    for several in (two_images, two_frames, annotation(graphics)):
        assert {"L1": "SEVERAL_IMAGES"} == _reasons(_drawn(several), image)
    landmarks = _read(_drawn(one_frame), image)["L1"].landmarks
    assert landmarks is not None
    assert landmarks.frame == 2


def test_points_on_an_image_that_is_not_there_are_refused() -> None:
    """Without its image a point has no scale and no direction; nor has it where no image is named."""
    graphics = [graphic(point, TrackingID=f"L1 {name}") for name, point in image_points(0.0).items()]
    state = _drawn(annotation(graphics))

    assert {"L1": "IMAGE_MISSING"} == _reasons(state, ct_slice(1))
    del state.ReferencedSeriesSequence
    assert {"L1": "IMAGE_MISSING"} == _reasons(state)


def test_a_contradiction_of_labels_refuses_both_levels() -> None:
    """Where Tracking ID and text name different vertebrae neither is measured, and both readings are kept."""
    graphics = [
        graphic(point, TrackingID=f"L1 {name}", TrackingUID=f"1.2.{NAMES.index(name)}")
        for name, point in image_points(0.0).items()
    ]
    texts = [text("L2 AS", anchor=(0.0, 0.0), TrackingUID="1.2.0")]
    found = _read(_drawn(annotation(graphics, texts)))

    assert {level: one.reason for level, one in found.items()} == dict.fromkeys(("L1", "L2"), "LEVEL_CONFLICT")
    assert {("LABEL_SAYS_L1", "LABEL_SAYS_L2")} == {one.flags for one in found.values()}


def test_missing_and_doubled_points_are_refused() -> None:
    """Two corners are no vertebra; one name at two places is no point."""
    points = [graphic(point, TrackingID=f"L1 {name}") for name, point in image_points(0.0).items()]
    twice = [*points, graphic((1.0, 1.0), TrackingID="L1 AS")]

    assert {"L1": "INCOMPLETE_POINTS"} == _reasons(_drawn(annotation(points[:3])))
    assert {"L1": "LEVEL_DUPLICATED"} == _reasons(_drawn(annotation(twice)))


def test_an_outline_is_left_to_those_who_read_outlines() -> None:
    """A closed polygon of eight vertices places no point; it is handed over with the level that its text names."""
    angles = np.linspace(0, 2 * np.pi, 13)
    ring = [(500.0 + 17 * float(np.cos(a)), 1000.0 + 12 * float(np.sin(a))) for a in angles]
    state = _drawn(annotation([graphic(*ring)], [text("L1", anchor=(500.0, 1000.0))]))

    assert {} == _read(state)
    (outline,) = drawn(state)
    assert outline.graphic.is_outline
    assert (len(outline.graphic.points), outline.naming.levels) == (12, ("L1",))


@pytest.mark.parametrize("kind", ["CIRCLE", "ELLIPSE", "INTERPOLATED"])
def test_graphics_that_hold_no_points_are_left_alone(kind: str) -> None:
    """A circle, an ellipse or a spline says nothing of corners."""
    assert {} == _read(_drawn(annotation([graphic(*_ring(CORNERS), kind=kind)], [text("L1", anchor=(500.0, 1000.0))])))


def test_presentation_states_of_images_are_read_and_no_other_object() -> None:
    """Grayscale, colour and pseudo-colour states are; those of volumes, and images, are not."""
    graphics = [graphic(point, TrackingID=f"L1 {name}") for name, point in image_points(0.0).items()]
    for number, expected in ((1, ["L1"]), (2, ["L1"]), (3, ["L1"]), (4, []), (6, [])):
        state = _drawn(annotation(graphics))
        state.SOPClassUID = f"1.2.840.10008.5.1.4.1.1.11.{number}"
        assert expected == list(_read(state))
    assert from_presentation(dx_lateral(), _study(dx_lateral())) == []
    assert from_presentation(Dataset(), _study(dx_lateral())) == []


KEYWORDS = (
    "GraphicAnnotationSequence", "GraphicObjectSequence", "TextObjectSequence", "GraphicData", "GraphicType",
    "GraphicAnnotationUnits", "UnformattedTextValue", "AnchorPoint", "ReferencedSeriesSequence", "GraphicLayer",
    "ReferencedImageSequence", "ReferencedSOPInstanceUID",
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 10_000), keyword=st.sampled_from(KEYWORDS), how=st.sampled_from(["gone", "empty", "odd"]))
def test_a_damaged_presentation_state_is_read_or_refused(place: int, keyword: str, how: str) -> None:
    """Whatever is missing, empty or of the wrong kind, there is neither exception nor wrong level."""
    graphics, texts = _named_points(0.0, lambda name: f"L1 {name}")
    state = _drawn(annotation(graphics, texts))
    damage(state, place, keyword, how)

    assert set(_read(state)) <= {"L1"}


@settings(max_examples=60, deadline=None)
@given(
    places=st.lists(st.tuples(st.floats(0, 999), st.floats(0, 999)), min_size=1, max_size=12),
    labels=st.lists(
        st.tuples(st.sampled_from(["L1", "L2", "AS", "L1 AS", "L2 Ha", "12 mm", "x"]), st.floats(0, 999)), max_size=6
    ),
    size=st.sampled_from([1, 2, 4, 6]),
)
def test_whatever_is_drawn_only_named_levels_come_out(
    places: list[Point], labels: list[tuple[str, float]], size: int
) -> None:
    """Points and texts in any arrangement give only levels that a text names, each with points or a reason."""
    graphics = [graphic(*places[at : at + size]) for at in range(0, len(places), size)]
    texts = [text(label, anchor=(away, away)) for label, away in labels]
    found = _read(_drawn(annotation(graphics, texts)))

    assert set(found) <= {label.split()[0] for label, _ in labels}
    assert all((one.landmarks is None) != (one.reason is None) for one in found.values())
