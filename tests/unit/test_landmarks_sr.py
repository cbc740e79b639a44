import copy
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from damage import damage
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from report_samples import (
    COMPREHENSIVE,
    COMPREHENSIVE_3D,
    ENHANCED,
    FRAME_OF_REFERENCE,
    STUDY,
    Sample,
    build,
    context,
    ct_slice,
    dx_lateral,
    findings,
    groups,
    image_points,
    named,
    patient_points,
    report_bytes,
)

from sr_templates import codes
from sr_templates.context import ReportContext
from sr_templates.document import to_bytes
from sr_templates.findings import LandmarkSource, Point, Space
from workers.landmarks.claims import Study
from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.sr import from_report

MIDDLES = {"T12": 0.0, "L1": -32.0, "L6": -192.0}
#: SCOORD holds 32-bit floats (PS3.3 C.18.6.1).
CLOSE = 1e-4


#: Frames of reference of the study's images.
FRAMES = {FRAME_OF_REFERENCE}


def _report(sample: Sample) -> Dataset:
    return dcmread(BytesIO(report_bytes(sample)))


def _images(uid: str) -> Dataset | None:
    return {f"{STUDY}.2.1": dx_lateral()}.get(uid)


def _study(image_of: Callable[[str], Dataset | None] = _images, frames: Collection[str] = frozenset(FRAMES)) -> Study:
    return Study(image_of=image_of, frames=frames)


#: What the sample only names, since it could not be measured, with the reason.
REFUSED = {"L4": "TOUCHES_BORDER"}


def _read(made: Dataset, study: Study | None = None) -> dict[str, VertebraLandmarks]:
    """Return what the groups of a report hold."""
    found = from_report(made, study or _study())
    return {one.level: one for one in found if (one.level, one.reason) not in REFUSED.items()}


def _points(vertebra: VertebraLandmarks) -> dict[str, Point]:
    assert vertebra.landmarks is not None
    return dict(vertebra.landmarks.points)


def _reasons(made: Dataset) -> dict[str, str | None]:
    return {level: vertebra.reason for level, vertebra in _read(made).items()}


@pytest.mark.parametrize("sample", ["patient", "image", "uncalibrated"])
def test_our_own_report_gives_back_its_points(sample: Sample) -> None:
    """Written and read again, every point is where it was, within 0.1 micrometre."""
    found = _read(_report(sample))
    expected: Callable[[float], dict[str, Point]] = patient_points if sample == "patient" else image_points

    assert list(MIDDLES) == list(found)
    for level, middle in MIDDLES.items():
        assert set(expected(middle)) == set(_points(found[level]))
        for name, point in expected(middle).items():
            assert np.allclose(point, _points(found[level])[name], rtol=0, atol=CLOSE)


@pytest.mark.parametrize("sop_class_uid", [COMPREHENSIVE, ENHANCED])
@pytest.mark.parametrize("anterior_mm", [3.0, 6.0])
def test_our_report_without_scoord3d_gives_back_its_points(sop_class_uid: str, anterior_mm: float) -> None:
    """A body whose heights lie on two slices comes back as the one it was, in either class that draws on slices."""
    points = {name: (anterior_mm if name[0] == "A" else 3.0, y, z) for name, (_, y, z) in patient_points(-32.0).items()}
    found = findings("patient")
    l1 = found.vertebrae[1]
    assert l1.measured is not None
    moved = replace(l1, measured=replace(l1.measured, landmarks=replace(l1.measured.landmarks, points=points)))
    made = build(replace(found, vertebrae=(moved,)), context("patient"), sop_class_uid)
    images = {image.SOPInstanceUID: image for image in context("patient").images}
    (back,) = from_report(made, _study(images.get))

    assert back.landmarks is not None, back.reason
    if anterior_mm == 3.0:
        assert back.landmarks.space is Space.IMAGE
        assert _points(back)["AS"] == pytest.approx((83.5, 128.5 - points["AS"][2]))
        return
    for name, point in points.items():
        assert np.allclose(point, _points(back)[name], rtol=0, atol=CLOSE)


