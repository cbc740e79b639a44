"""An object of ours as a file, its content tree encoded here: Explicit VR Little Endian, lengths stated (PS3.5 7).

pydicom settles character set, ambiguous VRs and byte order anew for each of the 3,600 items of a report. Ours are all
of one kind. What is not simply text is left to it, and the bytes of objects that we made are the same (a test holds
the equality).
"""

from collections.abc import Iterable, Iterator
from io import BytesIO
from struct import Struct
from typing import Final

from pydicom import dcmwrite
from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian

#: In Python's words and in DICOM's (PS3.3 C.12.1.1.2).
_ENCODING, _CHARACTER_SET = "utf-8", "ISO_IR 192"
_PYTHON_SETS: Final = convert_encodings(_CHARACTER_SET)
_CONTENT: Final = Tag("ContentSequence")
#: Text with a length of two bytes, and what makes that even (PS3.5 6.2).
_PADDING: Final = {"CS": b" ", "LO": b" ", "SH": b" ", "UI": b"\0"}
#: Those that no character set changes: a damaged one of a source goes on with the bytes that it came with.
_ASCII: Final = frozenset({"CS", "UI"})
#: Text with a length of four bytes.
_LONG: Final = frozenset({"UC", "UT"})
_SHORT_HEAD, _LONG_HEAD, _ITEM_HEAD = Struct("<HH2sH"), Struct("<HH2sHL"), Struct("<HHL")
_ITEM: Final = (0xFFFE, 0xE000)
_MOST: Final = 0xFFFF


def to_bytes(made: Dataset) -> bytes:
    """Return an object as a DICOM file (PS3.10)."""
    with BytesIO() as file:
        dcmwrite(file, _prepared(made), enforce_file_format=True)
        return file.getvalue()


def _prepared(made: Dataset) -> Dataset:
    """Return `made` with its content tree encoded, where there is one and nothing is still as it was read."""
    is_explicit = made.file_meta.get("TransferSyntaxUID") == ExplicitVRLittleEndian
    is_decoded = all(isinstance(stored, DataElement) for stored in made.elements())
    if _CONTENT not in made or not is_decoded or not is_explicit or made.get("SpecificCharacterSet") != _CHARACTER_SET:
        return made
    copy = Dataset()
    copy.update(made)
    copy.file_meta = made.file_meta
    content = _items(made[_CONTENT].value)
    copy[_CONTENT] = RawDataElement(_CONTENT, "SQ", len(content), content, 0, False, True, True)
    # Else pydicom would decode the tree again.
    copy.set_original_encoding(is_implicit_vr=False, is_little_endian=True, character_encoding=_PYTHON_SETS)
    return copy


def _items(items: Iterable[Dataset]) -> bytes:
    return b"".join(part for item in items for part in _item(item))


def _item(item: Dataset) -> Iterator[bytes]:
    # What is still as it was read is decoded: it may be in another character set.
    elements = (stored if isinstance(stored, DataElement) else item[stored.tag] for stored in item.elements())
    body = b"".join(map(_element, elements))
    yield _ITEM_HEAD.pack(*_ITEM, len(body))
    yield body


def _element(element: DataElement) -> bytes:
    vr, value = str(element.VR), element.value
    if vr == "SQ":
        return _long(element.tag, b"SQ", _items(value))
    if isinstance(value, str) and vr in _PADDING and (vr not in _ASCII or value.isascii()):
        encoded = _even(value.encode(_ENCODING), _PADDING[vr])
        if len(encoded) <= _MOST:
            return _SHORT_HEAD.pack(*_halves(element.tag), vr.encode(), len(encoded)) + encoded
    if isinstance(value, str) and vr in _LONG:
        return _long(element.tag, vr.encode(), _even(value.encode(_ENCODING), b" "))
    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = True, False
    write_data_element(file, element, _CHARACTER_SET)
    return bytes(file.getvalue())


def _long(tag: int, vr: bytes, value: bytes) -> bytes:
    return _LONG_HEAD.pack(*_halves(tag), vr, 0, len(value)) + value


def _even(value: bytes, padding: bytes) -> bytes:
    return value + padding if len(value) % 2 else value


def _halves(tag: int) -> tuple[int, int]:
    return tag >> 16, tag & 0xFFFF
