"""Millimetres a pixel of a projection radiograph, and what they are worth (docs/morphometry 3.3). PURE.

PS3.3 10.7.1.1 to 10.7.1.3: Imager Pixel Spacing is that of the detector; Pixel Spacing may be the same, or corrected.
"""

import math
from dataclasses import dataclass
from typing import Final

from workers.landmarks.points import PixelScale

Spacing = tuple[float, float]
#: Largest magnification that a body can have: with the focus a metre from the detector, a spine a third of it before
#: the detector. What is larger was resized, or is no factor (a percentage).
_LARGEST: Final = 1.5
#: How far a stated magnification and the ratio of the two spacings may differ, as a share: both are rounded.
_ALIKE: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Projection:
    """What a radiograph says of its scale; None where it does not say. Spacings are (row, column), mm."""

    pixel_spacing: Spacing | None = None
    #: Pixel Spacing Calibration Type: "FIDUCIAL" or "GEOMETRY".
    calibration: str | None = None
    imager_spacing: Spacing | None = None
    #: Estimated Radiographic Magnification Factor.
    magnification: float | None = None
    #: Distance Source to Detector, and Distance Source to Patient, mm: their ratio is the magnification.
    source_to_detector_mm: float | None = None
    source_to_patient_mm: float | None = None
    #: Pixel Aspect Ratio, (vertical, horizontal).
    aspect_ratio: Spacing | None = None


def radiograph_scale(given: Projection) -> PixelScale | None:
    """Return the scale of a radiograph; None where nothing usable is given.

    FIDUCIAL spacing is calibrated. GEOMETRY, and an unexplained spacing that is smaller than the detector's, are
    corrected for magnification (PS3.3 10.7.1.3). One that is larger, or smaller by more than a magnification can be or
    is said to be, was resized, and no spacing counts. The detector's own spacing is divided by a known magnification.
    Pixel Spacing alone is taken for the detector's, which claims least; nobody knows whether it was corrected already.
    A spacing that its Pixel Aspect Ratio contradicts is none.
    """
    found = _radiograph_scale(given)
    if found is None or given.aspect_ratio is None:
        return found
    ratio = found.row_mm / found.column_mm
    return found if _same((ratio, 1.0), (given.aspect_ratio[0] / given.aspect_ratio[1], 1.0)) else None


def _radiograph_scale(given: Projection) -> PixelScale | None:
    pixel, imager = (spacing if _usable(spacing) else None for spacing in (given.pixel_spacing, given.imager_spacing))
    if pixel is not None and given.calibration == "FIDUCIAL":
        return _scale(pixel, "calibrated")
    if pixel is not None and given.calibration == "GEOMETRY":
        return _scale(pixel, "magnification_corrected")
    if pixel is not None and imager is not None and not _same(pixel, imager):
        return _scale(pixel, "magnification_corrected") if _explained(given, pixel, imager) else None
    if imager is not None and (factor := _magnification(given)) is not None:
        return _scale((imager[0] / factor, imager[1] / factor), "magnification_corrected")
    detector = imager or pixel
    return None if detector is None else _scale(detector, "detector_plane")


def square_pixels(*stated: Spacing | None) -> bool:
    """Whether pixels are square by all that is stated: Pixel Aspect Ratio, absent if 1:1 (C.7.6.3.1.7), and spacings.

    A spacing that is no scale may still tell that they are not. Each is (vertical, horizontal), None where absent.
    """
    return all(one is None or _same(one, one[::-1]) for one in stated)


def _explained(given: Projection, pixel: Spacing, imager: Spacing) -> bool:
    """Whether a magnification, that which is stated if one is, explains how much smaller `pixel` is than `imager`."""
    ratios, factor = [large / small for small, large in zip(pixel, imager, strict=True)], _magnification(given)
    if factor is not None and any(abs(ratio / factor - 1) > _ALIKE for ratio in ratios):
        return False
    return all(1 < ratio <= _LARGEST for ratio in ratios)


def _magnification(given: Projection) -> float | None:
    """Return the factor, more than 1 since the detector lies behind the patient; anything else is no magnification."""
    factors = [given.magnification]
    if given.source_to_detector_mm and given.source_to_patient_mm:
        factors.append(given.source_to_detector_mm / given.source_to_patient_mm)
    return next((factor for factor in factors if factor is not None and 1 < factor <= _LARGEST), None)


def _usable(spacing: Spacing | None) -> bool:
    return spacing is not None and all(0 < value < math.inf for value in spacing)


def _same(a: Spacing, b: Spacing) -> bool:
    """Equal within what 16 characters of a decimal string (PS3.5 6.2) and a vendor's rounding leave."""
    return all(math.isclose(x, y, rel_tol=1e-4) for x, y in zip(a, b, strict=True))


def _scale(spacing: Spacing, kind: str) -> PixelScale:
    return PixelScale(row_mm=spacing[0], column_mm=spacing[1], kind=kind)
