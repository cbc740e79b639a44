"""Which images are lateral radiographs, and what a network sees of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from report_samples import dx_lateral

from workers.finders.keypoints.description import Input
from workers.finders.keypoints.radiograph import lateral_plane, must_be_mirrored, values_of
from workers.landmarks.points import ImagePlane

LATERAL_VIEW = Dataset()
LATERAL_VIEW.CodeValue, LATERAL_VIEW.CodingSchemeDesignator, LATERAL_VIEW.CodeMeaning = (
    "399173006",
    "SCT",
    "left lateral",
)


def _film(**changes: Any) -> Dataset:
    ds = dx_lateral()
    ds.PhotometricInterpretation, ds.SamplesPerPixel = "MONOCHROME2", 1
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    return ds


@pytest.mark.parametrize(
    ("changes", "is_lateral"),
    [
        ({}, True),
        ({"PatientOrientation": ["A", "F"]}, True),
        ({"PatientOrientation": ["L", "F"]}, False),
        ({"PatientOrientation": ["L", "F"], "ViewPosition": "LL"}, False),
        ({"PatientOrientation": None}, False),
        ({"PatientOrientation": None, "ViewPosition": "RL"}, True),
        ({"PatientOrientation": None, "ViewPosition": "RLD"}, False),
        ({"PatientOrientation": None, "ViewCodeSequence": [LATERAL_VIEW]}, True),
        ({"PatientOrientation": ["P", "H"]}, False),
        ({"PatientOrientation": ["F", "P"]}, False),
        ({"NumberOfFrames": 2}, False),
        ({"PhotometricInterpretation": "RGB"}, False),
    ],
)
def test_an_image_must_say_that_it_is_lateral(changes: dict[str, Any], *, is_lateral: bool) -> None:
    """By orientation before view; upright, grey, of one frame. A network would find points on any image."""
    assert is_lateral is (lateral_plane(_film(**changes)) is not None)


@pytest.mark.parametrize(
    ("anterior", "wanted", "mirrored"),
    [
        ((-1.0, 0.0), "left", False),
        ((1.0, 0.0), "left", True),
        ((1.0, 0.0), "right", False),
        ((-1.0, 0.0), "right", True),
        ((1.0, 0.0), "any", False),
        (None, "left", False),
    ],
)
def test_only_the_known_wrong_side_is_mirrored(
    anterior: tuple[float, float] | None, wanted: str, *, mirrored: bool
) -> None:
    """An image that does not say where anterior is stays as it is."""
    assert mirrored is must_be_mirrored(ImagePlane(rows=9, columns=9, scale=None, anterior=anterior), wanted)


def _values(path: Path, wanted: dict[str, Any], **changes: Any) -> list[float]:
    ds = _film(**changes)
    ds.Rows, ds.Columns = 1, 5
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = np.array([0, 100, 200, 300, 400], dtype="<u2").tobytes()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.save_as(path, enforce_file_format=True)
    found: list[float] = values_of(path, Input.model_validate({"name": "x", "height": 8, "width": 8, **wanted}))[
        0
    ].tolist()
    return found


PLAIN = {"normalisation": {"range": "min_max"}}
UP, DOWN = [0.0, 0.25, 0.5, 0.75, 1.0], [1.0, 0.75, 0.5, 0.25, 0.0]


@pytest.mark.parametrize(
    ("wanted", "changes", "expected"),
    [
        (PLAIN, {}, UP),
        (PLAIN, {"PhotometricInterpretation": "MONOCHROME1"}, DOWN),
        (PLAIN | {"bone": "dark"}, {}, DOWN),
        (PLAIN | {"bone": "dark"}, {"PhotometricInterpretation": "MONOCHROME1"}, UP),
        (PLAIN, {"RescaleSlope": -1, "RescaleIntercept": 9}, DOWN),
        ({"normalisation": {"range": "percentile", "percentiles": [25, 75]}}, {}, [0.0, 0.0, 0.5, 1.0, 1.0]),
        ({"normalisation": {"range": "limits", "limits": [100, 500]}}, {}, [0.0, 0.0, 0.25, 0.5, 0.75]),
        (PLAIN | {"window": True}, {"WindowCenter": 200.5, "WindowWidth": 201}, [0.0, 0.0, 0.5, 1.0, 1.0]),
        (PLAIN, {"WindowCenter": 200.5, "WindowWidth": 201}, UP),
        (
            {"normalisation": {"range": "limits", "limits": [5, 6]}},
            {"RescaleSlope": 0, "RescaleIntercept": 1},
            [0.0] * 5,
        ),
        (PLAIN, {"RescaleSlope": 0, "RescaleIntercept": 1}, [0.0] * 5),
    ],
)
def test_values_are_brought_to_a_unit_range(
    tmp_path: Path, wanted: dict[str, Any], changes: dict[str, Any], expected: list[float]
) -> None:
    """Rescaled, windowed where wanted, inverted where bone would be dark, then from the range to 0..1."""
    assert expected == pytest.approx(_values(tmp_path / "film.dcm", wanted, **changes), abs=1e-6)
