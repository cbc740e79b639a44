"""Every real object that is no spine study, through `spondyl measure`: a coded reason or a clear refusal each."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from typer.testing import CliRunner, Result

from service.errors import SpondylError
from workers.cli import app
from workers.inputs import NotOneStudy, read_inputs
from workers.pipeline import StudyReason

#: Columns and rows of the six points of an upright body of 24 x 20 pixels, anterior on the left.
POINTS = {"AS": [20, 20], "MS": [32, 20], "PS": [44, 20], "AI": [20, 40], "MI": [32, 40], "PI": [44, 40]}
#: Attributes that give a pixel a size (PS3.3 10.7); without all of them nothing is known in mm.
SIZES = ("PixelSpacing", "ImagerPixelSpacing")


@pytest.fixture(scope="module")
def objects(test_data: Path) -> list[Path]:
    """Return every file of the collection, DICOM or not."""
    return sorted(path for path in (test_data / "dicom").rglob("*") if path.is_file())


def run(*words: str) -> Result:
    """Run `spondyl measure`; a bug is raised, not swallowed."""
    result = CliRunner().invoke(app, ["measure", *words, "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit | SpondylError):
        raise result.exception
    return result


def test_an_object_without_a_spine_has_a_coded_reason_or_a_refusal(objects: list[Path]) -> None:
    """No object of the collection gives a number: its study has a coded reason, or the caller is told what is wrong."""
    for path in objects:
        result = run(str(path))
        assert result.exit_code == 1, path.name
        if result.stdout:
            findings = json.loads(result.stdout)
            assert findings["reason"] in set(StudyReason), path.name
            assert [v["level"] for v in findings["vertebrae"] if v["status"] == "measured"] == [], path.name
        else:
            assert "who must act: " in result.stderr, path.name


def test_points_on_an_odd_image_never_get_invented_millimetres(objects: list[Path], tmp_path: Path) -> None:
    """Six points on each image: refused in words, or measured, in mm only where the image gives a pixel's size."""
    measured = 0
    for path in objects:
        image = header(path)
        if image is None:
            continue
        result = run(str(path), "--landmarks", str(document(image, tmp_path)))
        if not result.stdout:
            assert "expected" in result.stderr, path.name
            continue
        (vertebra,) = json.loads(result.stdout)["vertebrae"]
        assert (vertebra["status"] == "measured") != bool(vertebra["reason"]), path.name
        if any(vertebra["heights_mm"].values()):
            assert any(element.keyword in SIZES for element in image.iterall()), path.name
        measured += vertebra["status"] == "measured"
    assert measured > 0


def header(path: Path) -> Dataset | None:
    """Return the header of an image that can hold the points, None for anything else."""
    try:
        (found,) = read_inputs([path]).headers
    except NotOneStudy:
        return None
    small = min(found.get("Rows") or 0, found.get("Columns") or 0) <= max(map(max, POINTS.values()))
    return None if small else found


def document(image: Dataset, folder: Path) -> Path:
    """Write six points of L3 on an image."""
    path = folder / "landmarks.json"
    content: dict[str, Any] = {
        "schema": "spondyl.landmarks/1",
        "study_instance_uid": image.StudyInstanceUID,
        "sop_instance_uid": image.SOPInstanceUID,
        "frame": None,
        "space": "image",
        "source": "manual",
        "vertebrae": [{"level": "L3", "points": POINTS}],
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
