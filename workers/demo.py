"""The whole node beside a small PACS in one folder: what `spondyl demo` runs.

The node is the real one: `spondyl serve` in processes of its own with the embedded broker, reached by C-STORE only.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service import sending
from service.config import Settings, load
from service.config_peers import Destination
from service.errors import PeerRefused, SpondylError, Unavailable
from service.leash import leashed
from service.ledger import Ledger, StudyDetail
from service.small_pacs import SmallPacs
from service.states import FINAL

#: Long enough for two cores that do other work as well.
START_S: Final = 60.0
STOP_S: Final = 40.0
#: Who sends the study, as AE title.
SENDER: Final = "DEMO"
_QUIET_S: Final = 1.0
_STEP_S: Final = 0.1


class DemoFailed(SpondylError):
    """The demo did not come to its end."""

    who = "whoever runs this demo; the log named above says more"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one study."""

    detail: StudyDetail
    #: Findings as JSON text, where it was measured.
    findings: str | None
    #: What came back and lies in the small PACS, by the file name it is to have: the report first.
    objects: Mapping[str, Path]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The folder that everything of one demo lies in."""

    folder: Path

    @property
    def config(self) -> Path:
        """The node's configuration."""
        return self.folder / "spondyl.toml"

    @property
    def log(self) -> Path:
        """What the node says."""
        return self.folder / "node.log"

    def prepare(self, pacs: SmallPacs) -> Settings:
        """Write the configuration: free ports, a short quiet period, the small PACS as the only destination."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(_CONFIGURATION.format(port=_free_port(), web=_free_port(), pacs=pacs), encoding="utf-8")
        return load(self.config, {})


_CONFIGURATION: Final = f"""\
[node]
port = {{port}}
[web]
port = {{web}}
[study]
quiet_s = {_QUIET_S}
[storage]
root = "state"
min_free_gb = 0.1
[[destinations]]
name = "small-pacs"
ae_title = "{{pacs.ae_title}}"
host = "127.0.0.1"
port = {{pacs.port}}
"""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(stage: Stage) -> Iterator[subprocess.Popen[bytes]]:
    """Run `spondyl serve` for the length of a block; it stops in order, and dies with us where we are killed."""
    command = leashed([sys.executable, "-m", "workers", "--config", str(stage.config), "serve"])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPONDYL_")}
    with stage.log.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 our own program
            command, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_node(node: Destination, process: subprocess.Popen[bytes]) -> None:
    """Return once the node answers a C-ECHO; DemoFailed where it ends or does not come up."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise DemoFailed(f"the node ended at once, with exit code {process.returncode}")
        try:
            sending.echo(node, calling_ae=SENDER)
        except (Unavailable, PeerRefused):
            time.sleep(_STEP_S)
        else:
            return
    raise DemoFailed(f"the node does not answer after {START_S:g} s")


def run(stage: Stage, files: Sequence[Path], *, patience_s: float, tell: Callable[[str], None]) -> list[Result]:
    """Send `files` to a fresh node and wait until each of their studies has its disposition; `tell` is told the steps.

    DemoFailed where the node does not start, refuses an object, or is not done after `patience_s`.
    """
    with SmallPacs(stage.folder / "pacs") as pacs:
        settings = stage.prepare(pacs)
        node = Destination(
            name="node", ae_title=settings.node.ae_title, host=settings.node.bind, port=settings.node.port
        )
        tell("starting the node: listener, worker, web page, embedded broker")
        with serving(stage) as process:
            wait_for_node(node, process)
            tell(f"sending {len(files)} objects by C-STORE to {node.ae_title} at {node.host}:{node.port}")
            _all_stored(list(sending.send(node, files, calling_ae=SENDER)))
            tell(f"measuring, once {_QUIET_S:g} s have brought nothing new")
            with closing(Ledger.open(settings.storage.ledger_url)) as ledger:
                keys = _finished(ledger, patience_s)
                return [_result(ledger, key, pacs) for key in keys]


def _all_stored(outcomes: Sequence[sending.Sent]) -> None:
    problems = [outcome for outcome in outcomes if outcome.problem]
    if problems:
        first = problems[0]
        raise DemoFailed(f"{len(problems)} of {len(outcomes)} objects were refused; {first.path.name}: {first.problem}")


def _finished(ledger: Ledger, patience_s: float) -> list[str]:
    """Return the keys of all studies once each has its disposition."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        rows = ledger.admin.studies()
        if rows and all(row.state in FINAL for row in rows):
            return [row.key for row in rows]
        time.sleep(_STEP_S)
    states = ", ".join(row.state.value for row in ledger.admin.studies()) or "no study was noted"
    raise DemoFailed(f"not done after {patience_s:g} s: {states}")


def _result(ledger: Ledger, key: str, pacs: SmallPacs) -> Result:
    detail = ledger.admin.study(key)
    arrived = {each.sop_instance_uid: each.kind for each in detail.deliveries if each.delivered_at is not None}
    paths = {uid: pacs.path_of(uid) for uid in arrived}
    kinds: dict[str, list[Path]] = {}
    for uid, path in paths.items():
        if path.is_file():
            kinds.setdefault(arrived[uid], []).append(path)
    objects = {
        f"{kind}-{key[:8]}{f'-{number}' if len(alike) > 1 else ''}.dcm": path
        for kind, alike in kinds.items()
        for number, path in enumerate(alike, 1)
    }
    return Result(detail=detail, findings=ledger.admin.findings(key), objects=objects)