def test_a_vertebra_of_ours_without_a_line_is_not_just_gone() -> None:
    """Where a report of ours could draw no height, or somebody took them out, the level has its reason."""
    made = _report("patient")
    for group in groups(made):
        group.ContentSequence = [item for item in group.ContentSequence if item.ValueType not in {"NUM", "SCOORD3D"}]

    assert _reasons(made) == dict.fromkeys(MIDDLES, "INCOMPLETE_POINTS")


def test_what_could_not_be_drawn_is_told_from_what_was_taken_out() -> None:
    """A group with the projection of its centre alone never had a line: no reader has moved its points."""
    made = _report("patient")
    group = groups(made)[0]
    group.ContentSequence = [item for item in group.ContentSequence if item.ValueType != "NUM"]
    (place,) = (item for item in group.ContentSequence if item.ValueType.startswith("SCOORD"))
    place.ConceptNameCodeSequence[0].CodeValue = codes.PROJECTION.value
    place.ConceptNameCodeSequence[0].CodingSchemeDesignator = codes.PROJECTION.scheme_designator
    place.GraphicType, place.GraphicData = "POINT", place.GraphicData[:2]

    assert {"T12": "NOT_DRAWN", "L1": None, "L6": None} == _reasons(made)


def test_levels_without_numbers_are_read_back_with_their_reason() -> None:
    """A reviewed report of ours names them in words only; a level whose group was taken out is none of them."""
    made = _report("patient")
    evaluations = named(made, "Qualitative Evaluations")[0]
    (line,) = (item for item in evaluations.ContentSequence if item.get("TextValue", "").startswith("L4:"))
    gone = copy.deepcopy(line)
    gone.TextValue = "L3: measured but not graded: CEMENT"
    graded = copy.deepcopy(line)
    graded.TextValue = "L1: measured but not graded: CEMENT"
    evaluations.ContentSequence += [gone, graded]
    found = {one.level: one.reason for one in from_report(made, _study())}

    assert {"T12": None, "L1": None, "L3": "NOT_IN_REVIEW", "L4": "TOUCHES_BORDER", "L6": None} == found
    for group in groups(made):
        method = named(group, "Measurement Method")
        group.ContentSequence = [item for item in group.ContentSequence if item not in method]
    assert {"T12", "L1", "L6"} == {one.level for one in from_report(made, _study())}


def _move(item: Dataset, *, is_ring: bool = False) -> None:
    """Move the first point of a line by 2 to the head; it closes an outline, too."""
    size, up = (3, 2.0) if item.ValueType == "SCOORD3D" else (2, -2.0)
    data = list(item.GraphicData)
    for at in (size - 1, len(data) - 1) if is_ring else (size - 1,):
        data[at] += up
    item.GraphicData = data


@cache
def _on_images(sample: Sample, sop_class_uid: str) -> tuple[bytes, ReportContext]:
    """Return the report of T12 and L1 whose bodies an image shows whole, and what it rests on."""
    sources = context(sample)
    if sample == "patient":
        thick = ct_slice(1)
        thick.SliceThickness = 6.0
        sources = replace(sources, images=(thick,))
    found = findings(sample)
    found = replace(found, vertebrae=tuple(one for one in found.vertebrae if one.level in {"T12", "L1"}))
    return to_bytes(build(found, sources, sop_class_uid)), sources


@pytest.mark.parametrize("sop_class_uid", [COMPREHENSIVE_3D, COMPREHENSIVE, ENHANCED])
@pytest.mark.parametrize("sample", ["patient", "image"])
@pytest.mark.parametrize("what", ["", "outline", "line", "both"])
def test_an_outline_and_heights_that_part_are_said(sample: Sample, sop_class_uid: str, what: str) -> None:
    """The heights count; who moved only the outline, or left it behind, learns it. Untouched they are one."""
    data, sources = _on_images(sample, sop_class_uid)
    made = dcmread(BytesIO(data))
    group = groups(made)[0]
    (outline,) = (item for item in group.ContentSequence if item.ValueType.startswith("SCOORD"))
    line = named(group, "Anterior vertebral body height")[0].ContentSequence[0]
    if what in {"outline", "both"}:
        _move(outline, is_ring=True)
    if what in {"line", "both"}:
        _move(line)
    found = _read(made, _study({image.SOPInstanceUID: image for image in sources.images}.get))

    expected = ("OUTLINE_DIFFERS",) if what in {"outline", "line"} else ()
    assert {"T12": expected, "L1": ()} == {
        level: tuple(flag for flag in one.flags if flag == "OUTLINE_DIFFERS") for level, one in found.items()
    }


