"""Where exceptions become decisions: who is told, what is tried again, what is never said; and the lease meanwhile."""

import io
import json
import logging
import random
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
import structlog
from celery.exceptions import SoftTimeLimitExceeded

from service import logs
from service.config import Queue, Settings
from service.errors import Misconfigured, OutOfSpace, PeerRefused, SpondylError, Unavailable
from service.ledger import Claim, JobRow, ReportRow, StudyRow
from service.messages import JobKind
from service.states import JobState, StudyState
from service.wiring import Node
from workers.boundary import work_on
from workers.heartbeat import heartbeat

NOW = 1_000.0
PATIENT = "MUSTERMANN^ERIKA"

STUDY = StudyRow(
    id=1,
    key="0" * 32,
    study_instance_uid="1.2.3",
    state=StudyState.MEASURING,
    reason=None,
    who=None,
    source="ct1",
    revision=1,
    fingerprint="f",
    first_received_at=0.0,
    last_received_at=0.0,
    held_until=0.0,
    settled_at=0.0,
    updated_at=0.0,
)
JOB = JobRow(
    id=7,
    kind=JobKind.MEASURE,
    study_id=1,
    revision=1,
    destination=None,
    report_id=None,
    state=JobState.RUNNING,
    attempts=1,
    faults=0,
    not_before=0.0,
    enqueued_at=None,
    lease_until=NOW + 15,
    worker="w",
    error=None,
    created_at=0.0,
)

#: What a delivery may send: nobody looks into it here.
CHOICES = cast("tuple[ReportRow, ...]", ("a report",))


@dataclass
class Jobs:
    """A ledger's jobs that remember what was decided."""

    attempts: int = 1
    faults: int = 0
    claimable: bool = True
    down: bool = False
    renewals: list[object] = field(default_factory=lambda: [True])
    decided: list[tuple[Any, ...]] = field(default_factory=list)
    renewed: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def claim(self, job_id: int, **_: object) -> Claim | None:
        """Give the one job."""
        if self.down:
            raise Unavailable("the ledger does not answer")
        job = replace(JOB, attempts=self.attempts, faults=self.faults)
        return (
            Claim(job=job, study=STUDY, started_at=0.0, choices=CHOICES)
            if self.claimable and job_id == JOB.id
            else None
        )

    def postpone(
        self, _claim: Claim, *, until: float, why: str, fault: bool, perhaps: Sequence[ReportRow], now: float
    ) -> bool:
        """Remember; whatever ended a delivery, its object may have arrived."""
        assert perhaps == CHOICES
        if self.down:
            raise Unavailable("the ledger does not answer")
        self.decided.append(("postponed", why, until - now, fault))
        return True

    def give_up(self, _claim: Claim, *, who: str, why: str, perhaps: Sequence[ReportRow], now: float) -> bool:
        """Remember; as `postpone`."""
        assert (now, perhaps) == (NOW, CHOICES)
        self.decided.append(("given up", who, why))
        return True

    def renew(self, _claim: Claim, **_: object) -> bool:
        """Answer the next of `renewals`; the last for ever."""
        answer = self.renewals.pop(0) if len(self.renewals) > 1 else self.renewals[0]
        self.renewed.release()
        if isinstance(answer, Exception):
            raise answer
        return bool(answer)

    @property
    def jobs(self) -> "Jobs":
        """Return itself: it is the whole ledger."""
        return self


def node(jobs: Jobs, **queue: float) -> Node:
    """Return a node with this ledger."""
    settings = Settings().model_copy(update={"queue": Queue().model_copy(update=queue)})
    nothing = cast("Any", None)
    return Node(settings=settings, ledger=cast("Any", jobs), spool=nothing, dispatch=nothing, clock=lambda: NOW)


def decided(jobs: Jobs, work: Callable[[], None], **queue: float) -> list[tuple[Any, ...]]:
    """Return what the ledger was told after `work`."""

    def do(_node: Node, _claim: Claim) -> None:
        work()

    work_on(node(jobs, **queue), JOB.id, do, worker="w", rng=random.Random(1))
    return jobs.decided


