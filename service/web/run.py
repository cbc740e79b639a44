"""The role `web`: the page, the probes and the API over uvicorn."""

import asyncio
import contextlib
import socket
from types import FrameType

import uvicorn

from service.config import Settings, Web
from service.errors import Misconfigured
from service.landmarks import DocumentFormat
from service.logs import log
from service.metrics import Metrics
from service.retraction import NoteMaker
from service.stopping import stop_when_told
from service.web.app import create_app
from service.web.connections import LimitedConnection
from service.web.papers import Papers
from service.wiring import open_node

#: Requests that are under way when the page is told to stop have so long to end, seconds.
_GRACE_S = 3
#: The server looks at itself so often, seconds: the least that its header Date needs.
_TURN_S = 1.0


class Unhurried(uvicorn.Server):
    """uvicorn's server with a loop that turns once a second, not ten times; told to stop, it does so at once."""

    _loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        """Turn until told to stop."""
        self._told = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):  # each is one of the turns that renew Date
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), _TURN_S)
        self._loop = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note that a signal says to stop, and wake the loop."""
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told.set)


def web(settings: Settings, documents: DocumentFormat, print_outs: Papers, make_note: NoteMaker) -> int:
    """Serve until SIGTERM or Ctrl-C; return the exit code. Misconfigured where address or token cannot be used."""
    # uvicorn stops on these signals, then raises them again for whoever stood there before: this event, not the end.
    stop_when_told()
    with open_node(settings) as node, _listening(settings.web) as listening:
        app = create_app(node, Metrics(settings), documents, print_outs, make_note)
        # No access log: it would hold Study Instance UIDs.
        config = uvicorn.Config(
            app,
            http=LimitedConnection,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
        address, port = listening.getsockname()[:2]
        log.info("page ready", action="ready", role="web", bind=address, port=port)
        Unhurried(config).run(sockets=[listening])
    return 0


def _listening(web: Web) -> socket.socket:
    family = socket.AF_INET6 if ":" in web.bind else socket.AF_INET
    try:
        return socket.create_server((web.bind, web.port), family=family)
    except OSError as error:
        raise Misconfigured(f"web.bind = {web.bind!r}, web.port = {web.port}: {error.strerror}") from None
