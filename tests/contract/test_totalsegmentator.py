"""The finder totalsegmentator, with a stand-in for its command that writes what the real one writes."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from finder_sites import executable, settings
from pydicom import Dataset, FileMetaDataset, dcmread
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from report_samples import FRAME_OF_REFERENCE, STUDY, header
from sample_finders import PATIENT

from service import logs
from sr_templates.findings import LandmarkSource
from workers.phantom.column import column
from workers.phantom.vertebra import Vertebra
from workers.phantom.voxels import occupancy
from workers.pipeline import Outcome, measure_files

STAND_IN = Path(__file__).resolve().parents[1] / "stand_in_totalsegmentator.py"
LEVELS = ("L2", "L3", "L4")
#: Distance of the slices, mm; pixels have 1 mm.
SLICES_MM = 1.5
FIRST_HU = 1001


@pytest.fixture(scope="module")
def vertebrae() -> list[Vertebra]:
    """Return three vertebrae whose points are known."""
    return [one for one in column() if one.level in LEVELS]


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory, vertebrae: list[Vertebra]) -> list[Path]:
    """Write an axial CT of them, each in Hounsfield units of its own, and a coarser series that must not be taken."""
    folder = tmp_path_factory.mktemp("ct")
    low = np.min([one.centre for one in vertebrae], axis=0) - (30.0, 40.0, 30.0)
    grid = (int(np.ptp([one.centre[2] for one in vertebrae]) + 60) * 2 // 3, 110, 60)
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([[0, 0, SLICES_MM], [0, 1, 0], [1, 0, 0]])
    affine[:3, 3] = low
    hu = np.zeros(grid, dtype=np.int16)
    for place, vertebra in enumerate(vertebrae):
        hu[occupancy(vertebra, affine, grid, samples=1) >= 0.5] = FIRST_HU + place
    for number in range(grid[0]):
        _slice(number, hu[number], affine).save_as(folder / f"{number:03}.dcm", enforce_file_format=True)
    for number in range(0, grid[0], 4):
        coarse = _slice(number, hu[number] * 0, affine)
        coarse.SeriesInstanceUID, coarse.SOPInstanceUID = f"{STUDY}.8", f"{STUDY}.8.{number}"
        coarse.save_as(folder / f"coarse{number:03}.dcm", enforce_file_format=True)
    return sorted(folder.iterdir())


def _slice(number: int, hu: np.ndarray, affine: np.ndarray) -> Dataset:
    ds = header(str(CTImageStorage), number, "CT")
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.PatientName = PATIENT
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = FRAME_OF_REFERENCE, ""
    ds.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    ds.ImagePositionPatient = [float(value) for value in affine[:3] @ (number, 0, 0, 1)]
    ds.PixelSpacing, ds.SliceThickness = [1.0, 1.0], SLICES_MM
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = *hu.shape, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleIntercept, ds.RescaleSlope = 0, 1
    ds.PixelData = hu.astype("<i2").tobytes()
    return ds


@pytest.fixture(scope="module")
def measured(ct: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, str]:
    """Measure the CT with the stand-in as the command; give the outcome, and what was logged."""
    folder = tmp_path_factory.mktemp("run")
    stream = io.StringIO()
    logs.configure("debug", json=True, stream=stream)
    text = f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n'
    with executable(folder / "TotalSegmentator", text) as command:
        found = settings(folder, name="totalsegmentator", command=str(command), options=["--device", "cpu"])
        outcome = measure_files(ct, settings=found)
    logs.configure()
    return outcome, stream.getvalue()


def test_masks_of_a_model_are_measured(measured: tuple[Outcome, str], vertebrae: list[Vertebra]) -> None:
    """Each vertebra has the heights that it was made with, to a pixel and a half; a model is the source."""
    found = {vertebra.level: vertebra for vertebra in measured[0].findings.vertebrae}

    assert set(LEVELS) == set(found)
    assert {LandmarkSource.MODEL} == {one.landmark_source for one in found.values()}
    for vertebra in vertebrae:
        numbers = found[vertebra.level].measured
        assert numbers
        assert numbers.heights_mm
        true = [float(np.linalg.norm(vertebra.points[f"{at}S"] - vertebra.points[f"{at}I"])) for at in "AP"]
        assert true == pytest.approx([numbers.heights_mm.anterior, numbers.heights_mm.posterior], abs=1.5)


def test_the_report_rests_on_images_alone(measured: tuple[Outcome, str], ct: list[Path]) -> None:
    """The report names model and version, our own protocol, and no object but images that came with the study."""
    report = measured[0].report
    assert report
    dataset = dcmread(io.BytesIO(report.data))
    received = {str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in ct}
    referred = {
        str(item.ReferencedSOPInstanceUID)
        for study in dataset.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }

    assert b"finder totalsegmentator: TotalSegmentator 2.18.0, task total, --device cpu" in report.data
    assert "spondyl-six-point/1" == measured[0].findings.landmark_protocol
    assert referred
    assert referred <= received
    assert {None} == {one.measured.landmarks.sop_instance_uid for one in measured[0].findings.vertebrae if one.measured}


def test_the_log_is_silent_on_the_patient(measured: tuple[Outcome, str]) -> None:
    """What the command prints, the patient's name here, is in no log."""
    assert "finder_ended" in measured[1]
    assert PATIENT not in measured[1]
