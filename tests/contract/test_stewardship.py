"""The steward at work: real threads over a real spool and a real ledger."""

import time
from pathlib import Path

import pytest
from ledgers import arrive, study_of
from servers import wait_until

from service.config import Settings, Study
from service.ledger import JobRow, Ledger
from service.reconcile import Reconciler
from service.settle import Settler
from service.spool import Spool
from service.states import StudyState
from service.steward import Steward


@pytest.fixture
def ledger(sqlite_url: str) -> Ledger:
    """Open a SQLite ledger: what is tested here is the same over both databases."""
    return Ledger.open(sqlite_url)


def _steward(ledger: Ledger, root: Path, sent: list[JobRow]) -> Steward:
    spool = Spool(root)
    spool.prepare()
    spool.store(study_instance_uid="1.2.3", sop_instance_uid="1.2.3.4", header=b"", data=b"data")
    settler = Settler(ledger=ledger, spool=spool, study=Study(quiet_s=0), dispatch=sent.append)
    reconciler = Reconciler(ledger=ledger, spool=spool, settings=Settings(), dispatch=sent.append)
    return Steward(settler=settler, reconciler=reconciler, is_still=ledger.stillness.holds)


def test_the_steward_settles_until_it_is_stopped(ledger: Ledger, tmp_path: Path) -> None:
    """Started it settles what is complete and sends the job; stopped it does nothing more."""
    sent: list[JobRow] = []
    steward = _steward(ledger, tmp_path / "node", sent)
    # Complete a moment after the first pass.
    arrive(ledger, now=time.time() + 0.3)
    steward.start()
    ran = steward.alive
    wait_until(lambda: len(sent) == 1, "the job is sent")
    steward.stop()

    assert (True, False) == (ran, steward.alive)
    assert (StudyState.QUEUED, [1]) == (study_of(ledger).state, [job.revision for job in sent])
    ledger.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_steward_with_a_fault_is_not_alive(ledger: Ledger, tmp_path: Path) -> None:
    """A loop that dies of a bug is noticed: whoever supervises ends the node instead of settling nothing for ever."""
    spool = Spool(tmp_path / "node")
    broken = Settler(ledger=None, spool=spool, study=Study(), dispatch=print)  # type: ignore[arg-type]  # the fault
    reconciler = Reconciler(ledger=ledger, spool=spool, settings=Settings(), dispatch=print)
    spool.prepare()
    steward = Steward(settler=broken, reconciler=reconciler)
    steward.start()

    wait_until(lambda: not steward.alive, "the fault is noticed")
    steward.stop()
    ledger.close()
