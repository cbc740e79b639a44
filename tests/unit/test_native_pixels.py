"""Pixels read straight from a file: what pydicom reads, or nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictured import with_pixels
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from report_samples import ct_slice

from workers.pictures.native import native
from workers.pictures.stack import decoded

#: Every bit of 16 in any state.
STORED = np.random.default_rng(0).integers(0, 1 << 16, (7, 5), dtype=np.uint16)


def _image(**changes: Any) -> Dataset:
    return with_pixels(ct_slice(1), STORED, **changes)


def _saved(image: Dataset, path: Path) -> tuple[Dataset, Path]:
    """Return the header as a study is read, and the file."""
    image.save_as(path, enforce_file_format=True)
    return dcmread(path, stop_before_pixels=True), path


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("bits", [1, 12, 16])
def test_plain_pixels_are_what_pydicom_reads(bits: int, signed: int, syntax: str, tmp_path: Path) -> None:
    """Signed or not, also where bits that are allocated and not stored say something."""
    image = _image(BitsStored=bits, HighBit=bits - 1, PixelRepresentation=signed)
    image.file_meta.TransferSyntaxUID = UID(syntax)
    header, path = _saved(image, tmp_path / "ct.dcm")
    expected, found = pixel_array(path), native(header, path)

    assert found is not None
    assert (expected.dtype, expected.tolist()) == (found.dtype, found.tolist())


@pytest.mark.parametrize(
    "changes",
    [
        {"Rows": 6},
        {"Rows": 8},
        {"Rows": [7, 7]},
        {"NumberOfFrames": 1},
        {"SamplesPerPixel": 3},
        {"BitsAllocated": 8},
        {"BitsStored": 17},
        {"PixelRepresentation": 2},
        {"PhotometricInterpretation": "PALETTE COLOR"},
        {"DataSetTrailingPadding": b"\0" * 8},
    ],
)
def test_what_is_not_plain_is_left_to_pydicom(changes: dict[str, Any], tmp_path: Path) -> None:
    """Another number or size of pixels, colour, several frames, what no image may state, an element that follows."""
    assert native(*_saved(_image(**changes), tmp_path / "ct.dcm")) is None


@pytest.mark.parametrize("keyword", ["Rows", "BitsStored", "PixelRepresentation", "PhotometricInterpretation"])
def test_what_is_not_stated_is_left_to_pydicom(keyword: str, tmp_path: Path) -> None:
    """It refuses such an image."""
    image = _image()
    del image[keyword]

    assert native(*_saved(image, tmp_path / "ct.dcm")) is None


def test_another_byte_order_is_left_to_pydicom(tmp_path: Path) -> None:
    """So is a header without a transfer syntax."""
    header, path = _saved(_image(), tmp_path / "ct.dcm")
    header.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    bare = Dataset(header)

    assert [None, None] == [native(header, path), native(bare, path)]


def test_a_file_that_ends_too_early_is_left_to_pydicom(tmp_path: Path) -> None:
    """Its last pixels are missing, or nearly all of it: it cannot be decoded."""
    header, path = _saved(_image(), tmp_path / "ct.dcm")
    for size in (path.stat().st_size - 2, 40):
        path.write_bytes(path.read_bytes()[:size])

        assert native(header, path) is None
        assert decoded(header, path) is None
