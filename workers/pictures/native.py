"""Native pixels of 16 bits, read straight from the end of their file: so nearly every slice of a CT or an MR is stored.

pydicom reads the header once more and settles how pixels are stored anew for each slice, which takes longer than
reading them. Whatever is stored in another way is left to it.
"""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from sr_templates import headers

#: Pixel Data (7FE0,0010) up to its length (PS3.5 7.1.2, 7.1.3), by transfer syntax.
_HEADS: Final = {
    str(ExplicitVRLittleEndian): b"\xe0\x7f\x10\x00OW\x00\x00",
    str(ImplicitVRLittleEndian): b"\xe0\x7f\x10\x00",
}
_GREY: Final = frozenset({"MONOCHROME1", "MONOCHROME2"})
#: By Pixel Representation (PS3.3 C.7.6.3.1).
_STORED_AS: Final = {0.0: np.dtype("<u2"), 1.0: np.dtype("<i2")}
_BITS: Final = 16


def native(header: Dataset, path: Path) -> npt.NDArray[np.integer] | None:
    """Return the pixels, (rows, columns), as pydicom does; None where they are not plain. Raises OSError.

    Plain: one frame, one sample of 16 bits, uncompressed and little endian, and Pixel Data is the last element.
    """
    head = _HEADS.get(headers.text(getattr(header, "file_meta", Dataset()), "TransferSyntaxUID"))
    if head is None or "NumberOfFrames" in header or headers.text(header, "PhotometricInterpretation") not in _GREY:
        return None
    # pydicom refuses an image that lacks one of these.
    names = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "PixelRepresentation")
    rows, columns, samples, allocated, stored, signed = (_number(header, name) for name in names)
    if (samples, allocated) != (1, _BITS) or not 1 <= stored <= _BITS or signed not in _STORED_AS:
        return None
    if min(rows, columns) < 1:
        return None
    size = int(rows * columns) * _STORED_AS[signed].itemsize
    head += size.to_bytes(4, "little")
    start = path.stat().st_size - len(head) - size
    if start < 0:
        return None
    with path.open("rb") as file:
        file.seek(start)
        found = file.read(len(head) + size)
    if not found.startswith(head):
        return None
    pixels = np.frombuffer(found, dtype=_STORED_AS[signed], offset=len(head)).reshape(int(rows), int(columns))
    # What the bits say that are allocated and not stored is nothing (PS3.5 8.1.1).
    unused = _BITS - int(stored)
    return pixels << unused >> unused if unused else pixels


def _number(header: Dataset, keyword: str) -> float:
    found = headers.numbers(header, keyword)
    return found[0] if len(found) == 1 else -1
