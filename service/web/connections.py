"""HTTP connections that say nothing, or drip.

uvicorn waits for the headers of a request, and for its body, without an end; and it takes any number of connections.
"""

import asyncio
from typing import Final, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.web.guard import DICOMWEB

#: The headers of a request are complete after so long, seconds, from the connection or the answer before.
HEADERS_S: Final = 10.0
#: So is a body, seconds: a file of upload.LARGEST at 2 Mbit/s. Those of STOW-RS have limits of their own (studies.py).
BODY_S: Final = 130.0
#: So many connections at once; half of the 1024 files that a process has by default.
MOST: Final = 512


class LimitedConnection(H11Protocol):
    """A connection that is closed when its next request is not there in time, or when others need its place."""

    #: When it began to wait for headers, by the loop's clock; None: it does not.
    silent_since: float | None = None
    _waits_for: object = None
    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._look()
        if len(self.connections) > MOST:
            self._give_way()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take more of a request."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        super().on_response_complete()
        self._look()

    def _look(self) -> None:
        """Begin a time limit where what is waited for has changed."""
        waits_for = self.conn.their_state
        if waits_for is self._waits_for or self.transport.is_closing():
            return
        self._end()
        self._waits_for = waits_for
        if waits_for is h11.IDLE:
            self.silent_since = self.loop.time()
            self._limit = self.loop.call_later(HEADERS_S, self.transport.abort)
        elif waits_for is h11.SEND_BODY and not self.scope["path"].startswith(DICOMWEB):
            self._limit = self.loop.call_later(BODY_S, self.transport.abort)

    def _end(self) -> None:
        self.silent_since = None
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _give_way(self) -> None:
        """Close the connection that has waited longest for headers: this one, where no other does."""
        here = cast("set[LimitedConnection]", self.connections)
        silent = {each: each.silent_since for each in here if each.silent_since is not None}
        longest = min(silent, key=lambda each: silent[each])
        # It is told only later that it is closed; till then it would be chosen again.
        here.discard(longest)
        longest.transport.abort()
