"""What every fault must leave behind: nothing acknowledged is missing, nothing is reported twice, by itself."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from acknowledging import contents
from nodes import EVERY, Running, pictures_in, reports_in, serving, storescu
from servers import Orthanc, wait_until

from service.config import load
from service.messages import JobKind
from service.spool import study_key
from service.states import JobState, StudyState

#: Long enough for leases to end, the study to be measured again and the report to be sent.
RECOVERY_S = 90.0
#: How long nothing more may arrive before "exactly one" is believed: several quiet periods and reconciler passes.
STILL_S = 8.0


#: Runs before anything else in each process of a node. libfaketime will not do: under it, Python's sleeps fail.
_STEPPING = """
import time
from pathlib import Path

real, hours = time.time, Path(__file__).with_name("hours")
time.time = lambda: real() - 3600.0 * float(hours.read_text())
"""


@dataclass(frozen=True)
class Clock:
    """The clock of a node's processes, which can be set back; what measures durations goes on as it did."""

    folder: Path

    def rule(self, node: Running) -> None:
        """Have the processes that are started from now on go by this clock."""
        self.folder.mkdir()
        self.set_back(0)
        (self.folder / "sitecustomize.py").write_text(_STEPPING, encoding="utf-8")
        path = [str(self.folder), node.environment.get("PYTHONPATH")]
        node.environment["PYTHONPATH"] = os.pathsep.join(filter(None, path))

    def set_back(self, hours: int) -> None:
        """Have it so many hours behind the machine's."""
        new = self.folder / "new"
        new.write_text(f"{hours}", encoding="utf-8")
        new.rename(self.folder / "hours")


class Machine:
    """A machine that runs a node, and can lose its power."""

    def __init__(self, node: Running, clock: Clock) -> None:
        self.node, self.clock = node, clock
        self._power = contextlib.ExitStack()
        clock.rule(node)

    def start(self) -> None:
        """Start the node."""
        self._power.enter_context(serving(self.node))

    def stop(self) -> None:
        """Stop the node as a system does."""
        self._power.close()

    def die(self) -> None:
        """Kill every process at once, and start again."""
        self.doomed("machine")()
        self.come_back()

    def come_back(self) -> None:
        """Start again after every process was killed."""
        wait_until(lambda: not self.node.pids("listen"), "the roles are dead")
        self.stop()
        self.start()

    def doomed(self, role: str) -> Callable[[], None]:
        """Return what kills a role, or "machine", every process, at once."""
        if role != "machine":
            return self.node.doomed(role)
        groups = [process.pid for process in self.node.processes]

        def strike() -> None:
            for group in groups:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)

        return strike


def send(node: Running, study: Path) -> None:
    """Send a study as a PACS does: again, until every object is acknowledged."""
    wait_until(lambda: storescu([study], node.port).returncode == 0, "the study is sent", step=0.5)


@contextlib.contextmanager
def suspended(node: Running, role: str) -> Iterator[None]:
    """Have a role stand still until the block ends."""
    found = node.pids(role)
    assert found
    try:
        for pid in found:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def enqueued_at(node: Running, uid: str) -> float:
    """Return when a message for the measuring of a study was last sent, by the ledger: only that sends a second one."""
    with node.ledger() as ledger:
        [job] = [each for each in ledger.admin.study(uid).jobs if each.kind is JobKind.MEASURE]
    assert job.enqueued_at is not None
    return job.enqueued_at


def wait_for_reports(orthanc: Orthanc, node: Running, uids: Iterable[str], *, seconds: float = RECOVERY_S) -> None:
    """Return once each of these studies is reported, by the ledger and by what Orthanc holds."""
    wanted = set(uids)
    with node.ledger() as ledger:

        def reported() -> set[str]:
            reported = ledger.admin.studies(state=StudyState.REPORTED, limit=EVERY)
            return {study.study_instance_uid for study in reported}

        wait_until(lambda: wanted <= reported(), "the studies are reported", seconds=seconds, step=0.3)
    assert wanted == {uid for uid in wanted if reports_in(orthanc, uid)}


def wait_for_measuring(node: Running) -> None:
    """Return as soon as a study is being measured; the ledger is opened once, or asking would take a core."""
    with node.ledger() as ledger:
        wait_until(
            lambda: any(study.state == "measuring" for study in ledger.admin.studies()), "it is measured", step=0.01
        )


def assert_whole(orthanc: Orthanc, node: Running, studies: dict[str, Path], halves: Collection[str] = ()) -> None:
    """Check that each study has one report, one picture where they are sent, and every object of it in the spool.

    Of one that came in `halves` the first may have been measured and reported by itself, where the sender came again
    only after it was no longer awaited (HOLD_S in service/arriving.py).
    """
    for uid, folder in studies.items():
        assert contents(folder.iterdir()) == contents(node.spool.files(study_key(uid)))
    drawn = any("summary" in destination.send for destination in load(node.config, {}).destinations)
    measured = {uid: _measured(node, uid) for uid in studies}
    assert [] == [uid for uid, times in measured.items() if times != 1 and uid not in halves]
    for uid, times in measured.items():
        assert 1 <= len(reports_in(orthanc, uid)) <= times
        assert int(drawn) <= len(pictures_in(orthanc, uid)) <= times * drawn


def _measured(node: Running, uid: str) -> int:
    """Return how often a study was measured: once a revision, and nothing is left of it."""
    with node.ledger() as ledger:
        jobs = [each for each in ledger.admin.study(uid).jobs if each.kind is JobKind.MEASURE]
    # Where death came between two halves of a study, the first may have been settled, and given up for the whole.
    kept = [job for job in jobs if job.state is not JobState.CANCELLED]
    assert {JobState.DONE} == {job.state for job in kept}
    assert len(kept) == len({job.revision for job in kept})
    return len(kept)


def assert_still_whole(orthanc: Orthanc, node: Running, studies: dict[str, Path], halves: Collection[str] = ()) -> None:
    """Check the same, and once more when anything that is still on its way would have come."""
    assert_whole(orthanc, node, studies, halves)
    time.sleep(STILL_S)
    assert_whole(orthanc, node, studies, halves)
    assert list((node.folder / "state" / "incoming").iterdir()) == []
