"""The contract of the ledger: what a destination may have, though it never said so, is not forgotten."""

from collections.abc import Callable

import pytest
from ledgers import arrive, claim, deliver, finish, measure, new_report, settle, study_of

from service.ledger import Claim, JobRow, Ledger
from service.states import JobState, StudyState

#: The three alternatives of a report, and what goes with it.
OBJECTS = [*(new_report(f"2.25.{n}", choice=n) for n in range(3)), new_report("2.25.9", kind="gsps")]


def lose(ledger: Ledger, held: Claim) -> None:
    """Have the worker of a delivery die."""
    assert ledger.jobs.release_lost(now=(held.job.lease_until or 0.0) + 1.0, max_attempts=3)


def hear_nothing(ledger: Ledger, held: Claim) -> None:
    """Have a destination fall silent after the object was sent."""
    assert ledger.jobs.postpone(held, until=160.0, why="pacs gave no answer", perhaps=held.choices, now=159.0)


def lose_patience(ledger: Ledger, held: Claim) -> None:
    """Have a destination fall silent for the last time."""
    assert ledger.jobs.give_up(held, who="somebody", why="for 72 h: no answer", perhaps=held.choices, now=159.0)


def take_out(ledger: Ledger) -> None:
    """Have an administrator ignore the study."""
    ledger.admin.ignore("1.2.3", why="not ours", now=158.0)


def begin_another(ledger: Ledger) -> None:
    """Settle late objects: a second revision."""
    settle(ledger, now=158.0)


def there(ledger: Ledger) -> dict[str, list[str]]:
    """Return by destination what a rejection note would name."""
    found = ledger.retractions.there(study_of(ledger).id)
    return {name: [row.sop_instance_uid for row in rows] for name, rows in found.items()}


def predecessors(ledger: Ledger, *, revision: int) -> list[str]:
    """Return what the report of a revision would name as its predecessors."""
    earlier = ledger.admin.last_report(study_of(ledger).id, before_revision=revision)
    return [row.sop_instance_uid for row in earlier.arrived] if earlier else []


def state_of(ledger: Ledger, job: JobRow) -> JobState:
    """Return the state of a job."""
    return next(each.state for each in ledger.admin.study("1.2.3").jobs if each.id == job.id)


@pytest.mark.parametrize("meanwhile", [take_out, begin_another])
def test_what_is_being_sent_may_end_and_is_known_to_be_there(
    ledger: Ledger, meanwhile: Callable[[Ledger], None]
) -> None:
    """A study is taken out, or measured anew, while its report goes to the PACS: it can be taken back afterwards."""
    (job,) = measure(ledger)
    held = claim(ledger, job, now=155.0)
    meanwhile(ledger)

    assert ledger.jobs.finish_delivery(held, detail="0x0000", now=159.0)
    assert ({"pacs": ["2.25.1"]}, ["2.25.1"]) == (there(ledger), predecessors(ledger, revision=2))


@pytest.mark.parametrize("meanwhile", [take_out, begin_another])
@pytest.mark.parametrize("ends", [lose, hear_nothing])
def test_what_nobody_wants_any_more_is_not_sent_again_and_may_be_there(
    ledger: Ledger, ends: Callable[[Ledger, Claim], None], meanwhile: Callable[[Ledger], None]
) -> None:
    """Its worker dies, or the PACS does not answer: the next report names it, a rejection note names it."""
    (job,) = measure(ledger)
    held = claim(ledger, job, now=155.0)
    meanwhile(ledger)
    ends(ledger, held)

    assert JobState.CANCELLED is state_of(ledger, job)
    assert ({"pacs": ["2.25.1"]}, ["2.25.1"]) == (there(ledger), predecessors(ledger, revision=2))


