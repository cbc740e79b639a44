"""Attributes of a stored object, as text, for rules to look at: read from its bytes, without pydicom's parser.

That parser goes as deep as a data set is nested and inflates as much as there is; this one runs in the listener, which
must outlive whatever it was sent. Top-level attributes only; what cannot be read is not there.
"""

import contextlib
import mmap
import struct
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from pydicom.charset import STAND_ALONE_ENCODINGS, convert_encodings, decode_bytes, python_encoding
from pydicom.datadict import dictionary_VR
from pydicom.valuerep import TEXT_VR_DELIMS

from service.elements import Elements, byte_order
from service.errors import Refused
from service.spool_scan import where_data_begins

CHARACTER_SET: Final = 0x0008_0005
SOP_CLASS_UID: Final = 0x0008_0016
STUDY_INSTANCE_UID: Final = 0x0020_000D
#: PS3.5 6.1.2.5: begins a change of the character set inside a value.
_ESCAPE: Final = b"\x1b"
#: So much of a value is looked at, bytes.
_LONGEST: Final = 4096
#: PS3.5 6.1.2.3: representations that Specific Character Set (0008,0005) governs.
_WITH_CHARACTER_SET: Final = frozenset({"LO", "PN", "SH", "ST"})
#: PS3.5 6.2: one value, in which a backslash is a character.
_ONE_VALUE: Final = frozenset({"ST"})
#: Binary numbers, as `struct` writes them.
_BINARY: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "SV": "q", "UV": "Q"}
_SIZES: Final = {vr: struct.calcsize(f"={letter}") for vr, letter in _BINARY.items()}

#: The values of each attribute that has any, by tag.
Attributes = Mapping[int, tuple[str, ...]]


def attributes_of_file(path: Path, wanted: Collection[int]) -> Attributes:
    """Return what a DICOM file says of `wanted`; of one that cannot be read, what came before. Raises OSError."""
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as content,
        ):
            return attributes(content, wanted)
    except (Refused, ValueError):
        return {}  # an empty file cannot be mapped


def attributes(file: bytes | memoryview, wanted: Collection[int]) -> Attributes:
    """Return what the bytes of a DICOM file say of `wanted`; Refused where they are none."""
    syntax, start = where_data_begins(file)
    every = {*wanted, CHARACTER_SET}
    found: dict[int, bytes] = {}
    with contextlib.suppress(struct.error, zlib.error, Refused):
        # What came before a fault stays.
        found.update(Elements(memoryview(file)[start:], syntax, wanted=every, last=max(every)))
    encodings = _encodings(found.get(CHARACTER_SET, b""))
    order = byte_order(syntax)
    read = {tag: _values(value, dictionary_VR(tag), order, encodings) for tag, value in found.items() if tag in wanted}
    return {tag: values for tag, values in read.items() if values}


def _values(value: bytes, vr: str, order: str, encodings: Sequence[str]) -> tuple[str, ...]:
    value = value[:_LONGEST]
    if vr in _BINARY:
        numbers = struct.iter_unpack(f"{order}{_BINARY[vr]}", value[: len(value) - len(value) % _SIZES[vr]])
        return tuple(f"{number:.17g}" for (number,) in numbers)
    text = _decoded(value, encodings) if vr in _WITH_CHARACTER_SET else value.decode("ascii", "replace")
    several = [text] if vr in _ONE_VALUE else text.split("\\")
    values = tuple(each.strip(" \0") for each in several)
    return values if any(values) else ()


def _decoded(value: bytes, encodings: Sequence[str]) -> str:
    if _ESCAPE not in value:
        return value.decode(encodings[0], "replace")
    try:
        return decode_bytes(value, encodings, TEXT_VR_DELIMS)
    except (LookupError, ValueError):
        return value.decode("ascii", "replace")


def _encodings(character_set: bytes) -> list[str]:
    """Return Python's names of the character sets; those that nobody defined are the default repertoire."""
    terms = [term.strip() for term in character_set[:_LONGEST].decode("ascii", "replace").split("\\")]
    first, *others = (term if term in python_encoding else "" for term in terms)
    # PS3.3 C.12.1.1.2: some stand alone.
    extend = [] if first in STAND_ALONE_ENCODINGS else [term for term in others if term not in STAND_ALONE_ENCODINGS]
    return list(convert_encodings([first, *extend]))
