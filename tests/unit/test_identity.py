"""The identity of a data set, read from its bytes."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID
from pynetdicom.dsutils import encode

from service.errors import Refused
from service.identity import Identity, is_uid, read_identity

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
DEFLATED, BIG_ENDIAN = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
JPEG = "1.2.840.10008.1.2.4.70"
SYNTAXES = [IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN, JPEG]

EXPECTED = Identity(
    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
    sop_instance_uid="1.2.3.4.5",
    study_instance_uid="1.2.3",
    series_instance_uid="1.2.3.4",
    manufacturer="Spondyl",
    model="Spondyl II",
)
REQUIRED = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]


def sample() -> Dataset:
    """Return a data set with nested sequences before, between and after what is wanted."""
    inner = Dataset()
    inner.StudyInstanceUID = "9.9.9"
    inner.ReferencedSOPInstanceUID = "9.9.9.1"
    outer = Dataset()
    outer.ReferencedSeriesSequence = Sequence([inner, Dataset(), inner])
    outer.SOPInstanceUID = "9.9.8"
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = UID(EXPECTED.sop_class_uid)
    ds.SOPInstanceUID = UID(EXPECTED.sop_instance_uid)
    ds.Manufacturer = EXPECTED.manufacturer
    ds.ManufacturerModelName = EXPECTED.model
    ds.ReferencedStudySequence = Sequence([outer, outer])
    ds.PatientName = "Planted^Name"
    ds.StudyInstanceUID = UID(EXPECTED.study_instance_uid)
    ds.SeriesInstanceUID = UID(EXPECTED.series_instance_uid)
    ds.InstanceNumber = 1
    ds.BitsAllocated = 8
    ds.PixelData = bytes(100)
    return ds


def encoded(ds: Dataset, syntax: str, *, undefined: bool = False) -> bytes:
    """Return the bytes of a data set, sequences of undefined length or not."""
    for element in ds.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = undefined
            for item in element.value:
                item.is_undefined_length_sequence_item = undefined
    uid = UID(syntax)
    data = encode(ds, uid.is_implicit_VR, uid.is_little_endian, uid.is_deflated)
    assert data is not None
    return data


@pytest.mark.parametrize("undefined", [False, True], ids=["defined", "undefined"])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_encoding_is_read(syntax: str, undefined: bool) -> None:
    """Implicit, explicit, deflated, big endian, encapsulated; nested sequences are not mistaken for the top level."""
    assert read_identity(encoded(sample(), syntax, undefined=undefined), syntax) == EXPECTED


def test_a_memoryview_is_read() -> None:
    """Received bytes are not copied."""
    assert read_identity(memoryview(encoded(sample(), EXPLICIT)), EXPLICIT) == EXPECTED


def test_padding_is_no_part_of_a_value() -> None:
    """A UID is padded with NUL (PS3.5 9.1), by some with a space."""
    data = encoded(sample(), EXPLICIT).replace(b"1.2.3.4.5\0", b"1.2.3.4.5 ")
    assert read_identity(data, EXPLICIT).sop_instance_uid == "1.2.3.4.5"


def test_nothing_after_the_series_is_looked_at() -> None:
    """Whatever follows Series Instance UID may be anything: it is stored as it came."""
    data = encoded(sample(), EXPLICIT)
    end = data.index(struct.pack("<HH", 0x0020, 0x0013))
    assert read_identity(data[:end] + b"\xff" * 1000, EXPLICIT) == EXPECTED


def test_implicit_values_of_unknown_sequences_are_stepped_over() -> None:
    """UN of undefined length holds implicit VR, even in an explicit data set (PS3.5 6.2.2, note)."""
    inside = struct.pack("<HHL", 0x0009, 0x1001, 4) + b"abcd"
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF) + inside + struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
    unknown = struct.pack("<HH2sHL", 0x0009, 0x1000, b"UN", 0, 0xFFFFFFFF) + item
    unknown += struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    data = encoded(sample(), EXPLICIT)
    at = data.index(struct.pack("<HH", 0x0010, 0x0010))
    assert read_identity(data[:at] + unknown + data[at:], EXPLICIT) == EXPECTED


def test_depth_has_an_end() -> None:
    """Nested 32 deep, which are 64 sequences and items, is stepped over; deeper is refused."""
    opening = struct.pack("<HH2sHL", 0x0008, 0x1110, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    closing = struct.pack("<HHL", 0xFFFE, 0xE00D, 0) + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    data = encoded(sample(), EXPLICIT)
    at = data.index(struct.pack("<HH", 0x0010, 0x0010))
    assert read_identity(data[:at] + opening * 32 + closing * 32 + data[at:], EXPLICIT) == EXPECTED
    with pytest.raises(Refused, match="nested deeper than 64"):
        read_identity(data[:at] + opening * 33 + closing * 33 + data[at:], EXPLICIT)


def test_so_many_elements_and_no_more_are_looked_at() -> None:
    """90,000 empty items are stepped over, 100,000 are refused, inside a sequence as side by side."""
    opening = struct.pack("<HH2sHL", 0x0008, 0x1110, b"SQ", 0, 0xFFFFFFFF)
    closing, item = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0), struct.pack("<HHL", 0xFFFE, 0xE000, 0)
    data = encoded(sample(), EXPLICIT)
    at = data.index(struct.pack("<HH", 0x0010, 0x0010))
    assert read_identity(data[:at] + opening + item * 90_000 + closing + data[at:], EXPLICIT) == EXPECTED
    for many in (opening + item * 100_000 + closing, struct.pack("<HH2sH", 0x0008, 0x1111, b"LO", 0) * 100_000):
        with pytest.raises(Refused, match="more than 100000 elements"):
            read_identity(data[:at] + many + data[at:], EXPLICIT)


@pytest.mark.parametrize("keyword", REQUIRED)
@pytest.mark.parametrize("how", ["missing", "empty"])
def test_a_missing_uid_is_refused_by_name(keyword: str, how: str) -> None:
    """0xC000, and the comment says which."""
    ds = sample()
    if how == "missing":
        delattr(ds, keyword)
    else:
        setattr(ds, keyword, "")
    with pytest.raises(Refused, match=r"UID is missing$") as refusal:
        read_identity(encoded(ds, EXPLICIT), EXPLICIT)
    assert refusal.value.status == 0xC000
    assert str(refusal.value).replace(" ", "").startswith(keyword)


def test_manufacturer_and_model_may_be_missing() -> None:
    """They are only looked at to know our own reports."""
    ds = sample()
    del ds.Manufacturer, ds.ManufacturerModelName
    found = read_identity(encoded(ds, EXPLICIT), EXPLICIT)
    assert (found.manufacturer, found.model) == ("", "")


@pytest.mark.parametrize("text", ["1", "0", "1.2.3", "2.25.0", "1.0.3", "1." * 31 + "12"])
def test_well_formed_uids(text: str) -> None:
    """PS3.5 9.1."""
    assert is_uid(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "1.",
        ".1",
        "1..2",
        "01.2",
        "1.02",
        "a",
        "1.2.x",
        "../1",
        "1 2",
        "1.2\n",
        "\u0661.\u0662",
        "1." * 32 + "1",
    ],
)
def test_malformed_uids(text: str) -> None:
    """PS3.5 9.1: digits and dots, no leading zero, at most 64 characters."""
    assert not is_uid(text)


@pytest.mark.parametrize(
    "data", [b"", b"\x08", b"\x08\x00\x16\x00", b"\x08\x00\x16\x00UI\xff\xff1.2", b"\xff" * 64, bytes(64)]
)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_no_data_set_is_refused(data: bytes, syntax: str) -> None:
    """Empty, cut off, nonsense."""
    with pytest.raises(Refused):
        read_identity(data, syntax)


def test_another_transfer_syntax_than_announced_is_refused() -> None:
    """Bytes of one encoding under the name of another have no UIDs."""
    with pytest.raises(Refused):
        read_identity(encoded(sample(), IMPLICIT), EXPLICIT)
    with pytest.raises(Refused):
        read_identity(encoded(sample(), EXPLICIT), BIG_ENDIAN)
    with pytest.raises(Refused):
        read_identity(encoded(sample(), EXPLICIT), DEFLATED)


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=300), syntax=st.sampled_from(SYNTAXES))
def test_random_bytes_are_refused_and_nothing_else(data: bytes, syntax: str) -> None:
    """Whatever comes, the answer is Refused: no other exception, no endless loop."""
    with pytest.raises(Refused):
        read_identity(data, syntax)


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 250), byte=st.integers(0, 255), syntax=st.sampled_from(SYNTAXES))
def test_a_damaged_data_set_is_read_or_refused(at: int, byte: int, syntax: str) -> None:
    """One byte changed: well-formed UIDs, or Refused."""
    data = bytearray(encoded(sample(), syntax))
    data[at % len(data)] = byte
    try:
        found = read_identity(bytes(data), syntax)
    except Refused:
        return
    assert all(is_uid(uid) for uid in (found.study_instance_uid, found.series_instance_uid, found.sop_instance_uid))
