"""Bytes of a connection: all of them or a reason, in a bounded time."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from service.wire import Left, Overdue, Silent, Wire


@pytest.fixture
def ends() -> Iterator[tuple[Wire, socket.socket]]:
    """Give a wire of a tenth of a second and its far end."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as far:
        near, _ = server.accept()
        with near:
            yield Wire(near, timeout_s=0.1), far


def test_what_comes_in_pieces_is_read_whole(ends: tuple[Wire, socket.socket]) -> None:
    """A read ends when all of it is there, and takes nothing of what follows."""
    wire, far = ends

    def trickle() -> None:
        for number in range(50):
            far.sendall(bytes((number,)))

    sender = threading.Thread(target=trickle)
    sender.start()
    assert wire.read(40) == bytes(range(40))
    assert wire.read(10) == bytes(range(40, 50))
    sender.join()


@pytest.mark.parametrize("said", [b"", b"half"])
def test_silence_is_bounded(ends: tuple[Wire, socket.socket], said: bytes) -> None:
    """Nothing, or less than is awaited: Silent once the time is over."""
    wire, far = ends
    far.sendall(said)
    start = time.monotonic()
    with pytest.raises(Silent):
        wire.read(100)
    assert 0.09 < time.monotonic() - start < 1


def test_a_read_takes_no_longer_for_a_peer_that_drips(ends: tuple[Wire, socket.socket]) -> None:
    """Bytes that come all the time, and too few: what is read at once is there in time, or it is silence."""
    wire, far = ends
    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.01):
            far.sendall(b"x")

    sender = threading.Thread(target=drip)
    sender.start()
    start = time.monotonic()
    with pytest.raises(Silent):
        wire.read_into(memoryview(bytearray(1000)))
    took = time.monotonic() - start
    over.set()
    sender.join()
    assert 0.09 < took < 1


@pytest.mark.parametrize("said", [b"", b"half"])
def test_who_hangs_up_has_left(ends: tuple[Wire, socket.socket], said: bytes) -> None:
    """The end of the connection before all of it came is told from silence."""
    wire, far = ends
    far.sendall(said)
    far.close()
    with pytest.raises(Left) as left:
        wire.read(100)
    assert not isinstance(left.value, Silent)


def test_no_wire_lasts_for_longer_than_it_may() -> None:
    """Bytes that come in time, one after the other, are read until the time of all of it is over."""
    near, far = socket.socketpair()
    with near, far:
        start = time.monotonic()
        wire = Wire(near, timeout_s=5, most_s=0.05)

        def read_on() -> None:
            while time.monotonic() - start < 5:
                far.sendall(b"x")
                wire.read(1)

        with pytest.raises(Overdue):
            read_on()
        assert 0.05 <= time.monotonic() - start < 1


def test_no_wire_sends_for_longer_than_it_may() -> None:
    """A peer that reads just enough to keep us going is cut off at the same time; the last word still goes."""
    near, far = socket.socketpair()
    with near, far:
        wire = Wire(near, timeout_s=5, most_s=0.1)
        over = threading.Event()

        def sip() -> None:
            while not over.wait(0.01):
                far.recv(20_000)

        reader = threading.Thread(target=sip)
        reader.start()
        start = time.monotonic()
        try:
            for said in (bytes(10_000_000), b"more"):
                with pytest.raises(Overdue):
                    wire.send(said)
            took = time.monotonic() - start
            wire.send(b"bye", last_word=True)
        finally:
            over.set()
            reader.join()
        assert 0.1 <= took < 2


def test_who_reads_nothing_has_left(ends: tuple[Wire, socket.socket]) -> None:
    """What cannot be sent within the time is given up."""
    wire, _ = ends
    start = time.monotonic()
    with pytest.raises(Left):
        wire.send(bytes(100_000_000))
    assert time.monotonic() - start < 5


def test_another_thread_can_stop_the_reader(ends: tuple[Wire, socket.socket]) -> None:
    """A reader that waits is woken, and what was said before still arrives."""
    wire, far = ends
    wire.wait_at_most(30)
    stopper = threading.Timer(0.05, wire.stop_reading)
    stopper.start()
    with pytest.raises(Left):
        wire.read(1)
    wire.send(b"bye")
    wire.end(spoken=False)
    assert far.recv(10) == b"bye"


def test_the_last_word_is_heard_though_bytes_wait(ends: tuple[Wire, socket.socket]) -> None:
    """Closing with unread bytes would reset the connection, and what we said last would be lost."""
    wire, far = ends
    far.sendall(bytes(100_000))
    wire.send(b"abort")
    closer = threading.Thread(target=wire.end, kwargs={"spoken": True})
    closer.start()
    assert far.recv(10) == b"abort"
    far.close()
    closer.join(5)
    assert not closer.is_alive()
