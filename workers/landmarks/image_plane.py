"""From an image's header to the plane that image points lie in: size, scale, and where anterior and superior are."""

from collections.abc import Sequence
from math import hypot
from typing import Final

from pydicom import uid
from pydicom.dataset import Dataset

from sr_templates import headers
from sr_templates.slices import cosines, geometry, is_localizer
from workers.landmarks.points import ImagePlane, PixelScale
from workers.landmarks.scale import Projection, radiograph_scale, square_pixels
from workers.landmarks.views import views

_CT: Final = frozenset(
    {uid.CTImageStorage, uid.EnhancedCTImageStorage, uid.LegacyConvertedEnhancedCTImageStorage},
)
#: Cross-sectional: pixels have a size in the patient.
_SECTIONS: Final = _CT | frozenset(
    {
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
#: Letters of the axis that a view from the side looks along.
_OUT_OF_SIGHT: Final = frozenset({"L", "R"})
_SIDES: Final = frozenset(_LETTERS) | _OUT_OF_SIGHT
#: Edges of a rectangular collimator or shutter (0018,1702) to (0018,1708), (0018,1602) to (0018,1608).
_EDGES: Final = ("LeftVertical", "RightVertical", "UpperHorizontal", "LowerHorizontal")
_Vector = tuple[float, float]


def plane_of(image: Dataset, frame: int | None = None) -> ImagePlane | None:
    """Return the plane of an image, or of its frame (counted from 1); None where there is no such frame or no size."""
    rows, columns = _number(image, "Rows"), _number(image, "Columns")
    number = 1 if frame is None else frame
    if not rows or not columns or not 1 <= number <= number_of_frames(image):
        return None
    parts = geometry(image, number)
    directions, said = _orientation(image, cosines(parts))
    aspects = [pair for keyword in _SHAPES_OF_PIXELS if (pair := _stated(parts, keyword))]
    return ImagePlane(
        rows=int(rows),
        columns=int(columns),
        scale=_scale(image, parts),
        square_pixels=square_pixels(*aspects),
        anterior=directions.get("anterior"),
        superior=directions.get("superior"),
        is_lateral=_is_lateral([*said, *views(image)]),
        is_section=is_section(image),
        exposed=exposed(image),
    )


def is_section(image: Dataset) -> bool:
    """Whether an image is a section of the patient; the scout of a CT is a projection."""
    return headers.text(image, "SOPClassUID") in _SECTIONS and not is_scout(image)


def is_projection(image: Dataset) -> bool:
    """Whether an image is a radiograph, or captured from film or screen: no section, and not placed in the patient."""
    if headers.text(image, "SOPClassUID") in PROJECTIONS or is_scout(image):
        return True
    return not is_section(image) and not cosines(geometry(image, 1))


def is_scout(image: Dataset) -> bool:
    """Whether an image is the scout of a CT, which is a projection; that of an MR is a section."""
    return is_localizer(image) and headers.text(image, "SOPClassUID") in _CT


def _orientation(image: Dataset, six: Sequence[float]) -> tuple[dict[str, _Vector], list[bool]]:
    """Return where anterior and superior are in the image, and for each statement of it whether it shows the side.

    A section is placed by its cosines. On a projection the letters count too (PS3.3 C.7.6.1.1.1): a second letter says
    how oblique the beam was, and letters that contradict the cosines leave nothing known.
    """
    by_cosines = _from_cosines(six) if six else {}
    values = [value.strip() for value in headers.text(image, "PatientOrientation").split("\\")]
    letters = [value[:1] for value in values]
    is_lettered = len(letters) == 2 and set(letters) <= _SIDES  # noqa: PLR2004 - columns, rows
    if six and is_section(image):
        return by_cosines, [len(by_cosines) == len(_DIRECTIONS)]
    by_letters = _from_letters(letters)
    said = [len(by_cosines) == len(_DIRECTIONS)] if six else []
    if is_lettered:
        said.append(len(by_letters) == len(_DIRECTIONS) and not any(_OUT_OF_SIGHT & {*value} for value in values))
    agree = all(
        sum(a * b for a, b in zip(by_letters[name], by_cosines[name], strict=True)) > _IN_PLANE
        for name in by_letters.keys() & by_cosines.keys()
    )
    return ({**by_letters, **by_cosines} if agree else {}), said


def exposed(image: Dataset) -> tuple[float, float, float, float] | None:
    """Return the rectangle that the collimator and the shutter leave, in pixels: left, upper, right, lower edge.

    0, 0 is the corner of the first pixel; PS3.3 C.8.7.3 and C.7.6.11 give the outermost columns and rows that show the
    patient. None where neither is stated as a rectangle.
    """
    edges = [
        [headers.numbers(image, f"{device}{edge}Edge") for edge in _EDGES]
        for device in ("Collimator", "Shutter")
        if "RECTANGULAR" in headers.text(image, f"{device}Shape").split("\\")
    ]
    stated = [[one[0] for one in four] for four in edges if all(four)]
    if not stated:
        return None
    left, right, upper, lower = zip(*stated, strict=True)
    return max(left) - 1, max(upper) - 1, min(right), min(lower)


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
    pixel, ratio = _stated(parts, "PixelSpacing"), _stated(parts, "PixelAspectRatio")
    calibration = headers.text(image, "PixelSpacingCalibrationType").strip() or None
    if is_section(image):
        return None if pixel is None else PixelScale(row_mm=pixel[0], column_mm=pixel[1])
    if headers.text(image, "SOPClassUID") not in PROJECTIONS and calibration is None and not is_scout(image):
        return None
    return radiograph_scale(
        Projection(
            pixel_spacing=pixel,
            calibration=calibration,
            imager_spacing=_stated(parts, "ImagerPixelSpacing"),
            aspect_ratio=ratio,
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


def _stated(parts: Sequence[Dataset], keyword: str) -> tuple[float, float] | None:
    """Return the first two positive numbers that one of `parts` states; None where none does."""
    return next((pair for part in parts if (pair := _pair(part, keyword))), None)


def _pair(source: Dataset, keyword: str) -> tuple[float, float] | None:
    """Return two positive numbers; None where there are not."""
    numbers = headers.numbers(source, keyword)
    return (numbers[0], numbers[1]) if len(numbers) == 2 and min(numbers) > 0 else None  # noqa: PLR2004 - row, column


def _number(source: Dataset, keyword: str) -> float | None:
    """Return a positive number; None where there is none."""
    numbers = headers.numbers(source, keyword)
    return numbers[0] if numbers and numbers[0] > 0 else None
