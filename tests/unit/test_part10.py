"""DICOM files that are read from a stream."""

from collections.abc import Iterator
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from stowing import CT, a_file

from service.errors import Refused
from service.part10 import split
from service.receiving import Announced

FILE = a_file(SOPInstanceUID="1.2.3")
EXPLICIT = "1.2.840.10008.1.2.1"


def blocks(file: bytes, size: int) -> Iterator[memoryview]:
    """Cut a file into blocks."""
    return (memoryview(file)[start : start + size] for start in range(0, len(file), size))


def data_of(file: bytes) -> bytes:
    """Return the data set, where pydicom finds its beginning."""
    return file[144 + dcmread(BytesIO(file)).file_meta.FileMetaInformationGroupLength :]


@given(size=st.integers(1, 2000))
def test_what_it_announces_and_its_data_however_it_is_cut(size: int) -> None:
    """SOP class and instance and transfer syntax by the File Meta Information, the data set byte for byte."""
    announced, data = split(blocks(FILE, size))
    expected = Announced(sop_class_uid=CT, sop_instance_uid="1.2.3", abstract_syntax=CT, transfer_syntax=EXPLICIT)
    assert expected == announced
    assert data_of(FILE) == b"".join(map(bytes, data))


def test_a_large_object_is_given_on_in_blocks() -> None:
    """Beyond the first 64 kB nothing is put together."""
    file = a_file(size=1_000_000)
    _, data = split(blocks(file, 50_000))
    sizes = [len(block) for block in data]
    assert len(data_of(file)) == sum(sizes)
    assert max(sizes) <= 100_000


def test_a_file_without_group_length_is_read() -> None:
    """Some writers leave (0002,0000) out: the group ends where another begins."""
    without = FILE[:132] + FILE[144:]
    announced, data = split(blocks(without, 4096))
    assert "1.2.3" == announced.sop_instance_uid
    assert data_of(FILE) == b"".join(map(bytes, data))


@given(end=st.integers(0, 143 + 190), garbage=st.binary(max_size=50))
def test_what_is_no_file_is_refused(end: int, garbage: bytes) -> None:
    """Cut off or followed by anything: refused, or read as far as it makes sense; never another error."""
    try:
        split(blocks(FILE[:end] + garbage, 64))
    except Refused:
        return
    assert end >= 132


@pytest.mark.parametrize("file", [b"", b"DICM", bytes(200), FILE[128:], FILE[:150]])
def test_a_stream_that_is_no_file_says_so(file: bytes) -> None:
    """No prefix at its place, or cut off within."""
    with pytest.raises(Refused, match=r"DICM|cut off"):
        split(blocks(file, 64))