def test_an_outline_in_the_patient_is_compared_there() -> None:
    """Where no slice shows the body whole, both lie in the patient."""
    made = _report("patient")
    for item in groups(made)[0].ContentSequence:
        if item.ValueType == "SCOORD3D":
            _move(item, is_ring=True)

    assert {"T12": True, "L1": False, "L6": False} == {
        level: "OUTLINE_DIFFERS" in one.flags for level, one in _read(made).items()
    }


def test_patient_points_keep_their_frame_of_reference() -> None:
    """Points read from a report come from that report, in its frame of reference, without a plane."""
    made = _report("patient")
    vertebra = _read(made)["L1"]

    assert vertebra.landmarks is not None
    assert (vertebra.landmarks.space, vertebra.plane) == (Space.PATIENT, None)
    assert vertebra.landmarks.frame_of_reference_uid == FRAME_OF_REFERENCE
    assert vertebra.landmarks.sop_instance_uid == made.SOPInstanceUID


def test_image_points_come_with_the_plane_of_their_image() -> None:
    """Points in an image know the image and what its pixels are worth."""
    vertebra = _read(_report("image"))["L1"]

    assert vertebra.landmarks is not None
    assert vertebra.plane is not None
    assert vertebra.landmarks.sop_instance_uid == f"{STUDY}.2.1"
    assert vertebra.plane.scale is not None
    assert vertebra.plane.scale.row_mm == 0.2


@pytest.mark.parametrize(
    ("flag", "expected"), [("VERIFIED", LandmarkSource.REVIEWED), ("UNVERIFIED", LandmarkSource.SUPPLIED_SR)]
)
def test_a_verified_report_holds_reviewed_points(flag: str, expected: LandmarkSource) -> None:
    """Who signed a report reviewed its points (PS3.3 C.17.2)."""
    made = _report("patient")
    made.VerificationFlag = flag

    assert {expected} == {vertebra.source for vertebra in from_report(made, _study())}


def test_a_moved_point_is_read_where_it_is_now() -> None:
    """After a reader moved a line in a viewer, the line counts, not the outline that was left behind."""
    made = _report("patient")
    line = named(groups(made)[0], "Anterior vertebral body height")[0].ContentSequence[0]
    line.GraphicData = [1.0, -18.0, 14.0, 1.0, -18.0, -10.0]

    assert _points(_read(made)["T12"])["AS"] == (1.0, -18.0, 14.0)


@pytest.mark.parametrize("sample", ["patient", "image"])
def test_a_line_drawn_upwards_is_the_same_height(sample: Sample) -> None:
    """Which end is superior follows from the geometry, not from the order that somebody drew the line in."""
    made = _report(sample)
    before = _points(_read(made)["T12"])
    for position in ("Anterior", "Middle", "Posterior"):
        line = named(groups(made)[0], f"{position} vertebral body height")[0].ContentSequence[0]
        half = len(line.GraphicData) // 2
        line.GraphicData = [*line.GraphicData[half:], *line.GraphicData[:half]]

    assert before == _points(_read(made)["T12"])


def test_without_a_superior_direction_the_written_order_counts() -> None:
    """Where the image does not say where superior is, the superior point is the first, as we write it."""
    bare = dx_lateral()
    del bare.PatientOrientation
    (vertebra, *_) = from_report(_report("image"), _study(lambda _: bare))

    assert _points(vertebra)["AS"] == (483.0, 988.0)


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _item(value_type: str, name: Dataset, *children: Dataset, **values: Any) -> Dataset:
    item = Dataset()
    item.ValueType, item.ConceptNameCodeSequence = value_type, [name]
    if children:
        item.ContentSequence = list(children)
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


