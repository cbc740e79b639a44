"""What a pixel is worth in mm, and how far that can be trusted (reference/morphometry 3.3). PURE.

PS3.3 10.7.1: a projection image has no scale of its own, only that of its detector, unless it was calibrated.
"""

from dataclasses import dataclass
from enum import Enum
from math import isclose

from workers.landmarks.points import PixelScale


class Geometry(Enum):
    """How an image came about."""

    #: Cross-sectional: pixels have a size in the patient.
    SECTION = "section"
    #: Projection radiography: pixels have a size on the detector.
    PROJECTION = "projection"
    #: Secondary capture and the like: pixels may have been resized.
    CAPTURE = "capture"


@dataclass(frozen=True, kw_only=True)
class StatedSpacing:
    """What an image says about its pixels; spacings are (row_mm, column_mm), as PS3.3 10.7.1.3 orders them."""

    geometry: Geometry
    pixel: tuple[float, float] | None = None
    #: Pixel Spacing Calibration Type (0028,0A02).
    calibration: str = ""
    detector: tuple[float, float] | None = None
    #: Estimated Radiographic Magnification Factor (0018,1114), or source-detector over source-patient distance.
    magnification: float | None = None


def scale_of(stated: StatedSpacing) -> PixelScale | None:
    """Return the scale with its kind; None where only ratios and angles can be measured."""
    if stated.geometry is Geometry.SECTION:
        return _scale(stated.pixel, "calibrated")
    if stated.pixel and stated.calibration == "FIDUCIAL":
        return _scale(stated.pixel, "calibrated")
    if stated.pixel and stated.calibration == "GEOMETRY":
        return _scale(stated.pixel, "magnification_corrected")
    return _projected(stated) if stated.geometry is Geometry.PROJECTION else None


def _projected(stated: StatedSpacing) -> PixelScale | None:
    """Return the scale of a projection without a stated calibration.

    PS3.3 10.7.1.3: Pixel Spacing that differs from Imager Pixel Spacing was corrected; alone it may be either.
    """
    if stated.pixel and stated.detector and not _equal(stated.pixel, stated.detector):
        return _scale(stated.pixel, "magnification_corrected")
    detector = stated.detector or stated.pixel
    if detector and stated.detector and stated.magnification is not None:
        row_mm, column_mm = detector
        return _scale((row_mm / stated.magnification, column_mm / stated.magnification), "magnification_corrected")
    return _scale(detector, "detector_plane")


def _scale(spacing: tuple[float, float] | None, kind: str) -> PixelScale | None:
    return None if spacing is None else PixelScale(row_mm=spacing[0], column_mm=spacing[1], kind=kind)


def _equal(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two spacings are the same; decimal strings are written with 4 digits or more."""
    return all(isclose(a, b, rel_tol=1e-4) for a, b in zip(one, other, strict=True))
