from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from report_samples import FRAME_OF_REFERENCE, ct_slice, dx_lateral, image_points, patient_points

from sr_templates.findings import LandmarkSource, Space
from workers.landmarks.claims import Carrier, Claims, Item, Line, Reason, Shape, Spot, Study, enter, landmarks_of
from workers.landmarks.labels import Naming
from workers.landmarks.points import VertebraLandmarks

CARRIER = Carrier(source=LandmarkSource.SUPPLIED_GSPS, sop_instance_uid="1.2.9")
IMAGE = dx_lateral()
L1 = Naming(labels=("L1",))


def _spots(names: Sequence[str] = ("AS", "MS", "PS", "AI", "MI", "PI")) -> list[Spot]:
    points = image_points(0.0)
    uid = IMAGE.SOPInstanceUID
    return [Spot(name=name, point=points[name], space=Space.IMAGE, sop_instance_uid=uid) for name in names]


def _in_patient(names: Sequence[str]) -> tuple[Spot, ...]:
    points = patient_points(0.0)
    place: dict[str, Any] = {"space": Space.PATIENT, "frame_of_reference_uid": FRAME_OF_REFERENCE}
    return tuple(Spot(name="", point=points[name], **place) for name in names)


def _l1(items: Sequence[Item], *reasons: Reason, **header: Any) -> VertebraLandmarks:
    claims: Claims = {}
    for reason in reasons:
        enter(claims, L1, [], reason=reason)
    enter(claims, L1, items)
    image = dx_lateral()
    for keyword, value in header.items():
        setattr(image, keyword, value)
    (found,) = landmarks_of(
        claims, CARRIER, Study(image_of={IMAGE.SOPInstanceUID: image}.get, frames={FRAME_OF_REFERENCE})
    )
    return found


def test_levels_come_from_cranial_to_caudal() -> None:
    """Whatever the order in which an object names them, vertebrae stand down the column."""
    claims: Claims = {}
    for level in ("L2", "T12", "L1"):
        enter(claims, Naming(codes=(level,)), _spots())

    found = landmarks_of(claims, CARRIER, Study(image_of=lambda _: IMAGE, frames=()))
    assert [one.level for one in found] == ["T12", "L1", "L2"]


def test_what_names_no_level_claims_none() -> None:
    """A thing without a level leaves the claims as they are."""
    claims: Claims = {}
    enter(claims, Naming(), _spots())

    assert claims == {}


def test_a_contradiction_refuses_a_level_that_is_complete_otherwise() -> None:
    """Six good points do not outweigh one thing that names this vertebra and another one."""
    claims: Claims = {}
    enter(claims, L1, _spots())
    enter(claims, Naming(codes=("L1",), labels=("L2",)), _spots(["AS"]))
    found = landmarks_of(claims, CARRIER, Study(image_of=lambda _: IMAGE, frames=()))

    assert [(one.level, one.reason) for one in found] == [("L1", "LEVEL_CONFLICT"), ("L2", "LEVEL_CONFLICT")]


def test_a_thing_that_cannot_be_used_counts_only_where_a_point_is_missing() -> None:
    """It explains a missing corner; beside complete points it is passed over."""
    assert _l1(_spots(), Reason.DISPLAY_UNITS).landmarks is not None
    assert _l1(_spots(["AS", "PS"]), Reason.DISPLAY_UNITS).reason == "DISPLAY_UNITS"
    assert _l1(_spots(["AS", "PS"])).reason == "INCOMPLETE_POINTS"


def test_one_mid_point_alone_is_left_out() -> None:
    """A middle height needs both ends; without one of them the four corners count."""
    found = _l1(_spots(["AS", "MS", "PS", "AI", "PI"])).landmarks

    assert found is not None
    assert set(found.points) == {"AS", "PS", "AI", "PI"}


def test_points_that_nobody_named_are_named_in_the_patient_too() -> None:
    """In LPS mm posterior is +y and superior +z, so four points of a shape have their names."""
    found = _l1([Shape(spots=_in_patient(["PI", "AS", "AI", "PS"]))]).landmarks

    assert found is not None
    assert {name: patient_points(0.0)[name] for name in ("AS", "PS", "AI", "PI")} == found.points
    assert (found.sop_instance_uid, found.frame_of_reference_uid) == ("1.2.9", FRAME_OF_REFERENCE)


