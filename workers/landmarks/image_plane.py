"""From an image's header to the plane that image points lie in: size, scale, and where anterior and superior are."""

from collections.abc import Sequence
from math import hypot
from typing import Final

from pydicom import uid
from pydicom.dataset import Dataset

from sr_templates import headers
from sr_templates.slices import cosines, geometry
from workers.landmarks.points import ImagePlane, PixelScale
from workers.landmarks.scale import Projection, radiograph_scale, square_pixels
from workers.landmarks.views import views

#: Cross-sectional: pixels have a size in the patient.
_SECTIONS: Final = frozenset(
    {
        uid.CTImageStorage,
        uid.EnhancedCTImageStorage,
        uid.LegacyConvertedEnhancedCTImageStorage,
        uid.MRImageStorage,
        uid.EnhancedMRImageStorage,
        uid.EnhancedMRColorImageStorage,
        uid.LegacyConvertedEnhancedMRImageStorage,
    }
)
#: Projection radiography: pixels have a size on the detector.
PROJECTIONS: Final = frozenset(
    {
        uid.ComputedRadiographyImageStorage,
        uid.DigitalXRayImageStorageForPresentation,
        uid.DigitalXRayImageStorageForProcessing,
        uid.XRayAngiographicImageStorage,
        uid.EnhancedXAImageStorage,
        uid.XRayRadiofluoroscopicImageStorage,
        uid.EnhancedXRFImageStorage,
    }
)
#: What tells whether pixels are square, also where it is no scale.
_SHAPES_OF_PIXELS: Final = ("PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
#: LPS (PS3.3 C.7.6.2.1.1).
_DIRECTIONS: Final = {"anterior": (0.0, -1.0, 0.0), "superior": (0.0, 0.0, 1.0)}
#: A direction counts as lying in the plane up to 45 degrees off it.
_IN_PLANE: Final = 0.7071
#: PS3.3 C.7.6.1.1.1; of a value such as "AF" the first letter is the main direction.
_LETTERS: Final = {"A": ("anterior", 1.0), "P": ("anterior", -1.0), "H": ("superior", 1.0), "F": ("superior", -1.0)}
_SIDES: Final = frozenset(_LETTERS) | {"L", "R"}
_Vector = tuple[float, float]


def plane_of(image: Dataset, frame: int | None = None) -> ImagePlane | None:
    """Return the plane of an image, or of its frame (counted from 1); None where there is no such frame or no size."""
    rows, columns = _number(image, "Rows"), _number(image, "Columns")
    number = 1 if frame is None else frame
    if not rows or not columns or not 1 <= number <= number_of_frames(image):
        return None
    parts = geometry(image, number)
    six = cosines(parts)
    letters = [part.strip()[:1] for part in headers.text(image, "PatientOrientation").split("\\")]
    directions = _from_cosines(six) if six else _from_letters(letters)
    is_known = bool(six) or (len(letters) == 2 and set(letters) <= _SIDES)  # noqa: PLR2004 - columns, rows
    return ImagePlane(
        rows=int(rows),
        columns=int(columns),
        scale=_scale(image, parts),
        square_pixels=square_pixels(*(_pair(image, keyword) for keyword in _SHAPES_OF_PIXELS)),
        anterior=directions.get("anterior"),
        superior=directions.get("superior"),
        is_lateral=_is_lateral([len(directions) == len(_DIRECTIONS) if is_known else None, *views(image)]),
        is_section=headers.text(image, "SOPClassUID") in _SECTIONS,
    )


def is_projection(image: Dataset) -> bool:
    """Whether an image is a radiograph, or captured from film or screen: no section, and not placed in the patient."""
    sop_class = headers.text(image, "SOPClassUID")
    return sop_class in PROJECTIONS or (sop_class not in _SECTIONS and not cosines(geometry(image, 1)))


def _is_lateral(said: Sequence[bool | None]) -> bool | None:
    """Return False where anything says that an image shows no side, True where anything says that it does."""
    return False if False in said else True if True in said else None


def number_of_frames(image: Dataset) -> float:
    """Return how many frames an image has; 1 where it does not say."""
    return _number(image, "NumberOfFrames") or 1


def _scale(image: Dataset, parts: Sequence[Dataset]) -> PixelScale | None:
    """Return the scale of a section or of a projection; of anything else only where a calibration is stated.

    A secondary capture may have been resized since, and its Pixel Spacing with it or not.
    """
    sop_class = headers.text(image, "SOPClassUID")
    pixel = next((pair for part in parts if (pair := _pair(part, "PixelSpacing"))), None)
    calibration = headers.text(image, "PixelSpacingCalibrationType").strip() or None
    if sop_class in _SECTIONS:
        return None if pixel is None else PixelScale(row_mm=pixel[0], column_mm=pixel[1])
    if sop_class not in PROJECTIONS and calibration is None:
        return None
    return radiograph_scale(
        Projection(
            pixel_spacing=pixel,
            calibration=calibration,
            imager_spacing=_pair(image, "ImagerPixelSpacing"),
            magnification=_number(image, "EstimatedRadiographicMagnificationFactor"),
            source_to_detector_mm=_number(image, "DistanceSourceToDetector"),
            source_to_patient_mm=_number(image, "DistanceSourceToPatient"),
        )
    )


def _from_cosines(six: Sequence[float]) -> dict[str, _Vector]:
    """Return the directions that lie in the plane of two LPS unit vectors."""
    directions: dict[str, _Vector] = {}
    for name, axis in _DIRECTIONS.items():
        across = sum(a * b for a, b in zip(six[:3], axis, strict=True))
        down = sum(a * b for a, b in zip(six[3:], axis, strict=True))
        length = hypot(across, down)
        if length >= _IN_PLANE:
            directions[name] = (across / length, down / length)
    return directions


def _from_letters(letters: Sequence[str]) -> dict[str, _Vector]:
    """Return the directions from Patient Orientation: where columns and where rows increase to."""
    found: dict[str, _Vector] = {}
    for letter, unit in zip(letters, ((1.0, 0.0), (0.0, 1.0)), strict=False):
        name, sign = _LETTERS.get(letter, ("", 0.0))
        if name:
            found[name] = (sign * unit[0], sign * unit[1])
    return found


def _pair(source: Dataset, keyword: str) -> tuple[float, float] | None:
    """Return two positive numbers; None where there are not."""
    numbers = headers.numbers(source, keyword)
    return (numbers[0], numbers[1]) if len(numbers) == 2 and min(numbers) > 0 else None  # noqa: PLR2004 - row, column


def _number(source: Dataset, keyword: str) -> float | None:
    """Return a positive number; None where there is none."""
    numbers = headers.numbers(source, keyword)
    return numbers[0] if numbers and numbers[0] > 0 else None