SITE = _code("363698007", "SCT", "Finding Site")
SITE_SRT = _code("G-C0E3", "SRT", "Finding Site")
FINDING = _code("121071", "DCM", "Finding")
TRACKING = _code("112039", "DCM", "Tracking Identifier")
L1 = _code("66794005", "SCT", "L1 vertebra")
HEIGHT = _code("121207", "DCM", "Height")
SOURCE = _code("260753009", "SCT", "Source")


def _is(name: Dataset, value: Dataset, *children: Dataset) -> Dataset:
    return _item("CODE", name, *children, ConceptCodeSequence=[value])


def _label(text: str) -> Dataset:
    return _item("TEXT", TRACKING, TextValue=text)


def _line(*values: float) -> Dataset:
    frame = {"ReferencedFrameOfReferenceUID": FRAME_OF_REFERENCE}
    return _item("SCOORD3D", SOURCE, GraphicType="POLYLINE", GraphicData=list(values), **frame)


def _heights(name: Callable[[str], Dataset], *extra: Dataset) -> list[Dataset]:
    points = patient_points(0.0)
    return [
        _item("NUM", name(position), *extra, _line(*points[f"{letter}S"], *points[f"{letter}I"]))
        for position, letter in (("Anterior", "A"), ("Mid", "M"), ("Posterior", "P"))
    ]


def _group(*items: Dataset) -> Dataset:
    return _item("CONTAINER", _code("125007", "DCM", "Measurement Group"), *items)


def _foreign(*found: Dataset) -> Dataset:
    measurements = _item("CONTAINER", _code("126010", "DCM", "Imaging Measurements"), *found)
    made = _item("CONTAINER", _code("126000", "DCM", "Imaging Measurement Report"), measurements)
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.22", "1.2.9"
    return made


def _own_words(position: str) -> Dataset:
    return _code("X", "99OTHER", f"{position} height of the body")


@pytest.mark.parametrize(
    "naming",
    [
        (_is(SITE, L1),),
        (_is(SITE_SRT, _code("T-11910", "SRT", "L1 vertebra")),),
        (_is(FINDING, L1),),
        (_label("vertebrae_L1"),),
        (_is(FINDING, _code("1", "99OTHER", "L1 vertebra")),),
        (_is(SITE, L1), _label("Measurement 3")),
    ],
    ids=["site", "site in SNOMED-RT", "finding", "label", "finding in words", "site and any label"],
)
def test_the_level_is_read_from_code_then_label(naming: tuple[Dataset, ...]) -> None:
    """Finding Site, then Finding, then the tracking identifier name the vertebra."""
    found = _read(_foreign(_group(*naming, *_heights(_own_words))))

    assert list(found) == ["L1"]
    assert patient_points(0.0) == _points(found["L1"])


def test_heights_of_other_producers_are_read_by_code_or_words() -> None:
    """Height with a topographical modifier, or a name in words, gives the line its position."""
    modifiers = {
        "Anterior": _code("255549009", "SCT", "Anterior"),
        "Mid": _code("26216008", "SCT", "Central"),
        "Posterior": _code("255551008", "SCT", "Posterior"),
    }
    numbers = [
        _item(
            "NUM",
            HEIGHT,
            _is(SITE, L1, _is(_code("106233006", "SCT", "Topographical modifier"), modifiers[position])),
            number.ContentSequence[0],
        )
        for position, number in zip(modifiers, _heights(_own_words), strict=True)
    ]

    assert patient_points(0.0) == _points(_read(_foreign(_group(_is(SITE, L1), *numbers)))["L1"])


def test_single_points_are_read_by_their_names() -> None:
    """A POINT named by its concept, or by the label of its group as OHIF writes it, is that point."""
    points = patient_points(0.0)
    named_points = [_line(*points[name]) for name in ("AS", "AI", "PS")]
    for name, item in zip(("AS", "AI", "PS"), named_points, strict=True):
        item.ConceptNameCodeSequence = [_code(name, "99OTHER", name)]
    by_label = _group(_label("L1 PI"), _item("NUM", _code("1", "99OTHER", "Length"), _line(*points["PI"])))
    found = _read(_foreign(_group(_is(SITE, L1), *named_points), by_label))

    assert {name: points[name] for name in ("AS", "PS", "AI", "PI")} == _points(found["L1"])


