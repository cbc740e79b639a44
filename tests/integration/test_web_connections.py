"""HTTP connections that say nothing or drip: each is over in time, and together they keep nobody out."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from servers import wait_until

from service.web import connections
from service.web.connections import LimitedConnection

#: Of the server here: long enough that those below begin to wait in order.
HEADERS_S = 1.0
MOST = 10


async def _reads_its_body(scope: Any, receive: Any, send: Any) -> None:
    """Answer 200 when the whole body was there."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Serve with short limits."""
    monkeypatch.setattr(connections, "HEADERS_S", HEADERS_S)
    monkeypatch.setattr(connections, "BODY_S", HEADERS_S)
    monkeypatch.setattr(connections, "MOST", MOST)
    config = uvicorn.Config(_reads_its_body, http=LimitedConnection, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = server.serve(sockets=[listening])
        thread = threading.Thread(target=asyncio.run, args=(serving,))
        thread.start()
        wait_until(lambda: server.started, "it serves")
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


def _silent(port: int, begun: bytes = b"") -> socket.socket:
    found = socket.create_connection(("127.0.0.1", port), timeout=10)
    found.sendall(begun)
    return found


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1000) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: h\r\n",
        b"POST /login HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx",
    ],
)
def test_a_request_that_is_not_there_in_time_is_not_waited_for(port: int, begun: bytes) -> None:
    """Nothing, half of the headers, or half of a body: closed after the limit, and not before."""
    start = time.monotonic()
    with contextlib.closing(_silent(port, begun)) as silent:
        assert _is_closed(silent)
    assert HEADERS_S * 0.9 < time.monotonic() - start < HEADERS_S + 3


def test_headers_that_drip_are_not_waited_for(port: int) -> None:
    """The limit is that of all headers, also behind another request: a byte now and then does not move it."""
    with contextlib.closing(_silent(port, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")) as dripping:
        assert dripping.recv(1000).startswith(b"HTTP/1.1 200")
        start = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - start < HEADERS_S + 3:
                dripping.sendall(b"G")
                time.sleep(0.05)
        assert HEADERS_S * 0.9 < time.monotonic() - start < HEADERS_S + 2


def test_a_body_of_stow_has_the_limits_of_its_own(port: int) -> None:
    """It may come for longer than a form may."""
    head = b"POST /dicom-web/studies HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx"
    with contextlib.closing(_silent(port, head)) as slow:
        time.sleep(HEADERS_S * 1.2)
        slow.sendall(b"12345678")
        assert slow.recv(1000).startswith(b"HTTP/1.1 200")


def test_whoever_was_silent_longest_gives_way(port: int) -> None:
    """Beyond the most there may be, the oldest silent ones are closed; who asks is answered at once."""
    silent = []
    for _ in range(3 * MOST):
        silent.append(_silent(port))
        assert 200 == httpx.get(f"http://127.0.0.1:{port}/", headers={"Connection": "close"}).status_code
    assert _is_closed(silent[0])
    silent[-1].sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert silent[-1].recv(1000).startswith(b"HTTP/1.1 200")
    for each in silent:
        each.close()
