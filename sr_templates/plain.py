"""A dataset as plain values, read once: for whoever looks at every element of it, and at some of them several times.

pydicom makes an object of each element, and looks it up anew each time it is asked. A report has 15,000 of them.
"""

import contextlib
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from struct import Struct
from typing import Any, Final, NamedTuple

from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from sr_templates import headers

#: Kept in the file as the text that they are (PS3.5 6.2); in ASCII they mean the same in every character set.
_TEXTS: Final = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
)
#: Bulk data: nobody reads it as text.
_BULK: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})
#: Numbers of a fixed size (PS3.5 6.2).
_NUMBERS: Final = {
    vr: Struct(f"<{letter}")
    for vr, letter in {"FD": "d", "FL": "f", "SL": "l", "SS": "h", "UL": "L", "US": "H"}.items()
}
#: Begins an item; begins an element; the length of an element of certain VRs (PS3.5 tables 7.1-1, 7.1-2, 7.5-1).
_ITEM, _SHORT, _LENGTH = Struct("<HHL"), Struct("<HH2sH"), Struct("<L")
_ITEM_TAG: Final = (0xFFFE, 0xE000)
_LONG: Final = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
#: Where pydicom takes the padding from each of several values, and how.
_STRIPPED: Final = {"LO": str.rstrip, "SH": str.rstrip, "UC": str.rstrip, "UI": str.strip}
#: The first bytes of the groups that are there several times: 5000 to 501E, 6000 to 601E (PS3.5 7.6).
_REPEATED: Final = frozenset({0x50, 0x60})
#: Begins a change of the character set (PS3.5 6.1.2.5.3).
_ESCAPE: Final = b"\x1b"


class Attribute(NamedTuple):
    """One element: the items of a sequence, or else its values as text; bulk data has neither."""

    vr: str
    texts: tuple[str, ...] = ()
    items: "tuple[Plain, ...]" = ()


@dataclass(frozen=True, slots=True)
class Plain:
    """The elements of a dataset or of an item by keyword, where they have one, in the order of their tags."""

    attributes: Mapping[str, Attribute]

    def __contains__(self, keyword: str) -> bool:
        """Whether there is an attribute of this keyword, be it empty."""
        return keyword in self.attributes

    def text(self, keyword: str) -> str:
        """Return an attribute as text, multiple values joined by a backslash; "" where it is missing."""
        found = self.attributes.get(keyword)
        return "" if found is None else "\\".join(found.texts)

    def items(self, keyword: str) -> "tuple[Plain, ...]":
        """Return the items of a sequence; () where it is missing or no sequence."""
        found = self.attributes.get(keyword)
        return () if found is None else found.items

    def numbers(self, keyword: str) -> list[float]:
        """Return the finite numbers of an attribute; [] where it is missing, or one of them is none."""
        found = self.attributes.get(keyword)
        try:
            numbers = [] if found is None else [float(text) for text in found.texts if text.strip()]
        except ValueError:
            return []
        return numbers if all(map(isfinite, numbers)) else []

    def is_empty(self, keyword: str) -> bool:
        """Whether an attribute is missing or has no value."""
        return not self.items(keyword) and not self.text(keyword)

    def code(self, keyword: str) -> tuple[str, str]:
        """Return (scheme, value) of the first code in a code sequence; empty texts where there is none."""
        for item in self.items(keyword):
            return item.text("CodingSchemeDesignator").strip(), item.text("CodeValue").strip()
        return "", ""


class _NotPlainError(Exception):
    """Something that is left to pydicom."""


def plain(source: Dataset) -> Plain:
    """Return `source` with all its items as plain values."""
    return Plain({_name(stored.tag): _attribute(source, stored) for stored in source.elements()})


def _attribute(source: Dataset, stored: DataElement | RawDataElement) -> Attribute:
    if isinstance(stored, RawDataElement) and stored.is_little_endian and not stored.is_implicit_VR:
        with contextlib.suppress(_NotPlainError):
            return _decoded(stored.VR or "", stored.value or b"")
    element = source[stored.tag]
    vr = str(element.VR)
    if vr == "SQ":
        return Attribute(vr, items=tuple(map(plain, element.value)))
    if vr in _BULK or not element.VM:
        return Attribute(vr)
    values = element.value if element.VM > 1 and vr not in headers.WHOLE else [element.value]
    return Attribute(vr, tuple(map(str, values)))


def _decoded(vr: str, value: bytes) -> Attribute:
    """Return the value of an element in Explicit VR Little Endian (PS3.5 6.2, 7.1.2)."""
    if vr == "SQ":
        return Attribute(vr, items=tuple(_items(value)))
    if vr in _BULK:
        return Attribute(vr)
    if vr in _NUMBERS and not len(value) % _NUMBERS[vr].size:
        numbers = (number for (number,) in _NUMBERS[vr].iter_unpack(value))
        return Attribute(vr, tuple(map(str, numbers)))
    if vr not in _TEXTS or not value.isascii() or _ESCAPE in value:
        raise _NotPlainError
    text = value.decode("ascii").rstrip("\0 ")
    if not text:
        return Attribute(vr)
    if vr in headers.WHOLE:
        return Attribute(vr, (text,))
    parts = text.split("\\")
    return Attribute(vr, tuple(_STRIPPED[vr](part, "\0 ") for part in parts) if vr in _STRIPPED else tuple(parts))


def _items(value: bytes) -> Iterator[Plain]:
    """Yield the items of a sequence whose lengths are stated (PS3.5 7.5)."""
    place = 0
    while place < len(value):
        group, element, length = _unpacked(_ITEM, value, place)
        place += _ITEM.size + length
        if (group, element) != _ITEM_TAG or place > len(value):
            raise _NotPlainError
        yield Plain(dict(_elements(value[place - length : place])))


def _elements(item: bytes) -> Iterator[tuple[str, Attribute]]:
    place = 0
    while place < len(item):
        group, number, vr, length = _unpacked(_SHORT, item, place)
        place += _SHORT.size
        if vr in _LONG:
            (length,) = _unpacked(_LENGTH, item, place)
            place += _LENGTH.size
        end = place + length
        if end > len(item):
            raise _NotPlainError
        yield _name(group << 16 | number), _decoded(vr.decode("ascii", "replace"), item[place:end])
        place = end


def _unpacked(what: Struct, value: bytes, place: int) -> tuple[Any, ...]:
    if place + what.size > len(value):
        raise _NotPlainError
    return what.unpack_from(value, place)


@functools.cache
def _name(tag: int) -> str:
    # Curves have their keywords in common, and overlays theirs.
    is_repeated = tag >> 24 in _REPEATED
    return (not is_repeated and keyword_for_tag(tag)) or str(Tag(tag))
