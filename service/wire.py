"""The bytes of one connection: every wait for them is bounded, and what is read goes where it is to lie.

pynetdicom reads at most 4096 bytes at a time, polls before each read, copies each byte five times and, left to itself,
waits for ever (docs/decisions/0021-receive-loop.md). Here a fragment is read by one system call that returns when all
of it is there, what is short by one for several, and the kernel keeps the time.
"""

import contextlib
import math
import socket
import ssl
import struct
import threading
import time
from typing import Final

#: Once an association is over, the peer has so long to read our last word and to hang up, seconds: closing a
#: connection on which bytes wait to be read makes the kernel throw away what we said.
LAST_WORD_S: Final = 1.0
#: So much is read at once, bytes, where less was asked for. What a PDU announces takes no memory before it comes.
_AHEAD: Final = 4 * 1024
#: So much is sent at once, bytes: the kernel waits until it has all of it, and the time is looked at in between.
_AT_ONCE: Final = 64 * 1024
_TIMEVAL: Final = struct.Struct("ll")


class Over(Exception):
    """The association is over; whoever works for it just now gives up."""


class Left(Over):
    """The peer hung up, or said nothing for too long."""


class Silent(Left):
    """The peer said nothing for too long."""


class Overdue(Silent):
    """The association has lasted as long as any may."""


class Wire:
    """One connected socket, read by one thread; `send` and `stop_reading` may be called by any."""

    def __init__(self, connection: socket.socket, *, timeout_s: float, most_s: float = math.inf) -> None:
        """Take a socket; what is read and sent ends with Overdue once `most_s` seconds have passed."""
        self._socket = connection
        # A TLS socket decrypts record by record, so it is asked until all is there.
        self._tls = isinstance(connection, ssl.SSLSocket)
        self._all = 0 if self._tls else socket.MSG_WAITALL
        self._buffer = memoryview(bytearray(_AHEAD))
        #: What of it was read and not asked for yet.
        self._ahead = self._buffer[:0]
        self._sending = threading.Lock()
        self._timeout_s = timeout_s
        #: Why nothing is read any more.
        self._over: type[Left] | None = None
        self._ends_at = time.monotonic() + most_s
        with contextlib.suppress(OSError):  # the peer may be gone already: the first read says so
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.wait_at_most(timeout_s)

    def wait_at_most(self, timeout_s: float) -> None:
        """Bound each read and each write by so many seconds, however lively the peer is meanwhile."""
        self._timeout_s = timeout_s
        with contextlib.suppress(OSError):
            if self._tls:
                self._socket.settimeout(timeout_s)
                return
            self._socket.settimeout(None)
            seconds = int(timeout_s)
            limit = _TIMEVAL.pack(seconds, max(1, int((timeout_s - seconds) * 1_000_000)))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def read_into(self, room: memoryview) -> None:
        """Fill `room`; Left where the peer hangs up before, Silent where it takes longer than the limit."""
        began = time.monotonic()
        room = room[self._take(room) :]
        while room:
            room = room[self._receive(room, self._all, began) :]

    def read(self, size: int) -> bytes:
        """Read `size` bytes; see `read_into`."""
        if size <= len(self._ahead) and not self._over:
            said, self._ahead = bytes(self._ahead[:size]), self._ahead[size:]
            return said
        began = time.monotonic()
        got = bytearray()
        while len(got) < size:
            if not self._ahead:
                # Once for all that is short: what begins a PDU, a value and a command mostly comes together.
                self._ahead = self._buffer[: self._receive(self._buffer, 0, began)]
            piece = bytearray(min(size - len(got), len(self._ahead)))
            self._take(memoryview(piece))
            got += piece
        return bytes(got)

    def _take(self, room: memoryview) -> int:
        """Fill `room` as far as what was read ahead goes; return how far."""
        if self._over:
            raise self._over
        count = min(len(room), len(self._ahead))
        room[:count], self._ahead = self._ahead[:count], self._ahead[count:]
        return count

    def _receive(self, room: memoryview, flags: int, began: float) -> int:
        """Read into `room` once; return how many bytes came, one at least."""
        if self._over:
            raise self._over
        try:
            count = self._socket.recv_into(room, len(room), flags)
        except (BlockingIOError, TimeoutError) as error:
            raise Silent from error
        except (OSError, ValueError) as error:  # ValueError: closed by another thread, TLS
            raise Left from error
        if not count:
            raise Left
        now = time.monotonic()
        if now - began > self._timeout_s:
            raise Silent
        if now > self._ends_at:
            raise Overdue
        return count

    def send(self, said: bytes, *, last_word: bool = False) -> None:
        """Send all of it; Left where the peer has hung up or does not read, Overdue but for the last word."""
        # Another thread may hold the line for a peer that does not read; its time is limited, too.
        if not self._sending.acquire(timeout=self._timeout_s):
            raise Left
        try:
            rest = memoryview(said)
            while rest:
                # A peer may read just as much as keeps us going.
                if not last_word and time.monotonic() > self._ends_at:
                    raise Overdue
                rest = rest[self._socket.send(rest[:_AT_ONCE]) :]
        except (OSError, ValueError) as error:
            raise Left from error
        finally:
            self._sending.release()

    def stop_reading(self, why: type[Left] = Left) -> None:
        """Have whoever reads just now, and later, find that the peer has left."""
        self._over = why
        with contextlib.suppress(OSError):
            # A TLS socket would forget its keys, and what is sent after that would not be encrypted.
            socket.socket.shutdown(self._socket, socket.SHUT_RD)

    def end(self, *, spoken: bool) -> None:
        """Close the connection; `spoken` where our last word is on its way, which the peer is given time to read."""
        if spoken:
            with contextlib.suppress(Left, OSError):
                self._drain()
        with contextlib.suppress(OSError):
            self._socket.close()

    def _drain(self) -> None:
        """Say that nothing more comes, and read what the peer still says, decrypting nothing."""
        socket.socket.shutdown(self._socket, socket.SHUT_WR)
        until = time.monotonic() + LAST_WORD_S
        self.wait_at_most(LAST_WORD_S)
        ignored = bytearray(65_536)
        while time.monotonic() < until and socket.socket.recv_into(self._socket, ignored):
            pass
