"""Callers that have connected and not asked for an association."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from service.acceptor import Waiting


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    """Give three connections, both ends of each."""
    with ExitStack() as stack:
        made = [socket.socketpair() for _ in range(3)]
        for pair in made:
            for end in pair:
                stack.enter_context(end)
        yield made


def is_open(far: socket.socket) -> bool:
    """Whether the other end has not hung up."""
    far.setblocking(False)
    try:
        return far.recv(1) != b""
    except BlockingIOError:
        return True


def test_the_oldest_gives_way(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    """One more than there may be: the one that has waited longest is hung up on, the others stay."""
    waiting = Waiting(most=2)
    gone = [waiting.enter(number, near) for number, (near, _) in enumerate(pairs)]
    assert gone == [None, None, 0]
    assert [is_open(far) for _, far in pairs] == [False, True, True]


def test_who_has_asked_no_longer_gives_way(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    """An association is not hung up on for those who come after it; leaving twice is harmless."""
    waiting = Waiting(most=2)
    for number, (near, _) in enumerate(pairs):
        waiting.enter(number, near)
        waiting.leave(0)
        waiting.leave(0)
    assert [is_open(far) for _, far in pairs] == [True, True, True]


def test_nobody_gives_way_where_nobody_waits() -> None:
    """No files may be opened, and no caller is to blame."""
    assert Waiting(most=1).give_way() is None
