"""The first thing a newcomer runs."""

import json
import re
import subprocess
from pathlib import Path

import pydicom
import pytest
from nodes import SPONDYL, UNTRACED
from small_study import make_small_studies


def _demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*SPONDYL, "demo", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=180, env=UNTRACED)


def test_the_demo_makes_a_study_and_reports_it(tmp_path: Path) -> None:
    """`spondyl demo` exits 0, prints each vertebra with grade and certainty, and says where each object lies."""
    shown = _demo(tmp_path)

    assert shown.returncode == 0, shown.stderr
    rows = {line.split()[0]: line for line in shown.stdout.splitlines() if line[:3].strip()[:1] in {"T", "L"}}
    assert {"T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5"} <= set(rows)
    assert re.search(r" 3 .* crush ", rows["L1"])
    assert re.search(r" 2 .* anterior wedge ", rows["T12"])
    assert re.search(r"\+1\d\.\d \(outside limits\) +0 ", rows["L4"])
    assert all(re.search(r"\d %", rows[level]) for level in ("T9", "T12", "L1", "L4", "L5"))
    paths = dict(line.split(": ") for line in shown.stdout.splitlines() if line.endswith(".dcm"))
    back = {words: pydicom.dcmread(tmp_path / path) for words, path in paths.items()}
    assert ["report", "overlay", "summary picture"] == list(back)
    assert ("SR", "UNVERIFIED") == (back["report"].Modality, back["report"].VerificationFlag)
    assert 1 == len({each.StudyInstanceUID for each in back.values()})


@pytest.mark.long
def test_the_demo_runs_the_study_of_a_user(tmp_path: Path, test_data: Path) -> None:
    """`spondyl demo FOLDER` measures the study in FOLDER."""
    study = tmp_path / "study"
    study.mkdir()
    for path in [*(test_data / "verse012" / "CT").iterdir(), test_data / "verse012" / "SEG" / "seg.dcm"]:
        (study / path.name).symlink_to(path)

    shown = _demo(tmp_path, str(study))

    assert shown.returncode == 0, shown.stderr
    assert "T11" in shown.stdout


@pytest.mark.long
def test_measure_agrees_with_itself(tmp_path: Path) -> None:
    """The same files, version and configuration give the same bytes."""
    [study] = make_small_studies(tmp_path / "study", 1, name="Phantom^Twice").values()
    command = [*SPONDYL, "measure", str(study), "--json"]
    for run in ("first", "second"):
        done = subprocess.run(
            [*command, "--out", run], cwd=tmp_path, capture_output=True, text=True, check=False, env=UNTRACED
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["schema"] == "spondyl.findings/1"

    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / run).iterdir()} for run in ("first", "second")
    )
    assert {"sr.dcm", "summary.dcm"} <= set(first)
    assert first == second
