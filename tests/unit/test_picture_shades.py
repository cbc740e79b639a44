"""Shades of grey."""

import numpy as np
import pytest
from pydicom.dataset import Dataset

from workers.pictures.shades import radiograph, sections

STORED = np.array([[0, 100, 200, 300, 400]], dtype=np.uint16)


def _image(**changes: object) -> Dataset:
    image = Dataset()
    image.BitsStored, image.PixelRepresentation, image.PhotometricInterpretation = 12, 0, "MONOCHROME2"
    for keyword, value in changes.items():
        setattr(image, keyword, value)
    return image


def test_a_window_says_what_is_black_and_white() -> None:
    """LINEAR (PS3.3 C.11.2.1.2.1): a window of 201 at 200.5 runs from 100, black, to 300, white."""
    shown = radiograph(STORED, _image(WindowCenter=200.5, WindowWidth=201.0))

    assert [0, 0, 128, 255, 255] == shown[0].tolist()


def test_rescaling_comes_before_the_window() -> None:
    """Stored values are rescaled first (C.11.1): 10 x - 1000 puts 100 at 0 and 300 at 2000."""
    image = _image(WindowCenter=1000.5, WindowWidth=2001.0, RescaleSlope=10, RescaleIntercept=-1000)

    assert [0, 0, 127, 255, 255] == pytest.approx(radiograph(STORED, image)[0].tolist(), abs=1)


def test_monochrome1_is_inverted() -> None:
    """Low values are bright (PS3.3 C.7.6.3.1.2)."""
    image = _image(WindowCenter=200.5, WindowWidth=201.0, PhotometricInterpretation="MONOCHROME1")

    assert [255, 255, 127, 0, 0] == radiograph(STORED, image)[0].tolist()


def test_a_voi_lut_goes_before_a_window() -> None:
    """A table of 401 entries of 8 bits maps each value as it says; it counts before a window (C.11.2.1.1)."""
    lut = Dataset()
    lut.LUTDescriptor = [401, 0, 8]
    lut.add_new((0x0028, 0x3006), "US", [255 - n // 2 for n in range(401)])
    image = _image(WindowCenter=200.0, WindowWidth=2.0, VOILUTSequence=[lut])

    assert [255, 205, 155, 105, 55] == radiograph(STORED, image)[0].tolist()


@pytest.mark.parametrize("width", [None, 0.0])
def test_without_a_usable_window_the_values_span_black_to_white(width: float | None) -> None:
    """No window, or one that pydicom refuses: the lowest values are black, the highest white."""
    image = _image() if width is None else _image(WindowCenter=200.0, WindowWidth=width)
    shown = radiograph(STORED, image)

    assert (0, 255) == (shown.min(), shown.max())


def test_colour_becomes_the_mean_of_its_channels() -> None:
    """Red, green and blue count alike: (255, 255, 0) is brighter than (255, 0, 0)."""
    shown = radiograph(np.array([[(0, 0, 0), (255, 0, 0), (255, 255, 0)]], dtype=np.uint8), _image())

    assert [0, 128, 255] == pytest.approx(shown[0].tolist(), abs=2)


def test_ct_has_a_window_for_bone_and_black_where_nothing_was() -> None:
    """400 +- 900 HU: -500 is black, 400 grey, 1300 white; a place outside the slices is black."""
    values = np.array([[-500.0, 400.0, 1300.0, np.nan]], dtype=np.float32)

    assert [0, 128, 255, 0] == sections(values, "CT")[0].tolist()


def test_mr_spans_its_own_range() -> None:
    """MR has no units: its lowest values are black, its highest white; a plain picture fails nothing."""
    values = np.array([[5.0, 10.0, 15.0, np.nan]], dtype=np.float32)

    assert (0, 255) == (sections(values, "MR")[0, 0], sections(values, "MR")[0, 2])
    assert 0 == sections(np.full((2, 2), np.nan, dtype=np.float32), "MR").max()
