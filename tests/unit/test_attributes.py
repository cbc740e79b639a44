"""Attributes of stored objects: what pydicom reads too, from files that would stop its parser as well."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from service.attributes import attributes, attributes_of_file
from service.errors import Refused


def tag(keyword: str) -> int:
    """Return the tag of a keyword."""
    return int(tag_for_keyword(keyword) or 0)


def file_of(ds: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """Return a DICOM file."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = UID("2.25.7")
    out = BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


def said(ds: Dataset, *keywords: str, syntax: str = ExplicitVRLittleEndian) -> list[tuple[str, ...] | None]:
    """Return what an object says of attributes, None of what is not there."""
    found = attributes(file_of(ds, syntax), {tag(word) for word in keywords})
    return [found.get(tag(word)) for word in keywords]


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
    ids=lambda uid: uid.name,
)
def test_values_are_read_from_every_encoding(syntax: str) -> None:
    """Texts, several values, numbers in text and binary, behind sequences, in whatever way the data set is encoded."""
    inner = Dataset()
    inner.StudyDescription = "not at the top"
    ds = Dataset()
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.StudyDescription = "CT Spine "
    ds.ReferencedStudySequence = [inner]
    ds.SliceThickness = "2.50"
    ds.Rows = 512
    ds.ReconstructionTargetCenterPatient = [1.5, -2.0, 0.0]

    found = said(
        ds,
        "ImageType",
        "StudyDescription",
        "SliceThickness",
        "Rows",
        "ReconstructionTargetCenterPatient",
        "Modality",
        syntax=syntax,
    )

    assert [("ORIGINAL", "PRIMARY"), ("CT Spine",), ("2.50",), ("512",), ("1.5", "-2", "0"), None] == found


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小東"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        ("GB18030", "Wang^小东"),
    ],
)
def test_names_are_read_in_their_character_set(character_set: str | list[str], name: str) -> None:
    """As pydicom reads them (PS3.5 6.1)."""
    ds = Dataset()
    ds.SpecificCharacterSet = character_set
    ds.PatientName = name

    assert [(str(dcmread(BytesIO(file_of(ds))).PatientName),)] == said(ds, "PatientName") == [(name,)]


@pytest.mark.parametrize("character_set", ["NO_SUCH_SET", "ISO_IR 192\\utf-16\\idna"])
def test_a_character_set_that_nobody_defined_stops_nothing(character_set: str) -> None:
    """What cannot be read is read as ASCII: the other attributes are there."""
    ds = Dataset()
    ds.Modality = "CT"
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.StudyDescription = "Wirbelsäule"
    words = "ISO_IR 100", character_set
    # Both of even length, so that nothing else in the file moves but the length of this value.
    old, new = (word.encode() + b" " * (len(word) % 2) for word in words)
    file = file_of(ds).replace(b"CS" + struct.pack("<H", len(old)) + old, b"CS" + struct.pack("<H", len(new)) + new, 1)

    found = attributes(file, {tag("Modality"), tag("StudyDescription")})

    assert ("CT",) == found[tag("Modality")]
    assert found[tag("StudyDescription")][0].startswith("Wirbels")


def test_of_a_file_that_ends_early_what_came_before_is_read(tmp_path: Path) -> None:
    """Truncated in the middle of an element: no exception, wherever it ends."""
    ds = Dataset()
    ds.Modality = "CT"
    ds.StudyDescription = "CT Spine"
    whole = file_of(ds)
    path = tmp_path / "cut.dcm"
    for length in range(0, len(whole), 5):
        path.write_bytes(whole[:length])
        attributes_of_file(path, {tag("StudyDescription")})
    path.write_bytes(whole[:-4])

    assert {tag("Modality"): ("CT",)} == attributes_of_file(path, {tag("Modality"), tag("StudyDescription")})


def test_what_is_no_dicom_file_is_said_or_says_nothing(tmp_path: Path) -> None:
    """Bytes are refused; a file of the spool that is none says nothing, which matches what asks for nothing."""
    path = tmp_path / "text.dcm"
    path.write_text("no DICOM file" * 20, encoding="ascii")

    with pytest.raises(Refused):
        attributes(path.read_bytes(), {tag("Modality")})
    assert {} == attributes_of_file(path, {tag("Modality")})


def test_a_data_set_nested_or_inflated_without_end_costs_little() -> None:
    """A hundred thousand sequences in each other, and more zeros deflated than are ever inflated: no exception."""
    ds = Dataset()
    ds.Modality = "CT"
    head = file_of(ds)
    opened = struct.pack("<HH2sHL", 0x0008, 0x1110, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    nested = head + opened * 100_000
    deflated = file_of(Dataset(), DeflatedExplicitVRLittleEndian)
    shrink = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = b"".join(shrink.compress(bytes(1_000_000)) for _ in range(40)) + shrink.flush()

    assert {tag("Modality"): ("CT",)} == attributes(nested, {tag("Modality"), tag("StudyDescription")})
    assert {} == attributes(deflated + bomb, {tag("Modality")})


def test_a_value_longer_than_it_may_be_is_cut() -> None:
    """A description of gigabytes must not become text: its beginning is looked at."""
    ds = Dataset()
    ds.StudyDescription = "x"
    body = struct.pack("<HH2sH L", 0x0008, 0x1030, b"UN", 0, 60_000_000) + bytes(60_000_000)
    found = attributes(file_of(Dataset()) + body, {tag("StudyDescription"), tag("Modality")})

    assert len(found.get(tag("StudyDescription"), ("",))[0]) <= 4096
