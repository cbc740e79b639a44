"""Which study a folder of the spool is of."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from service.spool import study_key
from service.spool_scan import study_instance_uid

KEY = study_key("1.2.3")


def write(path: Path, uid: str = "1.2.3", syntax: UID = ExplicitVRLittleEndian) -> Path:
    """Write a small object of a study."""
    data = Dataset()
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    data.SOPInstanceUID = "1.2.3.4.5"
    data.StudyInstanceUID = uid
    data.SeriesInstanceUID = "1.2.3.4"
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    dcmwrite(path, data, enforce_file_format=True)
    return path


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_the_study_is_read_from_the_bytes(tmp_path: Path, syntax: UID) -> None:
    """The UID of the first readable file, in whatever transfer syntax it came."""
    assert "1.2.3" == study_instance_uid([write(tmp_path / "a.dcm", syntax=syntax)], KEY)


def test_files_that_tell_nothing_are_passed_over(tmp_path: Path) -> None:
    """Gone, empty, not DICOM, cut off, of another study: the next file is asked."""
    whole = write(tmp_path / "whole.dcm")
    (tmp_path / "empty.dcm").touch()
    (tmp_path / "text.dcm").write_text("no DICOM " * 100)
    (tmp_path / "cut.dcm").write_bytes(whole.read_bytes()[:200])
    other = write(tmp_path / "other.dcm", "9.9.9")
    bad = [tmp_path / "gone.dcm", tmp_path / "empty.dcm", tmp_path / "text.dcm", tmp_path / "cut.dcm", other]

    assert study_instance_uid(bad, KEY) is None
    assert "1.2.3" == study_instance_uid([*bad, whole], KEY)


def test_a_header_without_transfer_syntax_is_not_guessed_at(tmp_path: Path) -> None:
    """A file that does not say how it is encoded tells nothing, however whole the rest is."""
    whole = write(tmp_path / "whole.dcm").read_bytes()
    (tmp_path / "bare.dcm").write_bytes(whole.replace(b"\x02\x00\x10\x00UI", b"\x02\x00\x11\x00UI"))

    assert study_instance_uid([tmp_path / "bare.dcm"], KEY) is None


def test_an_empty_folder_is_of_no_study() -> None:
    """Without files there is nothing to read."""
    assert study_instance_uid([], KEY) is None


@given(content=st.binary(max_size=400), cut=st.integers(0, 400))
@settings(max_examples=200, deadline=None)
def test_no_bytes_bring_the_scan_down(tmp_path_factory: pytest.TempPathFactory, content: bytes, cut: int) -> None:
    """Whatever a file holds behind a plausible beginning, the scan says None or the UID."""
    folder = tmp_path_factory.mktemp("scan")
    path = write(folder / "a.dcm")
    path.write_bytes(path.read_bytes()[:cut] + content)

    assert study_instance_uid([path], KEY) in {None, "1.2.3"}
