"""The contract of the ledger: a delivery is closed by proof, whoever hears it, and by one answer alone."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from ledgers import claim, event_names, measure, new_report, settle, study_of

from service.ledger import Claim, JobRow, Ledger
from service.states import JobState, StudyState


def store(ledger: Ledger, job: JobRow, *, now: float = 200.0) -> None:
    """Send what a delivery brings: its destination says that it stored it."""
    held = claim(ledger, job, now=now)
    assert ledger.proofs.stored(held, detail="stored by pacs", stored=held.choices[0], now=now)


def ask(ledger: Ledger, job: JobRow, transaction: str, *, now: float = 210.0) -> Claim:
    """Claim a delivery that waits for proof, and write down what is asked."""
    held = claim(ledger, job, now=now)
    uid = held.choices[0].sop_instance_uid
    assert ledger.proofs.asked(held, transaction_uid=transaction, sop_instance_uid=uid, now=now)
    return held


def states(ledger: Ledger) -> tuple[JobState, StudyState]:
    """Return the states of the last delivery and of its study."""
    return ledger.admin.study("1.2.3").deliveries[-1].state, study_of(ledger).state


@pytest.fixture
def job(ledger: Ledger) -> JobRow:
    """Return a delivery that was stored and waits for proof."""
    [job] = measure(ledger)
    store(ledger, job)
    return job


def test_what_is_stored_is_not_done(ledger: Ledger, job: JobRow) -> None:
    """The study is delivered when the destination has proven it; until then the same job is due, and claimed to ask."""
    assert (JobState.STORED, StudyState.DELIVERING) == states(ledger)
    assert [job.id] == [each.id for each in ledger.jobs.due(now=200.0, requeue_s=20.0)]
    assert job.id == ledger.jobs.next_delivery("pacs", now=200.0)
    held = ask(ledger, job, "2.25.7")
    assert (JobState.PROVING, 200.0, "2.25.1") == (
        held.job.state,
        held.job.stored_at,
        held.choices[0].sop_instance_uid,
    )
    assert ledger.proofs.proven(held.job, by="storage commitment", now=220.0)
    assert (JobState.DONE, StudyState.REPORTED) == states(ledger)
    [sent] = ledger.lists.sent(study_of(ledger).id)
    assert (200.0, "stored by pacs; proven by storage commitment") == (sent.delivered_at, sent.detail)
    assert [90.0] == ledger.watch.turnarounds(since=0.0)  # from the last object, at 130, to the proof, at 220


def test_the_answer_may_come_to_another_process(ledger: Ledger, ledger_url: str, job: JobRow) -> None:
    """Whoever hears the transaction's report closes the job under the worker that asked, or after it went away."""
    held = ask(ledger, job, "2.25.7")
    other = Ledger.open(ledger_url)
    asked = other.proofs.of_transaction("2.25.7")
    assert asked is not None
    assert (job.id, "sr", "2.25.1") == (asked.job.id, asked.kind, asked.sop_instance_uid)
    assert other.proofs.proven(asked.job, by="storage commitment", now=211.0)
    other.close()

    assert not ledger.proofs.is_held(held)
    assert not ledger.proofs.later(held.job, until=300.0, why="awaited", now=212.0)
    assert ledger.proofs.of_transaction("2.25.7") is None
    assert (JobState.DONE, StudyState.REPORTED) == states(ledger)


def test_a_report_may_come_while_nobody_asks(ledger: Ledger, job: JobRow) -> None:
    """An archive that reports an hour later finds the transaction; a second question does not make it unknown."""
    for number, now in ((1, 210.0), (2, 400.0)):
        held = ask(ledger, job, f"2.25.{number}", now=now)
        assert ledger.proofs.later(held.job, until=now + 60.0, why="awaited", now=now)
        assert ledger.jobs.claim(job.id, worker="w2", now=now + 59.0, lease_s=15.0) is None
    first = ledger.proofs.of_transaction("2.25.1")
    assert first is not None
    assert ledger.proofs.proven(first.job, by="storage commitment", now=3800.0)
    assert (JobState.DONE, StudyState.REPORTED) == states(ledger)


def test_what_is_missing_is_sent_again(ledger: Ledger, job: JobRow) -> None:
    """The same job waits again, under the same UID; older questions are forgotten, the story says it."""
    held = ask(ledger, job, "2.25.7")
    assert ledger.proofs.missing(held.job, until=230.0, why="no such object instance", now=220.0)

    assert (JobState.WAITING, StudyState.DELIVERING) == states(ledger)
    assert ledger.proofs.of_transaction("2.25.7") is None
    assert not ledger.proofs.is_settled("2.25.7")
    assert ledger.jobs.next_delivery("pacs", now=229.0) is None
    again = claim(ledger, job, now=230.0)
    assert (JobState.RUNNING, "2.25.1") == (again.job.state, again.choices[0].sop_instance_uid)
    assert "missing" in event_names(ledger)


