import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from report_samples import FRAME_OF_REFERENCE, STUDY, ct_slice, dx_lateral, image_points, patient_points

from sr_templates.findings import LandmarkSource, Space
from workers.landmarks.document import LandmarksError, landmarks_of, parse

IMAGE = f"{STUDY}.2.1"


def _document(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "schema": "spondyl.landmarks/1",
        "study_instance_uid": STUDY,
        "sop_instance_uid": IMAGE,
        "frame": None,
        "space": "image",
        "source": "manual",
        "observer": "reader 1",
        "vertebrae": [{"level": "L4", "points": {name: list(point) for name, point in image_points(0.0).items()}}],
    }
    return {key: value for key, value in {**whole, **changes}.items() if value != "absent"}


def _parse(**changes: Any) -> Any:
    return parse(json.dumps(_document(**changes)).encode())


def _points(**changes: object) -> list[dict[str, Any]]:
    points = {**{name: list(point) for name, point in image_points(0.0).items()}, **changes}
    return [{"level": "L4", "points": {name: point for name, point in points.items() if point is not None}}]


def _images(uid: str) -> Dataset | None:
    return {IMAGE: dx_lateral()}.get(uid)


def test_a_document_is_read_as_it_stands() -> None:
    """Points keep their numbers and their level; who placed them is kept."""
    found = _parse()

    assert (found.study_instance_uid, found.sop_instance_uid, found.frame) == (STUDY, IMAGE, None)
    assert (found.space, found.source, found.observer) == (Space.IMAGE, "manual", "reader 1")
    assert [("L4", image_points(0.0))] == [(vertebra.level, dict(vertebra.points)) for vertebra in found.vertebrae]


def test_four_corners_are_enough() -> None:
    """Mid-points may be absent, both of them; observer, frame and the image of patient points too."""
    (four,) = _parse(vertebrae=_points(MS=None, MI=None)).vertebrae
    corners = {name: list(point) for name, point in patient_points(0.0).items()}
    patient = _parse(
        space="patient",
        sop_instance_uid="absent",
        observer="absent",
        frame="absent",
        vertebrae=[{"level": "L4", "points": corners}],
    )

    assert set(four.points) == {"AS", "PS", "AI", "PI"}
    assert (patient.sop_instance_uid, patient.observer, patient.frame) == (None, "", None)


WRONG = [
    ({"schema": "spondyl.landmarks/2"}, 'schema: expected spondyl.landmarks/1, found "spondyl.landmarks/2"'),
    ({"space": "voxel"}, 'space: expected image or patient, found "voxel"'),
    ({"source": "guess"}, 'source: expected manual or automatic or reviewed, found "guess"'),
    ({"frame": 0}, "frame: expected a number from 1 or null, found 0"),
    ({"frame": True}, "frame: expected a number from 1 or null, found true"),
    ({"sop_instance_uid": None}, "sop_instance_uid: expected a UID, found null"),
    ({"study_instance_uid": " "}, 'study_instance_uid: expected a UID, found " "'),
    ({"study_instance_uid": "1" * 65}, r'study_instance_uid: expected a UID, found "1{39}\.\.\.$'),
    ({"sop_instance_uid": "\ud800"}, r'sop_instance_uid: expected a UID, found "\\ud800"'),
    ({"space": "patient", "sop_instance_uid": None, "frame": 1}, "sop_instance_uid: expected a UID, found null"),
    ({"study_instance_uid": "absent"}, "the document: expected .* found no study_instance_uid"),
    ({"unknown": 1}, 'the document: expected .*, found "unknown"'),
    ({"vertebrae": []}, "vertebrae: expected a list with at least one vertebra, found a list of 0"),
    ({"vertebrae": {"L4": 1}}, "vertebrae: expected a list with at least one vertebra, found an object of 1"),
    ({"vertebrae": [3]}, r"vertebrae\[0\]: expected an object, found 3"),
    ({"vertebrae": _points() * 2}, "vertebrae: expected each level once, found L4 more often"),
    ({"vertebrae": [{"level": "L9", "points": {}}]}, r'vertebrae\[0\].level: expected C1 or .*, found "L9"'),
    ({"vertebrae": [{"level": ["L4"], "points": {}}]}, r"vertebrae\[0\].level: expected C1 or .*, found a list of 1"),
    ({"vertebrae": _points(PI=None)}, r"vertebrae\[0\].points: expected AI, AS, PI, PS, found no PI"),
    ({"vertebrae": _points(MI=None)}, r"points: expected both MS and MI or neither, found AS, AI, MS, PS, PI"),
    ({"vertebrae": _points(XX=[1, 2])}, r'points: expected .*, found "XX"'),
    ({"vertebrae": _points(AS=[1, 2, 3])}, r"points.AS: expected 2 finite numbers \(image points\), found a list of 3"),
    ({"vertebrae": _points(AS=[1, "2"])}, "points.AS: expected 2 finite numbers"),
    ({"vertebrae": _points(AS=[1, True])}, "points.AS: expected 2 finite numbers"),
    ({"vertebrae": _points(AS=[1, 10**400])}, "points.AS: expected 2 finite numbers"),
    ({"vertebrae": _points(AS=[1, float("nan")])}, "expected a JSON document .* NaN is not a finite number"),
    ({"observer": "x", "vertebrae": "y" * 90}, 'found "y{39}...$'),
]


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_what_breaks_the_schema_is_refused(changes: dict[str, Any], message: str) -> None:
    """The message says where, what was expected and what was found."""
    with pytest.raises(LandmarksError, match=message):
        _parse(**changes)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"schema": 1, "schema": 2}', b"[]"])
