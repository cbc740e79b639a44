"""The page's server turns seldom: what hangs on its turns all the same, and what does not."""

import asyncio
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from servers import wait_until

from service.web import run
from service.web.run import Unhurried


async def _answers(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - as ASGI has it
    """Answer 200."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@contextmanager
def _serving() -> Iterator[tuple[str, Unhurried, threading.Thread]]:
    """Serve in a thread; gives address, server and thread."""
    server = Unhurried(uvicorn.Config(_answers, log_config=None, lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=asyncio.run, args=(server.serve(sockets=[listening]),))
        thread.start()
        try:
            wait_until(lambda: server.started, "it serves")
            yield "http://{}:{}".format(*listening.getsockname()), server, thread
        finally:
            server.handle_exit(signal.SIGTERM, None)
            thread.join(30)


def test_it_stops_when_it_is_told_and_not_at_its_next_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its next turn is ten minutes away."""
    monkeypatch.setattr(run, "_TURN_S", 600.0)
    with _serving() as (address, server, thread):
        httpx.get(address).raise_for_status()
        server.handle_exit(signal.SIGTERM, None)
        thread.join(30)
        server.handle_exit(signal.SIGTERM, None)  # told again, when all is over

        assert not thread.is_alive()


def test_the_header_date_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9110 6.6.1: when the answer was made, to the second."""
    monkeypatch.setattr(run, "_TURN_S", 0.05)
    with _serving() as (address, _, _), httpx.Client() as client:
        first = client.get(address).headers["date"]

        wait_until(lambda: client.get(address).headers["date"] != first, "another second")
