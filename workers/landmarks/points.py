"""The six points of a vertebra as a finder hands them over. PURE."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sr_templates.findings import Landmarks, LandmarkSource

#: Decimals of a computed mm and of a computed direction: what two CPUs may differ by lies far below (1e-6 mm, 1e-9).
MM_DECIMALS: Final = 6
DIRECTION_DECIMALS: Final = 9


@dataclass(frozen=True, kw_only=True)
class PixelScale:
    """Millimetres a pixel of an image, and what that millimetre is worth (docs/morphometry 3.3)."""

    #: Between rows, so the height of a pixel (first value of Pixel Spacing, PS3.3 10.7.1.3).
    row_mm: float
    #: Between columns, so the width of a pixel (second value of Pixel Spacing).
    column_mm: float
    #: "calibrated", "magnification_corrected" or "detector_plane".
    kind: str = "calibrated"


@dataclass(frozen=True, kw_only=True)
class ImagePlane:
    """What is known of the image that image points lie in."""

    rows: int
    columns: int
    #: None: no spacing; heights in mm are then not given.
    scale: PixelScale | None
    #: Whether pixels are square; together with no scale, ratios and angle remain possible.
    square_pixels: bool = True
    #: Unit vector (column, row) that points to anterior; None where the image does not say.
    anterior: tuple[float, float] | None = None
    #: Unit vector (column, row) that points to superior; None where the image does not say.
    superior: tuple[float, float] | None = None
    #: Whether it shows the body from the side: False where anterior or superior is known to be out of the plane.
    is_lateral: bool | None = None
    #: Whether it is a section (CT, MR), not a projection: its pixels were sampled in the patient.
    is_section: bool = False
    #: What of the image shows the patient: left, upper, right, lower edge, pixels; None where it is not known.
    exposed: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class VertebraLandmarks:
    """One vertebra's points with what a measurement needs to know of them, or the reason why there are none.

    Image points need `plane`. Patient points may come with `midsagittal_normal`, a unit LPS vector (the plane the
    finder measured in); without it the plane is fitted to the points.
    """

    level: str
    source: LandmarkSource
    landmarks: Landmarks | None
    #: Coded reason where the finder could not place points.
    reason: str | None = None
    flags: tuple[str, ...] = ()
    plane: ImagePlane | None = None
    midsagittal_normal: tuple[float, float, float] | None = None
    #: Sampling distance projected on the vertebral axis, mm; None where it is not known or does not apply.
    axial_spacing_mm: float | None = None
    #: SD of each height from the spread over planes, mm (anterior, middle, posterior); None where there is none.
    height_sd_mm: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if (self.landmarks is None) == (self.reason is None):
            raise ValueError(f"{self.level}: points or a reason, never both, never neither")


def without_points(level: str, reason: str, *flags: str) -> VertebraLandmarks:
    """Return a vertebra whose mask or outline gave no points, and why."""
    return VertebraLandmarks(
        level=level, source=LandmarkSource.SEGMENTATION, landmarks=None, reason=str(reason), flags=flags
    )
