"""The summary page as a secondary capture."""

from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread
from report_samples import context, ct_slice, findings

from sr_templates.capture import build_capture
from sr_templates.document import to_bytes
from sr_templates.envelope import Derivation

DRAWN = Derivation(description="drawn", sources=(ct_slice(1),), is_steep=True)
#: 3 x 5 pixels: an odd number of bytes, each of another value.
PIXELS = np.arange(45, dtype=np.uint8).reshape(3, 5, 3)


def test_the_pixels_come_back_as_they_were() -> None:
    """A reader sees the same colours, and the value field has an even length (PS3.5 7.1.1)."""
    made = dcmread(BytesIO(to_bytes(build_capture(PIXELS, findings("patient"), context("patient"), derivation=DRAWN))))

    assert PIXELS.tolist() == made.pixel_array.tolist()
    assert 46 == len(made.PixelData)
    assert ("OT", "WSD", "NO") == (made.Modality, made.ConversionType, made.BurnedInAnnotation)


def test_the_same_page_gives_the_same_bytes() -> None:
    """Nothing in it comes from the clock."""
    one, two = (
        to_bytes(build_capture(PIXELS, findings("patient"), context("patient"), derivation=DRAWN)) for _ in range(2)
    )

    assert one == two


@pytest.mark.parametrize("pixels", [PIXELS[..., 0], PIXELS.astype(np.uint16)])
def test_anything_but_colours_of_eight_bits_is_refused(pixels: np.ndarray) -> None:
    """The message says what was expected and what was found."""
    with pytest.raises(ValueError, match=r"expected \(rows, columns, 3\) of uint8, found"):
        build_capture(pixels, findings("patient"), context("patient"), derivation=DRAWN)
