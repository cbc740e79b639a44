"""Real servers for tests: found on the machine, started by the test, stopped with it.

A missing program skips at a desk and fails where CI is set. Everything listens on loopback only, where the program
can be told so.
"""

import base64
import contextlib
import itertools
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import psutil
import psycopg
import pytest

#: Where programs lie. Debian's folders come first, since pynetdicom puts a `storescp` of its own into ours.
_PLACES = [
    "/usr/bin",
    "/usr/sbin",
    *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True),
    *os.environ.get("PATH", "").split(os.pathsep),
    str(Path(sys.executable).parent),
]
#: Long enough for a loaded machine of two cores; a server that needs longer is broken.
START_S = 60.0


def program(name: str) -> str:
    """Return the path of a program; where it is missing skip, or fail where CI is set."""
    path = shutil.which(name, path=os.pathsep.join(_PLACES))
    if path is None:
        missing(f"{name} is not installed (make test installs it where it can)")
    return path


def missing(reason: str) -> NoReturn:
    """Skip for `reason`; fail instead where CI is set."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


#: Below those that Linux hands out by itself (32768 on), so nobody's outgoing connection takes one in between; each
#: test process begins elsewhere and goes on from there, so none takes what another has just found free.
_PORTS = range(15000, 32000)
_ports = itertools.islice(itertools.cycle(_PORTS), os.getpid() * 1009 % len(_PORTS), None)


def free_port() -> int:
    """Return a TCP port of loopback that was free a moment ago, and that nobody else is told of."""
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("unreachable: the ports go round")


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float = START_S, step: float = 0.05) -> None:
    """Return once `condition` holds; fail with `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"after {seconds:g} s still not: {what}")
        time.sleep(step)


def sockets(process: psutil.Process) -> int:
    """Return how many sockets a process holds."""
    found = 0
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += link.readlink().name.startswith("socket:")
    return found


def listens(port: int) -> bool:
    """Whether something accepts connections on this port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(command: list[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` with its output in `log`; end its whole process group afterwards."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, **options)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(15)


# ---- Redis / Valkey


@contextlib.contextmanager
def run_valkey(folder: Path, *, port: int | None = None) -> Iterator[str]:
    """Run a Redis or Valkey over `folder`; give its URL."""
    binary = shutil.which("valkey-server") or program("redis-server")
    port = port or free_port()
    folder.mkdir(exist_ok=True)
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes"]
    with running([*command, "--maxmemory-policy", "noeviction", "--save", ""], folder.parent / "valkey.log"):
        wait_until(lambda: listens(port), "Valkey accepts connections")
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[str]:
    """Start a Redis or Valkey of its own; give its URL."""
    with run_valkey(tmp_path / "valkey") as url:
        yield url


# ---- PostgreSQL


def _as_other_user(folder: Path) -> list[str]:
    """Return the prefix that runs PostgreSQL's programs: they refuse to run as root."""
    if os.geteuid() != 0:
        return []
    user = "postgres" if any(entry.pw_name == "postgres" for entry in pwd.getpwall()) else "nobody"
    shutil.chown(folder, user)
    # pytest's folders are private to root; the server needs to walk through them.
    for parent in folder.relative_to(tempfile.gettempdir()).parents:
        place = Path(tempfile.gettempdir()) / parent
        if parent.name and place.stat().st_uid == 0:
            place.chmod(place.stat().st_mode | 0o011)
    return [program("runuser"), "-u", user, "--"]


