"""The clock goes back by an hour, in every state that a study can be in: it goes on within its own waits."""

from pathlib import Path

import pytest
from ledgers import LEASE_S, arrive, claim, measure, settle, study_of

from service.arriving import HOLD_S
from service.config import Settings
from service.ledger import JobRow, Ledger
from service.reconcile import Reconciler
from service.settle import Settler, is_complete
from service.spool import Spool
from service.states import JobState

#: Before the clock was set back, and after.
THEN, NOW = 7200.0, 3600.0
QUIET = Settings().study


@pytest.fixture
def sent() -> list[JobRow]:
    """Collect the jobs whose messages are sent."""
    return []


@pytest.fixture
def reconciler(ledger: Ledger, tmp_path: Path, sent: list[JobRow]) -> Reconciler:
    """Give the reconciler over an empty spool."""
    spool = Spool(tmp_path / "state")
    spool.prepare()
    settings = Settings()
    queue = settings.queue.model_copy(update={"lease_s": LEASE_S})
    settings = settings.model_copy(update={"queue": queue})
    return Reconciler(ledger=ledger, spool=spool, settings=settings, dispatch=sent.append)


def _is_complete(ledger: Ledger, now: float) -> bool:
    return is_complete(study_of(ledger), QUIET, now)


def test_a_study_that_arrived_before_is_settled(ledger: Ledger, reconciler: Reconciler) -> None:
    """As soon as no association can be delivering it: the hold that is left is as short as any."""
    arrive(ledger, now=THEN, held_until=THEN + HOLD_S)
    assert not _is_complete(ledger, NOW)
    reconciler.run(NOW)

    assert [False, True] == [_is_complete(ledger, now) for now in (NOW + HOLD_S - 1, NOW + HOLD_S)]


def test_an_association_that_goes_on_holds_its_study(ledger: Ledger, reconciler: Reconciler) -> None:
    """It renews its hold by the new clock; the hard limit counts from the new time."""
    arrive(ledger, now=THEN, held_until=THEN + HOLD_S)
    reconciler.run(NOW)
    ledger.arrivals.hold([study_of(ledger).key], until=NOW + 5 + HOLD_S)

    assert [False, True] == [_is_complete(ledger, now) for now in (NOW + HOLD_S, NOW + 5 + HOLD_S)]
    ledger.arrivals.hold([study_of(ledger).key], until=NOW + 2 * QUIET.max_wait_s)
    assert _is_complete(ledger, NOW + QUIET.max_wait_s)


def test_a_job_whose_message_was_lost_is_sent_again(ledger: Ledger, reconciler: Reconciler, sent: list[JobRow]) -> None:
    """It was sent at a time that lies ahead: it is sent in the pass that finds it."""
    job = settle(ledger, now=THEN)
    ledger.jobs.enqueued([job.id], now=THEN)
    reconciler.run(NOW)

    assert [job.id] == [each.id for each in sent]


def test_the_job_of_a_dead_worker_is_released(ledger: Ledger, reconciler: Reconciler, sent: list[JobRow]) -> None:
    """A lease ends after its own length; a worker that lives renews it."""
    job = settle(ledger, now=THEN)
    held = claim(ledger, job, now=THEN)
    reconciler.run(NOW)
    assert ledger.jobs.renew(held, now=NOW + 5, lease_s=LEASE_S)
    reconciler.run(NOW + LEASE_S + 1)
    assert [] == sent

    reconciler.run(NOW + 5 + LEASE_S + 1)
    assert [(job.id, JobState.WAITING)] == [(each.id, each.state) for each in sent]


def test_a_delivery_that_was_put_off_is_tried(ledger: Ledger, reconciler: Reconciler, sent: list[JobRow]) -> None:
    """Neither its own wait nor its destination's circuit lasts until the old time comes again."""
    [delivery] = measure(ledger, now=THEN)
    held = claim(ledger, delivery, now=THEN)
    ledger.jobs.destination_failed("pacs", until=THEN + 20, why="down", now=THEN)
    assert ledger.jobs.postpone(held, until=THEN + 20, why="down", now=THEN)
    reconciler.run(NOW)

    assert [delivery.id] == [each.id for each in sent]
    assert ledger.jobs.claim(delivery.id, worker="w2", now=NOW + 1, lease_s=LEASE_S) is not None


def test_nothing_is_mended_where_the_clock_goes_on(ledger: Ledger, reconciler: Reconciler, sent: list[JobRow]) -> None:
    """Holds, leases, waits and clocks that are a little ahead are as they should be."""
    arrive(ledger, "1.2.1", now=NOW + 1, held_until=NOW + HOLD_S + 5)
    claim(ledger, settle(ledger, "1.2.2", now=NOW), now=NOW + 5)
    waits = settle(ledger, "1.2.4", now=NOW)
    ledger.jobs.enqueued([waits.id], now=NOW + 5)
    ledger.jobs.destination_failed("pacs", until=NOW + 300, why="down", now=NOW)

    assert 0 == ledger.clocks.set_back(now=NOW, lease_s=LEASE_S, hold_s=HOLD_S)
    assert (1, NOW + 300) == ledger.jobs.destination("pacs")
    reconciler.run(NOW)
    assert [] == sent


def test_settling_looks_at_the_study_itself(ledger: Ledger, tmp_path: Path) -> None:
    """The settle pass, too, takes what lies ahead for quiet: nobody waits for the reconciler where nothing is held."""
    arrive(ledger, now=THEN)
    spool = Spool(tmp_path)
    spool.prepare()
    Settler(ledger=ledger, spool=spool, study=QUIET, dispatch=lambda _: None).run(NOW)

    assert study_of(ledger).unsettled_since is None
