"""A whole node for end-to-end tests: the real `spondyl serve`, or its roles apart, over a folder of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from ledgers import migrated
from servers import Orthanc, free_port, listens, program, running, wait_until

from service.config import load
from service.ledger import Ledger, StudyRow
from service.spool import Spool

#: More studies than any test sends: those of a soak of hours.
EVERY = 1_000_000
SPONDYL = [sys.executable, "-m", "workers"]
#: A whole node runs as a site runs it, without the tracer that coverage puts into every process: it is slower by 40 %,
#: and what counts are the tiers below.
UNTRACED = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
#: Runs the command lines that its argument lists.
_COMMANDS = """
import contextlib, json, sys
from workers.cli import main
for sys.argv in json.loads(sys.argv[1]):
    with contextlib.suppress(SystemExit):
        main()
"""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A node that runs: its configuration, its ports, its processes."""

    folder: Path
    port: int
    web: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    #: What its processes are started with.
    environment: dict[str, str] = field(default_factory=lambda: dict(UNTRACED))

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "spondyl.toml"

    @property
    def log(self) -> str:
        """All that was logged so far."""
        return (self.folder / "node.log").read_text(encoding="utf-8", errors="replace")

    @contextlib.contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """Open the node's ledger beside it."""
        opened = Ledger.open(load(self.config, {}).storage.ledger_url)
        try:
            yield opened
        finally:
            opened.close()

    @property
    def spool(self) -> Spool:
        """The node's spool."""
        return Spool(load(self.config, {}).storage.root)

    def studies(self) -> list[StudyRow]:
        """Return the studies that the ledger knows."""
        with self.ledger() as ledger:
            return ledger.admin.studies(limit=EVERY)

    def unfinished(self, *ends: str) -> int:
        """Return how many studies are in none of these states."""
        with self.ledger() as ledger:
            return sum(number for state, number in ledger.admin.counts().items() if state not in ends)

    def wait_for(self, *states: str, count: int = 1, seconds: float = 60) -> None:
        """Return once `count` studies are in one of `states`."""
        with self.ledger() as ledger:  # once: to open it takes longer than to ask

            def reached() -> bool:
                return sum(number for state, number in ledger.admin.counts().items() if state in states) >= count

            wait_until(reached, f"{count} studies {states}; now {self.studies()}", seconds=seconds, step=0.1)

    def pids(self, role: str) -> list[int]:
        """Return the processes of one role: `listen`, `work`, `web` or `valkey`, pool children included."""
        found = []
        for process in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                top = psutil.Process(process.pid)
                found += [p.pid for p in [top, *top.children(recursive=True)] if _is(p, role)]
        return found

    def processor_s(self) -> float:
        """Return the processor time that its processes have taken so far, and those of them that have ended."""
        taken = 0.0
        for process in self.processes:
            for each in [top := psutil.Process(process.pid), *top.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    taken += sum(each.cpu_times()[:4])
        return taken

    def kill(self, role: str) -> list[int]:
        """Kill every process of one role with SIGKILL; give what was killed."""
        pids = self.pids(role)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pids

    def doomed(self, role: str) -> Callable[[], None]:
        """Return what kills a role at once: to look for its processes takes longer than to receive an object."""
        pids = self.pids(role)
        assert pids

        def strike() -> None:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.kill(role)  # who was started meanwhile

        return strike

    def get(self, path: str) -> tuple[int, str]:
        """Fetch a page; give status and text."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.web}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def migrate(self) -> None:
        """Make its ledger, SQLite, as `spondyl migrate` does, in the hundredth part of the time."""
        settings = load(self.config, {})
        settings.storage.root.mkdir(mode=0o700, exist_ok=True)
        migrated(settings.storage.ledger_url)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command of the command line against this node."""
        command = [*SPONDYL, "--config", str(self.config), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=120, cwd=self.folder, env=UNTRACED
        )

    def commands(self, *each: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run commands one after the other in one process: its start takes longer than they do."""
        run = [
            sys.executable,
            "-c",
            _COMMANDS,
            json.dumps([["spondyl", "--config", str(self.config), *w] for w in each]),
        ]
        return subprocess.run(
            run, capture_output=True, text=True, check=False, timeout=120, cwd=self.folder, env=UNTRACED
        )


def _is(process: psutil.Process, role: str) -> bool:
    try:
        words = process.cmdline()
        parent = process.parent()
    except psutil.NoSuchProcess:
        return False
    if role == "valkey":
        return bool(words) and any(name in words[0] for name in ("valkey", "redis-server"))
    if role in words:
        return True
    # Celery renames its pool children; they belong to the worker.
    return role == "work" and parent is not None and "work" in parent.cmdline() and "python" in process.exe()


def write_config(
    folder: Path,
    destinations: dict[str, tuple[str, int]],
    *,
    broker: str = "",
    ledger: str = "",
    quiet_s: float = 1.0,
    report_alone: bool = False,
) -> Running:
    """Write a configuration; `destinations` maps a name to AE title and port.

    With `report_alone` no pictures are drawn, which takes longer than to measure a small study.
    """
    folder.mkdir(parents=True, exist_ok=True)
    node = Running(folder=folder, port=free_port(), web=free_port())
    lines = [
        "[node]",
        f"port = {node.port}",
        "[web]",
        f"port = {node.web}",
        "[study]",
        f"quiet_s = {quiet_s}",
        "[storage]",
        'root = "state"',
        f'ledger = "{ledger}"',
        "min_free_gb = 0.01",
        "[queue]",
        f'broker = "{broker or "embedded"}"',
        "lease_s = 5",
        "requeue_s = 3",
    ]
    for name, (ae_title, port) in destinations.items():
        lines += ["[[destinations]]", f'name = "{name}"', f'ae_title = "{ae_title}"', 'host = "127.0.0.1"']
        lines += [f"port = {port}", "timeout_s = 5", *(['send = ["sr"]'] if report_alone else [])]
    if report_alone:
        lines += ["[report]", 'sop_classes = ["comprehensive_3d"]']
    node.config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return node


@contextlib.contextmanager
def serving(node: Running, *roles: str) -> Iterator[Running]:
    """Run `spondyl serve`, or the `roles` apart, until the block ends."""
    with contextlib.ExitStack() as stack:
        for role in roles or ("serve",):
            command = [*SPONDYL, "--config", str(node.config), role]
            log = node.folder / "node.log"
            started = stack.enter_context(running(command, log, cwd=node.folder, env=node.environment))
            node.processes.append(started)
        wait_until(lambda: listens(node.port), "the node accepts associations")
        yield node
    node.processes.clear()


def storescu(paths: Sequence[Path], port: int, *options: str) -> subprocess.CompletedProcess[str]:
    """Send files or folders with dcmtk's storescu."""
    command = [program("storescu"), "-R", *(options or ("-aec", "SPONDYL")), "+sd", "+r", "127.0.0.1", str(port)]
    environment = {**os.environ, "TCP_NODELAY": "1"}
    return subprocess.run(
        [*command, *map(str, paths)], env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def reports_in(orthanc: Orthanc, study_instance_uid: str) -> list[bytes]:
    """Return the structured reports that Orthanc holds for a study."""
    return orthanc.instances(StudyInstanceUID=study_instance_uid, Modality="SR")


def pictures_in(orthanc: Orthanc, study_instance_uid: str) -> list[str]:
    """Return Orthanc's identifiers of the summary pictures that it holds for a study."""
    described = "Vertebral morphometry summary (unverified)"
    return orthanc.find(StudyInstanceUID=study_instance_uid, SeriesDescription=described)


def wait_for_report(orthanc: Orthanc, study_instance_uid: str, *, seconds: float = 60) -> float:
    """Return how long it took until Orthanc held a report of the study."""
    start = time.monotonic()
    wait_until(lambda: bool(reports_in(orthanc, study_instance_uid)), "a report in Orthanc", seconds=seconds, step=0.2)
    return time.monotonic() - start


def findings_of(text: str) -> dict[str, dict[str, Any]]:
    """Return the vertebrae of findings JSON by level."""
    return {vertebra["level"]: vertebra for vertebra in json.loads(text)["vertebrae"]}