@pytest.mark.parametrize("meanwhile", [take_out, begin_another])
@pytest.mark.parametrize("ends", [lose, hear_nothing])
def test_what_waits_to_be_sent_again_may_be_there(
    ledger: Ledger, ends: Callable[[Ledger, Claim], None], meanwhile: Callable[[Ledger], None]
) -> None:
    """The try had ended before the study was taken out, or measured anew; the same holds."""
    (job,) = measure(ledger)
    ends(ledger, claim(ledger, job, now=155.0))
    assert JobState.WAITING is state_of(ledger, job)
    meanwhile(ledger)

    assert JobState.CANCELLED is state_of(ledger, job)
    assert ({"pacs": ["2.25.1"]}, ["2.25.1"]) == (there(ledger), predecessors(ledger, revision=2))


def test_what_patience_ended_with_may_be_there(ledger: Ledger) -> None:
    """The study has failed; taking it back reaches the PACS all the same."""
    (job,) = measure(ledger)
    lose_patience(ledger, claim(ledger, job, now=155.0))

    assert (StudyState.FAILED, {"pacs": ["2.25.1"]}) == (study_of(ledger).state, there(ledger))


def test_what_was_not_sent_is_not_there(ledger: Ledger) -> None:
    """A PACS that was not reached, or answered that it does not store the object, has nothing."""
    (job,) = measure(ledger)
    assert ledger.jobs.postpone(claim(ledger, job, now=155.0), until=156.0, why="not reached", now=156.0)
    begin_another(ledger)

    assert ({}, []) == (there(ledger), predecessors(ledger, revision=2))


def test_it_is_any_of_the_alternatives(ledger: Ledger) -> None:
    """Which of them was being sent a dead worker cannot say."""
    report, overlay = measure(ledger, objects=OBJECTS)
    held = claim(ledger, report, now=155.0)
    begin_another(ledger)
    lose(ledger, held)

    assert {"pacs": ["2.25.0", "2.25.1", "2.25.2"]} == there(ledger)
    assert JobState.CANCELLED is state_of(ledger, overlay)


def test_it_is_the_one_that_was_being_sent(ledger: Ledger) -> None:
    """Whoever got no answer knows to which of the alternatives."""
    report, _ = measure(ledger, objects=OBJECTS)
    held = claim(ledger, report, now=155.0)
    begin_another(ledger)
    assert ledger.jobs.postpone(held, until=160.0, why="no answer", perhaps=held.choices[1:2], now=159.0)

    assert ({"pacs": ["2.25.1"]}, ["2.25.1"]) == (there(ledger), predecessors(ledger, revision=2))


def test_sent_again_it_is_certain(ledger: Ledger) -> None:
    """The alternative that was stored is there from then on, the others are not; it says what the destination said."""
    report, _ = measure(ledger, objects=OBJECTS)
    hear_nothing(ledger, claim(ledger, report, now=155.0))
    (first, *_) = ledger.lists.sent(study_of(ledger).id)
    assert (True, "may have been stored: pacs gave no answer") == (first.uncertain, first.detail)
    assert (None, None) == (
        ledger.watch.destination("pacs").delivered_at,
        ledger.admin.study("1.2.3").deliveries[0].proof,
    )

    held = claim(ledger, report, now=170.0)
    assert ledger.jobs.finish_delivery(held, detail="0x0000", stored=held.choices[1], now=171.0)
    (sent,) = ledger.lists.sent(study_of(ledger).id)
    assert (False, "0x0000", 171.0, "2.25.1") == (sent.uncertain, sent.detail, sent.delivered_at, sent.sop_instance_uid)

    # A second delivery of it that nobody hears of changes nothing.
    begin_another(ledger)
    assert ({"pacs": ["2.25.1"]}, 171.0) == (there(ledger), ledger.watch.destination("pacs").delivered_at)


def test_what_is_there_is_named_beside_what_may_be_there(ledger: Ledger) -> None:
    """Revision 1 is at the PACS, of revision 2 nobody knows: the third replaces whichever of the two is shown."""
    (job,) = measure(ledger)
    deliver(ledger, job, now=155.0)
    (second,) = finish(ledger, claim(ledger, settle(ledger, now=160.0), now=165.0), report="2.25.2", now=170.0)
    held = claim(ledger, second, now=175.0)
    settle(ledger, now=176.0)
    lose(ledger, held)

    assert ["2.25.2", "2.25.1"] == predecessors(ledger, revision=3)


