"""Points in Spatial Fiducials: in space and in an image, each set for itself."""

from collections.abc import Mapping

import pytest
from annotated import code, fiducial, fiducial_set, fiducials, flat_fiducial, reference
from damage import damage
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from report_samples import FRAME_OF_REFERENCE, STUDY, dx_lateral, image_points, patient_points

from sr_templates.findings import LandmarkSource, Point, Space
from workers.landmarks.claims import Study
from workers.landmarks.fiducials import from_fiducials
from workers.landmarks.points import VertebraLandmarks

MIDDLES = {"L1": 0.0, "L2": -40.0}
NAMES = ("AS", "MS", "PS", "AI", "MI", "PI")
CORNERS = ("AS", "PS", "PI", "AI")


def _study() -> Study:
    image = dx_lateral()
    return Study(image_of={image.SOPInstanceUID: image}.get, frames={FRAME_OF_REFERENCE})


def _read(*sets: Dataset) -> dict[str, VertebraLandmarks]:
    found = from_fiducials(fiducials(*sets), _study())
    return {one.level: one for vertebrae in found for one in vertebrae}


def _points(found: Mapping[str, VertebraLandmarks], level: str) -> dict[str, Point]:
    landmarks = found[level].landmarks
    assert landmarks is not None, found[level].reason
    return dict(landmarks.points)


def _in_space(*made: Dataset) -> Dataset:
    return fiducial_set(*made, FrameOfReferenceUID=FRAME_OF_REFERENCE)


def _named(level: str, middle: float) -> list[Dataset]:
    return [fiducial(f"{level} {name}", point) for name, point in patient_points(middle).items()]


def test_points_in_space_are_read_by_their_identifiers() -> None:
    """Single points of two vertebrae, LPS mm, come back in the frame of reference of their set."""
    found = _read(_in_space(*_named("L1", 0.0), *_named("L2", -40.0)))

    assert {level: patient_points(middle) for level, middle in MIDDLES.items()} == {
        level: _points(found, level) for level in found
    }
    landmarks = found["L1"].landmarks
    assert landmarks is not None
    assert (landmarks.space, landmarks.frame_of_reference_uid) == (Space.PATIENT, FRAME_OF_REFERENCE)
    assert landmarks.sop_instance_uid == f"{STUDY}.6.1"
    assert {LandmarkSource.SUPPLIED_FIDUCIALS} == {one.source for one in found.values()}


def test_the_code_names_the_vertebra_and_the_identifier_the_point() -> None:
    """A code of CID 7603, by SNOMED CT or of our own scheme, goes with an identifier or a description."""
    l1, t13 = code("66794005", "SCT", "L1 vertebra"), code("VERTEBRA_T13", "99SPONDYL", "T13 vertebra")
    by_identifier = [
        fiducial(name, point, FiducialIdentifierCodeSequence=[l1]) for name, point in patient_points(0.0).items()
    ]
    by_description = [
        fiducial(f"F{number}", point, FiducialDescription=name, FiducialIdentifierCodeSequence=[t13])
        for number, (name, point) in enumerate(patient_points(40.0).items())
    ]
    found = _read(_in_space(*by_identifier, *by_description))

    assert (patient_points(0.0), patient_points(40.0)) == (_points(found, "L1"), _points(found, "T13"))


def test_a_code_of_another_scheme_is_read_by_its_meaning() -> None:
    """Where the code is a producer's own, what it means names vertebra and point."""
    made = [
        fiducial("F", point, FiducialIdentifierCodeSequence=[code("1", "99OTHER", f"L1 {name}")])
        for name, point in patient_points(0.0).items()
    ]

    assert patient_points(0.0) == _points(_read(_in_space(*made)), "L1")


def test_points_in_an_image_are_read_with_its_plane() -> None:
    """Graphic coordinates are pixels of the image that each of them names."""
    image = dx_lateral()
    made = [flat_fiducial(f"L1 {name}", image, point) for name, point in image_points(0.0).items()]
    found = _read(fiducial_set(*made, ReferencedImageSequence=[reference(image)]))

    assert image_points(0.0) == _points(found, "L1")
    landmarks = found["L1"].landmarks
    assert landmarks is not None
    assert (landmarks.space, landmarks.sop_instance_uid) == (Space.IMAGE, image.SOPInstanceUID)
    assert found["L1"].plane is not None


