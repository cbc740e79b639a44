"""Our reports under the eyes of programs that others wrote."""

import json
import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from highdicom.sr import MeasurementReport, srread
from pydicom import dcmread
from report_samples import Sample, report_bytes
from servers import pixelmed, program

SAMPLES: tuple[Sample, ...] = ("patient", "image", "uncalibrated")
LEVELS = ["T12 vertebra", "L1 vertebra", "L6 vertebra"]


@pytest.fixture(params=SAMPLES)
def report_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the file of each sample in turn."""
    path = tmp_path / f"{request.param}.dcm"
    path.write_bytes(report_bytes(request.param))
    return path


def _run(*command: str) -> str:
    """Return what a program says on either stream."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    return done.stdout + done.stderr


def test_dciodvfy_finds_no_error(report_file: Path) -> None:
    """The object keeps to its IOD (PS3.3); private codes are the only ones that dciodvfy does not know."""
    said = _run(program("dciodvfy"), str(report_file)).splitlines()

    assert said[0].startswith("Comprehensive")
    assert [line for line in said if line.startswith("Error")] == []


@pytest.mark.parametrize("sample", ["patient", "image"])
def test_pixelmed_finds_no_error(sample: Sample, tmp_path: Path) -> None:
    """The content keeps to its templates, as the IHE Connectathon asks: TID 1500, 1501, 300, 1600, 1004, 4019."""
    path = tmp_path / "report.dcm"
    path.write_bytes(report_bytes(sample))
    said = pixelmed(path)

    assert "Root Template Validation Complete" in said
    assert [line for line in said if line.startswith("Error")] == []


def test_dcmtk_reads_the_tree(report_file: Path) -> None:
    """Relationships and value types are those that the IOD allows, which dcmtk checks while it reads."""
    done = subprocess.run([program("dsrdump"), str(report_file)], capture_output=True, check=False)
    said = done.stdout.decode("utf-8")

    assert done.returncode == 0
    assert b"E:" not in done.stderr
    assert "UNVERIFIED" in said
    assert said.count('"Measurement Group"') == len(LEVELS)


def test_dcmqi_reads_every_group(report_file: Path, tmp_path: Path) -> None:
    """What 3D Slicer reads TID 1500 with finds every vertebra, by name and code, with its measurements in order."""
    metadata = tmp_path / "metadata.json"
    _run(program("tid1500reader"), "--inputDICOM", str(report_file), "--outputMetadata", str(metadata))
    groups = json.loads(metadata.read_text(encoding="utf-8"))["Measurements"]

    assert [group["TrackingIdentifier"] for group in groups] == LEVELS
    assert [group["FindingSite"]["CodeMeaning"] for group in groups] == LEVELS
    first = [item["quantity"]["CodeMeaning"] for item in groups[0]["measurementItems"]]
    assert first == [item["quantity"]["CodeMeaning"] for item in groups[2]["measurementItems"]]
    assert "Greatest vertebral body height loss" in first[:5]


def test_highdicom_reads_back_what_it_wrote(report_file: Path) -> None:
    """The strictest reader of TID 1500 takes our hand-made parts for the templates they are."""
    content = srread(report_file).content
    assert isinstance(content, MeasurementReport)
    groups = content.get_image_measurement_groups()

    assert [group.tracking_identifier for group in groups] == LEVELS
    assert [group.finding_sites[0].value.meaning for group in groups] == LEVELS
    # L1 has no vertebra below; without spacing three heights and three expected heights are missing; on an image the
    # sampling is not known.
    full = {"uncalibrated": 16, "image": 22, "patient": 23}[report_file.stem]
    assert [len(group.get_measurements()) for group in groups] == [full, full - 1, full]


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_file_is_a_part_10_file(sample: Sample) -> None:
    """Pydicom reads the bytes without being forced to, and finds the file meta of the same object."""
    made = dcmread(BytesIO(report_bytes(sample)))

    assert made.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID
    assert made.file_meta.MediaStorageSOPClassUID == made.SOPClassUID
