"""The receive loop and who breaks the protocol: each fault ends in a bounded time, leaves nothing, stops nobody.

Many at once, and the same against the role in a process of its own: tests/faults/test_slow_and_silent_peers.py.
"""

import struct
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest
from ears import QuietEar, quiet_ear
from raw_caller import (
    ECHO_CONTEXT,
    RawCaller,
    assert_served,
    associate_rq,
    calling_raw,
    command_set,
    ct_object,
    echo_rq,
    new_uid,
    padded,
    pdu,
    pdv,
    served_s,
    store_rq,
)
from servers import wait_until

from service import p_data
from service.associations import Associations
from service.callers import NotAdmitted

ABORT = 7
PUSH_MODEL = "1.2.840.10008.1.20.1"
#: PS3.8 9.3.8, by the service provider.
BY_PROVIDER = 2
UNRECOGNIZED, UNEXPECTED, UNEXPECTED_PARAMETER, INVALID = 1, 2, 5, 6


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[QuietEar]:
    """Run a listener."""
    with quiet_ear(tmp_path / "state", max_object_mb=1) as ear:
        yield ear


def abort_of(caller: RawCaller) -> tuple[int, int]:
    """Read an A-ABORT: (source, reason)."""
    kind, body = caller.read()
    assert kind == ABORT
    return body[2], body[3]


# ---- what the protocol allows


@pytest.mark.parametrize(
    ("field", "size", "answer"),
    [(0x0100, 64 << 10, 4), (0x0100, (64 << 10) + 2, ABORT), (0x0130, 2 << 20, 4), (0x0130, (2 << 20) + 2, ABORT)],
    ids=["report", "larger report", "request", "larger request"],
)
def test_what_is_no_object_has_a_limit_of_its_own(ear: QuietEar, field: int, size: int, answer: int) -> None:
    """64 KiB, and 2 MiB for a request of storage commitment: what is decoded costs a hundred times its bytes."""
    common = ((0x0110, b"\1\0"), (0x0800, b"\0\0"))
    which = padded(f"{PUSH_MODEL}.1")
    report = ((2, padded(PUSH_MODEL)), (0x0100, b"\0\1"), *common, (0x1000, which), (0x1002, b"\1\0"))
    request = ((3, padded(PUSH_MODEL)), (0x0100, b"\x30\1"), *common, (0x1001, which), (0x1008, b"\1\0"))
    # A private value: nothing that is read.
    data = struct.pack("<HH2sHL", 9, 0x1001, b"OB", 0, size - 12) + bytes(size - 12)
    with calling_raw(ear.port, more=(PUSH_MODEL,)) as caller:
        caller.say(pdu(4, pdv(command_set(*(report if field == 0x0100 else request)), context=5, command=True)))
        for at in range(0, size, 16000):
            caller.say(pdu(4, pdv(data[at : at + 16000], context=5, last=at + 16000 >= size)))
        kind, _ = caller.read()
        assert kind == answer


