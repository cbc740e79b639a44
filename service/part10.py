"""A DICOM file that is read from a stream (PS3.10 7.1): what its File Meta Information announces, then its data."""

import struct
from collections.abc import Iterator
from typing import Final

from service.errors import Refused
from service.receiving import Announced

#: Preamble and prefix.
_START: Final = 132
_PREFIX: Final = b"DICM"
#: All of the File Meta Information stands in so much, bytes: private information of a maker, too.
_BEGINNING: Final = 64 * 1024
_META_GROUP: Final = 0x0002
#: VRs whose length takes 32 bits (PS3.5 7.1.2); File Meta Information is Explicit VR Little Endian.
_LONG: Final = frozenset(b"OB OW OF OD OL OV SQ UC UN UR UT SV UV".split())
_SOP_CLASS: Final = 0x0002
_SOP_INSTANCE: Final = 0x0003
_TRANSFER_SYNTAX: Final = 0x0010


def split(blocks: Iterator[memoryview]) -> tuple[Announced, Iterator[memoryview]]:
    """Return what a file announces, and the blocks of its data set; Refused (0xC000) where it is no DICOM file."""
    beginning = bytearray()
    for block in blocks:
        beginning += block
        if len(beginning) >= _BEGINNING:
            break
    found, end = _meta(bytes(beginning))
    announced = Announced(
        sop_class_uid=found.get(_SOP_CLASS, ""),
        sop_instance_uid=found.get(_SOP_INSTANCE, ""),
        abstract_syntax=found.get(_SOP_CLASS, ""),
        transfer_syntax=found.get(_TRANSFER_SYNTAX, ""),
    )
    return announced, _joined(memoryview(beginning)[end:], blocks)


def _joined(first: memoryview, others: Iterator[memoryview]) -> Iterator[memoryview]:
    if first:
        yield first
    # Not `yield from`: that closes the others with this, and who passes over the rest of the part would find none.
    for each in others:  # noqa: UP028 - as said
        yield each


def _meta(file: bytes) -> tuple[dict[int, str], int]:
    """Return the elements of the File Meta Information as text, and where the data set begins."""
    if file[_START - len(_PREFIX) : _START] != _PREFIX:
        raise Refused("it is no DICOM file: no prefix DICM")
    found: dict[int, str] = {}
    at = _START
    while at < len(file):
        try:
            group, element, vr, length = struct.unpack_from("<HH2sH", file, at)
            if group != _META_GROUP:
                break
            if vr in _LONG:
                (length,) = struct.unpack_from("<L", file, at + 8)
                at += 4
        except struct.error:
            raise Refused("its File Meta Information is cut off") from None
        at += 8
        if at + length > len(file):
            raise Refused("its File Meta Information is cut off, or too long")
        found[element] = file[at : at + length].decode("ascii", "replace").strip("\0 ")
        at += length
    return found, at
