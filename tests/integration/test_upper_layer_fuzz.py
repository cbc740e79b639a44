"""Malformed and random PDUs, seeded: whatever is said, the node stays up, bounded, and serves the next sender.

`make campaign` says 100,000; here it is a sample.
"""

import contextlib
import logging
import os
import random
import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import structlog
from authority import Authority, authority
from ears import QuietEar, quiet_ear
from raw_caller import (
    CT,
    ECHO_CONTEXT,
    RawCaller,
    assert_quick,
    associate_rq,
    command_set,
    ct_object,
    echo_rq,
    padded,
    pdu,
    pdv,
    served_s,
    store_rq,
)
from servers import wait_until

from service.config_peers import Tls

__all__ = ["authority"]

INPUTS = int(os.environ.get("SPONDYL_TEST_PDUS", "1500"))
SEED = int(os.environ.get("SPONDYL_TEST_SEED", "5"))
#: So many of them go over TLS as well, where a connection costs more and the bytes are read in another way.
OVER_TLS = INPUTS // 15
#: A legitimate sender is let in so often meanwhile.
SENDERS = 6
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


@contextlib.contextmanager
def listening(folder: Path, tls: Tls | None = None) -> Iterator[QuietEar]:
    """Run a listener that says little: a campaign would fill the memory with lines."""
    files = tls.model_dump() if tls else None
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    # pytest keeps each record, and with it the frames and buffers of what was logged.
    logging.disable()
    try:
        with quiet_ear(folder / "state", idle_timeout_s=3.0, tls=files) as ear:
            yield ear
    finally:
        structlog.reset_defaults()
        logging.disable(logging.NOTSET)


def say(port: int, said: bytes, tls: Tls | None, *, beneath: bool) -> None:
    """Say it over a connection of its own, or `beneath` its TLS; then nothing more, and listen to the end."""
    with contextlib.closing(RawCaller(port, timeout_s=10, tls=tls)) as caller, contextlib.suppress(ConnectionError):
        (caller.say_beneath if beneath else caller.say)(said)
        # The node may have hung up. A TLS socket that is shut down as such forgets its keys.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(caller.socket, socket.SHUT_WR)
        with contextlib.suppress(ssl.SSLError):
            while caller.socket.recv(65536):
                pass


def sender_served_s(ear: QuietEar, tls: Tls | None) -> float:
    """Return how long a legitimate sender took, and forget what was stored so far."""
    took = served_s(ear.port, tls=tls)
    for path in ear.stored():
        path.unlink()
    return took


def _harms_nothing(ear: QuietEar, count: int, tls: Tls | None = None) -> None:
    process = psutil.Process()
    waits = [sender_served_s(ear, tls)]
    wait_until(lambda: ear.threads() == 0, "the association has ended")
    before = process.num_fds()
    grown_from, every = 0, max(1, min(250, count // SENDERS))
    for number, said in enumerate(inputs(SEED, count)):
        say(ear.port, said, tls, beneath=tls is not None and number % 5 == 0)
        if number % every == 0:
            waits.append(sender_served_s(ear, tls))
        if number == every:
            grown_from = process.memory_info().rss  # every path was taken once
    wait_until(lambda: ear.threads() == 0, "every association has ended", seconds=10)
    wait_until(lambda: process.num_fds() <= before, "every socket and file is closed", seconds=10)
    assert process.memory_info().rss - grown_from < GROWTH
    assert ear.left_over() == []
    assert_quick(waits)


@pytest.mark.timeout(max(120, INPUTS // 20))
@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, on values that are none
def test_nothing_that_is_said_harms(tmp_path: Path) -> None:
    """No thread dies of it, none stays, nor a socket, a part or much memory; a sender is served in between."""
    with listening(tmp_path) as ear:
        _harms_nothing(ear, INPUTS)


@pytest.mark.timeout(max(120, INPUTS // 20))
@pytest.mark.filterwarnings("ignore::UserWarning")  # as above
def test_nothing_that_is_said_over_tls_harms(authority: Authority, tmp_path: Path) -> None:
    """The same from who has a certificate, and bytes that are no TLS in the middle of it."""
    with listening(tmp_path, authority.sign("node")) as ear:
        _harms_nothing(ear, OVER_TLS, authority.sign("modality"))
