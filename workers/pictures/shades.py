"""From values to shades of grey: what a reader would see of a radiograph, and a window for sections."""

import warnings
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_windowing

from sr_templates import headers
from sr_templates.shown import BONE_WINDOW_HU
from workers.pictures.stack import UNREADABLE

Shades = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float32]
#: The values that are black and white.
Limits = tuple[float, float]
#: So many widths from its centre a window of any form has reached black or white.
_FAR: Final = 10.0
#: Shares of the values that are cut off as black and white where no window is known, percent.
_CUT_PERCENT: Final = (0.5, 99.5)


def sections(values: Values, modality: str) -> Shades:
    """Return shades of values of CT (Hounsfield units, bone window) or of MR (its own range); NaN is black."""
    if modality == "CT":
        centre, width = BONE_WINDOW_HU
        limits = centre - width / 2, centre + width / 2
    else:
        limits = _range(values)
    return _shades(values, limits)


def radiograph(pixels: npt.NDArray[np.generic], image: Dataset) -> Shades:
    """Return shades of the stored pixels of a radiograph, or of a part of it, as the sender wants it shown.

    Modality LUT or rescaling (PS3.3 C.11.1), VOI LUT or window (C.11.2), MONOCHROME1 inverted; without a window the
    range of the values. A picture in colour becomes the mean of its channels.
    """
    if pixels.ndim > 2:  # noqa: PLR2004 - rows, columns, samples
        return _shades(pixels.mean(axis=-1, dtype=np.float32), None)
    values, limits = pixels.astype(np.float32), None
    try:
        with warnings.catch_warnings():
            # pydicom's warnings quote values, which may be a patient's.
            warnings.simplefilter("ignore")
            values, limits = _as_sent(pixels, image)
    except UNREADABLE:
        # A table or a window that nothing can be made of: the range of the values is shown.
        limits = None
    shades = _shades(values, limits)
    is_inverted = headers.text(image, "PhotometricInterpretation").strip() == "MONOCHROME1"
    return 255 - shades if is_inverted else shades


def _as_sent(pixels: npt.NDArray[np.generic], image: Dataset) -> tuple[Values, Limits | None]:
    """Return the values behind the first VOI LUT or window, and which of them are black and white; None without."""
    rescaled = np.asarray(apply_modality_lut(np.asarray(pixels), image))
    if luts := headers.items(image, "VOILUTSequence"):
        return _looked_up(rescaled, luts[0])
    if not headers.numbers(image, "WindowWidth"):
        return rescaled.astype(np.float32), None
    width, centre = headers.numbers(image, "WindowWidth")[0], headers.numbers(image, "WindowCenter")[0]
    black, white = apply_windowing(np.array([centre - _FAR * width, centre + _FAR * width]), image)
    return np.asarray(apply_windowing(rescaled, image), dtype=np.float32), (float(black), float(white))


def _looked_up(values: npt.NDArray[np.generic], lut: Dataset) -> tuple[Values, Limits]:
    """Return what a VOI LUT maps values to (PS3.3 C.11.2.1.1); pydicom 3.0 wraps around in one of 8 bits."""
    count, first, bits = (int(number) for number in headers.numbers(lut, "LUTDescriptor"))
    table = lut.LUTData
    if isinstance(table, bytes):
        table = np.frombuffer(table, dtype="u1" if len(table) == count else "<u2")
    entries = np.asarray(table, dtype=np.float32)
    places = np.clip(np.asarray(values, dtype=np.int64) - first, 0, len(entries) - 1)
    return entries[places], (0.0, 2.0**bits - 1)


def _range(values: Values) -> Limits:
    seen = values[np.isfinite(values)]
    if not seen.size:
        return 0.0, 1.0
    low, high = np.percentile(seen, _CUT_PERCENT)
    return float(low), float(high)


def _shades(values: Values, limits: Limits | None) -> Shades:
    low, high = limits or _range(values)
    share = (np.nan_to_num(values, nan=low) - low) / (high - low if high > low else 1.0)
    return np.asarray(np.rint(np.clip(share, 0, 1) * 255), dtype=np.uint8)
