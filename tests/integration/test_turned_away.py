"""Who is turned away before there is an association, or cut off in one: counted by cause, said within bounds."""

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from authority import Authority, handshake
from ears import QuietEar, quiet_ear
from raw_caller import CT, ECHO_CONTEXT, RawCaller, calling_raw, command_set, echo_rq, padded, pdu, pdv
from servers import wait_until
from structlog.testing import capture_logs

from service import associations
from service.acceptor import Waiting
from service.door import Door
from service.ledger.callers import Caller

#: Of the class of its presentation context, which is storage.
C_FIND = command_set(
    (0x0002, padded(CT)),
    (0x0100, b"\x20\x00"),
    (0x0110, b"\1\0"),
    (0x0700, b"\0\0"),
    (0x0800, b"\0\0"),
)


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[QuietEar]:
    """Run a listener that has little patience."""
    with quiet_ear(tmp_path / "state", idle_timeout_s=0.6, max_association_s=1.2) as ear:
        yield ear


def _silent(caller: RawCaller) -> None:
    caller.read()


def _goes_on_for_ever(caller: RawCaller) -> None:
    for _ in range(100):
        caller.say(pdu(4, pdv(echo_rq(), context=ECHO_CONTEXT, command=True)))
        if caller.read()[0] != 4:
            return
        time.sleep(0.05)


def _announces_much(caller: RawCaller) -> None:
    caller.say(struct.pack(">BxL", 4, 2**31))
    caller.read()


def _says_what_is_none(caller: RawCaller) -> None:
    caller.say(pdu(9, bytes(4)))
    caller.read()


def _asks_for_what_is_not_served(caller: RawCaller) -> None:
    caller.say(pdu(4, pdv(C_FIND, command=True)), pdu(4, pdv(b"\x08\x00\x52\x00CS\x00\x00")))
    caller.read()


def _hangs_up(_: RawCaller) -> None:
    """Say nothing more."""


@pytest.mark.parametrize(
    ("cause", "does"),
    [
        ("silent", _silent),
        ("overdue", _goes_on_for_ever),
        ("pdu_too_large", _announces_much),
        ("violation", _says_what_is_none),
        ("not_served", _asks_for_what_is_not_served),
        ("left", _hangs_up),
    ],
)
def test_an_association_that_is_not_released_is_counted_by_its_cause(
    ear: QuietEar, cause: str, does: Callable[[RawCaller], None]
) -> None:
    """Once, as the log says it; none of them is a rejection."""
    with capture_logs() as said:
        with calling_raw(ear.port) as caller:
            does(caller)
        wait_until(lambda: ear.threads() == 0, "the association has ended")

    counted = [values for name, values in ear.counted.said if name == "association_aborted"]
    assert [(cause, "unlisted")] == counted
    assert [cause] == [line["cause"] for line in said if line["action"] == "association_aborted"]
    assert [] == ear.counted.of("association_rejected")


def test_one_that_is_released_is_not_counted(ear: QuietEar) -> None:
    """A-RELEASE is how an association ends."""
    with calling_raw(ear.port) as caller:
        caller.say(pdu(5, bytes(4)))
        assert 6 == caller.read()[0]
    wait_until(lambda: ear.threads() == 0, "the association has ended")

    assert [] == ear.counted.of("association_aborted")


@pytest.mark.parametrize(("said", "causes"), [(b"", []), (b"\x16\x03\x01\x02\x00\x01\x00", ["pdu_too_large"])])
def test_who_breaks_the_protocol_before_an_association_is_counted_and_a_probe_is_not(
    ear: QuietEar, said: bytes, causes: list[str]
) -> None:
    """A sender that speaks TLS where none is spoken must be seen; a health check connects and leaves all day."""
    with calling_raw(ear.port, associated=False) as caller:
        caller.say(said)
        if said:
            caller.read()
    time.sleep(0.2)
    wait_until(lambda: ear.threads() == 0, "the connection has ended")

    assert causes == ear.counted.of("association_aborted")


def test_connections_that_give_way_are_counted_and_said_once_in_a_while(
    ear: QuietEar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is counted; a flood costs one line a minute, which says how many there were since the one before."""
    monkeypatch.setattr(ear.listener._server, "waiting", Waiting(most=2))  # noqa: SLF001 - nobody configures it
    # The first that wait must not be hung up on for their silence before.
    monkeypatch.setattr(ear.listener._server.ae, "acse_timeout", 30)  # type: ignore[union-attr]  # noqa: SLF001
    given_way = "association_rejected"
    with capture_logs() as said, ExitStack() as stack:

        def connect(number: int) -> None:
            for _ in range(number):
                stack.enter_context(closing(RawCaller(ear.port)))

        connect(7)
        wait_until(lambda: len(ear.counted.of(given_way)) == 5, "five have given way")
        monkeypatch.setattr(associations, "_SAY_AGAIN_S", 0.0)
        monkeypatch.setattr(ear.listener._associations, "_say_again_at", 0.0)  # noqa: SLF001 - a minute has passed
        connect(1)
        wait_until(lambda: len(ear.counted.of(given_way)) == 6, "another has given way")

    assert ["gave_way"] * 6 == ear.counted.of(given_way)
    lines = [line for line in said if line["action"] == "connection_gave_way"]
    assert [(1, "127.0.0.1"), (5, "127.0.0.1")] == [(line["count"], line["address"]) for line in lines]


def test_a_refused_handshake_is_counted_and_told_and_one_that_hangs_up_is_not(tmp_path: Path) -> None:
    """Without a certificate, and in plain text: cause tls, by its address in the ledger; a port scanner is neither."""
    authority = Authority.made(tmp_path)
    told: list[Caller] = []
    door = Door(SimpleNamespace(paused=dict), SimpleNamespace(note=told.extend), lambda: 100.0)
    with quiet_ear(tmp_path / "state", door=door, tls=authority.sign("node").model_dump()) as ear:
        socket.create_connection(("127.0.0.1", ear.port)).close()
        handshake(ear.port, None, "-tls1_2", authority=authority.file)
        with calling_raw(ear.port, associated=False) as caller:
            caller.say(b"\x01\x00" + bytes(200))
            caller.read()
        wait_until(lambda: len(ear.counted.of("association_rejected")) > 1, "both are counted")
        door.tell()

    assert ["tls"] * 2 == ear.counted.of("association_rejected")
    assert [("", "127.0.0.1", "tls", 2)] == [(each.calling_ae, each.address, each.cause, each.number) for each in told]
