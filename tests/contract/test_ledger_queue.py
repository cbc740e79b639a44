"""The contract of the ledger: what is worth a message, and the circuit of each destination."""

import pytest
from ledgers import claim, deliver, measure, new_report, settle, study_of

from service.ledger import JobRow, Ledger
from service.messages import JobKind
from service.states import StudyState


def due(ledger: Ledger, now: float) -> list[int]:
    """Return the numbers of the jobs that are worth a message."""
    return [job.id for job in ledger.jobs.due(now=now, requeue_s=20.0)]


# ---- messages


def test_a_job_that_was_never_sent_is_due_at_once(ledger: Ledger) -> None:
    """Oldest first, as many as were asked for."""
    first, second = settle(ledger, "1.1"), settle(ledger, "1.2")

    assert [first.id, second.id] == due(ledger, 130.0)
    assert [first.id] == [job.id for job in ledger.jobs.due(now=130.0, requeue_s=20.0, limit=1)]


def test_a_job_is_sent_again_where_its_message_was_not_taken(ledger: Ledger) -> None:
    """Sent, and twenty seconds later still waiting: the broker lost the message."""
    job = settle(ledger)
    ledger.jobs.enqueued([job.id], now=130.0)

    assert [] == due(ledger, 149.9)
    assert [job.id] == due(ledger, 150.0)


def test_a_job_that_runs_is_not_due(ledger: Ledger) -> None:
    """What a worker holds needs no message."""
    claim(ledger, settle(ledger))

    assert [] == due(ledger, 1e6)


def test_a_postponed_job_is_due_when_its_time_has_come(ledger: Ledger) -> None:
    """Its old message is used up, so it is sent as soon as its time has come, not only when it is overdue."""
    job = settle(ledger)
    ledger.jobs.enqueued([job.id], now=130.0)
    ledger.jobs.postpone(claim(ledger, job, now=131.0), until=140.0, why="busy", now=132.0)

    assert [] == due(ledger, 139.9)
    assert [job.id] == due(ledger, 140.0)


def test_noting_what_was_sent_may_concern_nothing(ledger: Ledger) -> None:
    """No jobs, or jobs that are unknown, are no error."""
    ledger.jobs.enqueued([], now=1.0)
    ledger.jobs.enqueued([4711], now=1.0)

    assert [] == due(ledger, 2.0)


# ---- the circuit


@pytest.fixture
def three(ledger: Ledger) -> list[JobRow]:
    """Return deliveries of three studies to one PACS."""
    return [measure(ledger, f"1.{n}", report=f"2.25.{n}")[0] for n in (1, 2, 3)]


def test_all_is_well_with_a_destination_that_nobody_knows(ledger: Ledger) -> None:
    """Without failures the circuit is closed."""
    assert (0, 0.0) == ledger.jobs.destination("pacs")


def test_failures_are_counted(ledger: Ledger) -> None:
    """Every failure counts, and sets the time before which nothing goes there."""
    ledger.jobs.destination_failed("pacs", until=210.0, why="no answer", now=200.0)
    ledger.jobs.destination_failed("pacs", until=240.0, why="no answer", now=220.0)

    assert (2, 240.0) == ledger.jobs.destination("pacs")


def test_nothing_goes_to_a_destination_whose_circuit_is_open(ledger: Ledger, three: list[JobRow]) -> None:
    """Before its time a failed destination is neither due nor claimable; others are."""
    other = measure(ledger, "1.9", report="2.25.9", destinations=("archive",))[0]
    ledger.jobs.destination_failed("pacs", until=210.0, why="no answer", now=200.0)

    assert [other.id] == due(ledger, 209.9)
    assert [None] * 3 == [ledger.jobs.claim(job.id, worker="w1", now=209.9, lease_s=15.0) for job in three]
    claim(ledger, other, now=209.9)


def test_an_open_circuit_does_not_concern_measuring(ledger: Ledger) -> None:
    """A dead PACS stops no measurement."""
    ledger.jobs.destination_failed("pacs", until=210.0, why="no answer", now=100.0)
    job = settle(ledger)

    assert [job.id] == due(ledger, 140.0)
    assert JobKind.MEASURE is claim(ledger, job).job.kind


def test_one_claim_passes_as_the_probe(ledger: Ledger, three: list[JobRow]) -> None:
    """When its time has come one delivery tries; where its worker died, it is the first to be tried again."""
    ledger.jobs.destination_failed("pacs", until=210.0, why="no answer", now=200.0)
    probe, other, _ = three

    assert [probe.id] == due(ledger, 210.0)
    claim(ledger, probe, now=210.0, lease_s=15.0)
    assert [] == due(ledger, 224.9)
    assert ledger.jobs.claim(other.id, worker="w2", now=224.9, lease_s=15.0) is None
    ledger.jobs.release_lost(now=225.1, max_attempts=3)
    assert [probe.id] == due(ledger, 225.1)
    claim(ledger, probe, now=225.1, worker="w2")


def test_a_report_that_arrived_closes_the_circuit(ledger: Ledger, three: list[JobRow]) -> None:
    """The probe got through: the next one is due at once, whenever it was sent last, and the others follow it."""
    ledger.jobs.enqueued([job.id for job in three], now=199.0)
    ledger.jobs.destination_failed("pacs", until=210.0, why="no answer", now=200.0)
    for job in three[1:]:
        assert ledger.jobs.claim(job.id, worker="w1", now=201.0, lease_s=15.0) is None
    deliver(ledger, three[0], now=210.0)

    assert (0, 0.0) == ledger.jobs.destination("pacs")
    assert [three[1].id] == due(ledger, 210.1)
    assert three[1].id == ledger.jobs.next_delivery("pacs", now=210.1)
    deliver(ledger, three[1], now=210.1)
    assert [three[2].id] == due(ledger, 210.2)