@contextlib.contextmanager
def run_postgres(base: Path, *, port: int | None = None, durable: bool = False) -> Iterator[str]:
    """Run a PostgreSQL over `base`, made where it is empty; give its URL without a database. `durable` has it fsync."""
    prefix = _as_other_user(base)
    port = port or free_port()
    if not (base / "data").exists():
        initdb = [*prefix, program("initdb"), "-D", str(base / "data"), "-U", "spondyl", "-A", "trust", "-E", "UTF8"]
        subprocess.run([*initdb, "--no-sync", "--locale=C.UTF-8"], check=True, capture_output=True, cwd="/")
    server = [*prefix, program("postgres"), "-D", str(base / "data"), "-p", str(port), "-h", "127.0.0.1"]
    with running([*server, "-k", str(base), *([] if durable else ["-F"])], base / "postgres.log", cwd="/"):
        url = f"postgresql://spondyl@127.0.0.1:{port}"
        wait_until(lambda: _postgres_answers(f"{url}/postgres"), "PostgreSQL answers")
        yield url


@contextlib.contextmanager
def folder_of_another_user() -> Iterator[Path]:
    """Give a folder that another user can walk to: each start of pytest makes its own folders private again."""
    with tempfile.TemporaryDirectory(prefix="spondyl-tests-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start a PostgreSQL of this session; give its URL without a database."""
    with folder_of_another_user() as folder, run_postgres(folder) as url:
        yield url


def _postgres_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def new_database(server: str) -> str:
    """Create an empty database; return its URL."""
    name = f"t{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"{server}/{name}"


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """Create an empty database; give its URL."""
    return new_database(postgres_server)


# ---- DICOM peers


@dataclass(frozen=True, kw_only=True)
class StoreScp:
    """A dcmtk storescp: what it received lies in `folder`."""

    ae_title: str
    port: int
    folder: Path

    def files(self) -> list[Path]:
        """Return what it has received so far, complete files only."""
        return sorted(path for path in self.folder.iterdir() if path.suffix != ".tmp")


@contextlib.contextmanager
def run_storescp(folder: Path, *options: str, port: int | None = None) -> Iterator[StoreScp]:
    """Run dcmtk's storescp over `folder`."""
    folder.mkdir(exist_ok=True, parents=True)
    port = port or free_port()
    # A profile says what is accepted; without one every transfer syntax is.
    syntaxes = [] if "-xf" in options else ["+xa"]
    command = [program("storescp"), "--fork", "-aet", "PACS", "-od", str(folder), *syntaxes, *options, str(port)]
    with running(command, folder.parent / "storescp.log", env={**os.environ, "TCP_NODELAY": "1"}):
        wait_until(lambda: listens(port), "storescp accepts connections")
        yield StoreScp(ae_title="PACS", port=port, folder=folder)


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[StoreScp]:
    """Start a dcmtk storescp of its own."""
    with run_storescp(tmp_path / "storescp") as scp:
        yield scp


@dataclass(frozen=True, kw_only=True)
class Orthanc:
    """A real Orthanc, by its REST API and its DICOM port."""

    url: str
    ae_title: str
    host: str
    port: int
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """Call the REST API; JSON in, JSON (or bytes) out."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=self.headers)  # noqa: S310 - the test's own server
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            content = answer.read()
        try:
            return json.loads(content)
        except ValueError:
            return content

    def store(self, content: bytes) -> None:
        """Store one file by the REST API."""
        request = urllib.request.Request(f"{self.url}/instances", data=content, method="POST", headers=self.headers)  # noqa: S310 - the test's own server
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310 - as above

    def find(self, level: str = "Instance", **query: str) -> list[str]:
        """Return Orthanc's identifiers of what matches."""
        found: list[str] = self.call("/tools/find", {"Level": level, "Query": query})
        return found

    def instances(self, **query: str) -> list[bytes]:
        """Return the files of the instances that match."""
        return [self.call(f"/instances/{identifier}/file") for identifier in self.find(**query)]

    def add_modality(self, name: str, ae_title: str, port: int) -> None:
        """Tell Orthanc of a peer."""
        self.call(f"/modalities/{name}", [ae_title, "127.0.0.1", port], "PUT")


#: Debian's orthanc-dicomweb.
_DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@contextlib.contextmanager
def run_orthanc(
    folder: Path,
    *,
    lua: str = "",
    port: int | None = None,
    dicomweb: bool = False,
    user: tuple[str, str] | None = None,
    **settings: Any,
) -> Iterator[Orthanc]:
    """Run Orthanc over `folder`; `lua` is a script, `settings` go over the configuration, `dicomweb` is its plugin.

    Where a `user` with a password is given it answers nobody else.
    """
    if dicomweb and not _DICOMWEB.is_file():
        missing(f"{_DICOMWEB} is not installed (make test installs it where it can)")
    folder.mkdir(parents=True, exist_ok=True)
    port, http = port or free_port(), free_port()
    (folder / "script.lua").write_text(lua, encoding="utf-8")
    configuration = {
        "Name": "spondyl-test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [str(_DICOMWEB)] if dicomweb else [],
        "LuaScripts": [str(folder / "script.lua")] if lua else [],
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "HttpPort": http,
        "DicomAet": "PACS",
        "DicomPort": port,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "StableAge": 2,
        **settings,
    }
    headers = {}
    if user:
        configuration |= {"AuthenticationEnabled": True, "RegisteredUsers": dict([user])}
        headers["Authorization"] = f"Basic {base64.b64encode(':'.join(user).encode()).decode()}"
    (folder / "orthanc.json").write_text(json.dumps(configuration), encoding="utf-8")
    orthanc = Orthanc(url=f"http://127.0.0.1:{http}", ae_title="PACS", host="127.0.0.1", port=port, headers=headers)
    environment = {**os.environ, "TCP_NODELAY": "1"}
    with running([program("Orthanc"), str(folder / "orthanc.json")], folder / "orthanc.log", env=environment):
        wait_until(lambda: _orthanc_answers(orthanc), "Orthanc answers")
        yield orthanc


def _orthanc_answers(orthanc: Orthanc) -> bool:
    try:
        return orthanc.call("/system")["Name"] == "spondyl-test" and listens(orthanc.port)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    """Give a real Orthanc: Debian's, or the container that SPONDYL_TEST_ORTHANC_URL (and _DICOM_PORT) names."""
    url = os.environ.get("SPONDYL_TEST_ORTHANC_URL")
    if url is None:
        with run_orthanc(tmp_path / "orthanc") as server:
            yield server
        return
    system = Orthanc(url=url.rstrip("/"), ae_title="", host="", port=0).call("/system")
    host = urllib.parse.urlparse(url).hostname or "127.0.0.1"
    port = int(os.environ.get("SPONDYL_TEST_ORTHANC_DICOM_PORT", system["DicomPort"]))
    yield Orthanc(url=url.rstrip("/"), ae_title=system["DicomAet"], host=host, port=port)


# ---- Validators

#: Debian's libpixelmed-java, libsaxonhe-java (the validator does not run with the transformer of Java 17) and
#: libbsh-java, whose interpreter calls the validator for one file after the other.
_JARS = [Path("/usr/share/java") / name for name in ("pixelmed.jar", "Saxon-HE.jar", "bsh.jar")]


def pixelmed(reports: Sequence[Path]) -> dict[Path, list[str]]:
    """Return, line by line, what PixelMed's validator, which knows the templates, says of each structured report."""
    for jar in _JARS:
        if not jar.is_file():
            missing(f"{jar} is not installed (make test installs it where it can)")
    command = [
        program("java"),
        # One validation is over before what the second compiler makes of it would be any faster: half the time.
        *("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
        "-Djavax.xml.transform.TransformerFactory=net.sf.saxon.TransformerFactoryImpl",
        *("-cp", ":".join(map(str, _JARS))),
        *("bsh.Interpreter", str(Path(__file__).with_name("pixelmed.bsh"))),
        *map(str, reports),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    said = (done.stdout + done.stderr).split("File: ")[1:]
    found = {Path(name): lines for name, *lines in map(str.splitlines, said)}
    if set(found) != set(reports):
        pytest.fail(f"PixelMed read {len(found)} of {len(reports)} reports: {done.stderr[-2000:]}")
    return found
