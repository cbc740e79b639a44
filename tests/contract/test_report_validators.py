"""Every kind of report under the eyes of validators that others wrote; none may find an error."""

import subprocess
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from report_cases import CASES, report_bytes
from servers import pixelmed, program


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Return the file of each report, by the name of its case."""
    folder = tmp_path_factory.mktemp("reports")
    found = {name: folder / f"{name}.dcm" for name in CASES}
    for name, path in found.items():
        path.write_bytes(report_bytes(name))
    return found


@pytest.fixture(scope="module")
def validated(files: Mapping[str, Path]) -> Mapping[str, list[str]]:
    """Return what PixelMed says of each report: all of them in one Java, since its start is most of the time."""
    said = pixelmed(list(files.values()))
    return {name: said[path] for name, path in files.items()}


@pytest.mark.parametrize("name", CASES)
def test_dciodvfy_finds_no_error(name: str, files: Mapping[str, Path]) -> None:
    """The object keeps to its IOD (PS3.3): dciodvfy takes it for the SOP class that it names, and finds no error."""
    done = subprocess.run([program("dciodvfy"), str(files[name])], capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines()

    kinds = {"3d": "Comprehensive3DSR", "comprehensive": "ComprehensiveSR", "enhanced": "EnhancedSR"}
    expected = [kind for suffix, kind in kinds.items() if name.endswith(suffix)]
    assert expected in ([], [said[0]])
    assert [line for line in said if line.startswith("Error")] == []


@pytest.mark.parametrize("name", CASES)
def test_pixelmed_finds_no_error(name: str, validated: Mapping[str, list[str]]) -> None:
    """The content keeps to its templates, as the IHE Connectathon asks: TID 1500, 1501, 300, 1600, 1004, 4019."""
    said = validated[name]

    assert "Found Root Template TID_1500 (MeasurementReport)" in said
    assert "Root Template Validation Complete" in said
    assert [line for line in said if line.startswith("Error")] == []


@pytest.mark.parametrize("name", CASES)
def test_dcmtk_reads_the_tree(name: str, files: Mapping[str, Path]) -> None:
    """Relationships and value types are those that the IOD allows, which dcmtk checks while it reads."""
    done = subprocess.run([program("dsrdump"), str(files[name])], capture_output=True, check=False)

    assert done.returncode == 0
    assert b"E:" not in done.stderr
    assert b"UNVERIFIED" in done.stdout


@pytest.mark.parametrize("name", CASES)
def test_the_file_is_a_part_10_file(name: str) -> None:
    """Pydicom reads the bytes without being forced to, and finds the file meta of the same object."""
    made = dcmread(BytesIO(report_bytes(name)))

    assert made.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID
    assert made.file_meta.MediaStorageSOPClassUID == made.SOPClassUID