def test_a_worker_that_dies_asking_leaves_it_stored(ledger: Ledger, job: JobRow) -> None:
    """Nothing is sent twice for it: the job waits for proof again."""
    ask(ledger, job, "2.25.7", now=210.0)
    assert [(job.id, JobState.STORED)] == [
        (each.id, each.state) for each in ledger.jobs.release_lost(now=226.0, max_attempts=3)
    ]
    assert ledger.proofs.of_transaction("2.25.7") is not None


def test_a_refusal_names_who_must_act(ledger: Ledger, job: JobRow) -> None:
    """The study fails; a retry sends it again, in a delivery of its own."""
    held = ask(ledger, job, "2.25.7")
    assert ledger.proofs.refused(held.job, who="the administrator of the destination", why="0x0122", now=220.0)
    assert (JobState.FAILED, StudyState.FAILED) == states(ledger)
    assert "the administrator of the destination" == study_of(ledger).who
    [again] = ledger.admin.retry("1.2.3", now=230.0)
    store(ledger, again, now=230.0)
    assert (JobState.STORED, StudyState.DELIVERING) == states(ledger)


def test_the_last_proof_completes_the_study(ledger: Ledger) -> None:
    """Of two objects at one destination, one proven and one declined, and one trusted at another."""
    objects = [new_report("2.25.1"), new_report("2.25.2", kind="gsps")]
    report, archived, overlay, _ = measure(ledger, objects=objects, destinations=("pacs", "archive"))
    if report.destination == archived.destination:
        archived, overlay = overlay, archived
    store(ledger, report)
    assert ledger.proofs.proven(ask(ledger, report, "2.25.7").job, by="C-FIND", now=215.0)
    assert StudyState.DELIVERING is study_of(ledger).state
    for each in ledger.admin.study("1.2.3").jobs:
        if each.state is JobState.WAITING:
            assert ledger.jobs.finish_delivery(claim(ledger, each, now=220.0), detail="0x0000", now=220.0)
    assert StudyState.REPORTED is study_of(ledger).state


@pytest.mark.parametrize("outcome", ["proven", "refused"])
def test_a_question_outlives_its_delivery(ledger: Ledger, job: JobRow, outcome: str) -> None:
    """Once a delivery is settled no answer counts, and whoever still answers is known to have been asked."""
    held = ask(ledger, job, "2.25.7")
    if outcome == "proven":
        assert ledger.proofs.proven(held.job, by="C-FIND", now=220.0)
    else:
        assert ledger.proofs.refused(held.job, who="somebody", why="0x0122", now=220.0)
    assert ledger.proofs.of_transaction("2.25.7") is None
    assert [True, False] == [ledger.proofs.is_settled(uid) for uid in ("2.25.7", "2.25.8")]


def test_a_new_revision_ends_the_wait(ledger: Ledger, job: JobRow) -> None:
    """What is replaced is not proven any more, and not sent again; its arrival stays known."""
    held = ask(ledger, job, "2.25.7")
    settle(ledger, now=300.0)
    assert ledger.proofs.missing(held.job, until=310.0, why="no such object", now=305.0)
    assert JobState.CANCELLED is ledger.admin.study("1.2.3").deliveries[0].state
    earlier = ledger.admin.last_report(study_of(ledger).id, before_revision=2)
    assert earlier is not None
    assert ["2.25.1"] == [each.sop_instance_uid for each in earlier.arrived]


def test_of_many_answers_one_counts(ledger: Ledger, ledger_url: str, job: JobRow) -> None:
    """Four listeners hear proof and loss of the same object at once: one of them decides."""
    ask(ledger, job, "2.25.7")
    asked = ledger.proofs.of_transaction("2.25.7")
    assert asked is not None
    others = [Ledger.open(ledger_url) for _ in range(4)]

    def answer(number: int) -> bool:
        proofs = others[number].proofs
        if number % 2:
            return proofs.proven(asked.job, by="storage commitment", now=220.0)
        return proofs.missing(asked.job, until=230.0, why="lost", now=220.0)

    with ThreadPoolExecutor(4) as pool:
        assert 1 == sum(pool.map(answer, range(4)))
    for each in others:
        each.close()


def test_what_waits_for_proof_is_counted(ledger: Ledger, job: JobRow) -> None:
    """By destination how many, and since when; it does not count as work that waits to be sent."""
    assert {"pacs": (1, 200.0)} == ledger.watch.unproven()
    assert (0, 1) == (ledger.watch.destination("pacs").waiting, ledger.watch.destination("pacs").unproven)
    assert ledger.proofs.proven(ask(ledger, job, "2.25.7").job, by="C-FIND", now=215.0)
    assert {} == ledger.watch.unproven()
