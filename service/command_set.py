"""DIMSE command sets (PS3.7 6.3, 9.3, annex E), as far as the receive loop reads and writes them itself.

A command set is always in implicit VR little endian, holds elements of group 0000 only and no sequence. What the loop
does not answer itself is decoded by pynetdicom.
"""

import struct
from dataclasses import dataclass
from typing import Final

from service.identity import is_uid

#: PS3.7 E.1, Command Field (0000,0100).
C_STORE_RQ: Final = 0x0001
N_ACTION_RQ: Final = 0x0130
_C_STORE_RSP: Final = 0x8001
#: PS3.7 E.1, Command Data Set Type (0000,0800): there is none.
_NO_DATA_SET: Final = 0x0101

_SOP_CLASS: Final = 0x0002
_COMMAND_FIELD: Final = 0x0100
_MESSAGE_ID: Final = 0x0110
_RESPONDED_TO: Final = 0x0120
_DATA_SET_TYPE: Final = 0x0800
_STATUS: Final = 0x0900
_ERROR_COMMENT: Final = 0x0902
_SOP_INSTANCE: Final = 0x1000

_HEADER: Final = struct.Struct("<HHL")
_US: Final = struct.Struct("<H")
#: What a sender calls an object that has no well-formed UID is kept so far, for comparing: a UID has 64 characters.
_LONGEST_TEXT: Final = 128


class Garbled(Exception):
    """These bytes are no command set."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """What the loop must know of a command set before it takes the data set that may follow."""

    field: int
    message_id: int
    has_data_set: bool
    #: Affected SOP Class UID (0000,0002) and Affected SOP Instance UID (0000,1000) as they came; "" where missing.
    sop_class_uid: str
    sop_instance_uid: str


def read_command(encoded: bytes) -> Command:
    """Read a command set; Garbled where it is none, or says not what it is or whether a data set follows."""
    elements = _elements(encoded)
    return Command(
        field=_number(elements, _COMMAND_FIELD),
        # A C-CANCEL-RQ, and every response, has (0000,0120) in its place (PS3.7 9.3).
        message_id=_number(elements, _MESSAGE_ID if _MESSAGE_ID in elements else _RESPONDED_TO),
        has_data_set=_number(elements, _DATA_SET_TYPE) != _NO_DATA_SET,
        sop_class_uid=_text(elements.get(_SOP_CLASS, b"")),
        sop_instance_uid=_text(elements.get(_SOP_INSTANCE, b"")),
    )


def store_response(request: Command, *, status: int, comment: str) -> bytes:
    """Return the command set of a C-STORE-RSP (PS3.7 table 9.3-2); a UID that is malformed is not said again."""
    elements = [
        (_SOP_CLASS, _padded(request.sop_class_uid, b"\0") if is_uid(request.sop_class_uid) else b""),
        (_COMMAND_FIELD, _US.pack(_C_STORE_RSP)),
        (_RESPONDED_TO, _US.pack(request.message_id)),
        (_DATA_SET_TYPE, _US.pack(_NO_DATA_SET)),
        (_STATUS, _US.pack(status)),
        (_ERROR_COMMENT, _padded(comment, b" ")),
        (_SOP_INSTANCE, _padded(request.sop_instance_uid, b"\0") if is_uid(request.sop_instance_uid) else b""),
    ]
    body = b"".join(_HEADER.pack(0, element, len(value)) + value for element, value in elements if value)
    return _HEADER.pack(0, 0, 4) + struct.pack("<L", len(body)) + body


def _elements(encoded: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(encoded):
        if len(encoded) - at < _HEADER.size:
            raise Garbled
        group, element, length = _HEADER.unpack_from(encoded, at)
        at += _HEADER.size
        if group or length > len(encoded) - at:
            raise Garbled
        found[element] = encoded[at : at + length]
        at += length
    return found


def _number(elements: dict[int, bytes], element: int) -> int:
    value = elements.get(element, b"")
    if len(value) != _US.size:
        raise Garbled
    number: int = _US.unpack(value)[0]
    return number


def _text(value: bytes) -> str:
    return value[:_LONGEST_TEXT].decode("ascii", "replace").strip("\0 ")


def _padded(text: str, padding: bytes) -> bytes:
    value = text.encode("ascii", "replace")
    return value + padding * (len(value) % 2)
