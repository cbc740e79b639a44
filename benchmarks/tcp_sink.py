"""What the benchmark of reception is measured against, and with: bytes over TCP into files, and a look at memory.

tcp_sink.py receive PORT FOLDER     a process a connection: length, bytes, into a file, fsync, one byte back
tcp_sink.py send PORT FILE...
tcp_sink.py watch PID               until SIGTERM, then print the peak of memory (PSS), MiB, with children
"""

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

_BLOCK = 1024 * 1024


def receive(port: str, folder: str) -> None:
    """Keep what comes."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.create_server(("127.0.0.1", int(port)), backlog=64) as listening:
        while True:
            connection, address = listening.accept()
            if os.fork() == 0:
                with contextlib.suppress(ConnectionError):
                    _keep(connection, Path(folder) / str(address[1]))
                os._exit(0)
            connection.close()


def _keep(connection: socket.socket, stem: Path) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    block = memoryview(bytearray(_BLOCK))
    number = 0
    while len(said := connection.recv(8, socket.MSG_WAITALL)) == 8:
        left = int.from_bytes(said, "big")
        file = os.open(f"{stem}-{number}", os.O_WRONLY | os.O_CREAT)
        while left:
            count = connection.recv_into(block, min(left, _BLOCK), socket.MSG_WAITALL)
            os.write(file, block[:count])
            left -= count
        os.fsync(file)
        os.close(file)
        connection.sendall(b"1")
        number += 1


def send(port: str, *paths: str) -> None:
    """Send files, one after the other, each answered before the next."""
    with socket.create_connection(("127.0.0.1", int(port))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for path in paths:
            content = Path(path).read_bytes()
            connection.sendall(len(content).to_bytes(8, "big"))
            connection.sendall(content)
            if connection.recv(1) != b"1":
                raise ConnectionError("the sink has gone")


def watch(pid: str) -> None:
    """Look at the memory of a process every few milliseconds."""
    import psutil  # noqa: PLC0415 - the sender must start as fast as it can

    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    watched, peak = psutil.Process(int(pid)), 0
    while not told:
        with contextlib.suppress(psutil.NoSuchProcess):
            peak = max(peak, sum(p.memory_full_info().pss for p in [watched, *watched.children(recursive=True)]))
        time.sleep(0.01)
    print(peak / 2**20)


if __name__ == "__main__":
    todo: dict[str, Callable[..., None]] = {"receive": receive, "send": send, "watch": watch}
    todo[sys.argv[1]](*sys.argv[2:])
