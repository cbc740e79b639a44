"""What a folder of the spool is of, read from the bytes: the ledger may never have heard of it.

Read by the same code that read the object when it came, so whatever was accepted once is read again.
"""

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from service.errors import Refused
from service.identity import read_identity
from service.spool import study_key

#: What says who an object is stands before its pixels; no more of a file is read, bytes.
_BEGINNING: Final = 16 * 1024 * 1024
#: PS3.10 7.1: preamble, prefix, and (0002,0000), the length of what follows of the File Meta Information.
_START: Final = struct.Struct("<128x 4s 8s L")
_EXPECTED: Final = (b"DICM", b"\x02\x00\x00\x00UL\x04\x00")
_LENGTH: Final = struct.Struct("<H")
#: Tag and VR of the Transfer Syntax UID (0002,0010); its length follows in 16 bits.
_TRANSFER_SYNTAX: Final = b"\x02\x00\x10\x00UI"


def study_instance_uid(files: Iterable[Path], key: str) -> str | None:
    """Return the Study Instance UID (0020,000D) of the first file that gives one which belongs to the folder `key`.

    None where none does: unreadable, not DICOM, or not of this study.
    """
    for path in files:
        try:
            found = _study_of(path)
        except (OSError, Refused):
            continue
        if study_key(found) == key:
            return found
    return None


def _study_of(path: Path) -> str:
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING)
    syntax, start = where_data_begins(beginning)
    return read_identity(beginning[start:], syntax).study_instance_uid


def where_data_begins(file: bytes | memoryview) -> tuple[str, int]:
    """Return the transfer syntax of a DICOM file (PS3.10 7.1) and where its data set begins; Refused where none is."""
    *start, length = _START.unpack_from(file) if len(file) >= _START.size else (0,)
    if tuple(start) != _EXPECTED:
        raise Refused("not a DICOM file")
    end = _START.size + min(length, _BEGINNING)
    return _transfer_syntax(bytes(file[_START.size : end])), end


def _transfer_syntax(meta: bytes) -> str:
    _, found, value = meta.partition(_TRANSFER_SYNTAX)
    if not found:
        raise Refused("Transfer Syntax UID is missing")
    if len(value) < _LENGTH.size:
        raise Refused("Transfer Syntax UID is cut off")
    (length,) = _LENGTH.unpack_from(value)
    return value[2 : 2 + length].decode("ascii", "replace").strip("\0 ")