@pytest.mark.parametrize(
    "header", [{"PatientOrientation": ["P"]}, {"PixelAspectRatio": [2, 1], "ImagerPixelSpacing": None}]
)
def test_a_shape_needs_directions_and_a_scale(header: dict[str, Any]) -> None:
    """Without superior, or where pixels are not known to be square, points of a shape have no names."""
    shape = Shape(spots=tuple(replace(spot, name="") for spot in _spots()))

    assert _l1([shape], **header).reason == "ORDER_UNKNOWN"
    assert _l1([shape]).reason is None


def test_a_line_in_the_patient_is_turned_by_its_ends() -> None:
    """LPS z tells which end of a height is superior."""
    lines = [
        Line(position=word, spots=_in_patient([f"{word[0].upper()}I", f"{word[0].upper()}S"]))
        for word in ("anterior", "posterior")
    ]
    found = _l1(lines).landmarks

    assert found is not None
    assert patient_points(0.0)["AS"] == found.points["AS"]


def test_points_in_two_spaces_are_refused() -> None:
    """A corner in the image and another one in the patient are no one body."""
    assert _l1([*_spots(["AS", "AI"]), *_in_patient(["PS"])]).reason == "MIXED_SPACES"


def _on_slice(number: int, names: Sequence[str]) -> list[Spot]:
    """Return points on slice `number` of the CT sample, at x = 3 mm times it: column y + 100.5, row 128.5 - z."""
    points = patient_points(0.0)
    place: dict[str, Any] = {"space": Space.IMAGE, "sop_instance_uid": ct_slice(number).SOPInstanceUID}
    return [Spot(name=name, point=(points[name][1] + 100.5, 128.5 - points[name][2]), **place) for name in names]


def _turned(**levels: Sequence[Item]) -> dict[str, VertebraLandmarks]:
    """Return what claims of image points on slices 1 and 2 give; slice 3 is of another frame of reference."""
    images = {image.SOPInstanceUID: image for image in map(ct_slice, (1, 2, 3))}
    images[ct_slice(3).SOPInstanceUID].FrameOfReferenceUID = "1.2.3"
    claims: Claims = {}
    for level, items in levels.items():
        enter(claims, Naming(labels=(level,)), items)
    found = landmarks_of(claims, CARRIER, Study(image_of=images.get, frames={FRAME_OF_REFERENCE, "1.2.3"}))
    return {one.level: one for one in found}


def test_a_body_on_two_slices_is_read_in_the_patient() -> None:
    """Image points of two sections of one frame of reference are one body; its neighbours go there with it."""
    turned = [*_on_slice(2, ["AS", "AI"]), *_on_slice(1, ["MS", "PS", "MI", "PI"])]
    found = _turned(L1=turned, L2=_on_slice(1, ["AS", "PS", "AI", "PI"]))
    l1, l2 = found["L1"].landmarks, found["L2"].landmarks

    assert l1 is not None
    assert l2 is not None
    assert {(one.space, one.frame_of_reference_uid) for one in (l1, l2)} == {(Space.PATIENT, FRAME_OF_REFERENCE)}
    expected = patient_points(0.0)
    assert l1.points["AS"] == pytest.approx((6.0, *expected["AS"][1:]))
    assert l1.points["PI"] == pytest.approx((3.0, *expected["PI"][1:]))
    assert (found["L1"].plane, l1.sop_instance_uid) == (None, "1.2.9")


def test_bodies_that_lie_on_one_slice_each_stay_there() -> None:
    """Nothing needs the patient where each vertebra has an image of its own."""
    corners = ["AS", "PS", "AI", "PI"]
    found = _turned(L1=_on_slice(1, corners), L2=_on_slice(2, corners))

    assert {level: one.landmarks and one.landmarks.space for level, one in found.items()} == {
        "L1": Space.IMAGE,
        "L2": Space.IMAGE,
    }


def test_images_of_two_frames_of_reference_are_no_one_body() -> None:
    """They stay refused, and an image that is not there is named as the reason."""
    corners = _on_slice(1, ["AS", "PS", "AI"])

    assert _turned(L1=[*corners, *_on_slice(3, ["PI"])])["L1"].reason == "MIXED_SPACES"
    assert _turned(L1=[*corners, *_on_slice(7, ["PI"])])["L1"].reason == "IMAGE_MISSING"


def test_one_point_at_two_places_of_two_slices_is_refused() -> None:
    """Two readings of a level do not become one by lying on different slices."""
    twice = [*_on_slice(1, ["AS", "PS", "AI", "PI"]), *_on_slice(2, ["AS"])]

    assert _turned(L1=twice)["L1"].reason == "LEVEL_DUPLICATED"
