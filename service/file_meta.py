"""Preamble, prefix and File Meta Information (PS3.10 7.1) of an object as it was received.

Written by hand: it stands in front of every object that comes, and pydicom takes as long for it as the disk.
"""

import struct
from typing import Final

from service import peer
from service.receiving import Announced

_PREAMBLE: Final = bytes(128) + b"DICM"


def file_meta(announced: Announced) -> bytes:
    """Return the bytes in front of the data set of an object whose announced UIDs are well-formed."""
    elements = (
        # Of VR OB, whose length takes 32 bits (PS3.5 7.1.2): File Meta Information Version.
        struct.pack("<HH2sHL", 0x0002, 0x0001, b"OB", 0, 2) + b"\0\1",
        _element(0x0002, b"UI", announced.sop_class_uid),
        _element(0x0003, b"UI", announced.sop_instance_uid),
        _element(0x0010, b"UI", announced.transfer_syntax),
        _element(0x0012, b"UI", peer.IMPLEMENTATION_CLASS_UID),
        _element(0x0013, b"SH", peer.IMPLEMENTATION_VERSION_NAME),
    )
    group = b"".join(elements)
    return _PREAMBLE + struct.pack("<HH2sHL", 0x0002, 0x0000, b"UL", 4, len(group)) + group


def _element(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii")
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", 0x0002, element, vr, len(value)) + value
