"""The flat sagittal section as an image."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from report_samples import FRAME_OF_REFERENCE, context, ct_slice, findings

from sr_templates.derived import SLAB_MM, Section, build_sagittal
from sr_templates.document import to_bytes
from sr_templates.projection import Stack
from sr_templates.slices import slices_of

SECTION = Section(
    values=np.array([[-1000.4, 0.0, 40.6], [np.nan, 1300.0, 40000.0]], dtype=np.float32),
    axes=np.array([(0.0, 1.0, 0.0), (0.0, 0.0, -1.0)]),
    origin=np.array([1.5, -20.0, 30.0]),
    pixel_mm=0.5,
)


def _made(sources: list[Dataset]) -> Dataset:
    return dcmread(BytesIO(to_bytes(build_sagittal(SECTION, findings("patient"), context("patient"), sources=sources))))


def test_ct_has_hounsfield_units_and_padding_where_nothing_was() -> None:
    """Whole units, cut off at 16 bits; outside the slices the Pixel Padding Value (PS3.3 C.7.5.1.1.2)."""
    made = _made([ct_slice(1), ct_slice(2)])

    assert [[-1000, 0, 41], [-2000, 1300, 32767]] == made.pixel_array.tolist()
    assert (-2000, 1, 0, "HU") == (
        made.PixelPaddingValue,
        made.RescaleSlope,
        made.RescaleIntercept,
        made.RescaleType,
    )


def test_it_lies_where_it_says() -> None:
    """A point of the patient stands in the pixel that the plane puts it in; it is in the frame of its sources."""
    made = _made([ct_slice(1)])
    # 0.5 mm behind the first pixel and 0.25 mm below it, 1.9 mm beside the plane: half of the slab is 2 mm.
    spot = Stack(slices=slices_of(made)).through(np.array([(3.4, -19.5, 29.75)]))

    assert FRAME_OF_REFERENCE == made.FrameOfReferenceUID
    assert spot is not None
    assert [1.5, 1.0] == pytest.approx(spot.pixels[0].tolist())
    assert 4.0 == SLAB_MM == made.SliceThickness


def test_a_point_farther_off_is_not_in_the_image() -> None:
    """Beyond half of the slab, 2 mm, nothing may claim to lie on it."""
    made = _made([ct_slice(1)])

    assert Stack(slices=slices_of(made)).through(np.array([(3.6, -19.5, 29.75)])) is None


def test_mr_takes_its_sequence_over_and_spans_its_own_range() -> None:
    """Lowest to highest value are 0 to 4095; type 1 attributes are there even where the source is bare."""
    source = ct_slice(1)
    source.Modality, source.EchoTime = "MR", "90"
    made = _made([source])

    # -1000.4 to 40000 are 4095 steps of 10.01.
    assert [0, 100, 104] == pytest.approx(made.pixel_array[0].tolist(), abs=0.6)
    assert (0, 4095) == (made.pixel_array[1, 0], made.pixel_array[1, 2])
    assert ("MR", "RM", "NONE", 90.0) == (made.Modality, made.ScanningSequence, made.SequenceVariant, made.EchoTime)
    assert "1.2.840.10008.5.1.4.1.1.4" == made.SOPClassUID


@pytest.mark.parametrize(
    ("orientation", "says", "expected"),
    [
        ([0.0, 1.0, 0.0, 0.0, 0.0, -1.0], None, None),
        ([0.0, 1.0, 0.0, 0.0, 0.0, -1.0], "NO", "NO"),
        ([1.0, 0.0, 0.0, 0.0, 1.0, 0.0], None, "NO"),
        ([1.0, 0.0, 0.0, 0.0, 1.0, 0.0], "YES", "YES"),
        (None, None, None),
    ],
    ids=["sagittal slices", "that say no", "axial slices", "that say yes", "without a place"],
)
def test_text_of_a_slice_may_be_legible_in_a_section_along_it(
    orientation: list[float] | None, says: str | None, expected: str | None
) -> None:
    """Nothing is said of burned-in annotation where neither the slices nor their direction say that there is none."""
    source = ct_slice(1)
    source.ImageOrientationPatient = orientation
    if says is not None:
        source.BurnedInAnnotation = says

    assert expected == _made([source]).get("BurnedInAnnotation")


def test_a_section_names_what_it_lacks() -> None:
    """Derivation Description counts the slices that could not be read."""
    section = replace(SECTION, lacking="1 of 2 slices could not be read")
    made = build_sagittal(section, findings("patient"), context("patient"), sources=[ct_slice(1)])

    assert "; 1 of 2 slices could not be read; unverified, for review" in made.DerivationDescription
    assert "read" not in _made([ct_slice(1)]).DerivationDescription


def test_other_modalities_have_no_section() -> None:
    """A radiograph cannot be reformatted."""
    source = ct_slice(1)
    source.Modality = "DX"

    with pytest.raises(ValueError, match="expected slices of CT or MR, found DX"):
        _made([source])
    with pytest.raises(ValueError, match="found none"):
        _made([])
