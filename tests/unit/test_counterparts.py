from dataclasses import replace

import pytest
from report_samples import STUDY, context, ct_slice, dx_lateral, findings, image_points, patient_points

from sr_templates.counterparts import with_counterparts
from sr_templates.findings import Landmarks, Space, StudyFindings
from sr_templates.findings_json import to_json


def _placed(landmarks: Landmarks) -> StudyFindings:
    found = findings("patient")
    vertebra = found.vertebrae[0]
    assert vertebra.measured is not None
    return replace(found, vertebrae=(replace(vertebra, measured=replace(vertebra.measured, landmarks=landmarks)),))


def _in_plane(x_mm: float) -> Landmarks:
    points = {name: (x_mm, y, z) for name, (_, y, z) in patient_points(0.0).items()}
    return Landmarks(space=Space.PATIENT, points=points, frame_of_reference_uid=f"{STUDY}.9")


def _counterparts(found: StudyFindings) -> tuple[Landmarks, ...]:
    measured = found.vertebrae[0].measured
    assert measured is not None
    return measured.landmarks.counterparts


def test_patient_points_have_columns_and_rows_on_the_slice_that_shows_them() -> None:
    """In the plane of slice 1 (x = 3 mm) a point stands at column y + 100.5, row 128.5 - z."""
    (shown,) = _counterparts(with_counterparts(_placed(_in_plane(3.0)), context("patient").images))

    assert (shown.space, shown.sop_instance_uid, shown.frame) == (Space.IMAGE, f"{STUDY}.2.1", None)
    assert set(shown.points) == set(patient_points(0.0))
    assert shown.points["AS"] == (83.5, 116.5)


def test_points_are_told_image_by_image() -> None:
    """Each slice has the points that it shows; a point between the slices is on none."""
    landmarks = _in_plane(3.0)
    points = {**landmarks.points, "AS": (6.0, -17.0, 12.0), "AI": (4.5, -17.0, -12.0)}
    found = with_counterparts(_placed(replace(landmarks, points=points)), context("patient").images)

    assert {one.sop_instance_uid: set(one.points) for one in _counterparts(found)} == {
        f"{STUDY}.2.1": {"MS", "PS", "MI", "PI"},
        f"{STUDY}.2.2": {"AS"},
    }


def test_image_points_have_a_place_in_the_patient_where_the_image_has_one() -> None:
    """The way back: column 83.5, row 116.5 of slice 1 is y = -17, z = 12, in its frame of reference."""
    points = {"AS": (83.5, 116.5)}
    landmarks = Landmarks(space=Space.IMAGE, points=points, sop_instance_uid=f"{STUDY}.2.1")
    (placed,) = _counterparts(with_counterparts(_placed(landmarks), [ct_slice(1)]))

    assert (placed.space, placed.frame_of_reference_uid) == (Space.PATIENT, f"{STUDY}.9")
    assert placed.points["AS"] == pytest.approx((3.0, -17.0, 12.0))


def test_a_radiograph_tells_no_place_in_the_patient() -> None:
    """A projection has no third dimension, so its points have no counterpart, nor has a point on an unknown image."""
    on_film = Landmarks(space=Space.IMAGE, points=image_points(0.0), sop_instance_uid=f"{STUDY}.2.1")

    assert _counterparts(with_counterparts(_placed(on_film), [dx_lateral()])) == ()
    assert _counterparts(with_counterparts(_placed(on_film), [])) == ()
    assert _counterparts(with_counterparts(_placed(_in_plane(3.0)), [])) == ()


def test_unmeasured_vertebrae_stay_as_they_are() -> None:
    """A vertebra without points has no counterparts and keeps its reason."""
    assert with_counterparts(findings("patient"), []).vertebrae[-1] == findings("patient").vertebrae[-1]


def test_the_json_tells_both_spaces() -> None:
    """The key is there where an image shows the points, and missing where it would be empty."""
    shown = to_json(with_counterparts(_placed(_in_plane(3.0)), context("patient").images))["vertebrae"][0]["landmarks"]
    (counterpart,) = shown["counterparts"]

    assert (shown["space"], counterpart["space"]) == ("patient", "image")
    assert counterpart["points"]["AS"] == [83.5, 116.5]
    assert "counterparts" not in to_json(_placed(_in_plane(3.0)))["vertebrae"][0]["landmarks"]