def raising(error: Exception) -> Callable[[], None]:
    """Return work that fails."""

    def work() -> None:
        raise error

    return work


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Log JSON into a text; leave the process as it was."""
    handlers, level = logging.root.handlers[:], logging.root.level
    hooks = warnings.showwarning, threading.excepthook
    output = io.StringIO()
    logs.configure("info", json=True, stream=output)
    yield output
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    warnings.showwarning, threading.excepthook = hooks
    structlog.reset_defaults()


def test_work_that_ends_well_decides_for_itself() -> None:
    """The wrapper adds nothing to work that raised nothing."""
    done: list[bool] = []

    assert decided(Jobs(), lambda: done.append(True)) == []
    assert done == [True]


def test_what_cannot_be_claimed_is_not_done() -> None:
    """A message that came twice, or for a job that another worker holds, starts nothing."""
    assert decided(Jobs(claimable=False), raising(AssertionError("must not run"))) == []


def test_something_that_does_not_answer_is_tried_again() -> None:
    """Unavailable postpones, however often it was tried, and waits longer after more tries."""
    first = [decided(Jobs(attempts=1), raising(Unavailable("no room")))[0] for _ in range(20)]
    (late,) = decided(Jobs(attempts=99), raising(Unavailable("no room")))

    assert {(what, why, fault) for what, why, _, fault in first} == {("postponed", "no room", False)}
    assert all(0 <= wait_s <= 5 for _, _, wait_s, _ in first)
    assert late[:2] == ("postponed", "no room")
    assert 0 <= late[2] <= 300


def test_a_full_disk_is_waited_for() -> None:
    """A study that met a full disk is measured once there is room, without anybody asking for it."""
    (decision,) = decided(Jobs(attempts=99), raising(OutOfSpace("no room")))

    assert (decision[:2], decision[3]) == (("postponed", "no room"), False)


@pytest.mark.parametrize("family", [Misconfigured, PeerRefused])
def test_what_somebody_must_act_on_is_given_up_by_name(family: type[SpondylError]) -> None:
    """An expected error that trying again does not change names who must act, at the first try."""
    assert decided(Jobs(), raising(family("because"))) == [("given up", family.who, "because")]


def test_a_study_that_takes_too_much_memory_is_a_fault_that_the_administrator_can_mend() -> None:
    """Tried again while attempts are left, then given up: the setting is named, and who must act."""
    why = "the memory limit was reached (queue.memory_mb)"
    tried, last = (decided(Jobs(faults=n), raising(MemoryError(PATIENT)), max_attempts=2) for n in (0, 1))

    assert [("postponed", why, True)] == [(*decision[:2], decision[3]) for decision in tried]
    assert last == [("given up", "the administrator of this node", why)]


def test_a_fault_is_tried_again_while_attempts_are_left(stream: io.StringIO) -> None:
    """A bug is tried again, then given up for the developers; its text is never kept, its type and place are.

    Tries that failed for a passing reason do not count.
    """
    jobs = [Jobs(attempts=50, faults=n) for n in (0, 1, 2)]
    *tries, last = [decided(job, raising(ValueError(PATIENT)), max_attempts=3) for job in jobs]

    assert [(*decision[:2], decision[3]) for (decision,) in tries] == [("postponed", "ValueError", True)] * 2
    assert last == [("given up", "developers", "ValueError")]
    assert PATIENT not in stream.getvalue()
    first = json.loads(stream.getvalue().splitlines()[0])
    assert (first["action"], first["error"], first["study"]) == ("try_failed", "ValueError", STUDY.key)
    assert first["where"][-1].startswith("unit/test_boundary.py:")


def test_the_time_limit_is_named() -> None:
    """A job that ran out of time says so, and counts as a try."""
    (again,) = decided(Jobs(), raising(SoftTimeLimitExceeded()), max_attempts=2)
    (last,) = decided(Jobs(faults=1), raising(SoftTimeLimitExceeded()), max_attempts=2)

    assert again[:2] == ("postponed", "the time limit passed (queue.time_limit_s)")
    assert last == ("given up", "developers", "the time limit passed (queue.time_limit_s)")


def test_a_ledger_that_does_not_answer_leaves_the_job_to_its_lease(stream: io.StringIO) -> None:
    """Neither the claim nor the decision can be written: nothing is raised, the job comes back by itself."""
    jobs = Jobs()

    def lose_the_ledger() -> None:
        jobs.down = True
        raise ValueError

    assert decided(Jobs(down=True), raising(AssertionError("must not run"))) == []
    assert decided(jobs, lose_the_ledger) == []
    assert stream.getvalue().count('"job_left"') == 2


def test_an_order_to_stop_is_no_fault() -> None:
    """What ends the process passes: only exceptions of the work are decisions."""
    jobs = Jobs()

    def stop(_node: Node, _claim: Claim) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work_on(node(jobs), JOB.id, stop, worker="w", rng=random.Random(1))
    assert jobs.decided == []


CLAIM = Claim(job=JOB, study=STUDY, started_at=0.0)


def test_the_lease_is_renewed_while_the_work_goes_on() -> None:
    """Renewals go on, past one that the ledger did not answer, and end with the work."""
    jobs = Jobs(renewals=[True, Unavailable("down"), True])
    with heartbeat(node(jobs, lease_s=0.003), CLAIM):
        assert all(jobs.renewed.acquire(timeout=5) for _ in range(5))
    while jobs.renewed.acquire(blocking=False):
        pass

    assert not jobs.renewed.acquire(timeout=0.02)


def test_a_lost_claim_is_not_renewed_again(stream: io.StringIO) -> None:
    """Once another worker has the job, this one stops asking."""
    jobs = Jobs(renewals=[True, False])
    with heartbeat(node(jobs, lease_s=0.003), CLAIM):
        assert all(jobs.renewed.acquire(timeout=5) for _ in range(2))
        assert not jobs.renewed.acquire(timeout=0.02)

    assert stream.getvalue().count('"claim_lost"') == 1