def test_shapes_are_lines_and_whole_vertebrae() -> None:
    """A SHAPE of two points is a height where its label says so; of four or six points it is a body."""
    points = patient_points(0.0)
    lines = [
        fiducial(f"L1 {word}", points[f"{letter}I"], points[f"{letter}S"])
        for letter, word in (("A", "Ha"), ("M", "Hm"), ("P", "Hp"))
    ]
    body = fiducial("L2", *(patient_points(-40.0)[name] for name in ("AI", "PS", "AS", "PI")))
    found = _read(_in_space(*lines, body))

    assert points == _points(found, "L1")
    assert {name: patient_points(-40.0)[name] for name in CORNERS} == _points(found, "L2")


@pytest.mark.parametrize("shape", ["LINE", "RULER"])
def test_points_that_only_mark_a_line_are_no_ends(shape: str) -> None:
    """The points of a LINE or a RULER lie somewhere on it (PS3.3 C.21.2.1.1): they bound no height."""
    points = patient_points(0.0)
    found = _read(_in_space(fiducial("L1 Ha", points["AS"], points["AI"], shape=shape)))

    assert {"L1": "NO_END_POINTS"} == {level: one.reason for level, one in found.items()}


def test_each_set_stands_for_itself() -> None:
    """Two sets show the same vertebra in two frames of reference: neither makes the other one a contradiction."""
    other = fiducial_set(*_named("L1", 5.0), FrameOfReferenceUID="1.2.3")
    found = from_fiducials(fiducials(_in_space(*_named("L1", 0.0)), other), _study())

    assert [[("L1", None)], [("L1", "IMAGE_MISSING")]] == [[(v.level, v.reason) for v in one] for one in found]


def test_what_cannot_be_placed_says_why() -> None:
    """No frame of reference, several images, a contradiction, a missing corner: a coded reason each."""
    image, points = dx_lateral(), patient_points(0.0)
    twice = flat_fiducial("L1 AS", image, (1.0, 2.0))
    elsewhere = flat_fiducial("L1 AS", image, (1.0, 2.0)).GraphicCoordinatesDataSequence[0]
    elsewhere.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"
    twice.GraphicCoordinatesDataSequence.append(elsewhere)
    conflict = fiducial("L2 AS", points["AS"], FiducialIdentifierCodeSequence=[code("66794005", "SCT", "L1 vertebra")])
    reasons = [
        {level: one.reason for level, one in _read(made).items()}
        for made in (
            fiducial_set(*_named("L1", 0.0)),
            fiducial_set(twice),
            _in_space(conflict),
            _in_space(*_named("L1", 0.0)[:3]),
        )
    ]

    assert reasons == [
        {"L1": "FRAME_OF_REFERENCE_UNKNOWN"},
        {"L1": "SEVERAL_IMAGES"},
        {"L1": "LEVEL_CONFLICT", "L2": "LEVEL_CONFLICT"},
        {"L1": "INCOMPLETE_POINTS"},
    ]


def test_fiducials_that_name_no_vertebra_are_left_alone() -> None:
    """A nasion, a marker on the skin, a point without a level, or another object gives nothing."""
    skin = [fiducial("NASION", (0.0, 0.0, 0.0)), fiducial("AS", (1.0, 0.0, 0.0)), fiducial("L1", (2.0, 0.0, 0.0))]

    assert from_fiducials(fiducials(_in_space(*skin)), _study()) == []
    assert from_fiducials(dx_lateral(), _study()) == []
    assert from_fiducials(Dataset(), _study()) == []


KEYWORDS = (
    "FiducialSetSequence", "FiducialSequence", "ContourData", "FiducialIdentifier", "ShapeType", "FrameOfReferenceUID",
    "FiducialIdentifierCodeSequence",
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(place=st.integers(0, 1000), keyword=st.sampled_from(KEYWORDS), how=st.sampled_from(["gone", "empty", "odd"]))
def test_damaged_fiducials_are_read_or_refused(place: int, keyword: str, how: str) -> None:
    """Whatever is missing, empty or of the wrong kind, there is neither exception nor wrong level."""
    l1 = code("66794005", "SCT", "L1 vertebra")
    made = fiducials(
        _in_space(
            *(
                fiducial(f"L1 {name}", point, FiducialIdentifierCodeSequence=[l1])
                for name, point in patient_points(0.0).items()
            )
        )
    )
    damage(made, place, keyword, how)

    assert {one.level for found in from_fiducials(made, _study()) for one in found} <= {"L1"}
