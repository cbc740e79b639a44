"""The elements of a data set, read from its bytes: nothing is decoded that is not needed.

Top-level elements stand in ascending order (PS3.5 7.1), so reading ends after the last one that is wanted, before
pixels. Sequences are stepped over without recursion, and so far only: what is nested deeper, or has more elements, than
any real data set is refused before it costs much.
"""

import struct
import zlib
from collections.abc import Collection, Iterator
from typing import Final

from service.errors import Refused

IMPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"

_ITEM_GROUP: Final = 0xFFFE
_ENDS: Final = frozenset({0xFFFE_E00D, 0xFFFE_E0DD})
_UNDEFINED_LENGTH: Final = 0xFFFF_FFFF
#: Value representations whose length takes 32 bits in explicit VR (PS3.5 7.1.2).
_LONG: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
#: How much of a deflated data set is inflated, bytes.
_INFLATE_LIMIT: Final = 16 * 1024 * 1024
#: So much is read of a value, bytes: what is wanted is short, whatever length a data set claims.
_LONGEST: Final = 64 * 1024
#: Sequences and items of undefined length may be nested so deep; content trees of SR, the deepest there are, take 2 a
#: level (PS3.5 7.5).
_DEEPEST: Final = 64
#: So many elements, items and delimiters are looked at, some 0.1 s; an enhanced object with 10,000 references has less.
_MOST: Final = 100_000
#: Tag, VR, and a length of 16 bits, by byte order; tag and VR where a length of 32 bits stands in their place.
_SHORT_FORM: Final = {order: struct.Struct(f"{order}HH2sH") for order in "<>"}
_LENGTH: Final = {order: struct.Struct(f"{order}L") for order in "<>"}


def byte_order(transfer_syntax: str) -> str:
    """Return the byte order of a transfer syntax, as `struct` writes it."""
    return ">" if transfer_syntax == EXPLICIT_VR_BIG_ENDIAN else "<"


class Elements:
    """Iterates over (tag, value) of the `wanted` top-level elements of a data set, in their order.

    struct.error, zlib.error where it ends too early or cannot be inflated; Refused where it goes too far.
    """

    def __init__(self, data: bytes | memoryview, transfer_syntax: str, *, wanted: Collection[int], last: int) -> None:
        if transfer_syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
            # PS3.5 A.5: RFC 1951, without header.
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, _INFLATE_LIMIT)
        order = byte_order(transfer_syntax)
        self._data = memoryview(data)
        self._wanted = wanted
        self._last = last
        self._at = 0
        self._seen = 0
        self._implicit = transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN
        self._short_form = _SHORT_FORM[order]
        self._length = _LENGTH[order]

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while self._at < len(self._data):
            tag, vr, length = self._header(self._implicit)
            if tag > self._last:
                return
            if length == _UNDEFINED_LENGTH:
                self._step_over_items(vr)
                continue
            start = self._at
            self._at += length
            if tag in self._wanted and self._at <= len(self._data):
                yield tag, bytes(self._data[start : min(self._at, start + _LONGEST)])

    def _header(self, implicit: bool) -> tuple[int, bytes, int]:
        """Read tag, VR and length (PS3.5 7.1); items and delimiters never have a VR (PS3.5 7.5)."""
        self._seen += 1
        if self._seen > _MOST:
            raise Refused(f"the data set has more than {_MOST} elements up front")
        group, element, vr, length = self._short_form.unpack_from(self._data, self._at)
        tag = group << 16 | element
        at, self._at = self._at, self._at + 8
        if implicit or group == _ITEM_GROUP:
            return tag, b"", self._length.unpack_from(self._data, at + 4)[0]
        if vr in _LONG:
            self._at += 4
            length = self._length.unpack_from(self._data, at + 8)[0]
        return tag, vr, length

    def _step_over_items(self, vr: bytes) -> None:
        """Step over a value of undefined length; inside UN everything has implicit VRs (PS3.5 6.2.2)."""
        inside = [self._implicit or vr == b"UN"]
        while inside:
            tag, vr, length = self._header(inside[-1])
            if tag in _ENDS:
                inside.pop()
            elif length == _UNDEFINED_LENGTH:
                if len(inside) == _DEEPEST:
                    raise Refused(f"the data set is nested deeper than {_DEEPEST}")
                inside.append(inside[-1] or vr == b"UN")
            else:
                self._at += length