def test_numbers_other_than_heights_are_left_alone() -> None:
    """A line under a loss, a ratio or a length is no height, and its group holds no points of ours."""
    for meaning in ("height loss", "height ratio", "expected height", "length"):
        numbers = _heights(lambda position, meaning=meaning: _code("X", "99OTHER", f"{position} {meaning}"))  # type: ignore[misc]  # bound now
        assert from_report(_foreign(_group(_is(SITE, L1), *numbers)), _study()) == []


def test_groups_that_name_no_vertebra_are_left_alone() -> None:
    """A tumour on the liver is none of ours, nor is a lobe called T2."""
    liver = _is(SITE, _code("10200004", "SCT", "Liver"))

    assert from_report(_foreign(_group(liver, *_heights(_own_words))), _study()) == []
    assert from_report(_foreign(_group(_label("Lung T2"), *_heights(_own_words))), _study()) == []


@pytest.mark.parametrize(
    "about",
    [
        (_is(FINDING, _code("360499006", "SCT", "Intervertebral disc")), _is(SITE, L1)),
        (_is(SITE, _code("1", "SCT", "Disc L1/L2")), _label("L1")),
        (_is(SITE, L1), _label("L1_disk_height")),
        (_is(SITE, L1), _label("L1/L2 foramen")),
    ],
    ids=["finding", "site", "label", "foramen"],
)
def test_a_disc_is_no_vertebra_whatever_level_it_is_called_by(about: tuple[Dataset, ...]) -> None:
    """Heights of a disc at L1 are none of L1's."""
    assert from_report(_foreign(_group(*about, *_heights(_own_words))), _study()) == []


def test_the_site_of_a_number_must_be_that_of_its_group() -> None:
    """A height of L2 in a group of L1 refuses both; where the group is silent the number's own site names it."""
    l2 = _is(SITE, _code("14293000", "SCT", "L2 vertebra"))

    assert {"L1": "LEVEL_CONFLICT", "L2": "LEVEL_CONFLICT"} == _reasons(
        _foreign(_group(_is(SITE, L1), *_heights(_own_words, l2)))
    )
    assert {"L2": None} == _reasons(_foreign(_group(*_heights(_own_words, l2))))


def test_contradictions_are_refused_with_their_reason() -> None:
    """Code against label, two readings of one level, missing corners, a mixture of spaces: a coded reason each."""
    heights = _heights(_own_words)
    moved = [_item("NUM", _own_words("Anterior"), _line(0, 0, 1, 0, 0, -1))]
    flat = _item("SCOORD", SOURCE, GraphicData=[1.0, 2.0, 1.0, 9.0])
    mixed = [*heights[:2], _item("NUM", _own_words("Posterior"), flat)]

    conflict = _read(_foreign(_group(_is(SITE, L1), _label("L2"), *heights)))
    assert {level: vertebra.reason for level, vertebra in conflict.items()} == dict.fromkeys(
        ("L1", "L2"), "LEVEL_CONFLICT"
    )
    assert {vertebra.flags for vertebra in conflict.values()} == {("CODE_SAYS_L1", "LABEL_SAYS_L2")}
    assert _reasons(_foreign(_group(_is(SITE, L1), *heights), _group(_label("L1"), *moved))) == {
        "L1": "LEVEL_DUPLICATED"
    }
    assert _reasons(_foreign(_group(_is(SITE, L1), *heights[:2]))) == {"L1": "INCOMPLETE_POINTS"}
    assert _reasons(_foreign(_group(_is(SITE, L1), *mixed))) == {"L1": "MIXED_SPACES"}


def test_points_in_an_image_that_is_not_there_are_refused() -> None:
    """Without its image a point has no scale and no direction."""
    found = _read(_report("image"), _study(lambda _: None)).values()

    assert ["IMAGE_MISSING"] * 3 == [vertebra.reason for vertebra in found]


