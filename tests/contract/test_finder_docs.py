"""docs/finders.md: its example is a finder that runs, its description of a network is one, its settings are valid."""

import json
import re
from pathlib import Path

import pytest
from finder_sites import executable, install, settings
from pydicom import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from report_samples import dx_lateral

from service.config import load
from sr_templates.findings import LandmarkSource
from workers.finders.keypoints.description import read_description
from workers.pipeline import measure_files

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "finders.md").read_text(encoding="utf-8")
#: Pixels of 0.2 mm: Ha = 24, Hp = 25, 34 deep.
POINTS = {"AS": [300.0, 440.0], "PS": [470.0, 437.5], "AI": [300.0, 560.0], "PI": [470.0, 562.5]}


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_example_is_a_finder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands, installed as it says, the example places the points that its program prints."""
    (code,) = _blocks("python")
    entry = re.search(r'^spine-points = "(.+)"$', PAGE, re.MULTILINE)
    assert entry
    (tmp_path / "spine_points.py").write_text(code, encoding="utf-8")
    install(tmp_path, monkeypatch, {"spine-points": entry[1]}, tmp_path)
    printed = json.dumps({"version": "4", "vertebrae": [{"level": "L1", "points": POINTS}]})
    film = dx_lateral()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    with executable(tmp_path / "program", f"#!/bin/sh\necho '{printed}'\n") as program:
        finder = settings(tmp_path, name="spine-points", command=str(program))
        findings = measure_files([tmp_path / "film.dcm"], settings=finder).findings

    (l1,) = findings.vertebrae
    assert LandmarkSource.MODEL is l1.landmark_source
    assert l1.measured
    assert 24 / 25 == pytest.approx(l1.measured.wedge_ratio)
    assert "finder spine-points: spine-points 4" == findings.landmark_protocol


def test_the_description_is_one(tmp_path: Path) -> None:
    """The description of a network on the page keeps to the format."""
    (text,) = [block for block in _blocks("toml") if "spondyl.keypoints/1" in block]
    path = tmp_path / "model.toml"
    path.write_text(text, encoding="utf-8")

    assert ("LatSpine", (512, 1024)) == (
        (found := read_description(path)).model.name,
        (found.input.width, found.input.height),
    )


def test_the_settings_are_valid(tmp_path: Path) -> None:
    """Every block of settings on the page is a configuration that loads."""
    blocks = [block for block in _blocks("toml") if block.startswith("[finder]")]
    names = []
    for number, block in enumerate(blocks):
        file = tmp_path / f"{number}.toml"
        file.write_text(block, encoding="utf-8")
        names.append(load(file, {}).finder.name)

    assert ["totalsegmentator"] * 2 == names
