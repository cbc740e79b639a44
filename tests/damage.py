"""Ways to damage a DICOM file, from one byte to a value that stands where it should, all of them seeded."""

import random
import struct
from collections.abc import Iterator
from io import BytesIO
from typing import Final

import pydicom
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from sr_templates.headers import DAMAGE

_NUMBERS: Final = (0, 1, 2, 4, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_TEXTS: Final = (
    b"",
    b" ",
    b"0 ",
    b"-1",
    b"1e308 ",
    b"1e-320",
    b"nan ",
    b"-inf",
    b"9" * 40,
    b"1\\2 ",
    b"\\" * 8,
    b"1\\0\\0\\1\\0\\0",
    b"0\\0\\0\\0\\0\\0 ",
    b"1\\0\\0\\0\\1\\0 ",
    b"../../../etc/passwd ",
    b"\xff\xfe\x00\x80",
    b"\x1b$B\x1b(J ",
    b"%s%n{0} ",
    b"1.2.840.10008.1.2.4.90",
    b"ISO_IR 999",
    b"00000000",
    b"99999999",
    b"BINARY",
    b"FRACTIONAL",
    b"LABELMAP",
    b"MONOCHROME1 ",
    b"PALETTE COLOR ",
)
#: Bytes of one number of each VR that holds numbers.
_SIZES: Final = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "AT": 4, "FL": 4, "FD": 8, "UV": 8, "SV": 8}
_FLOATS: Final = {"FL": "<f", "FD": "<d"}
_ODD_FLOATS: Final = (0.0, -0.0, -1.0, 1e-30, 3e38, float("nan"), float("inf"), float("-inf"))
#: Preamble, prefix and the group of the file's meta information, about.
_META: Final = 300
_HEADER: Final = 3000


def damaged(source: random.Random, file: bytes) -> bytes:
    """Return the file with one or several kinds of damage."""
    match source.randrange(8):
        case 0:
            return file[: source.randrange(len(file))]
        case 1:
            return _cut_up(source, file, source.choice((_META, _HEADER, len(file))))
        case 2:
            return _cut_up(source, _changed(source, file), len(file))
        case _:
            return _changed(source, file)


def damage(made: Dataset, place: int, keyword: str, how: str) -> None:
    """Damage an attribute in one of the items that have it, whichever `place` falls on: gone, empty, or an odd one."""
    holders = [made]
    for item in holders:
        holders.extend(nested for element in item if element.VR == "SQ" for nested in element.value)
    holders = [item for item in holders if keyword in item]
    broken = holders[place % len(holders)]
    if how == "empty":
        broken[keyword].value = None
        return
    del broken[keyword]
    if how == "odd":
        broken.add_new(keyword, "LO", ["1", "x", "3"])


def _cut_up(source: random.Random, file: bytes, within: int) -> bytes:
    """Return the file with bytes changed, lost and put in, up to the byte `within`."""
    out = bytearray(file)
    for _ in range(source.choice((1, 1, 2, 4, 16))):
        at = source.randrange(min(within, len(out)) or 1)
        match source.randrange(6):
            case 0:
                out[at : at + 1] = bytes([(out[at] if out else 0) ^ 1 << source.randrange(8)])
            case 1:
                del out[at : at + source.randrange(1, 64)]
            case 2:
                out[at:at] = out[at : at + source.randrange(1, 64)]
            case 3:
                out[at:at] = source.randbytes(source.randrange(1, 16))
            case 4:
                out[at : at + 4] = struct.pack("<L", source.choice(_NUMBERS))
            case _:
                out[at : at + 2] = struct.pack("<H", source.choice(_NUMBERS) & 0xFFFF)
    return bytes(out)


def _changed(source: random.Random, file: bytes) -> bytes:
    """Return the file with values that should not be there, elements lost, and items lost or doubled."""
    found = pydicom.dcmread(BytesIO(file))
    out = BytesIO()
    try:
        for _ in range(source.choice((1, 1, 1, 2, 4))):
            _change(source, _somewhere(source, found))
        found.save_as(out, enforce_file_format=True)
    except (*DAMAGE, LookupError, OSError):  # what was put in, pydicom must read to write the rest, and cannot
        return _cut_up(source, file, len(file))
    return out.getvalue()


def _somewhere(source: random.Random, found: Dataset) -> Dataset:
    """Return the data set, or an item of a sequence in it."""
    sequences = [element for element in _raw(found) if element.VR == "SQ"]
    while sequences and source.random() < 0.7:
        items = found[source.choice(sequences).tag].value
        if not items:
            break
        found = source.choice(items)
        sequences = [element for element in _raw(found) if element.VR == "SQ"]
    return found


def _raw(found: Dataset) -> Iterator[RawDataElement | DataElement]:
    """Return the elements as they lie in the file, without their values being read."""
    return (found.get_item(tag) for tag in found.keys())  # noqa: SIM118 - a Dataset yields its elements


def _change(source: random.Random, found: Dataset) -> None:
    tags = list(found.keys())
    if not tags:
        return
    tag = source.choice(tags)
    element: DataElement | RawDataElement = found.get_item(tag)
    if source.randrange(6) == 0:
        del found[tag]
    elif element.VR == "SQ":
        items = found[tag].value
        match source.randrange(3):
            case 0:
                items.clear()
            case 1 if items:
                items.append(source.choice(items))
            case _ if items:
                del items[source.randrange(len(items))]
    else:
        had = element.value if isinstance(element, RawDataElement) else b""
        value = _value(source, element.VR or "UN", had or b"")
        found[tag] = RawDataElement(tag, element.VR, len(value), value, 0, False, True)


def _value(source: random.Random, vr: str, value: bytes) -> bytes:
    """Return a value for an element of this VR: one that no file should have, or what it has, changed."""
    kind = source.randrange(4)
    if kind == 0:
        return _cut_up(source, value, len(value)) if value else source.randbytes(2)
    if kind == 1:
        return value[: source.randrange(len(value) + 1) // 2 * 2]
    if vr in _SIZES:
        size = _SIZES[vr]
        many = source.choice((0, 1, 1, 1, 3, 7))
        if vr in _FLOATS:
            return b"".join(struct.pack(_FLOATS[vr], source.choice(_ODD_FLOATS)) for _ in range(many))
        return b"".join((source.choice(_NUMBERS) & (1 << 8 * size) - 1).to_bytes(size, "little") for _ in range(many))
    return source.choice(_TEXTS)
