"""Command sets: read only where they are what they say, written as pynetdicom reads them."""

import io
import struct

import pytest
from pynetdicom.dsutils import decode
from raw_caller import command_set, store_rq

from service.command_set import Command, Garbled, read_command, store_response

REQUEST = Command(
    field=1, message_id=513, has_data_set=True, sop_class_uid="1.2.840.10008.5.1.4.1.1.2", sop_instance_uid="1.2.3"
)


def test_a_request_is_read() -> None:
    """Field, message, the data set that follows and both UIDs, without their padding."""
    command = read_command(store_rq("1.2.3"))
    assert (command.field, command.message_id, command.has_data_set) == (1, 7, True)
    assert (command.sop_class_uid, command.sop_instance_uid) == ("1.2.840.10008.5.1.4.1.1.2", "1.2.3")
    assert not read_command(store_rq("1.2.3", data_set=False)).has_data_set


def test_a_command_without_uids_is_read() -> None:
    """What is missing is empty."""
    encoded = command_set((0x0100, b"\x30\0"), (0x0110, b"\1\0"), (0x0800, b"\1\1"))
    assert read_command(encoded).sop_instance_uid == ""


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\0" * 7,
        struct.pack("<HHL", 8, 0x0100, 2) + b"\1\0",
        struct.pack("<HHL", 0, 0x0100, 3) + b"\1\0",
        struct.pack("<HHL", 0, 0x0100, 0xFFFFFFFF) + b"\1\0",
        command_set((0x0110, b"\1\0"), (0x0800, b"\0\0")),
        command_set((0x0100, b"\1\0\0\0"), (0x0110, b"\1\0"), (0x0800, b"\0\0")),
        command_set((0x0100, b"\1\0"), (0x0800, b"\0\0")),
        command_set((0x0100, b"\1\0"), (0x0110, b"\1\0")),
    ],
)
def test_what_is_no_command_set_is_garbled(encoded: bytes) -> None:
    """Cut off, of another group, longer than it is, or without one of the three numbers that the loop needs."""
    with pytest.raises(Garbled):
        read_command(encoded)


def test_a_response_is_what_pynetdicom_reads() -> None:
    """PS3.7 table 9.3-2: every element as an independent decoder reads it, the group length right."""
    encoded = store_response(REQUEST, status=0xA700, comment="0 bytes are free")
    read = decode(io.BytesIO(encoded), True, True)
    assert read.CommandGroupLength == len(encoded) - 12
    assert (read.CommandField, read.MessageIDBeingRespondedTo, read.CommandDataSetType) == (0x8001, 513, 0x0101)
    assert (read.Status, read.ErrorComment) == (0xA700, "0 bytes are free")
    assert (read.AffectedSOPClassUID, read.AffectedSOPInstanceUID) == (REQUEST.sop_class_uid, "1.2.3")
    assert [element.tag for element in read] == sorted(element.tag for element in read)


def test_a_success_has_no_comment_and_a_malformed_uid_no_echo() -> None:
    """Nothing that a peer made up is said again."""
    odd = Command(field=1, message_id=1, has_data_set=True, sop_class_uid="../..", sop_instance_uid="x" * 128)
    read = decode(io.BytesIO(store_response(odd, status=0, comment="")), True, True)
    assert {"AffectedSOPClassUID", "AffectedSOPInstanceUID", "ErrorComment"}.isdisjoint(read.dir())
    assert read.Status == 0
