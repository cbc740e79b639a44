"""The command TotalSegmentator: how it is found, called and understood."""

import json
import sys
from pathlib import Path

import pytest
from finder_sites import executable
from pydicom import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from report_samples import CT, header

from workers.finders.protocol import CannotRun, FinderSetup, FinderTask, NoSuitableImage, NothingFound
from workers.finders.totalsegmentator import CommandFailed, TotalSegmentator


@pytest.fixture
def task(tmp_path: Path) -> FinderTask:
    """Give a study of twelve axial slices."""
    files = []
    for number in range(12):
        ds = header(CT, number, "CT")
        ds.Rows, ds.Columns, ds.ImageOrientationPatient = 64, 64, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        ds.ImagePositionPatient = [0.0, 0.0, float(number)]
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        files.append(tmp_path / f"spool-{number}")
        ds.save_as(files[-1], enforce_file_format=True)
    (tmp_path / "scratch").mkdir()
    return FinderTask(study_instance_uid="1.2", images=tuple(files), scratch=tmp_path / "scratch")


def _finder(tmp_path: Path, text: str) -> TotalSegmentator:
    with executable(tmp_path / "command", text) as command:
        return TotalSegmentator(FinderSetup(command=str(command), options=("--fast",)))


def test_a_missing_command_is_said() -> None:
    """Without the executable the message says which one, and how to get it."""
    with pytest.raises(CannotRun, match=r"found none called 'no-such-program'; install spondyl\[totalsegmentator\]"):
        TotalSegmentator(FinderSetup(command="no-such-program"))


def test_a_model_file_has_no_meaning(tmp_path: Path) -> None:
    """A setting that would be ignored is refused."""
    with pytest.raises(CannotRun, match=r"finder\.model: expected none"):
        TotalSegmentator(FinderSetup(command="sh", model=tmp_path))


def test_the_command_sees_the_series_and_no_network(tmp_path: Path, task: FinderTask) -> None:
    """It gets a folder of .dcm files, one output file, thoracic and lumbar classes, our options, and dead proxies."""
    seen = tmp_path / "seen.json"
    text = (
        f"#!{sys.executable}\nimport json, os, sys\n"
        "folder = sys.argv[sys.argv.index('-i') + 1]\n"
        "proxies = {name: os.environ.get(name) for name in ('https_proxy', 'HTTPS_PROXY', 'NO_PROXY')}\n"
        f"json.dump([sys.argv[1:], sorted(os.listdir(folder)), proxies], open({str(seen)!r}, 'w')); sys.exit(3)\n"
    )
    with pytest.raises(CommandFailed, match="exit code 3"):
        _finder(tmp_path, text).find(task)
    arguments, files, proxies = json.loads(seen.read_text(encoding="utf-8"))
    subset = arguments[arguments.index("--roi_subset") + 1 : arguments.index("--nr_thr_resamp")]

    assert [f"{number:05}.dcm" for number in range(1, 13)] == files
    assert [
        f"vertebrae_{level}" for level in [*(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 6))]
    ] == subset
    assert "dicom_seg" == arguments[arguments.index("--output_type") + 1]
    assert "--fast" == arguments[-1]
    assert {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": None} == proxies


def test_no_vertebra_in_view_is_no_failure(tmp_path: Path, task: FinderTask) -> None:
    """The command ends with an error where no class has a voxel: nothing was found."""
    text = "#!/bin/sh\necho 'ValueError: No non-empty segments found to save' >&2\nexit 1\n"
    with pytest.raises(NothingFound):
        _finder(tmp_path, text).find(task)


def test_no_axial_series_is_no_failure(tmp_path: Path, task: FinderTask) -> None:
    """The command is not started without a series that it can take."""
    few = FinderTask(study_instance_uid="1.2", images=task.images[:3], scratch=task.scratch)
    with pytest.raises(NoSuitableImage):
        _finder(tmp_path, "#!/bin/sh\nexit 9\n").find(few)