def test_a_try_that_only_asked_for_proof_sent_nothing(ledger: Ledger) -> None:
    """What was stored stays certain, whatever becomes of the question."""
    (job,) = measure(ledger)
    held = claim(ledger, job, now=155.0)
    assert ledger.proofs.stored(held, detail="0x0000", stored=held.choices[0], now=156.0)
    asking = claim(ledger, job, now=157.0)
    begin_another(ledger)
    lose(ledger, asking)

    assert [False] == [each.uncertain for each in ledger.lists.sent(study_of(ledger).id)]


def test_a_study_that_may_have_arrived_after_its_files_went_is_measured_anew(ledger: Ledger) -> None:
    """Only a report that is there for certain stands on objects that retention took away."""
    (job,) = measure(ledger)
    lose_patience(ledger, claim(ledger, job, now=155.0))
    assert ledger.admin.forget_files(study_of(ledger).id, remove=lambda: True, now=170.0)
    arrive(ledger, now=180.0)

    assert not ledger.arrivals.report_stands(study_of(ledger))


def test_a_later_try_knows_what_may_be_there_and_since_when(ledger: Ledger) -> None:
    """By the names of its files, of its own destination; a delivery that somebody asked for anew begins afresh."""
    report, _ = measure(ledger, objects=OBJECTS)
    held = claim(ledger, report, now=155.0)
    assert {} == held.perhaps
    assert ledger.jobs.postpone(held, until=160.0, why="no answer", perhaps=held.choices[1:2], now=159.0)

    again = claim(ledger, report, now=170.0)
    assert {held.choices[1].file_name: 159.0} == again.perhaps
    assert ledger.jobs.give_up(again, who="somebody", why="refused", now=171.0)
    ledger.admin.retry("1.2.3", now=172.0)
    (*_, anew) = [each for each in ledger.admin.study("1.2.3").jobs if each.report_id == report.report_id]
    assert anew.id != report.id
    assert ({}, 3) == ((given := claim(ledger, anew, now=173.0)).perhaps, len(given.choices))


def test_where_an_alternative_is_there_it_alone_may_be_sent(ledger: Ledger) -> None:
    """What a destination has lost goes again under its own UID, never under another one."""
    report, _ = measure(ledger, objects=OBJECTS)
    held = claim(ledger, report, now=155.0)
    assert ledger.proofs.stored(held, detail="0x0000", stored=held.choices[1], now=156.0)
    asked = claim(ledger, report, now=157.0)
    assert ledger.proofs.missing(asked.job, until=160.0, why="it has not got it", now=158.0)

    assert ["2.25.1"] == [each.sop_instance_uid for each in claim(ledger, report, now=161.0).choices]


def test_what_need_not_be_taken_may_be_there_all_the_same(ledger: Ledger) -> None:
    """Its answer was lost, then it was refused: a rejection note names it."""
    report, overlay = measure(ledger, objects=OBJECTS)
    deliver(ledger, report, now=155.0)
    held = claim(ledger, overlay, now=170.0)
    assert ledger.jobs.decline(held, why="0xC000; it may have it", perhaps=held.choices, now=171.0)

    assert {"pacs": ["2.25.0", "2.25.9"]} == there(ledger)


def test_nobody_asks_on_about_a_study_that_was_taken_out(ledger: Ledger) -> None:
    """Proof of what nobody wants any more is not waited for."""
    report, _ = measure(ledger, objects=OBJECTS)
    held = claim(ledger, report, now=155.0)
    assert ledger.proofs.stored(held, detail="0x0000", stored=held.choices[0], now=156.0)
    asked = claim(ledger, report, now=157.0)
    take_out(ledger)
    assert ledger.proofs.later(asked.job, until=200.0, why="it cannot say yet", now=159.0)

    assert JobState.CANCELLED is state_of(ledger, report)