def test_what_is_no_document_is_refused(text: bytes) -> None:
    """Broken JSON, broken text, endless nesting, a key that stands twice: one kind of error, which is a ValueError."""
    with pytest.raises(LandmarksError, match="expected"):
        parse(text)
    assert issubclass(LandmarksError, ValueError)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(key=st.sampled_from(sorted(_document())), value=JSON)
def test_any_value_in_any_place_is_read_or_refused(key: str, value: object) -> None:
    """Whatever stands in the document, it is read, or refused with LandmarksError and nothing else."""
    found = None
    with suppress(LandmarksError):
        found = _parse(**{key: value})

    assert found is None or found.vertebrae


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("manual", LandmarkSource.SUPPLIED_JSON),
        ("automatic", LandmarkSource.SUPPLIED_JSON),
        ("reviewed", LandmarkSource.REVIEWED),
    ],
)
def test_reviewed_points_are_told_apart(source: str, expected: LandmarkSource) -> None:
    """Only points that a reader reviewed count as reviewed."""
    (vertebra,) = landmarks_of(_parse(source=source), _images, ())

    assert expected is vertebra.source


def test_image_points_come_with_the_plane_of_their_image() -> None:
    """Size, scale and directions are those of the image in the study."""
    (vertebra,) = landmarks_of(_parse(), _images, ())

    assert vertebra.landmarks is not None
    assert vertebra.plane is not None
    assert image_points(0.0) == dict(vertebra.landmarks.points)
    assert (vertebra.plane.rows, vertebra.plane.columns) == (2000, 1000)
    assert (vertebra.plane.anterior, vertebra.plane.superior) == ((-1.0, 0.0), (0.0, -1.0))


PATIENT = [{"level": "L4", "points": {name: list(point) for name, point in patient_points(0.0).items()}}]


def test_patient_points_take_the_frame_of_reference_of_the_named_image() -> None:
    """Without an image they have the one that all images share; with one, that of the image."""
    (alone,) = landmarks_of(
        _parse(space="patient", sop_instance_uid="absent", vertebrae=PATIENT), _images, {FRAME_OF_REFERENCE}
    )
    (placed,) = landmarks_of(_parse(space="patient", vertebrae=PATIENT), lambda _: ct_slice(1), {"1.2", "1.3"})

    assert alone.landmarks is not None
    assert placed.landmarks is not None
    assert [FRAME_OF_REFERENCE] * 2 == [v.landmarks.frame_of_reference_uid for v in (alone, placed) if v.landmarks]
    assert placed.plane is None