def test_who_is_not_admitted_stores_nothing(ear: QuietEar, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever let the association begin, an object of somebody who is no source is refused and not kept."""
    instance = new_uid()
    with calling_raw(ear.port) as caller:
        monkeypatch.setattr(Associations, "source", Mock(side_effect=NotAdmitted(cause="address")))
        assert caller.store(instance, ct_object(instance)) == 0xC211
    assert ear.stored() == []


def test_fragments_may_be_of_any_size(ear: QuietEar) -> None:
    """A command in single bytes, several values in one PDU, empty fragments: the object is whole."""
    instance = new_uid()
    data = ct_object(instance, pixels=70_000)
    command = store_rq(instance)
    with calling_raw(ear.port) as caller:
        for at in range(len(command)):
            caller.say(pdu(4, pdv(command[at : at + 1], command=True, last=at == len(command) - 1)))
        caller.say(pdu(4, pdv(data[:1], last=False) + pdv(b"", last=False) + pdv(data[1:30_000], last=False)))
        caller.say(pdu(4, pdv(data[30_000:], last=False)), pdu(4, pdv(b"", last=True)))
        assert caller.status() == 0x0000
    [path] = ear.stored()
    assert path.read_bytes().endswith(data)


def test_an_object_that_fills_blocks_exactly_is_whole(ear: QuietEar) -> None:
    """Neither a full block nor the one byte after it is lost or doubled."""
    for extra in (-1, 0, 1):
        instance = new_uid()
        data = ct_object(instance, pixels=2)
        data += bytes(p_data.BLOCK - len(data) + extra)
        with calling_raw(ear.port) as caller:
            assert caller.store(instance, data) == 0x0000
        [path] = ear.stored()
        assert path.read_bytes().endswith(data)
        assert path.stat().st_size == len(data) + path.read_bytes().index(data)
        path.unlink()


def test_a_response_is_as_small_as_the_peer_wants(ear: QuietEar) -> None:
    """A peer that takes 64 bytes a PDU gets no larger one, and all of the response."""
    instance = new_uid()
    with calling_raw(ear.port, max_pdu=64) as caller:
        caller.say(pdu(4, pdv(store_rq(instance), command=True)), pdu(4, pdv(ct_object(instance))))
        kind, body = caller.read()
        assert (kind, len(body) <= 64, body[5]) == (4, True, 0x01)
        assert caller.status() == 0x0000


def test_storing_and_echoing_share_an_association(ear: QuietEar) -> None:
    """C-ECHO is answered by pynetdicom, between two objects of ours."""
    with calling_raw(ear.port) as caller:
        for _ in range(2):
            instance = new_uid()
            assert caller.store(instance, ct_object(instance)) == 0x0000
            caller.say(pdu(4, pdv(echo_rq(), context=ECHO_CONTEXT, command=True)))
            assert caller.status() == 0x0000


def test_a_release_in_the_middle_of_an_object_drops_it(ear: QuietEar) -> None:
    """The release is answered, and nothing of the object stays."""
    with calling_raw(ear.port) as caller:
        caller.say(pdu(4, pdv(store_rq("1.2.9"), command=True)), pdu(4, pdv(bytes(1000), last=False)))
        caller.say(pdu(5, bytes(4)))
        assert caller.read() == (6, bytes(4))
    wait_until(lambda: ear.threads() == 0, "the association has ended")
    assert (ear.stored(), ear.left_over()) == ([], [])


def test_an_abort_in_the_middle_of_an_object_drops_it(ear: QuietEar) -> None:
    """Nothing of the object stays."""
    with calling_raw(ear.port) as caller:
        caller.say(pdu(4, pdv(store_rq("1.2.9"), command=True)), pdu(4, pdv(bytes(1000), last=False)))
        caller.say(pdu(7, bytes(4)))
        assert caller.read() == (0, b"")
    assert (ear.stored(), ear.left_over()) == ([], [])


# ---- what it does not

DATA = ct_object("1.2.9")
STORE = pdu(4, pdv(store_rq("1.2.9"), command=True))
VIOLATIONS = {
    "a PDU of no known type": (pdu(0x42, b"1234"), UNRECOGNIZED),
    "a second request": (associate_rq(), UNEXPECTED),
    "an answer to nothing": (pdu(6, bytes(4)), UNEXPECTED),
    "a data set without a command": (pdu(4, pdv(DATA)), UNEXPECTED_PARAMETER),
    "a command within a data set": (STORE + pdu(4, pdv(DATA, last=False)) + STORE, UNEXPECTED_PARAMETER),
    "a data set in another context": (STORE + pdu(4, pdv(DATA, context=ECHO_CONTEXT)), UNEXPECTED_PARAMETER),
    "a command in two contexts": (
        pdu(4, pdv(b"\0\0", command=True, last=False) + pdv(b"\0\0", command=True, context=ECHO_CONTEXT)),
        UNEXPECTED_PARAMETER,
    ),
    "a context that was not accepted": (pdu(4, pdv(store_rq("1.2.9"), command=True, context=99)), INVALID),
    "a value longer than its PDU": (pdu(4, struct.pack(">LBB", 100, 1, 3) + b"short"), INVALID),
    "a value of 4 GB": (pdu(4, struct.pack(">LBB", 2**32 - 1, 1, 3)), INVALID),
    "a value without a control header": (pdu(4, struct.pack(">LBB", 1, 1, 3)), INVALID),
    "a PDU without a value": (pdu(4, b""), INVALID),
    "rubbish behind a value": (pdu(4, pdv(store_rq("1.2.9"), command=True) + b"\0\0\0"), INVALID),
    "a command set of noise": (pdu(4, pdv(b"\xff" * 40, command=True)), INVALID),
    "a command that does not say what it is": (pdu(4, pdv(command_set((0x0110, b"\1\0")), command=True)), INVALID),
    "a command element longer than the command": (
        pdu(4, pdv(struct.pack("<HHL", 0, 0x0100, 2**31) + b"\1\0", command=True)),
        INVALID,
    ),
    "a command set without an end": (
        b"".join(pdu(4, pdv(bytes(10_000), command=True, last=False)) for _ in range(8)),
        INVALID,
    ),
    "an unknown command": (
        pdu(4, pdv(command_set((0x0100, b"\x77\x77"), (0x0110, b"\1\0"), (0x0800, b"\1\1")), command=True)),
        INVALID,
    ),
}


@pytest.mark.parametrize(("said", "reason"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_a_violation_aborts_with_its_reason(ear: QuietEar, said: bytes, reason: int) -> None:
    """PS3.8 9.3.8: A-ABORT by the service provider at once; nothing is left, and the next sender is served."""
    with calling_raw(ear.port) as caller:
        start = time.monotonic()
        caller.say(said)
        assert abort_of(caller) == (BY_PROVIDER, reason)
        assert time.monotonic() - start < 1
    assert (ear.stored(), ear.left_over()) == ([], [])
    served_s(ear.port)


def test_a_pdu_larger_than_negotiated_is_not_read(ear: QuietEar) -> None:
    """One byte more than we said we take, or 4 GB more: the connection ends before the body is read."""
    for length in (131_073, 2**32 - 1):
        with calling_raw(ear.port) as caller:
            caller.say(struct.pack(">BxL", 4, length))
            assert caller.read() == (0, b"")


def test_gigabytes_that_are_announced_take_no_memory(ear: QuietEar) -> None:
    """What is sent behind a header of 2 GB is not kept."""
    before = psutil.Process().memory_info().rss
    with calling_raw(ear.port) as caller:
        caller.say(struct.pack(">BxL", 4, 2**31), *[bytes(1_000_000)] * 50)
    assert psutil.Process().memory_info().rss - before < 75_000_000


def test_an_object_without_a_data_set_is_refused(ear: QuietEar) -> None:
    """A C-STORE-RQ that announces none: cannot understand, and the association goes on."""
    with calling_raw(ear.port) as caller:
        caller.say(pdu(4, pdv(store_rq("1.2.9", data_set=False), command=True)))
        assert caller.status() == 0xC000
        assert caller.store("1.2.9", ct_object("1.2.9")) == 0x0000


def test_uids_that_climb_are_refused(ear: QuietEar) -> None:
    """An announced UID that is none: mismatch, nothing is written, and its bytes are not said again."""
    with calling_raw(ear.port) as caller:
        caller.say(pdu(4, pdv(store_rq("../../etc/x"), command=True)), pdu(4, pdv(ct_object("1.2.9"))))
        assert caller.status() == 0xA900
    assert (ear.stored(), ear.left_over()) == ([], [])


def test_an_object_beyond_the_limit_is_refused(ear: QuietEar) -> None:
    """0xA701, counted as too large, nothing left; the association goes on."""
    with calling_raw(ear.port) as caller:
        assert caller.store("1.2.9", ct_object("1.2.9", pixels=1_200_000)) == 0xA701
        assert caller.store("1.2.9", ct_object("1.2.9")) == 0x0000
    assert (ear.counted.of("object_refused"), len(ear.stored()), ear.left_over()) == (["too_large"], 1, [])


def test_an_object_that_never_ends_is_not_waited_for(ear: QuietEar) -> None:
    """What is passed over is limited, too: then the association is aborted."""
    with calling_raw(ear.port) as caller:
        caller.say(STORE, *[pdu(4, pdv(bytes(100_000), last=False))] * 40)
        assert abort_of(caller) == (BY_PROVIDER, 0)
    assert ear.left_over() == []


def test_a_full_disk_costs_the_object_and_not_the_association(tmp_path: Path) -> None:
    """0xA700 for each object, all of which is read; no partial file."""
    with quiet_ear(tmp_path / "state") as ear, calling_raw(ear.port) as caller:
        ear.spool._min_free_bytes = 2**62  # noqa: SLF001 - the disk fills once the association is open
        for _ in range(2):
            assert caller.store("1.2.9", ct_object("1.2.9", pixels=600_000)) == 0xA700
        assert (ear.stored(), ear.left_over()) == ([], [])


# ---- silence


HALF = pdu(4, pdv(store_rq("1.2.9"), command=True)) + pdu(4, pdv(bytes(1000), last=False))
SILENCES = {
    "in the header of a PDU": HALF + b"\x04\x00",
    "in the header of a value": HALF + struct.pack(">BxLL", 4, 1000, 900),
    "in a fragment": HALF + struct.pack(">BxLLBB", 4, 1000, 996, 1, 0) + bytes(10),
    "between two fragments": HALF,
    "between two messages": b"",
}


@pytest.mark.parametrize("said", SILENCES.values(), ids=SILENCES)
def test_silence_ends_within_the_idle_time(tmp_path: Path, said: bytes) -> None:
    """Wherever the peer falls silent: A-ABORT after the idle time, nothing left, others served meanwhile."""
    with quiet_ear(tmp_path / "state", idle_timeout_s=0.7) as ear, calling_raw(ear.port) as caller:
        caller.say(said)
        start = time.monotonic()
        assert_served(ear.port)
        assert abort_of(caller) == (BY_PROVIDER, 0)
        assert time.monotonic() - start < 3
        wait_until(lambda: ear.left_over() == [], "the part is gone", seconds=3)


def test_a_trickle_is_silence(tmp_path: Path) -> None:
    """Bytes that come so slowly that the object never will are not waited for."""
    with quiet_ear(tmp_path / "state", idle_timeout_s=0.5) as ear, calling_raw(ear.port) as caller:
        caller.say(STORE)
        start = time.monotonic()
        while time.monotonic() - start < 5 and ear.threads():
            caller.say(pdu(4, pdv(b"x", last=False)))
            time.sleep(0.02)
        assert time.monotonic() - start < 3


def test_stopping_ends_a_sender_in_the_middle_of_an_object(tmp_path: Path) -> None:
    """Whoever sends without an end is aborted after the grace, and nothing is left."""
    with quiet_ear(tmp_path / "state") as ear, calling_raw(ear.port) as caller:
        caller.say(STORE, pdu(4, pdv(bytes(1000), last=False)))
        ear.listener.stop()
        assert caller.read()[0] == ABORT
        wait_until(lambda: ear.threads() == 0 and ear.left_over() == [], "the association has ended", seconds=5)


def test_a_message_that_nobody_serves_ends_the_association(ear: QuietEar) -> None:
    """C-FIND in a storage context: pynetdicom has no such service there, and the next sender is served."""
    find = command_set(
        (0x0002, padded("1.2.840.10008.5.1.4.1.2.2.1")),
        (0x0100, b"\x20\x00"),
        (0x0110, b"\1\0"),
        (0x0700, b"\0\0"),
        (0x0800, b"\0\0"),
    )
    with calling_raw(ear.port) as caller:
        caller.say(pdu(4, pdv(find, command=True)), pdu(4, pdv(DATA)))
        assert caller.read()[0] in {4, ABORT}
    served_s(ear.port)
