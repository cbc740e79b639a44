"""The slices that a report refers to."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from sr_templates.findings import Landmarks, LandmarkSource, Space
from workers.landmarks.points import VertebraLandmarks
from workers.nearby import images_at

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


def _vertebra(*points: tuple[float, ...], space: Space = Space.PATIENT, image: str | None = None) -> VertebraLandmarks:
    named = dict(zip(("AS", "MS", "PS"), points, strict=False))
    landmarks = Landmarks(space=space, points=named, sop_instance_uid=image)
    return VertebraLandmarks(level="L1", source=LandmarkSource.SEGMENTATION, landmarks=landmarks)


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


def test_a_multi_frame_image_is_taken_whole() -> None:
    """An image without a plane of its own is always referred to."""
    enhanced = Dataset()
    enhanced.SOPInstanceUID = "1.2.99"

    assert (enhanced,) == images_at([_vertebra((0.0, 0.0, 0.0))], [enhanced])


def test_nothing_is_near_where_there_are_no_points() -> None:
    """Without points no slice is referred to."""
    unplaced = VertebraLandmarks(level="L1", source=LandmarkSource.SEGMENTATION, landmarks=None, reason="FRAGMENTED")

    assert () == images_at([unplaced], _slices(3))
    assert np.array_equal([], images_at([], []))