def test_points_in_a_frame_of_reference_that_is_not_there_are_refused() -> None:
    """Patient points of a frame of reference that no image has lie nowhere, nor do those that name none."""
    nowhere = _foreign(_group(_is(SITE, L1), *_heights(_own_words)))
    for number in named(named(nowhere, "Imaging Measurements")[0], "Measurement Group")[0].ContentSequence[1:]:
        del number.ContentSequence[0].ReferencedFrameOfReferenceUID

    assert ["IMAGE_MISSING"] * 3 == [v.reason for v in _read(_report("patient"), _study(frames={"1.2"})).values()]
    assert {"L1": "FRAME_OF_REFERENCE_UNKNOWN"} == _reasons(nowhere)


def test_an_image_of_another_sop_class_is_another_image() -> None:
    """A reference that does not fit the object of that UID is not followed."""
    other = dx_lateral()
    other.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"

    assert ["IMAGE_MISSING"] * 3 == [v.reason for v in _read(_report("image"), _study(lambda _: other)).values()]


def test_points_on_a_coronal_image_are_refused() -> None:
    """Where anterior is known to be out of the plane there is nothing to measure; where nobody knows, it is said."""
    coronal, silent = dx_lateral(), dx_lateral()
    coronal.PatientOrientation = ["L", "F"]
    del silent.PatientOrientation

    assert ["NOT_LATERAL"] * 3 == [v.reason for v in _read(_report("image"), _study(lambda _: coronal)).values()]
    assert [None] * 3 == [v.reason for v in _read(_report("image"), _study(lambda _: silent)).values()]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("SAMPLING_TOO_COARSE", ("SAMPLING_TOO_COARSE",)),
        ("LIMITED_SAMPLING", ("LIMITED_SAMPLING",)),
        ("CEMENT", ("CEMENT",)),
        ("PLANE_UNCERTAIN", ("PLANE_UNCERTAIN",)),
        ("MIXED", ()),
        ("ORIENTATION_UNVERIFIED", ()),
    ],
)
def test_flags_that_points_cannot_tell_are_read_back(word: str, expected: tuple[str, ...]) -> None:
    """What an earlier report of ours says of sampling and body lasts; what follows from points and image does not."""
    made = _report("patient")
    for group in groups(made):
        named(group, "Measurement flag")[0].TextValue = word

    assert {expected} == {vertebra.flags for vertebra in _read(made).values()}


def test_other_objects_hold_no_points() -> None:
    """A Basic Text SR, an image or an empty object is no report with points."""
    made = _report("patient")
    made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"

    assert from_report(made, _study()) == []
    assert from_report(dx_lateral(), _study()) == []
    assert from_report(Dataset(), _study()) == []


@pytest.mark.parametrize("data", [["1", "x", "3"], ["1", "nan", "3"], ["1", "2"]])
def test_coordinates_that_are_no_numbers_are_no_points(data: list[str]) -> None:
    """Text, NaN or half a point in the place of coordinates leaves the corner missing."""
    made = _report("image")
    line = named(groups(made)[0], "Anterior vertebral body height")[0].ContentSequence[0]
    del line.GraphicData
    line.add_new("GraphicData", "LO", data)

    assert _reasons(made)["T12"] == "INCOMPLETE_POINTS"


KEYWORDS = (
    "ContentSequence", "ConceptNameCodeSequence", "ConceptCodeSequence", "GraphicData", "ValueType", "TextValue",
    "ReferencedSOPSequence", "MeasuredValueSequence",
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(place=st.integers(0, 10_000), keyword=st.sampled_from(KEYWORDS), how=st.sampled_from(["gone", "empty", "odd"]))
def test_a_damaged_report_is_read_or_refused(place: int, keyword: str, how: str) -> None:
    """Whatever is missing, empty or of the wrong kind in the tree, there is neither exception nor wrong level."""
    made = _report("image")
    named(made, "Imaging Measurements")[0].ContentSequence = groups(made)[:1]
    damage(made, place, keyword, how)

    assert set(_read(made)) <= set(MIDDLES)
