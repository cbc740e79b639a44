import math

import pytest

from workers.landmarks.points import PixelScale
from workers.landmarks.scale import Projection, radiograph_scale, square_pixels


def scale(row: float, column: float, kind: str) -> PixelScale:
    """Return a scale."""
    return PixelScale(row_mm=row, column_mm=column, kind=kind)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Projection(pixel_spacing=(0.3, 0.2), calibration="FIDUCIAL"), scale(0.3, 0.2, "calibrated")),
        (
            Projection(pixel_spacing=(0.3, 0.2), calibration="FIDUCIAL", imager_spacing=(0.4, 0.4), magnification=1.3),
            scale(0.3, 0.2, "calibrated"),
        ),
        (Projection(pixel_spacing=(0.3, 0.2), calibration="GEOMETRY"), scale(0.3, 0.2, "magnification_corrected")),
        (
            Projection(pixel_spacing=(0.16, 0.16), imager_spacing=(0.2, 0.2)),
            scale(0.16, 0.16, "magnification_corrected"),
        ),
        (Projection(pixel_spacing=(0.4, 0.4), imager_spacing=(0.2, 0.2)), None),
        (Projection(pixel_spacing=(0.15, 0.25), imager_spacing=(0.2, 0.2), magnification=1.2), None),
        (
            Projection(pixel_spacing=(0.4, 0.4), imager_spacing=(0.2, 0.2), calibration="GEOMETRY"),
            scale(0.4, 0.4, "magnification_corrected"),
        ),
        (Projection(pixel_spacing=(0.2, 0.2), imager_spacing=(0.2, 0.2)), scale(0.2, 0.2, "detector_plane")),
        (Projection(pixel_spacing=(0.2, 0.2), imager_spacing=(0.200001, 0.2)), scale(0.200001, 0.2, "detector_plane")),
        (
            Projection(pixel_spacing=(0.2, 0.2), imager_spacing=(0.2, 0.2), magnification=1.25),
            scale(0.16, 0.16, "magnification_corrected"),
        ),
        (Projection(imager_spacing=(0.3, 0.2)), scale(0.3, 0.2, "detector_plane")),
        (
            Projection(imager_spacing=(0.2, 0.2), source_to_detector_mm=1250, source_to_patient_mm=1000),
            scale(0.16, 0.16, "magnification_corrected"),
        ),
        (
            Projection(
                imager_spacing=(0.2, 0.2), magnification=1.0, source_to_detector_mm=1250, source_to_patient_mm=1000
            ),
            scale(0.16, 0.16, "magnification_corrected"),
        ),
        (Projection(imager_spacing=(0.2, 0.2), magnification=1.0), scale(0.2, 0.2, "detector_plane")),
        (Projection(imager_spacing=(0.2, 0.2), magnification=110), scale(0.2, 0.2, "detector_plane")),
        (Projection(pixel_spacing=(0.125, 0.125), imager_spacing=(0.25, 0.25)), None),
        (Projection(pixel_spacing=(0.2, 0.2), imager_spacing=(0.25, 0.25), magnification=1.05), None),
        (
            Projection(pixel_spacing=(0.2, 0.2), imager_spacing=(0.25, 0.25), magnification=1.25),
            scale(0.2, 0.2, "magnification_corrected"),
        ),
        (Projection(pixel_spacing=(0.2, 0.2), calibration="FIDUCIAL", aspect_ratio=(2, 1)), None),
        (Projection(imager_spacing=(0.4, 0.2), aspect_ratio=(2, 1)), scale(0.4, 0.2, "detector_plane")),
        (Projection(imager_spacing=(0.2, 0.2), magnification=0.8), scale(0.2, 0.2, "detector_plane")),
        (Projection(imager_spacing=(0.2, 0.2), magnification=math.nan), scale(0.2, 0.2, "detector_plane")),
        (Projection(imager_spacing=(0.2, 0.2), magnification=math.inf), scale(0.2, 0.2, "detector_plane")),
        (Projection(imager_spacing=(0.2, 0.2), source_to_detector_mm=1250), scale(0.2, 0.2, "detector_plane")),
        (
            Projection(imager_spacing=(0.2, 0.2), source_to_detector_mm=1250, source_to_patient_mm=0),
            scale(0.2, 0.2, "detector_plane"),
        ),
        (Projection(pixel_spacing=(0.2, 0.2), magnification=1.25), scale(0.2, 0.2, "detector_plane")),
        (Projection(pixel_spacing=(0.0, 0.2), calibration="FIDUCIAL"), None),
        (Projection(pixel_spacing=(-0.2, 0.2), imager_spacing=(0.2, math.nan)), None),
        (Projection(magnification=1.25), None),
    ],
)
def test_what_a_radiograph_says_of_its_scale(given: Projection, expected: PixelScale | None) -> None:
    """Calibrated, corrected for magnification, the detector's, or nothing: the weakest claim that holds (3.3)."""
    found = radiograph_scale(given)
    if expected is None or found is None:
        assert expected is found
    else:
        assert expected.kind == found.kind
        assert (expected.row_mm, expected.column_mm) == pytest.approx((found.row_mm, found.column_mm))


@pytest.mark.parametrize(("ratio", "expected"), [(None, True), ((1, 1), True), ((4, 4), True), ((3, 2), False)])
def test_pixels_are_square_unless_said(ratio: tuple[float, float] | None, expected: bool) -> None:
    """Pixel Aspect Ratio is absent where it is 1:1 (PS3.3 C.7.6.3.1.7); a spacing may say the same, or not."""
    assert expected == square_pixels(ratio)
    assert expected == square_pixels(None, (0.2, 0.2), ratio)