@pytest.mark.parametrize("frames", [(), ("1.2", "1.3")])
def test_the_frame_of_reference_of_patient_points_is_not_guessed(frames: tuple[str, ...]) -> None:
    """None, or several to choose from, is an error of the document; so is an image that states none."""
    with pytest.raises(LandmarksError, match=f"tells the frame of reference, found {len(frames)}"):
        landmarks_of(_parse(space="patient", sop_instance_uid="absent", vertebrae=PATIENT), _images, frames)
    with pytest.raises(LandmarksError, match="tells the frame of reference, found 0"):
        landmarks_of(_parse(space="patient", vertebrae=PATIENT), _images, frames)


def test_patient_points_on_an_unknown_image_are_refused() -> None:
    """An image that the study does not have tells nothing, even where the study has one frame of reference only."""
    with pytest.raises(LandmarksError, match="expected an image of this study, found none"):
        landmarks_of(_parse(space="patient", vertebrae=PATIENT), lambda _: None, {FRAME_OF_REFERENCE})


def test_points_on_a_coronal_image_are_refused() -> None:
    """An image that is known not to show anterior is told from one that does not say."""
    coronal = ct_slice(1)
    coronal.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    silent = dx_lateral()
    del silent.PatientOrientation

    with pytest.raises(LandmarksError, match="expected a lateral or sagittal image"):
        landmarks_of(_parse(), lambda _: coronal, ())
    assert ["L4"] == [vertebra.level for vertebra in landmarks_of(_parse(), lambda _: silent, ())]


@pytest.mark.parametrize("observer", [7, "x" * 65, "a\nb"])
def test_an_observer_is_a_name(observer: object) -> None:
    """What the report says of who placed the points is one line of a name's length."""
    with pytest.raises(LandmarksError, match="observer: expected a name of at most 64 characters"):
        _parse(observer=observer)


@pytest.mark.parametrize("changes", [{"sop_instance_uid": "1.2.3"}, {"frame": 2}])
@pytest.mark.parametrize("space", [{}, {"space": "patient", "vertebrae": PATIENT}], ids=["image", "patient"])
def test_points_in_an_image_that_is_not_there_are_refused(changes: dict[str, object], space: dict[str, object]) -> None:
    """An image or a frame that the study does not have is an error of the document, said as one."""
    with pytest.raises(LandmarksError, match="expected an image of this study, found none"):
        landmarks_of(_parse(**changes, **space), {IMAGE: ct_slice(1) if space else dx_lateral()}.get, ())


def test_one_of_several_frames_must_be_named() -> None:
    """Frames may differ in scale and direction, so points in "the image" lie in none of them."""
    image = dx_lateral()
    image.NumberOfFrames = 3
    with pytest.raises(LandmarksError, match="frame: expected a number from 1 to 3, as the image has several"):
        landmarks_of(_parse(), {IMAGE: image}.get, ())
    (found, *_) = landmarks_of(_parse(frame=3), {IMAGE: image}.get, ())
    assert found.plane is not None


@pytest.mark.parametrize("word", ["CEMENT", "HARDWARE", "FUSION", "TUMOUR", "INFECTION"])
def test_what_only_the_supplier_knows_comes_along(word: str) -> None:
    """A vertebra may say what its points cannot tell; each word counts once, and without any there is none."""
    document = _parse(vertebrae=[{**_points()[0], "flags": [word, word]}])
    (found,) = landmarks_of(document, _images, [FRAME_OF_REFERENCE])

    assert found.flags == (word,)
    (plain,) = landmarks_of(_parse(), _images, [FRAME_OF_REFERENCE])
    assert plain.flags == ()


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (["cement"], '"cement"'),
        (["LIMITED_SAMPLING"], '"LIMITED_SAMPLING"'),
        (["CEMENT", 5], "5"),
        ("CEMENT", '"CEMENT"'),
        (None, "null"),
        ({"CEMENT": True}, "an object of 1"),
    ],
)
def test_a_word_that_is_none_is_refused_with_those_that_are(flags: object, found: str) -> None:
    """Words are read strictly: the message has what is allowed, and what was found."""
    with pytest.raises(LandmarksError) as refused:
        _parse(vertebrae=[{**_points()[0], "flags": flags}])

    assert "vertebrae[0].flags: expected " in str(refused.value)
    assert "CEMENT or HARDWARE or FUSION or TUMOUR or INFECTION" in str(refused.value)
    assert str(refused.value).endswith(f"found {found}")
