"""How finely supplied points are sampled along the vertebral axis (docs/morphometry 3.4)."""

from collections.abc import Mapping
from math import cos, radians, sin, sqrt

import pytest
from pydicom.dataset import Dataset
from report_samples import FRAME_OF_REFERENCE, ct_slice, dx_lateral, image_points, patient_points

from sr_templates.findings import Landmarks, LandmarkSource, Point, Space
from workers.landmarks.image_plane import plane_of
from workers.landmarks.points import VertebraLandmarks
from workers.landmarks.sampling import sampled


def _vertebra(points: Mapping[str, Point], image: Dataset | None = None) -> VertebraLandmarks:
    space = Space.PATIENT if image is None else Space.IMAGE
    landmarks = Landmarks(space=space, points=points, frame_of_reference_uid=FRAME_OF_REFERENCE)
    plane = None if image is None else plane_of(image)
    return VertebraLandmarks(level="L1", source=LandmarkSource.SUPPLIED_JSON, landmarks=landmarks, plane=plane)


def _spacing(vertebra: VertebraLandmarks, *images: Dataset) -> float | None:
    return sampled([vertebra], images)[0].axial_spacing_mm


def _axial(step_mm: float, count: int = 30, series: str = "1.2.7") -> list[Dataset]:
    """Return axial slices of 0.7 mm pixels, `step_mm` apart, thinner than that."""
    slices = []
    for number in range(count):
        image = ct_slice(100 + number)
        image.SeriesInstanceUID, image.SliceThickness = series, 1.0
        image.ImageOrientationPatient, image.PixelSpacing = [1, 0, 0, 0, 1, 0], [0.7, 0.7]
        image.ImagePositionPatient = [-100, -100, -step_mm * count / 2 + step_mm * number]
        slices.append(image)
    return slices


def test_image_points_are_sampled_as_the_pixels_of_their_section() -> None:
    """Rows 5 mm and columns 1 mm apart: 5 mm along an upright axis."""
    section = ct_slice(1)
    section.PixelSpacing = [5.0, 1.0]

    assert pytest.approx(5.0) == _spacing(_vertebra(image_points(0.0), section))


def test_a_tilted_axis_is_sampled_by_both_spacings() -> None:
    """Turned by 30 degrees in the patient: sqrt((5 cos 30)^2 + (1 sin 30)^2), in pixels of 5 mm by 1 mm."""
    section = ct_slice(1)
    section.PixelSpacing = [5.0, 1.0]
    c, s = cos(radians(30)), sin(radians(30))
    turned = {name: (x * c - y * s, (x * s + y * c) / 5.0) for name, (x, y) in image_points(0.0).items()}

    assert pytest.approx(sqrt((5 * c) ** 2 + s**2)) == _spacing(_vertebra(turned, section))


@pytest.mark.parametrize(("pixel", "expected"), [([0.2, 0.2], None), ([2.0, 2.0], 2.0)])
def test_a_radiograph_counts_where_its_pixels_are_coarse(pixel: list[float], expected: float | None) -> None:
    """A projection is not sampled along the axis in the patient; coarse pixels blur it all the same."""
    image = dx_lateral()
    image.ImagerPixelSpacing = pixel

    assert expected == _spacing(_vertebra(image_points(0.0), image))


def test_without_a_scale_nothing_is_known() -> None:
    """Pixels without a size tell no sampling."""
    image = dx_lateral()
    del image.ImagerPixelSpacing

    assert _spacing(_vertebra(image_points(0.0), image)) is None


def test_patient_points_are_sampled_as_their_slices() -> None:
    """On axial slices the step counts, however thin they are; on sagittal ones the rows."""
    assert pytest.approx(5.0) == _spacing(_vertebra(patient_points(0.0)), *_axial(5.0))
    assert pytest.approx(1.0) == _spacing(_vertebra(patient_points(0.0)), *(ct_slice(n) for n in range(5)))


def test_a_slice_that_stands_alone_is_as_thick_as_it_says() -> None:
    """With one axial slice there is no step."""
    assert pytest.approx(1.0) == _spacing(_vertebra(patient_points(0.0)), *_axial(5.0, count=1))


def test_of_two_stacks_the_one_that_the_points_lie_on_counts() -> None:
    """Points in a sagittal slice were read there, not in the thick axial ones; the other way round too."""
    sagittal = [ct_slice(number) for number in range(5)]
    on = {name: (3.0, y, z) for name, (_, y, z) in patient_points(0.0).items()}
    between = {name: (1.5, y, 5.0 if name.endswith("I") else 30.0) for name, (_, y, _) in on.items()}

    assert pytest.approx(1.0) == _spacing(_vertebra(on), *sagittal, *_axial(5.0))
    assert pytest.approx(5.0) == _spacing(_vertebra(between), *sagittal, *_axial(5.0))


def test_what_a_finder_knows_stands() -> None:
    """The sampling of a mask is not replaced by that of an image."""
    known = VertebraLandmarks(
        level="L1",
        source=LandmarkSource.SEGMENTATION,
        landmarks=_vertebra(patient_points(0.0)).landmarks,
        axial_spacing_mm=2.0,
    )

    assert 2.0 == _spacing(known, *_axial(5.0))


def test_slices_without_a_spacing_tell_nothing() -> None:
    """No pixel size, no slices, no extent along the axis: not known, and no error."""
    bare = ct_slice(1)
    del bare.PixelSpacing
    flat = dict.fromkeys(patient_points(0.0), (1.0, 2.0, 3.0))

    assert _spacing(_vertebra(patient_points(0.0)), bare) is None
    assert _spacing(_vertebra(patient_points(0.0))) is None
    assert _spacing(_vertebra(flat), ct_slice(1)) is None
