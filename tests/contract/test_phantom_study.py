"""The phantom study is valid DICOM, always the same, and comes out as it was made."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from small_study import make_small_study

from sr_templates.findings import Measured, WedgingAssessment
from workers.landmarks.seg import from_segmentation
from workers.morphometry.findings import measure
from workers.morphometry.policy import Policy
from workers.phantom.column import column
from workers.phantom.study import make_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a phantom study."""
    out = tmp_path_factory.mktemp("study")
    make_study(out, patient_name="PHANTOM^ONE", patient_id="P1", seed=1)
    return out


@pytest.fixture(scope="module")
def measured(study: Path) -> dict[str, Measured]:
    """Return what is measured of it, by level."""
    vertebrae, _ = measure(from_segmentation(dcmread(study / "SEG" / "seg.dcm")), Policy())
    return {v.level: v.measured for v in vertebrae if v.measured is not None}


@pytest.mark.parametrize("name", ["CT/IM001.dcm", "CT/IM030.dcm", "SEG/seg.dcm"])
def test_dciodvfy_finds_no_error(study: Path, name: str) -> None:
    """Every object is valid by its IOD."""
    checker = Path(sys.executable).parent / "dciodvfy"
    done = subprocess.run([checker, study / name], capture_output=True, text=True, check=False)
    assert [] == [line for line in done.stderr.splitlines() if line.startswith("Error")]


def test_the_same_patient_and_seed_give_the_same_bytes(study: Path, tmp_path: Path) -> None:
    """Two runs write identical files; another seed gives another study."""
    one, again, other = (tmp_path / name for name in ("one", "again", "other"))
    for folder, seed in ((one, 1), (again, 1), (other, 2)):
        make_small_study(folder, patient_name="PHANTOM^ONE", patient_id="P1", seed=seed)
    files = sorted(path.relative_to(one) for path in one.rglob("*.dcm"))
    assert 61 == len(files) == len(list(study.rglob("*.dcm")))
    assert all((one / name).read_bytes() == (again / name).read_bytes() for name in files)
    first, second = (dcmread(folder / "SEG" / "seg.dcm") for folder in (one, other))
    assert first.StudyInstanceUID != second.StudyInstanceUID


def test_images_and_segmentation_are_one_study_in_one_frame_of_reference(study: Path) -> None:
    """Study and Frame of Reference UID are shared; each image has its own SOP Instance UID."""
    datasets = [dcmread(path, stop_before_pixels=True) for path in study.rglob("*.dcm")]
    assert 1 == len({ds.StudyInstanceUID for ds in datasets})
    assert 1 == len({ds.FrameOfReferenceUID for ds in datasets})
    assert 61 == len({ds.SOPInstanceUID for ds in datasets})
    assert {"PHANTOM^ONE"} == {str(ds.PatientName) for ds in datasets}


def test_every_height_is_within_a_millimetre_and_a_half_of_the_truth(measured: dict[str, Measured]) -> None:
    """All nine vertebrae are measured; errors stay within one and a half voxels, half a millimetre on average."""
    errors = []
    for vertebra in column():
        heights = measured[vertebra.level].heights_mm
        assert heights is not None
        for at, found in zip("AMP", (heights.anterior, heights.middle, heights.posterior), strict=True):
            assert found is not None
            true = float(np.linalg.norm(vertebra.points[f"{at}S"] - vertebra.points[f"{at}I"]))
            errors.append(found - true)
    assert np.abs(errors).max() < 1.5
    assert abs(float(np.mean(errors))) < 0.5


def test_the_three_deformed_vertebrae_are_told_from_the_sound_ones(measured: dict[str, Measured]) -> None:
    """L1 is crushed by more than 40 % and T12 wedged by 25 to 40 %; L4 is no grade, but beyond its wedging limit."""
    grades = {level: vertebra.genant_grade for level, vertebra in measured.items()}
    assert {"L1": 3, "T12": 2} == {level: grade for level, grade in grades.items() if grade}
    beyond = WedgingAssessment.OUTSIDE_LIMITS
    assert measured["L4"].wedging_assessment is beyond
    assert measured["L4"].wedging_percent > 8.3
    assert measured["L3"].wedging_assessment is not beyond
