"""Doctor on a machine that is broken on purpose: disks, clocks, certificates, decoders."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from servers import free_port
from sinks import make_certificate

from service.checks import clocks, machine, tls
from service.checks.check import Check, Verdict
from service.checks.examine import examine
from service.config import Queue, Settings, Storage
from service.config_peers import Destination, Node, Tls
from service.ledger import migrate


@contextmanager
def _mounted(folder: Path, *options: str) -> Iterator[None]:
    """Put a disk of 4 MB over a folder; skip where this machine does not let us, fail where CI is set."""
    command = ["mount", "-t", "tmpfs", "-o", ",".join(("size=4m", *options)), "spondyl-test", str(folder)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        reason = f"cannot mount a small disk: {done.stderr.decode().strip()}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a folder for the spool."""
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


def _spool(root: Path, **more: Any) -> Check:
    (check,) = machine.storage(Settings(storage=Storage(root=root, **more)))
    return check


def test_a_disk_that_is_nearly_full(root: Path) -> None:
    """Before objects are refused it is said that they will be; below the limit it is a fault; an empty disk is fine."""
    with _mounted(root):
        empty = _spool(root, min_free_gb=0)
        (root / "filling").write_bytes(bytes(3_900_000))
        nearly, full = _spool(root, min_free_gb=0), _spool(root, min_free_gb=0.001)

    assert [Verdict.OK, Verdict.NOTE, Verdict.FAILED] == [each.verdict for each in (empty, nearly, full)]
    assert ("nearly full" in nearly.found, "retention_days" in nearly.remedy) == (True, True)
    assert "storage.min_free_gb asks for" in full.found


def test_a_spool_that_cannot_be_written_to(root: Path) -> None:
    """A disk that is mounted read-only is a fault of this machine, whoever asks."""
    with _mounted(root, "ro"):
        check = _spool(root, min_free_gb=0)

    assert (Verdict.FAILED, False) == (check.verdict, check.peer)
    assert "Read-only file system" in check.found


def _clocks(settings: Settings, ahead_s: float) -> dict[str, Check]:
    """Return what is said of clocks where ours goes wrong by so much."""
    return {check.name: check for check in clocks.clocks(settings, lambda: time.time() + ahead_s)}


@pytest.mark.parametrize(
    ("ahead_s", "verdict"), [(0, Verdict.OK), (2, Verdict.OK), (60, Verdict.FAILED), (-60, Verdict.FAILED)]
)
def test_a_clock_that_differs_from_the_brokers(root: Path, valkey: str, ahead_s: float, verdict: Verdict) -> None:
    """A third of a lease is borne; more, in either direction, has jobs taken from workers that are well."""
    settings = Settings(storage=Storage(root=root), queue=Queue(broker=SecretStr(valkey)))
    found = _clocks(settings, ahead_s)

    assert {"clock, disk": verdict, "clock, broker": verdict} == {name: each.verdict for name, each in found.items()}
    if verdict is Verdict.FAILED:
        assert "differ by 60.0 s, 5 s are borne" in found["clock, broker"].found
        assert "NTP" in found["clock, broker"].remedy


@pytest.mark.server
def test_a_clock_that_differs_from_the_ledgers(root: Path, postgres_url: str) -> None:
    """A PostgreSQL server has a clock of its own, SQLite has ours."""
    settings = Settings(storage=Storage(root=root, ledger=SecretStr(postgres_url)))
    migrate(postgres_url)
    well, wrong = _clocks(settings, 0)["clock, ledger"], _clocks(settings, 90)["clock, ledger"]

    assert (Verdict.OK, Verdict.FAILED) == (well.verdict, wrong.verdict)
    assert "clock, ledger" not in _clocks(Settings(storage=Storage(root=root)), 0)


def test_clocks_of_who_does_not_answer_are_left_out(tmp_path: Path) -> None:
    """A broker that is away and a disk that is not there are said by other checks, once."""
    away = Queue(broker=SecretStr(f"redis://127.0.0.1:{free_port()}/0"))

    assert {} == _clocks(Settings(storage=Storage(root=tmp_path / "nowhere"), queue=away), 0)


def _tls(folder: Path, days: int) -> Tls:
    file, key = make_certificate(folder, f"days{days}", days=days)
    return Tls(cert_file=file, key_file=key, ca_file=file)


@pytest.mark.parametrize(("days", "verdict"), [(0, Verdict.FAILED), (20, Verdict.NOTE), (90, Verdict.OK)])
def test_a_certificate_that_expires_or_has(tmp_path: Path, days: int, verdict: Verdict) -> None:
    """One that has expired is a fault, one that soon will is a remark, of the node and of a destination alike."""
    files = _tls(tmp_path, days)
    pacs = Destination(name="pacs", ae_title="PACS", host="127.0.0.1", port=free_port(), tls=files)
    found = {
        check.name: check.verdict for check in tls.certificates_of(Settings(node=Node(tls=files), destinations=(pacs,)))
    }

    owners = ("node", "node, CA", "destination pacs", "destination pacs, CA")
    assert dict.fromkeys([f"TLS of {owner}" for owner in owners], verdict) == found


def test_an_expired_certificate_is_found_among_all_checks(root: Path) -> None:
    """The whole examination says it, and goes on."""
    document = {
        "node": {"port": free_port(), "tls": _tls(root, 0).model_dump()},
        "web": {"port": free_port()},
        "storage": {"root": root, "min_free_gb": 0},
        "report": {"dciodvfy": False},
    }
    found = {check.name: check for check in examine(Settings.model_validate(document), None)}

    assert "has expired on" in found["TLS of node"].found
    assert "destinations" in found


def test_a_decoder_that_is_missing(tmp_path: Path) -> None:
    """A library that came with us and cannot be imported any more is found by what it decoded."""
    broken = tmp_path / "broken" / "PIL"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('libjpeg.so.8: cannot open shared object file')\n", "ascii")
    environment = {**os.environ, "PYTHONPATH": str(broken.parent)}
    command = [sys.executable, "-m", "workers", "doctor", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}

    assert (1, "failed") == (done.returncode, found["decoders"]["verdict"])
    assert "JPEG Baseline" in found["decoders"]["found"]
    assert "JPEG-LS" not in found["decoders"]["found"]
    assert "install spondyl anew" in found["decoders"]["remedy"]
