"""The summary page of a study as PNG: what its Secondary Capture holds, pixel by pixel.

Our page has no patient's data burnt in; the image below it is the patient's own, with what its maker burnt in.
"""

import io
from pathlib import Path

import pydicom
from PIL import Image
from pydicom.errors import InvalidDicomError

from service.errors import Unknown


def png(path: Path) -> bytes:
    """Return a page of ours, RGB of 8 bits; Unknown where its file is gone, or is no such image."""
    try:
        found = pydicom.dcmread(path)
    except (FileNotFoundError, InvalidDicomError):
        raise Unknown("the file of this picture is not there any more: it was removed for its age") from None
    if found.get("PhotometricInterpretation") != "RGB" or "PixelData" not in found:
        raise Unknown("this object is no picture")
    out = io.BytesIO()
    # Drawn pages are flat: the fastest level makes them small enough.
    Image.fromarray(found.pixel_array, mode="RGB").save(out, "PNG", compress_level=1)
    return out.getvalue()
