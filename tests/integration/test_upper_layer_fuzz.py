"""Malformed and random PDUs, seeded: whatever is said, the node stays up, bounded, and serves the next sender.

`make campaign` says 100,000; here it is a sample.
"""

import contextlib
import logging
import os
import random
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import structlog
from ears import QuietEar, quiet_ear
from raw_caller import (
    CT,
    ECHO_CONTEXT,
    assert_served,
    associate_rq,
    command_set,
    ct_object,
    echo_rq,
    padded,
    pdu,
    pdv,
    store_rq,
)
from servers import wait_until

INPUTS = int(os.environ.get("SPONDYL_TEST_PDUS", "1500"))
SEED = int(os.environ.get("SPONDYL_TEST_SEED", "5"))
#: A legitimate sender is let in after so many inputs.
EVERY = 250
#: Resident memory may grow by so much, bytes, over any number of inputs: allocators keep what they were given.
GROWTH = 50_000_000

#: What the mutations begin with, each the start of a connection or of what follows an association.
PUSH_MODEL, PUSH_CONTEXT = "1.2.840.10008.1.20.1", 5
REQUESTS = [associate_rq(more=(PUSH_MODEL,)), associate_rq(max_pdu=0), associate_rq(called="NOBODY")]
OBJECT = ct_object("1.2.9", pixels=500)
FIND = command_set((2, padded(CT)), (0x100, b"\x20\0"), (0x110, b"\1\0"), (0x700, b"\0\0"), (0x800, b"\0\0"))
CANCEL = command_set((0x100, b"\xff\x0f"), (0x120, b"\1\0"), (0x800, b"\1\1"))
ACTION = command_set((3, padded(PUSH_MODEL)), (0x100, b"\x30\1"), (0x110, b"\1\0"), (0x800, b"\0\0"), (0x1008, b"\1\0"))
EVENT = command_set(
    *((2, padded(PUSH_MODEL)), (0x100, b"\0\1"), (0x110, b"\1\0"), (0x800, b"\0\0")),
    *((0x1000, padded(f"{PUSH_MODEL}.1")), (0x1002, b"\1\0")),
)
#: Of a transaction that nobody knows: a sequence of empty items, in explicit VR.
REPORTED = struct.pack("<HH2sH4s", 8, 0x1195, b"UI", 4, b"1.2\0")
REPORTED += struct.pack("<HH2sHL", 8, 0x1199, b"SQ", 0, 800) + struct.pack("<HHL", 0xFFFE, 0xE000, 0) * 100
RESPONSE = command_set((2, padded(CT)), (0x100, b"\1\x80"), (0x120, b"\1\0"), (0x800, b"\1\1"), (0x900, b"\0\0"))
TALK = [
    pdu(4, pdv(store_rq("1.2.9"), command=True)) + pdu(4, pdv(OBJECT)),
    pdu(4, pdv(store_rq("1.2.9"), command=True) + pdv(OBJECT[:100], last=False)) + pdu(4, pdv(OBJECT[100:])),
    pdu(4, pdv(echo_rq(), context=ECHO_CONTEXT, command=True)),
    *(pdu(4, pdv(command, command=True)) + pdu(4, pdv(OBJECT)) for command in (FIND, ACTION)),
    *(pdu(4, pdv(command, command=True)) for command in (CANCEL, RESPONSE)),
    *(
        pdu(4, pdv(each, context=PUSH_CONTEXT, command=True)) + pdu(4, pdv(REPORTED, context=PUSH_CONTEXT))
        for each in (EVENT, ACTION)
    ),
    pdu(5, bytes(4)),
    pdu(7, bytes(4)),
]
ODD_NUMBERS = (0, 1, 2, 4, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


def mutated(source: random.Random, said: bytes) -> bytes:
    """Return a mutation: bits, bytes, lengths, a cut, a piece twice, noise."""
    out = bytearray(said)
    for _ in range(source.choice((1, 1, 2, 4, 16))):
        at = source.randrange(len(out) + 1)
        match source.randrange(7):
            case 0 if at < len(out):
                out[at] ^= 1 << source.randrange(8)
            case 1 if at < len(out):
                out[at] = source.choice(ODD_NUMBERS) & 0xFF
            case 2:
                del out[at : at + source.randrange(1, 32)]
            case 3:
                out[at:at] = out[at : at + source.randrange(1, 64)]
            case 4:
                out[at:at] = source.randbytes(source.randrange(1, 16))
            case 5:
                out[at : at + 4] = struct.pack(source.choice("<>") + "L", source.choice(ODD_NUMBERS))
            case _:
                out[at : at + 2] = struct.pack(source.choice("<>") + "H", source.choice(ODD_NUMBERS) & 0xFFFF)
    return bytes(out)


def inputs(seed: int, count: int) -> Iterator[bytes]:
    """Return what is said over each of `count` connections."""
    source = random.Random(seed)
    for _ in range(count):
        request = source.choice(REQUESTS)
        match source.randrange(8):
            case 0:
                yield source.randbytes(source.randrange(200))
            case 1 | 2:
                yield mutated(source, request)
            case 3:
                yield REQUESTS[0] + pdu(source.randrange(9), source.randbytes(source.randrange(100)))
            case 4:
                yield REQUESTS[0] + b"".join(mutated(source, source.choice(TALK)) for _ in range(3))
            case _:
                yield REQUESTS[0] + source.choice(TALK) * source.randrange(2) + mutated(source, source.choice(TALK))


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[QuietEar]:
    """Run a listener that says little: a campaign would fill the memory with lines."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    # pytest keeps each record, and with it the frames and buffers of what was logged.
    logging.disable()
    try:
        with quiet_ear(tmp_path / "state", idle_timeout_s=3.0) as ear:
            yield ear
    finally:
        structlog.reset_defaults()
        logging.disable(logging.NOTSET)


def say(port: int, said: bytes) -> None:
    """Say it over a connection of its own, then nothing more, and listen to the end."""
    with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(said)
        with contextlib.suppress(OSError):  # the node may have hung up
            connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


def assert_sender_served(ear: QuietEar) -> None:
    """Check that a legitimate sender is served, and forget what was stored so far."""
    assert_served(ear.port)
    for path in ear.stored():
        path.unlink()


@pytest.mark.timeout(max(120, INPUTS // 20))
@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, on values that are none
def test_nothing_that_is_said_harms(ear: QuietEar) -> None:
    """No thread dies of it, none stays, nor a socket, a part or much memory; a sender is served in between."""
    process = psutil.Process()
    assert_sender_served(ear)
    wait_until(lambda: ear.threads() == 0, "the association has ended")
    before = process.num_fds()
    grown_from = 0
    for number, said in enumerate(inputs(SEED, INPUTS)):
        say(ear.port, said)
        if number % EVERY == 0:
            assert_sender_served(ear)
        if number == EVERY:
            grown_from = process.memory_info().rss  # every path was taken once
    wait_until(lambda: ear.threads() == 0, "every association has ended", seconds=10)
    wait_until(lambda: process.num_fds() <= before, "every socket and file is closed", seconds=10)
    assert process.memory_info().rss - grown_from < GROWTH
    assert ear.left_over() == []
