"""A lateral radiograph as a network sees it: which images are such, which side anterior is on, bone bright or dark."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    XRayRadiofluoroscopicImageStorage,
)

from sr_templates import headers
from workers.finders.keypoints.description import Input, Normalisation
from workers.landmarks.image_plane import number_of_frames, plane_of
from workers.landmarks.points import ImagePlane

Array = npt.NDArray[np.float64]
SOP_CLASSES: Final = frozenset(
    {
        str(ComputedRadiographyImageStorage),
        str(DigitalXRayImageStorageForPresentation),
        str(XRayRadiofluoroscopicImageStorage),
    }
)
#: View Position (0018,5101), PS3.3 C.8.1.1: left and right lateral; a decubitus (LLD, RLD) is mostly no side view.
_LATERAL_POSITIONS: Final = frozenset({"LL", "RL"})
#: View Code Sequence (0054,0220), CID 4010: lateral, left lateral, right lateral; SRT as older devices write them.
_LATERAL_CODES: Final = frozenset(
    {
        (scheme, code)
        for scheme, codes in {
            "SCT": ("399067008", "399173006", "399198007"),
            "SRT": ("R-102CD", "R-10236", "R-10232"),
        }.items()
        for code in codes
    }
)
_GREY: Final = frozenset({"MONOCHROME1", "MONOCHROME2"})


def lateral_plane(header: Dataset) -> ImagePlane | None:
    """Return the plane of a grey, single-frame image that says it shows the body upright from the side; else None.

    It says so by its orientation, or, where it has none, by its view.
    """
    plane = plane_of(header)
    grey = headers.text(header, "PhotometricInterpretation") in _GREY
    if plane is None or number_of_frames(header) > 1 or not grey:
        return None
    by_view = headers.text(header, "ViewPosition").strip() in _LATERAL_POSITIONS
    by_code = headers.code(header, "ViewCodeSequence") in _LATERAL_CODES
    is_lateral = (by_view or by_code) if plane.is_lateral is None else plane.is_lateral
    is_upright = plane.superior is None or plane.superior[1] < -abs(plane.superior[0])
    return plane if is_lateral and is_upright else None


def must_be_mirrored(plane: ImagePlane, anterior: str) -> bool:
    """Whether anterior is known to be on the other side than the one wanted: "left", "right" or "any"."""
    if anterior == "any" or plane.anterior is None:
        return False
    return (plane.anterior[0] > 0) == (anterior == "left")


def values_of(path: Path, wanted: Input) -> Array:
    """Return the pixels of one radiograph, (rows, columns), 0 to 1, bone bright or dark as wanted.

    Stored values are rescaled (PS3.3 C.11.1), then windowed where that is wanted; MONOCHROME1 shows low values bright.
    """
    image = pydicom.dcmread(path)
    values = np.asarray(apply_modality_lut(image.pixel_array, image), dtype=np.float64)
    if wanted.window:
        values = np.asarray(apply_voi_lut(values, image), dtype=np.float64)
    is_dark = headers.text(image, "PhotometricInterpretation") == "MONOCHROME1"
    if is_dark == (wanted.bone == "bright"):
        values = values.max() + values.min() - values
    return _unit(values, wanted.normalisation)


def _unit(values: Array, wanted: Normalisation) -> Array:
    """Return the values with the wanted range at 0 to 1 and what lies beyond cut off; 0 where the range is empty."""
    low, high = wanted.limits or (
        np.percentile(values, wanted.percentiles) if wanted.range == "percentile" else (values.min(), values.max())
    )
    return np.clip((values - low) / (high - low), 0.0, 1.0) if high > low else np.zeros_like(values)
