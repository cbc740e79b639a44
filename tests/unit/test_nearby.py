"""The slices that a report refers to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from sr_templates.findings import Landmarks, LandmarkSource, Space
from workers.landmarks.points import VertebraLandmarks
from workers.nearby import images_at, positions

SAGITTAL = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]


def _slices(count: int, *, spacing_mm: float = 3.0) -> list[Dataset]:
    slices = []
    for number in range(count):
        image = Dataset()
        image.SOPInstanceUID = f"1.2.{number + 1}"
        image.ImageOrientationPatient = SAGITTAL
        image.ImagePositionPatient = [number * spacing_mm, 0.0, 0.0]
        slices.append(image)
    return slices


def _vertebra(
    *points: tuple[float, ...], space: Space = Space.PATIENT, image: str | None = None, frame: str | None = None
) -> VertebraLandmarks:
    named = dict(zip(("AS", "MS", "PS"), points, strict=False))
    landmarks = Landmarks(space=space, points=named, sop_instance_uid=image, frame_of_reference_uid=frame)
    return VertebraLandmarks(level="L1", source=LandmarkSource.SEGMENTATION, landmarks=landmarks)


def test_what_we_computed_is_no_place_that_points_were_found_on() -> None:
    """A section of ours is nearer than any slice and is not taken; a point that a reader placed on it lies on it."""
    slices = _slices(3)
    own = _slices(1)[0]
    own.SOPInstanceUID, own.ImagePositionPatient = "1.2.9", [1.0, 0.0, 0.0]
    own.Manufacturer = own.ManufacturerModelName = "Spondyl"
    found = images_at([_vertebra((1.0, 5.0, 5.0))], [*slices, own])
    placed = images_at([_vertebra((1.0, 5.0), space=Space.IMAGE, image="1.2.9")], [*slices, own])

    assert (["1.2.1"], ["1.2.9"]) == ([i.SOPInstanceUID for i in found], [i.SOPInstanceUID for i in placed])


def test_the_nearest_slice_is_taken() -> None:
    """A point between two slices belongs to the nearer one, each slice is named once, in the order given."""
    found = images_at([_vertebra((13.0, 5.0, 5.0), (4.0, 5.0, 5.0), (3.2, 0.0, 0.0))], _slices(10))

    assert ["1.2.2", "1.2.5"] == [image.SOPInstanceUID for image in found]


@settings(max_examples=50, deadline=None)
@given(x=st.floats(-10, 40), shift=st.floats(-100, 100))
def test_moving_everything_changes_nothing(x: float, shift: float) -> None:
    """Slices and points that move together keep their neighbours."""
    slices = _slices(10, spacing_mm=4.0)
    expected = [image.SOPInstanceUID for image in images_at([_vertebra((x, 0.0, 0.0))], slices)]
    if abs(x / 4.0 % 1 - 0.5) < 1e-6:  # half way: either neighbour is right
        return
    for image in slices:
        image.ImagePositionPatient = [float(image.ImagePositionPatient[0]) + shift, 0.0, 0.0]

    assert expected == [image.SOPInstanceUID for image in images_at([_vertebra((x + shift, 0.0, 0.0))], slices)]


def test_image_points_lie_on_the_image_they_name() -> None:
    """Image points bring the image they were placed on and no other."""
    vertebra = _vertebra((10.0, 10.0), space=Space.IMAGE, image="1.2.3")

    assert ["1.2.3"] == [image.SOPInstanceUID for image in images_at([vertebra], _slices(5))]


def test_images_without_a_plane_are_taken_whole_where_there_are_no_others() -> None:
    """An image that does not say where it lies is referred to only where no image of the frame of reference does."""
    unplaced = Dataset()
    unplaced.SOPInstanceUID = "1.2.99"

    assert (unplaced,) == images_at([_vertebra((0.0, 0.0, 0.0))], [unplaced])
    assert ["1.2.1"] == [i.SOPInstanceUID for i in images_at([_vertebra((0.0, 0.0, 0.0))], [unplaced, *_slices(2)])]


def test_only_images_of_the_frame_of_reference_are_near() -> None:
    """A slice or a secondary capture elsewhere is no evidence, however near its plane."""
    slices = _slices(3)
    for image in slices[1:]:
        image.FrameOfReferenceUID = "1.9"
    capture = Dataset()
    capture.SOPInstanceUID = "1.2.99"
    found = images_at([_vertebra((0.0, 0.0, 0.0), frame="1.9", image="1.2.1")], [*slices, capture])

    assert ["1.2.2"] == [image.SOPInstanceUID for image in found]


def test_the_frames_of_an_enhanced_image_are_its_slices() -> None:
    """A multi-frame image is near where one of its frames is."""
    group, orientation, position = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient, position.ImagePositionPatient = SAGITTAL, [3.0, 0.0, 0.0]
    group.PlaneOrientationSequence, group.PlanePositionSequence = [orientation], [position]
    enhanced = Dataset()
    enhanced.SOPInstanceUID, enhanced.NumberOfFrames = "1.2.99", 1
    enhanced.PerFrameFunctionalGroupsSequence = [group]

    for x, expected in ((0.0, "1.2.1"), (2.9, "1.2.99")):
        found = images_at([_vertebra((x, 0.0, 0.0))], [*_slices(1), enhanced])
        assert [expected] == [image.SOPInstanceUID for image in found]


@pytest.mark.parametrize(
    ("keyword", "stated"),
    [
        ("ImagePositionPatient", [1.0, 2.0]),
        ("ImageOrientationPatient", [0.0, 1.0, 0.0, 0.0, 0.0]),
        ("ImageOrientationPatient", [0.0] * 6),
    ],
)
def test_a_slice_with_a_broken_plane_is_none(keyword: str, stated: list[float]) -> None:
    """Too few numbers, or vectors of no length, are no plane; the next slice is the nearest."""
    slices = _slices(2)
    setattr(slices[0], keyword, stated)

    assert ["1.2.2"] == [image.SOPInstanceUID for image in images_at([_vertebra((0.0, 0.0, 0.0))], slices)]
    assert (3.0, 0.0, 0.0) in positions(slices)


def test_a_localizer_is_not_near() -> None:
    """It only shows the way: a stack passes through it wherever it lies."""
    slices = _slices(2)
    slices[0].ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    assert ["1.2.2"] == [image.SOPInstanceUID for image in images_at([_vertebra((0.0, 0.0, 0.0))], slices)]


def test_nothing_is_near_where_there_are_no_points() -> None:
    """Without points no slice is referred to."""
    unplaced = VertebraLandmarks(level="L1", source=LandmarkSource.SEGMENTATION, landmarks=None, reason="FRAGMENTED")

    assert () == images_at([unplaced], _slices(3))
    assert np.array_equal([], images_at([], []))
