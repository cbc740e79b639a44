"""A structured report as lines to be read."""

from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from report_samples import report_bytes

from service import report_text
from service.errors import Unknown
from service.report_text import Line


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _all(line: Line) -> list[Line]:
    return [line, *(below for each in line.lines for below in _all(each))]


def _item(kind: str, **values: object) -> Dataset:
    item = Dataset()
    item.ValueType, item.RelationshipType = kind, "CONTAINS"
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _report(path: Path, *items: Dataset) -> Path:
    made = _item("CONTAINER", ContentSequence=list(items), SOPInstanceUID="1.2", SOPClassUID="1.2.3")
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.save_as(path, enforce_file_format=True)
    return path


def test_every_content_item_is_a_line(tmp_path: Path) -> None:
    """A number with its unit, a code in words, a reference by its UID, coordinates rounded; nothing is left out."""
    text = report_text.read(_written(tmp_path / "sr.dcm", report_bytes("patient")))
    lines = _all(text.root)
    said = {(line.name, line.value) for line in lines}

    assert {
        ("Anterior vertebral body height", "24.0 mm"),
        ("Wedge ratio, anterior to posterior height", "0.96"),
        ("Finding Site", "T12 vertebra"),
        ("Source", "1.2.826.0.1.3680043.10.999.1.2.1"),
        ("Source", "polyline 1.0, -17.0, 12.0, 1.0, -17.0, -12.0"),
        ("Imaging Measurements", ""),
    } <= said
    assert [] == [line for line in lines if not line.value and line.kind != "CONTAINER"]


def test_the_head_names_the_patient(tmp_path: Path) -> None:
    """Name as it is spoken, identifiers, and the flags that say how far the report can be trusted."""
    head = dict(report_text.read(_written(tmp_path / "sr.dcm", report_bytes("image"))).head)

    assert ("Müller, Jörg", "P-4711", "UNVERIFIED", "PRELIMINARY") == (
        head["Patient's name"],
        head["Patient ID"],
        head["Verification"],
        head["Preliminary"],
    )


def test_a_line_of_every_kind_can_be_empty(tmp_path: Path) -> None:
    """An item without its value is a line without one, never a failure."""
    kinds = (
        "CODE",
        "NUM",
        "TEXT",
        "UIDREF",
        "PNAME",
        "DATE",
        "TIME",
        "DATETIME",
        "IMAGE",
        "COMPOSITE",
        "SCOORD",
        "ODD",
    )
    text = report_text.read(_report(tmp_path / "sr.dcm", *(_item(kind) for kind in kinds)))

    assert list(kinds) == [line.kind for line in text.root.lines]


def test_a_tree_without_end_is_cut(tmp_path: Path) -> None:
    """Below the deepest level that is shown nothing is read: no document can exhaust the stack of the page."""
    item = _item("TEXT", TextValue="lowest")
    for _ in range(60):
        item = _item("CONTAINER", ContentSequence=[item])

    assert "lowest" not in {line.value for line in _all(report_text.read(_report(tmp_path / "sr.dcm", item)).root)}


def test_what_is_no_report_is_said(tmp_path: Path) -> None:
    """A file that is gone, no DICOM, or without content: Unknown, in words."""
    for path in (tmp_path / "gone.dcm", _written(tmp_path / "no.dcm", b"text"), _report(tmp_path / "empty.dcm")):
        if path.name == "empty.dcm":
            _without_content(path)
        with pytest.raises(Unknown):
            report_text.read(path)


def _without_content(path: Path) -> None:
    found = pydicom.dcmread(path)
    del found.ContentSequence
    found.save_as(path)
