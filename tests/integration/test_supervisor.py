"""`spondyl serve` for real: all roles come up, come back, and go together."""

import contextlib
import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from servers import free_port, wait_until
from structlog.testing import capture_logs

from service import supervisor
from service.config import load
from service.embedded import EmbeddedBroker
from service.errors import Unavailable
from service.supervisor import FIRST_WAIT_S, LONGEST_WAIT_S, MISCONFIGURED_EXIT, STEADY_S, Role

ROLES = ("broker", "listen", "web", "work")


class Serving:
    """A running `spondyl serve`."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self.process = process
        self.folder = folder

    def said(self) -> list[dict[str, Any]]:
        """Return what was logged, parsed."""
        text = (self.folder / "serve.log").read_text(encoding="utf-8", errors="replace")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def ready(self, role: str) -> int:
        """Return how often a role said that it is ready."""
        return sum(line.get("action") == "ready" and line.get("role") == role for line in self.said())

    def wait_ready(self, role: str, times: int = 1) -> None:
        """Return once a role has been ready so often."""
        wait_until(lambda: self.ready(role) >= times, f"{role} is ready ({times})")

    def family(self) -> list[psutil.Process]:
        """Return every process of the node below `serve`."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def role(self, name: str) -> psutil.Process:
        """Return the process of one role."""
        return self._child(lambda words: words[-1] == name)

    def broker(self) -> psutil.Process:
        """Return the broker's process."""
        # It renames itself: program and socket are one word.
        return self._child(lambda words: "redis-server" in words[0] or "valkey-server" in words[0])

    def _child(self, wanted: Callable[[list[str]], bool]) -> psutil.Process:
        for process in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):
                words = process.cmdline()
                if words and wanted(words):
                    return process
        raise LookupError("no such process runs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with the configuration of a node on free ports."""
    (tmp_path / "spondyl.toml").write_text(
        f'[node]\nport = {free_port()}\n[web]\nport = {free_port()}\n[storage]\nroot = "state"\nmin_free_gb = 0',
        encoding="utf-8",
    )
    return tmp_path


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Serving]:
    """Run `spondyl serve` until the block ends; nothing of it may stay."""
    command = [sys.executable, "-m", "workers", "--config", str(folder / "spondyl.toml"), "serve"]
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True)
    node = Serving(process, folder)
    try:
        for role in ROLES:
            node.wait_ready(role)
        yield node
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)


def gone(processes: list[psutil.Process]) -> Callable[[], bool]:
    """Return the question whether all of these have ended."""
    return lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


def test_it_starts_and_stops_as_one(folder: Path) -> None:
    """Each role says once that it is ready; SIGTERM stops them in order, broker last, and the exit code is 0."""
    with serving(folder) as node:
        family = node.family()
        groups = {os.getpgid(node.role(name).pid) for name in ("listen", "work", "web")}
        node.process.terminate()

        assert node.process.wait(60) == 0
    assert groups == {node.process.pid}
    assert gone(family)()
    assert [node.ready(role) for role in ROLES] == [1, 1, 1, 1]
    stopped = [(line["role"], line["exit_code"]) for line in node.said() if line["action"] == "role_stopped"]
    assert stopped == [("listen", 0), ("work", 0), ("web", 0)]


def test_what_dies_comes_back_and_nothing_outlives_it(folder: Path) -> None:
    """Each role killed with -9 is started again, and the broker without its data; `serve` killed takes all with it.

    So is the page whose port somebody else has taken meanwhile.
    """
    port = load(folder / "spondyl.toml", {}).web.port
    with serving(folder) as node:
        for name in ("listen", "work", "web"):
            node.role(name).kill()
        with contextlib.closing(_taken(port)):
            node.broker().kill()
            shutil.rmtree(folder / "state" / "broker")
            wait_until(lambda: _ended(node) >= 1, "the page could not start")
        for name in ("listen", "work", "web"):
            node.wait_ready(name, 2)
        broker = EmbeddedBroker(load(folder / "spondyl.toml", {}))
        wait_until(broker.alive, "the broker is back")
        died = {line["role"] for line in node.said() if line["action"] == "role_died"}

        assert died == {"listen", "work", "web"}
        family = node.family()
        node.process.kill()
        node.process.wait()
        wait_until(gone(family), "every process is gone")

    assert len(family) >= 4


def test_a_port_that_is_taken_is_a_configuration_error(folder: Path) -> None:
    """A role that can never run with this configuration ends the node, with exit code 3 and the key's name."""
    port = load(folder / "spondyl.toml", {}).node.port
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        command = [sys.executable, "-m", "workers", "--config", str(folder / "spondyl.toml"), "serve"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=120)

    assert ended.returncode == MISCONFIGURED_EXIT
    assert "node.port" in ended.stderr


@pytest.mark.long
def test_only_the_end_of_the_terminal_stops_it_and_no_page_whose_port_was_taken(folder: Path) -> None:
    """Somebody takes the port while the page restarts: it comes back by itself. Ctrl-C reaches all: it ends well."""
    port = load(folder / "spondyl.toml", {}).web.port
    with serving(folder) as node:
        node.role("web").kill()
        with contextlib.closing(_taken(port)):
            wait_until(lambda: _ended(node) >= 1, "the page could not start")
            assert node.process.poll() is None
        node.wait_ready("web", 2)
        assert node.ready("listen") == 1
        family = node.family()
        os.killpg(node.process.pid, signal.SIGINT)

        assert node.process.wait(60) == 0
    assert gone(family)()


