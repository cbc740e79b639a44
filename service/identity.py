"""Which object a received data set is, read from its bytes: nothing is decoded that is not needed.

Top-level elements stand in ascending order (PS3.5 7.1), so reading ends after Series Instance UID (0020,000E),
long before pixels. Sequences are stepped over without recursion: a data set nested a million deep costs no stack.
"""

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from service.errors import Refused

IMPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"

#: PS3.4 table B.2-1: Error: Cannot understand.
CANNOT_UNDERSTAND: Final = 0xC000

_SOP_CLASS: Final = 0x0008_0016
_SOP_INSTANCE: Final = 0x0008_0018
_MANUFACTURER: Final = 0x0008_0070
_MODEL: Final = 0x0008_1090
_STUDY: Final = 0x0020_000D
_SERIES: Final = 0x0020_000E
_REQUIRED: Final[Mapping[int, str]] = {
    _SOP_CLASS: "SOP Class UID",
    _SOP_INSTANCE: "SOP Instance UID",
    _STUDY: "Study Instance UID",
    _SERIES: "Series Instance UID",
}
_WANTED: Final = frozenset({*_REQUIRED, _MANUFACTURER, _MODEL})

_ITEM_GROUP: Final = 0xFFFE
_ENDS: Final = frozenset({0xFFFE_E00D, 0xFFFE_E0DD})
_UNDEFINED_LENGTH: Final = 0xFFFF_FFFF
#: Value representations whose length takes 32 bits in explicit VR (PS3.5 7.1.2).
_LONG: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
#: How much of a deflated data set is inflated to find its UIDs, bytes.
_INFLATE_LIMIT: Final = 16 * 1024 * 1024
#: PS3.5 9.1: components of digits without leading zeros, at most 64 characters.
_UID: Final = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*")
_UID_LENGTH: Final = 64


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who an object is, by its own data set; the UIDs are well-formed."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    manufacturer: str
    model: str


def is_uid(text: str) -> bool:
    """Whether `text` is a well-formed UID (PS3.5 9.1)."""
    return len(text) <= _UID_LENGTH and _UID.fullmatch(text) is not None


def read_identity(data: bytes | memoryview, transfer_syntax: str) -> Identity:
    """Read the identity of a data set; Refused (0xC000) where it cannot be read or a UID is missing or malformed."""
    try:
        found = dict(_Elements(*_prepared(data, transfer_syntax)))
    except (struct.error, zlib.error) as error:
        raise Refused("the data set cannot be read", status=CANNOT_UNDERSTAND) from error
    values = {tag: found.get(tag, b"").decode("ascii", "replace").strip("\0 ") for tag in _WANTED}
    for tag, name in _REQUIRED.items():
        if not values[tag]:
            raise Refused(f"{name} is missing", status=CANNOT_UNDERSTAND)
        if not is_uid(values[tag]):
            raise Refused(f"{name} is malformed", status=CANNOT_UNDERSTAND)
    return Identity(
        sop_class_uid=values[_SOP_CLASS],
        sop_instance_uid=values[_SOP_INSTANCE],
        study_instance_uid=values[_STUDY],
        series_instance_uid=values[_SERIES],
        manufacturer=values[_MANUFACTURER],
        model=values[_MODEL],
    )


def _prepared(data: bytes | memoryview, transfer_syntax: str) -> tuple[memoryview, str, bool]:
    """Return (data set, struct's byte order, whether VRs are implicit)."""
    if transfer_syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        # PS3.5 A.5: RFC 1951, without header.
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, _INFLATE_LIMIT)
    order = ">" if transfer_syntax == EXPLICIT_VR_BIG_ENDIAN else "<"
    return memoryview(data), order, transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN


class _Elements:
    """Iterates over (tag, value) of the wanted top-level elements; struct.error where the data set ends too early."""

    def __init__(self, data: memoryview, order: str, implicit: bool) -> None:
        self._data = data
        self._at = 0
        self._implicit = implicit
        self._tag = struct.Struct(f"{order}HH")
        self._short = struct.Struct(f"{order}H")
        self._long = struct.Struct(f"{order}L")

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while self._at < len(self._data):
            tag, vr, length = self._header(self._implicit)
            if tag > _SERIES:
                return
            if length == _UNDEFINED_LENGTH:
                self._step_over_items(vr)
                continue
            start = self._at
            self._at += length
            if tag in _WANTED and self._at <= len(self._data):
                yield tag, bytes(self._data[start : self._at])

    def _unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        values: tuple[int, ...] = layout.unpack_from(self._data, self._at)
        self._at += layout.size
        return values

    def _header(self, implicit: bool) -> tuple[int, bytes, int]:
        """Read tag, VR and length (PS3.5 7.1); items and delimiters never have a VR (PS3.5 7.5)."""
        group, element = self._unpack(self._tag)
        tag = group << 16 | element
        if implicit or group == _ITEM_GROUP:
            return tag, b"", self._unpack(self._long)[0]
        vr = bytes(self._data[self._at : self._at + 2])
        self._at += 2
        if vr not in _LONG:
            return tag, vr, self._unpack(self._short)[0]
        self._at += 2
        return tag, vr, self._unpack(self._long)[0]

    def _step_over_items(self, vr: bytes) -> None:
        """Step over a value of undefined length; inside UN everything has implicit VRs (PS3.5 6.2.2)."""
        inside = [self._implicit or vr == b"UN"]
        while inside:
            tag, vr, length = self._header(inside[-1])
            if tag in _ENDS:
                inside.pop()
            elif length == _UNDEFINED_LENGTH:
                inside.append(inside[-1] or vr == b"UN")
            else:
                self._at += length