def test_one_delivery_to_a_destination_runs_at_a_time(ledger: Ledger, three: list[JobRow]) -> None:
    """A destination that hangs holds one worker process, whatever waits behind; other work goes on."""
    held = claim(ledger, three[0], now=200.0)

    assert ledger.jobs.claim(three[1].id, worker="w2", now=200.0, lease_s=15.0) is None
    assert three[1].id not in due(ledger, 200.0)
    assert ledger.jobs.finish_delivery(held, detail="0x0000", now=201.0)
    assert three[1].id == ledger.jobs.next_delivery("pacs", now=201.0)
    claim(ledger, three[1], now=201.0)


def test_a_failed_probe_opens_the_circuit_again(ledger: Ledger, three: list[JobRow]) -> None:
    """The probe failed: the count goes on, nothing passes until the new time, and then another object is the probe."""
    ledger.jobs.destination_failed("pacs", until=210.0, why="no answer", now=200.0)
    held = claim(ledger, three[0], now=210.0)
    ledger.jobs.destination_failed("pacs", until=250.0, why="no answer", now=211.0)
    ledger.jobs.postpone(held, until=250.0, why="no answer", now=211.0)

    assert (2, 250.0) == ledger.jobs.destination("pacs")
    assert [] == due(ledger, 249.9)
    assert [three[1].id] == due(ledger, 250.0)


def test_an_object_that_is_never_answered_keeps_no_other_waiting(ledger: Ledger, three: list[JobRow]) -> None:
    """The oldest was the probe and failed: the next probe is another, until each had its turn."""
    for now, job in zip((200.0, 300.0, 400.0), three, strict=True):
        assert [job.id] == due(ledger, now)
        held = claim(ledger, job, now=now)
        ledger.jobs.destination_failed("pacs", until=now + 90.0, why="no answer", now=now)
        ledger.jobs.postpone(held, until=now + 90.0, why="no answer", now=now)

    assert [three[0].id] == due(ledger, 500.0)
    assert three[0].id == ledger.jobs.next_delivery("pacs", now=500.0)


def test_a_report_goes_before_what_accompanies_others(ledger: Ledger) -> None:
    """However many overlays wait, the report of a new study goes first, to each destination."""
    objects = [new_report("2.25.1"), new_report("2.25.2", kind="gsps")]
    for job in measure(ledger, "1.1", objects=objects, destinations=("pacs", "archive"))[::2]:
        deliver(ledger, job)
    [later] = measure(ledger, "1.2", report="2.25.3", now=200.0)

    overlay_of_the_archive = ledger.jobs.next_delivery("archive", now=210.0)
    assert [overlay_of_the_archive, later.id] == due(ledger, 210.0)
    assert later.id == ledger.jobs.next_delivery("pacs", now=210.0)


def test_a_section_goes_before_the_report_that_refers_to_it(ledger: Ledger) -> None:
    """Of each study its section, its report, then what accompanies; a section not stored holds up no report."""
    made = [[new_report(f"2.25.{n}{kind}", kind=kind) for kind in ("sr", "gsps", "sagittal")] for n in (1, 2)]
    jobs = [job for n in (0, 1) for job in measure(ledger, f"1.{n}", objects=made[n])]
    names = dict(zip((job.id for job in jobs), ("section", "sr", "gsps", "section 2", "sr 2", "gsps 2"), strict=True))
    refused = claim(ledger, jobs[0], now=200.0)
    ledger.jobs.postpone(refused, until=200.5, why="0xA700", answered=True, now=200.0)
    sent = []
    for now in (201.0, 202.0, 203.0, 204.0, 205.0, 206.0):
        (job,) = (each for each in jobs if each.id == ledger.jobs.next_delivery("pacs", now=now))
        deliver(ledger, job, now=now)
        sent.append(names[job.id])

    assert ["sr", "section 2", "sr 2", "gsps", "gsps 2", "section"] == sent


def test_an_answer_closes_the_circuit(ledger: Ledger, three: list[JobRow]) -> None:
    """The probe was answered, though not with success: the destination is well, and the next one passes at once."""
    ledger.jobs.destination_failed("pacs", until=210.0, why="no answer", now=200.0)
    held = claim(ledger, three[0], now=210.0)
    assert ledger.jobs.postpone(held, until=250.0, why="0x0110", answered=True, now=211.0)

    assert (0, 0.0) == ledger.jobs.destination("pacs")
    assert [three[1].id] == due(ledger, 211.0)


def test_a_dead_destination_keeps_no_other_waiting(ledger: Ledger) -> None:
    """Of one report, the delivery to a living destination goes on while the other waits."""
    pacs, archive = measure(ledger, destinations=("pacs", "archive"))
    ledger.jobs.destination_failed("pacs", until=900.0, why="no answer", now=155.0)
    deliver(ledger, archive, now=160.0)

    assert StudyState.DELIVERING is study_of(ledger).state
    assert [] == due(ledger, 899.0)
    deliver(ledger, pacs, now=900.0)
    assert StudyState.REPORTED is study_of(ledger).state
