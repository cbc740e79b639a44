"""A rejection note under the eyes of validators that others wrote; none may find an error."""

import subprocess
from pathlib import Path

from rejections import rejection_note
from servers import pixelmed, program

from sr_templates.document import to_bytes


def test_no_validator_finds_an_error(tmp_path: Path) -> None:
    """Dciodvfy and PixelMed know it as a Key Object Selection of TID 2010; dcmtk reads the tree."""
    file = tmp_path / "note.dcm"
    file.write_bytes(to_bytes(rejection_note(why="wrong level")))

    looked = subprocess.run([program("dciodvfy"), str(file)], capture_output=True, text=True, check=False)
    said = (looked.stdout + looked.stderr).splitlines()
    assert "KeyObjectSelectionDocument" in said
    assert [] == [line for line in said if line.startswith("Error")]

    told = pixelmed([file])[file]
    assert "Found Root Template TID_2010 (KeyObjectSelection)" in told
    assert [] == [line for line in told if line.startswith("Error")]

    read = subprocess.run([program("dsrdump"), str(file)], capture_output=True, check=False)
    assert (0, True, True) == (
        read.returncode,
        b"E:" not in read.stderr,
        b"Rejected for Quality Reasons" in read.stdout,
    )