def _taken(port: int) -> socket.socket:
    """Take a port as soon as it is free."""
    while True:
        with contextlib.suppress(OSError):
            return socket.create_server(("127.0.0.1", port))


def _ended(node: Serving) -> int:
    return sum(line["action"] == "role_died" and line["exit_code"] == MISCONFIGURED_EXIT for line in node.said())


def test_only_an_essential_role_that_never_ran_ends_the_node() -> None:
    """Exit 3 of a first run of listener or worker; not of the page, nor of what ran before or failed otherwise."""
    ends = {
        (name, starts, code): Role(name=name, command=["x"], starts=starts).cannot_run(code)
        for name in supervisor.ROLES
        for starts in (1, 2)
        for code in (None, 0, 1, MISCONFIGURED_EXIT)
    }
    assert {("listen", 1, 3), ("work", 1, 3)} == {case for case, ending in ends.items() if ending}


class Clock:
    """Monotonic time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def dead(role: Role) -> None:
    """Wait until the process of a role has ended, and have the role see it."""
    assert role.process is not None
    role.process.wait()
    assert role.tend() == 7


def test_a_role_that_keeps_dying_is_started_less_and_less_often() -> None:
    """The wait doubles up to its limit, and begins anew once the role has run for a while."""
    clock = Clock()
    role = Role(name="x", command=[sys.executable, "-c", "raise SystemExit(7)"], clock=clock)
    waits = []
    for _ in range(9):
        assert role.tend() is None
        dead(role)
        waits.append(role.start_at - clock.now)
        assert role.tend() is None
        assert role.process is None
        clock.now = role.start_at
    assert waits[:3] == [FIRST_WAIT_S, 2 * FIRST_WAIT_S, 4 * FIRST_WAIT_S]
    assert waits[-2:] == [LONGEST_WAIT_S, LONGEST_WAIT_S]

    role.tend()
    clock.now += STEADY_S
    dead(role)
    assert role.start_at - clock.now == FIRST_WAIT_S


def test_a_role_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine has no process to give (EAGAIN): the others go on, and it waits as after a death."""
    clock = Clock()
    role = Role(name="listen", command=[sys.executable, "-c", "raise SystemExit(3)"], clock=clock)

    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    with monkeypatch.context() as machine, capture_logs() as said:
        machine.setattr(subprocess, "Popen", refuse)
        for wait_s in (FIRST_WAIT_S, 2 * FIRST_WAIT_S):
            assert role.tend() is None
            assert wait_s == role.start_at - clock.now
            clock.now = role.start_at
    assert ["Resource temporarily unavailable"] * 2 == [line["why"] for line in said]

    # What has never run is still judged by its first run.
    role.tend()
    assert role.process is not None
    assert role.cannot_run(role.process.wait())


def test_a_role_that_does_not_stop_is_killed() -> None:
    """A role that ignores SIGTERM has its grace, and no more."""
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    role = Role(name="x", command=[sys.executable, "-c", program])
    role.tend()
    process = role.process
    assert process is not None
    wait_until(lambda: "SigIgn:\t0000000000004000" in _status(process.pid), "the signal is ignored")
    start = time.monotonic()
    role.stop(0.2)
    role.stop(0.2)

    assert process.returncode == -signal.SIGKILL
    assert time.monotonic() - start < 5


def _status(pid: int) -> str:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    masks = [line for line in lines if line.startswith("SigIgn")]
    return f"SigIgn:\t{int(masks[0].split()[1], 16) & (1 << signal.SIGTERM - 1):016x}"


def test_without_the_private_broker_none_is_started(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configured broker is somebody else's: `serve` starts the roles only."""
    settings = load(folder / "spondyl.toml", {"SPONDYL_QUEUE__BROKER": "redis://127.0.0.1:1/0"})
    started: list[str] = []
    told = threading.Event()

    def start(role: Role) -> None:
        started.append(role.name)
        if len(started) == len(supervisor.ROLES):
            told.set()

    monkeypatch.setattr(Role, "_start", start)

    assert supervisor.serve(settings, ["/bin/true"], told=told) == 0
    assert set(started) == {"listen", "work", "web"}
    assert not (folder / "state" / "broker").exists()


def test_a_broker_that_cannot_be_started_does_not_end_the_node(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs wait in the ledger while the broker is tried again and again; no worker is started to find it missing."""
    told = threading.Event()
    asked: list[bool] = []

    def ensure(_broker: EmbeddedBroker) -> bool:
        asked.append(True)
        if len(asked) == 2:
            told.set()
        raise Unavailable

    started: list[str] = []
    monkeypatch.setattr(EmbeddedBroker, "ensure", ensure)
    monkeypatch.setattr(Role, "_start", lambda role: started.append(role.name))

    assert supervisor.serve(load(folder / "spondyl.toml", {}), ["/bin/true"], told=told) == 0
    assert len(asked) == 2
    assert set(started) == {"listen", "web"}
