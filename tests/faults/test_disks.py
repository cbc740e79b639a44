"""A whole node on small disks that run full, or turn read-only, at each of its steps; then there is room again."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from faults_seen import assert_still_whole, send, wait_for_reports
from nodes import Running, serving, storescu, write_config
from servers import Orthanc, listens, missing, run_orthanc, run_valkey, wait_until
from small_study import make_small_studies

pytestmark = pytest.mark.long

#: Room for the studies of the tests, several times over, MB.
SIZE_MB: Final = 100
#: dcmtk's storescu ends with the first byte of a status that is no success: 0xA7xx (PS3.4 B.2.3).
OUT_OF_RESOURCES: Final = 0xA7


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A file system in memory."""

    folder: Path

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Take all the room that is left, to the last byte."""
        ballast = self.folder / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        try:
            yield
        finally:
            ballast.unlink()

    def remount(self, how: str) -> bool:
        """Have it read-only (`ro`), or not (`rw`); tell whether nobody was writing at that moment."""
        command = ["mount", "-o", f"remount,{how}", str(self.folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[Disk]:
    """Mount a small disk."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=0700", "spondyl-test", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        missing("cannot mount a small disk (this needs root)")
    try:
        yield Disk(folder=folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@dataclass(frozen=True, kw_only=True)
class Site:
    """A node whose spool and ledger lie on disks of their own, the PACS that it reports to, and studies for it."""

    node: Running
    orthanc: Orthanc
    spool: Disk
    ledger: Disk
    studies: dict[str, Path]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run the node."""
    folder = tmp_path_factory.mktemp("disks")
    studies = make_small_studies(folder / "studies", 5, name="Full^Disk")
    with contextlib.ExitStack() as stack:
        spool = stack.enter_context(mounted(folder / "node" / "state"))
        ledger = stack.enter_context(mounted(folder / "ledger"))
        broker = stack.enter_context(run_valkey(folder / "valkey"))
        orthanc = stack.enter_context(run_orthanc(folder / "orthanc"))
        url = f"sqlite:///{ledger.folder / 'ledger.sqlite'}"
        pacs = {"pacs": ("PACS", orthanc.port)}
        node = write_config(folder / "node", pacs, broker=broker, ledger=url, report_alone=True)
        stack.enter_context(serving(node))
        wait_until(lambda: listens(node.web), "the page is there")
        yield Site(node=node, orthanc=orthanc, spool=spool, ledger=ledger, studies=studies)


def study(site: Site, number: int) -> tuple[str, Path]:
    """Return one of the studies."""
    return list(site.studies.items())[number]


def test_full_while_receiving(site: Site) -> None:
    """The sender is rejected for now, keeps what it has, and sends it again; the node answers all the time."""
    uid, folder = study(site, 0)
    with site.spool.full():
        assert "Temporary Congestion" in storescu([folder], site.node.port).stderr
        assert [] == list((site.spool.folder / "incoming").iterdir())
        assert site.node.get("/healthz")[0] == 200
    send(site.node, folder)

    wait_for_reports(site.orthanc, site.node, [uid])


def test_full_while_reporting(site: Site) -> None:
    """No room for the report: it waits, and is written when there is some."""
    uid, folder = study(site, 1)
    send(site.node, folder)
    # Before it is settled: measuring takes no longer than filling a disk.
    with site.spool.full():
        wait_until(lambda: "job_postponed" in site.node.log, "the report has no room")

    wait_for_reports(site.orthanc, site.node, [uid])


def test_read_only(site: Site) -> None:
    """A file system that an error made read-only is as good as full: senders are told, what waits goes on later."""
    uid, folder = study(site, 2)
    send(site.node, folder)
    wait_until(lambda: site.spool.remount("ro"), "nobody writes", step=0.01)
    try:
        assert storescu([study(site, 3)[1]], site.node.port).returncode == OUT_OF_RESOURCES
        time.sleep(3)  # settled and measured meanwhile
    finally:
        assert site.spool.remount("rw")
    send(site.node, study(site, 3)[1])

    wait_for_reports(site.orthanc, site.node, [uid, study(site, 3)[0]])


def test_full_under_the_ledger(site: Site) -> None:
    """What cannot be entered is durable all the same: senders are not told no, and all of it is entered later."""
    uid, folder = study(site, 4)
    with site.ledger.full():
        assert storescu([folder], site.node.port).returncode == 0
        time.sleep(5)  # longer than the quiet period, and several passes
        assert site.node.pids("listen")
        assert site.node.pids("work")

    wait_for_reports(site.orthanc, site.node, [uid])


def test_nothing_is_missing_and_nothing_came_twice(site: Site) -> None:
    """After all of it: each study has one report, was measured once, and has all its objects in the spool."""
    known = {each.study_instance_uid for each in site.node.studies()}
    assert known

    assert_still_whole(site.orthanc, site.node, {uid: folder for uid, folder in site.studies.items() if uid in known})
