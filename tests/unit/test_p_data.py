"""Messages put together from fragments, read from a connection that a test speaks over."""

import socket
from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace

import pytest
from pynetdicom import AE
from pynetdicom.association import Association
from raw_caller import pdu, pdv, store_rq

from service import p_data
from service.p_data import Messages, Released
from service.upper_layer import TooLarge, UpperLayer, Violation
from service.wire import Left, Silent, Wire


@pytest.fixture
def far_and_messages() -> Iterator[tuple[socket.socket, Messages]]:
    """Give the far end of an association with context 1, and the reader at this end."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as far:
        near, _ = server.accept()
        upper = UpperLayer(Association(AE(), "acceptor"))
        upper.wire = Wire(near, timeout_s=5)
        with near:
            yield far, Messages(upper, contexts=[1], max_pdu=1000, idle_s=5)


def test_messages_follow_one_another(far_and_messages: tuple[socket.socket, Messages]) -> None:
    """A data set ends with its last fragment, and the next command begins in the same PDU."""
    far, messages = far_and_messages
    far.sendall(pdu(4, pdv(store_rq("1.2.3"), command=True) + pdv(b"one")) + pdu(5, bytes(4)))
    message = messages.next()
    assert (message.context_id, message.command.sop_instance_uid) == (1, "1.2.3")
    assert b"".join(messages.data_set(message)) == b"one"
    with pytest.raises(Released):
        messages.next()


def test_a_block_is_handed_on_when_it_is_full(
    far_and_messages: tuple[socket.socket, Messages], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the fragments' sizes: blocks of one size, and what is left."""
    far, messages = far_and_messages
    monkeypatch.setattr(p_data, "BLOCK", 10)
    far.sendall(pdu(4, pdv(store_rq("1.2.3"), command=True)))
    far.sendall(pdu(4, pdv(b"a" * 7, last=False) + pdv(b"b" * 16, last=False) + pdv(b"c" * 4)))
    blocks = [bytes(block) for block in messages.data_set(messages.next())]
    assert blocks == [b"aaaaaaabbb", b"bbbbbbbbbb", b"bbbcccc"]


@pytest.mark.parametrize(
    ("said", "ends"),
    [
        (pdu(7, bytes(4)), Left),
        (pdu(9, b""), Violation),
        (pdu(4, b"\0" * 1001), TooLarge),
        (pdu(4, pdv(b"x", context=2, command=True)), Violation),
        (pdu(4, pdv(b"x")), Violation),
    ],
)
def test_what_ends_an_association(
    far_and_messages: tuple[socket.socket, Messages], said: bytes, ends: type[Exception]
) -> None:
    """An abort, an unknown type, too large a PDU, a context that was not accepted, data without a command."""
    far, messages = far_and_messages
    far.sendall(said)
    with pytest.raises(ends):
        messages.next()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give the time, which passes where a test says so."""
    now = [0.0]
    monkeypatch.setattr(p_data, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_a_disk_of_ours_that_stalls_is_not_the_senders_silence(
    far_and_messages: tuple[socket.socket, Messages], now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes the blocks needs an hour for each: the sender, which sends without a pause, is not cut off."""
    far, messages = far_and_messages
    monkeypatch.setattr(p_data, "BLOCK", 10)
    far.sendall(pdu(4, pdv(store_rq("1.2.3"), command=True)))
    far.sendall(pdu(4, pdv(b"a" * 15, last=False) + pdv(b"b" * 20)))
    taken = 0
    for block in messages.data_set(messages.next()):
        taken += len(block)
        now[0] += 3600.0
    assert taken == 35


def test_what_is_done_about_a_command_is_not_the_senders_silence(
    far_and_messages: tuple[socket.socket, Messages], now: list[float]
) -> None:
    """An hour passes here between the command and the first look at its data set, which has come long since."""
    far, messages = far_and_messages
    far.sendall(pdu(4, pdv(store_rq("1.2.3"), command=True)) + pdu(4, pdv(b"a" * 15)))
    message = messages.next()
    now[0] += 3600.0
    assert b"".join(map(bytes, messages.data_set(message))) == b"a" * 15


def test_who_sends_too_slowly_is_silent(
    far_and_messages: tuple[socket.socket, Messages], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second passes for each byte: no object ever arrives so, however regularly its bytes do."""
    far, messages = far_and_messages
    ticks = count()
    monkeypatch.setattr(p_data, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    far.sendall(pdu(4, pdv(store_rq("1.2.3"), command=True)))
    far.sendall(pdu(4, pdv(b"x", last=False)) * 50)
    with pytest.raises(Silent):
        list(messages.data_set(messages.next()))
