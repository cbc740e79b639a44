"""Several processes on one port: what one interpreter cannot receive alone, since one thread of it runs at a time.

    spondyl listen (opens the port, has no thread, looks after the others)
      process 0    receives, settles, reconciles
      process 1..  receive

All accept from one socket, so none loses a connection that waits when another dies, and share one limit on the number
of associations. A process that is killed is started again; one that ends by itself ends the role, as it would alone.
"""

import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.context import ForkProcess
from typing import Final

from service.config import Settings
from service.errors import Misconfigured
from service.leash import die_with_parent
from service.logs import log
from service.slots import Shared, Slots

#: Connections that wait to be accepted, as in `acceptor`.
_BACKLOG: Final = 128
_TICK_S: Final = 0.25
#: A process that was killed is started again after so long, seconds.
_PAUSE_S: Final = 0.5
#: How long the processes may take to stop: a grace of two seconds for what is open, and the ledger.
_STOP_S: Final = 8.0

Ear = Callable[[Settings, Shared], int]


def listen_together(settings: Settings, ear: Ear, told: threading.Event) -> int:
    """Run `ear` in every process until told; returns the exit code. To be called in a process without other threads.

    Raises Misconfigured where the address cannot be used.
    """
    with _open_port(settings) as listening:
        ears = [_Process(settings, ear, listening, number) for number in range(settings.node.processes)]
        try:
            while not told.wait(_TICK_S):
                for each in ears:
                    if (code := each.tend()) is not None:
                        return code
            return 0
        finally:
            for each in ears:
                each.tell()
            end = time.monotonic() + _STOP_S
            for each in ears:
                each.end(max(0.0, end - time.monotonic()))


def _open_port(settings: Settings) -> socket.socket:
    node = settings.node
    family = socket.AF_INET6 if ":" in node.bind else socket.AF_INET
    try:
        return socket.create_server((node.bind, node.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise Misconfigured(f"node.bind, node.port: cannot listen on {node.bind}:{node.port}: {error}") from error


class _Process:
    """One of them. It is forked, which is safe here: nothing in this process has a thread or a connection."""

    def __init__(self, settings: Settings, ear: Ear, listening: socket.socket, number: int) -> None:
        slots = Slots(settings.storage.root / "slots", settings.node.max_associations)
        self._run = (settings, ear, Shared(listening=listening, slots=slots, number=number))
        self._number = number
        self._start_at = 0.0
        self._process: ForkProcess | None = None

    def tend(self) -> int | None:
        """Start it where it is time to; returns its exit code where it has ended by itself."""
        if self._process is None:
            if time.monotonic() >= self._start_at:
                self._process = multiprocessing.get_context("fork").Process(target=_be, args=(os.getpid(), *self._run))
                self._process.start()
            return None
        code = self._process.exitcode
        if code is not None and code < 0:
            log.error("listening process died", action="role_died", role="listen", signal=-code, retry_in_s=_PAUSE_S)
            self._process, self._start_at = None, time.monotonic() + _PAUSE_S
            return None
        return code

    def tell(self) -> None:
        """Tell it to stop."""
        if self._process is not None:
            self._process.terminate()

    def end(self, grace_s: float) -> None:
        """Wait until it has stopped, and kill it where it has not."""
        if self._process is not None:
            self._process.join(grace_s)
            self._process.kill()
            self._process.join()


def _be(parent: int, settings: Settings, ear: Ear, shared: Shared) -> None:
    die_with_parent()
    if os.getppid() == parent:
        raise SystemExit(ear(settings, shared))
