"""The contract of the ledger: what administrators, pages and commands ask for."""

from collections.abc import Callable

import pytest
from ledgers import arrive, claim, deliver, event_names, finish, measure, settle, study_of

from service.config import Study
from service.errors import Unknown
from service.ledger import JobRow, Ledger, outcomes
from service.ledger.engine import writing
from service.messages import JobKind
from service.settle import is_complete
from service.spool import study_key
from service.states import JobState, NotAllowed, StudyState

# ---- questions


def test_studies_are_listed_newest_first(ledger: Ledger) -> None:
    """By the time of the last object; of one state, if asked for; no more than asked for."""
    arrive(ledger, "1.1", now=300.0)
    measure(ledger, "1.2", destinations=(), now=150.0)
    arrive(ledger, "1.3", now=200.0)

    assert ["1.1", "1.3", "1.2"] == [row.study_instance_uid for row in ledger.admin.studies()]
    assert ["1.2"] == [row.study_instance_uid for row in ledger.admin.studies(state=StudyState.REPORTED)]
    assert ["1.1"] == [row.study_instance_uid for row in ledger.admin.studies(limit=1)]


def test_a_study_is_found_by_uid_and_by_key(ledger: Ledger) -> None:
    """Both names lead to the same detail."""
    measure(ledger)

    assert ledger.admin.study("1.2.3") == ledger.admin.study(study_key("1.2.3"))


def test_the_detail_of_a_study_is_all_of_it_and_nothing_of_others(ledger: Ledger) -> None:
    """Jobs, reports, deliveries and events in order."""
    measure(ledger, "1.1", report="2.25.8")
    deliver(ledger, measure(ledger, "1.2.3", report="2.25.9")[0])

    detail = ledger.admin.study("1.2.3")
    assert [JobKind.MEASURE, JobKind.DELIVER] == [job.kind for job in detail.jobs]
    assert ["2.25.9"] == [report.sop_instance_uid for report in detail.reports]
    assert ["2.25.9"] == [delivery.sop_instance_uid for delivery in detail.deliveries]
    assert ["received", "settled", "claimed", "measured", "delivered"] == event_names(ledger)
    assert [130.0, 130.0, 140.0, 150.0, 160.0] == [event.at for event in detail.events]


@pytest.mark.parametrize("ask", ["study", "findings", "retry", "ignore", "settle_now"])
def test_an_unknown_study_is_said_to_be_unknown(ledger: Ledger, ask: str) -> None:
    """The error does not repeat what was asked for: it could be a patient's."""
    orders: dict[str, Callable[[str], object]] = {
        "study": ledger.admin.study,
        "findings": ledger.admin.findings,
        "retry": lambda uid: ledger.admin.retry(uid, now=1.0),
        "ignore": lambda uid: ledger.admin.ignore(uid, why="x", now=1.0),
        "settle_now": lambda uid: ledger.admin.settle_now(uid, now=1.0),
    }
    with pytest.raises(Unknown, match=r"^no study is known under this UID or key$"):
        orders[ask]("1.2.826.99")


def test_findings_are_those_of_the_newest_revision_that_has_any(ledger: Ledger) -> None:
    """While a new revision is on its way, the findings of the last one stand."""
    held = claim(ledger, settle(ledger, now=100.0), now=101.0)
    assert ledger.admin.findings("1.2.3") is None
    ledger.jobs.finish_measure(held, findings='{"n": 1}', reason="x", objects=(), wanted={}, now=102.0)
    held = claim(ledger, settle(ledger, now=200.0), now=201.0)

    assert '{"n": 1}' == ledger.admin.findings("1.2.3")
    ledger.jobs.finish_measure(held, findings='{"n": 2}', reason="x", objects=(), wanted={}, now=202.0)
    assert '{"n": 2}' == ledger.admin.findings("1.2.3")


def test_the_findings_of_one_revision_can_be_asked_for(ledger: Ledger) -> None:
    """A report stands as long as its own revision's findings do, whatever a later one found."""
    for number in (1, 2):
        held = claim(ledger, settle(ledger, now=100.0 * number), now=100.0 * number + 1)
        text = f'{{"n": {number}}}'
        ledger.jobs.finish_measure(held, findings=text, reason="x", objects=(), wanted={}, now=100.0 * number + 2)

    assert ['{"n": 1}', '{"n": 2}', None] == [ledger.admin.findings("1.2.3", revision=n) for n in (1, 2, 3)]


def test_every_state_is_counted(ledger: Ledger) -> None:
    """The counts name all states, those without a study too."""
    arrive(ledger, "1.1")
    arrive(ledger, "1.2")
    measure(ledger, destinations=())

    expected = dict.fromkeys(StudyState, 0) | {StudyState.RECEIVING: 2, StudyState.REPORTED: 1}
    assert expected == ledger.admin.counts()


def test_what_waits_is_counted_by_kind(ledger: Ledger) -> None:
    """How many wait, and since when the oldest: what a queue's alarm asks for."""
    assert {JobKind.MEASURE: (0, None), JobKind.DELIVER: (0, None)} == ledger.admin.waiting()
    settle(ledger, "1.1", now=130.0)
    settle(ledger, "1.2", now=120.0)

    assert {JobKind.MEASURE: (2, 120.0), JobKind.DELIVER: (0, None)} == ledger.admin.waiting()


def test_our_own_reports_are_known(ledger: Ledger) -> None:
    """A report is known as ours from the moment it is entered, before it is sent anywhere."""
    measure(ledger, report="2.25.7")

    assert ledger.admin.is_own_report("2.25.7")
    assert not ledger.admin.is_own_report("2.25.8")


def test_the_predecessor_is_the_last_report_that_somebody_has(ledger: Ledger) -> None:
    """A report that reached nobody is nobody's predecessor."""
    deliver(ledger, measure(ledger, report="2.25.1", now=150.0)[0], now=160.0)
    measure(ledger, report="2.25.2", now=250.0)
    settle(ledger, now=300.0)
    study_id = study_of(ledger).id

    found = [ledger.admin.last_report(study_id, before_revision=number) for number in (1, 2, 3)]
    assert [[], ["2.25.1"], ["2.25.1"]] == [
        [row.sop_instance_uid for row in each.arrived] if each else [] for each in found
    ]


def test_each_destination_has_a_predecessor_of_its_own(ledger: Ledger) -> None:
    """One missed the second report: the third replaces the first there. One that is configured no more is left out."""
    for name, job in zip(("pacs", "old"), measure(ledger, destinations=("pacs", "old")), strict=True):
        deliver(ledger, job, now=160.0)
        assert name == job.destination
    [second] = measure(ledger, report="2.25.2", destinations=("archive",), now=250.0)
    deliver(ledger, second, now=260.0)
    study_id = study_of(ledger).id

    found = [
        ledger.admin.last_report(study_id, before_revision=3, destinations=names)
        for names in (("pacs", "archive"), ("archive",), ("new",), ())
    ]
    assert [["2.25.2", "2.25.1"], ["2.25.2"], ["2.25.2", "2.25.1"], ["2.25.2", "2.25.1"]] == [
        [row.sop_instance_uid for row in each.arrived] if each else [] for each in found
    ]
    assert [["2.25.2"]] * 4 == [[row.sop_instance_uid for row in each.made] if each else [] for each in found]


# ---- orders


def test_settle_now_makes_a_study_complete(ledger: Ledger) -> None:
    """The next pass takes it, though an association is open; a study that is settled is looked at again."""
    arrive(ledger, now=100.0, held_until=115.0)
    ledger.admin.settle_now("1.2.3", now=101.0)

    assert is_complete(study_of(ledger), Study(quiet_s=30, max_wait_s=3600), 101.0)
    settle(ledger, now=102.0)
    assert [] == ledger.arrivals.unsettled()
    ledger.admin.settle_now("1.2.3", now=103.0)
    assert [0.0] == [row.unsettled_since for row in ledger.arrivals.unsettled()]
    assert ["received", "settle_asked", "settled", "settle_asked"] == event_names(ledger)


def test_an_object_that_comes_does_not_undo_settle_now(ledger: Ledger) -> None:
    """Asked for is asked for."""
    arrive(ledger, now=100.0)
    ledger.admin.settle_now("1.2.3", now=101.0)

    assert 0.0 == arrive(ledger, now=102.0).unsettled_since


@pytest.mark.parametrize("end", ["failed", "not_analysable", "reported"])
def test_retry_measures_the_same_revision_again(ledger: Ledger, end: str) -> None:
    """A new job of the same revision with the same start, so the same inputs give the same bytes."""
    held = claim(ledger, settle(ledger, now=130.0))
    if end == "failed":
        ledger.jobs.give_up(held, who="developers", why="bug", now=150.0)
    elif end == "reported":
        finish(ledger, held, destinations=())
    else:
        ledger.jobs.finish_measure(held, findings="{}", reason="x", objects=(), wanted={}, now=150.0)
    jobs = ledger.admin.retry("1.2.3", now=200.0)

    row = study_of(ledger)
    assert (StudyState.QUEUED, None, None, 1) == (row.state, row.reason, row.who, row.revision)
    assert [(JobKind.MEASURE, 1)] == [(job.kind, job.revision) for job in jobs]
    assert held.job.id != jobs[0].id
    assert 130.0 == claim(ledger, jobs[0], now=201.0).started_at


def _refused(ledger: Ledger) -> list[JobRow]:
    """Return the deliveries of a study of which the first was refused and the second arrived."""
    jobs = measure(ledger, destinations=("pacs", "archive"))
    deliver(ledger, jobs[1], now=160.0)
    ledger.jobs.destination_failed("pacs", until=900.0, why="no answer", now=160.0)
    ledger.jobs.give_up(claim(ledger, jobs[0], now=900.0), who="the PACS admin", why="0xA900", now=901.0)
    return jobs


def test_retry_sends_a_report_again_to_everybody(ledger: Ledger) -> None:
    """Reported, but the PACS lost it: each destination gets a new delivery; the old ones keep their history."""
    for job in measure(ledger, destinations=("pacs", "archive")):
        deliver(ledger, job, now=160.0)
    jobs = ledger.admin.retry("1.2.3", now=900.0)

    assert [("pacs", 0, 900.0), ("archive", 0, 900.0)] == [(j.destination, j.attempts, j.created_at) for j in jobs]
    assert StudyState.DELIVERING is study_of(ledger).state
    deliver(ledger, jobs[1], now=901.0)
    assert StudyState.DELIVERING is study_of(ledger).state
    deliver(ledger, jobs[0], now=902.0)
    assert StudyState.REPORTED is study_of(ledger).state
    found = [(d.destination, d.delivered_at) for d in ledger.admin.study("1.2.3").deliveries]
    assert [("pacs", 160.0), ("archive", 160.0), ("pacs", 902.0), ("archive", 901.0)] == found
    assert ["delivered", "resent", "delivered"] == event_names(ledger)[-3:]
    resent = ledger.admin.study("1.2.3").events[-2]
    assert ("to pacs, archive", "admin") == (resent.detail, resent.actor)


def test_a_report_that_was_sent_again_and_refused_fails_its_study(ledger: Ledger) -> None:
    """That it arrived once is no answer to who asked for it again."""
    deliver(ledger, measure(ledger)[0], now=160.0)
    again = ledger.admin.retry("1.2.3", now=900.0)[0]
    ledger.jobs.give_up(claim(ledger, again, now=901.0), who="the PACS admin", why="0xA900", now=902.0)

    row = study_of(ledger)
    assert (StudyState.FAILED, "pacs: 0xA900", "the PACS admin") == (row.state, row.reason, row.who)


def test_retry_sends_again_what_was_refused(ledger: Ledger) -> None:
    """Failed in delivery: every destination gets the report, at once, with new attempts and new patience."""
    pacs, _ = _refused(ledger)
    jobs = ledger.admin.retry("1.2.3", now=902.0)

    assert {("pacs", JobState.WAITING, 0, 902.0), ("archive", JobState.WAITING, 0, 902.0)} == {
        (j.destination, j.state, j.attempts, j.created_at) for j in jobs
    }
    assert (0, 0.0) == ledger.jobs.destination("pacs")
    assert StudyState.DELIVERING is study_of(ledger).state
    for job in jobs:
        deliver(ledger, job, now=903.0)
    assert StudyState.REPORTED is study_of(ledger).state
    old = next(delivery for delivery in ledger.admin.study("1.2.3").deliveries if delivery.destination == "pacs")
    assert (pacs.report_id, JobState.FAILED, "0xA900", None) == (
        old.report_id,
        old.state,
        old.error,
        old.delivered_at,
    )


def test_a_report_that_stood_is_sent_again_under_the_newest_revision(ledger: Ledger) -> None:
    """Late objects changed nothing, so revision 2 made the report of revision 1: that is what goes out."""
    deliver(ledger, measure(ledger, report="2.25.1")[0], now=160.0)
    assert [] == measure(ledger, report="2.25.1", now=250.0)
    jobs = ledger.admin.retry("1.2.3", now=900.0)

    assert [("pacs", 2)] == [(job.destination, job.revision) for job in jobs]
    deliver(ledger, jobs[0], now=901.0)
    assert StudyState.REPORTED is study_of(ledger).state


def test_a_new_revision_does_not_forget_who_waited_for_the_report_again(ledger: Ledger) -> None:
    """Sent again, overtaken by late objects that change nothing: the destination still gets the report."""
    deliver(ledger, measure(ledger, report="2.25.1")[0], now=160.0)
    ledger.admin.retry("1.2.3", now=200.0)

    assert ["pacs"] == [job.destination for job in measure(ledger, report="2.25.1", now=250.0)]


def test_retry_forgets_the_deaths_of_workers(ledger: Ledger) -> None:
    """Who asks again starts counting again."""
    job = measure(ledger)[0]
    claim(ledger, job, now=160.0)
    ledger.jobs.release_lost(now=200.0, max_attempts=1)
    again = ledger.admin.retry("1.2.3", now=201.0)[0]
    held = claim(ledger, again, now=202.0)

    with writing(ledger.engine) as connection:
        released = outcomes.lost(connection, held.job, max_attempts=2, now=300.0)
    assert released is not None
    assert (JobState.WAITING, "the worker died 1 time") == (released.state, released.error)


def test_retry_while_delivering_waits_no_longer(ledger: Ledger) -> None:
    """The PACS is back: what waits for its back-off goes now; who has the report is left in peace."""
    pacs, archive = measure(ledger, destinations=("pacs", "archive"))
    deliver(ledger, archive, now=160.0)
    held = claim(ledger, pacs, now=160.0)
    ledger.jobs.destination_failed("pacs", until=900.0, why="no answer", now=161.0)
    ledger.jobs.postpone(held, until=900.0, why="no answer", now=161.0)
    jobs = ledger.admin.retry("1.2.3", now=200.0)

    assert [("pacs", 0.0)] == [(again.destination, again.not_before) for again in jobs]
    assert ledger.jobs.claim(pacs.id, worker="w2", now=950.0, lease_s=15.0) is None
    deliver(ledger, jobs[0], now=200.0)
    assert StudyState.REPORTED is study_of(ledger).state


def test_a_report_that_is_being_sent_is_not_sent_again(ledger: Ledger) -> None:
    """A worker has it in hand: there is nothing to hasten."""
    claim(ledger, measure(ledger)[0], now=160.0)

    with pytest.raises(NotAllowed, match="is being sent at this moment"):
        ledger.admin.retry("1.2.3", now=161.0)
    assert "delivering" == study_of(ledger).state


@pytest.mark.parametrize("end", ["reported", "failed"])
def test_who_asks_for_it_has_a_study_with_a_report_measured_again(ledger: Ledger, end: str) -> None:
    """`measure`: the way to new bytes after a change of software, and to a destination that was configured later."""
    job = measure(ledger)[0]
    if end == "failed":
        ledger.jobs.give_up(claim(ledger, job, now=160.0), who="x", why="y", now=161.0)
    else:
        deliver(ledger, job, now=160.0)
    jobs = ledger.admin.retry("1.2.3", now=200.0, measure=True)

    assert ([(JobKind.MEASURE, 1)], StudyState.QUEUED) == ([(j.kind, j.revision) for j in jobs], study_of(ledger).state)


def test_a_study_that_is_being_delivered_is_not_measured_again(ledger: Ledger) -> None:
    """Its report is on the way; the table of states has no row for it."""
    measure(ledger)

    with pytest.raises(NotAllowed, match="a study that is delivering cannot be retried"):
        ledger.admin.retry("1.2.3", now=200.0, measure=True)


def test_a_destination_that_is_no_longer_configured_fails_nothing_once_measured_again(ledger: Ledger) -> None:
    """The PACS was replaced: measured again, the report goes to the new one, and the old one's refusal is history."""
    job = measure(ledger, destinations=("old",))[0]
    ledger.jobs.give_up(claim(ledger, job, now=160.0), who="x", why="not configured", now=161.0)
    again = ledger.admin.retry("1.2.3", now=200.0, measure=True)[0]
    jobs = finish(ledger, claim(ledger, again, now=201.0), destinations=("new",), now=202.0)
    deliver(ledger, jobs[0], now=203.0)

    assert StudyState.REPORTED is study_of(ledger).state


def test_retry_after_a_failure_of_a_new_revision_measures_it(ledger: Ledger) -> None:
    """Refused deliveries of an older revision are not what is asked for."""
    _refused(ledger)
    ledger.jobs.give_up(claim(ledger, settle(ledger, now=950.0), now=951.0), who="x", why="y", now=952.0)

    assert [(JobKind.MEASURE, 2)] == [(job.kind, job.revision) for job in ledger.admin.retry("1.2.3", now=960.0)]


def test_a_refusal_that_was_overcome_does_not_fail_the_study_again(ledger: Ledger) -> None:
    """Refused, taken out, measured again with the same report: once it has arrived, all is well."""
    _refused(ledger)
    ledger.admin.ignore("1.2.3", why="sort this out", now=910.0)
    again = ledger.admin.retry("1.2.3", now=920.0)[0]
    jobs = finish(ledger, claim(ledger, again, now=921.0), destinations=("pacs", "archive"), now=922.0)

    assert ["pacs"] == [job.destination for job in jobs]
    deliver(ledger, jobs[0], now=1000.0)
    assert StudyState.REPORTED is study_of(ledger).state


@pytest.mark.parametrize("claimed", [False, True])
def test_what_is_on_its_way_is_not_retried(ledger: Ledger, claimed: bool) -> None:
    """A study that is queued or measured has a job already."""
    job = settle(ledger)
    if claimed:
        claim(ledger, job)

    with pytest.raises(NotAllowed, match="cannot be retried"):
        ledger.admin.retry("1.2.3", now=200.0)


def test_a_study_that_is_still_received_is_not_retried(ledger: Ledger) -> None:
    """There is nothing yet that could be done again."""
    arrive(ledger)

    with pytest.raises(NotAllowed, match="a study that is receiving cannot be retried"):
        ledger.admin.retry("1.2.3", now=200.0)


def test_an_ignored_study_stays_ignored_when_objects_come(ledger: Ledger) -> None:
    """Taken out by an administrator: reason, who and state stay whatever arrives."""
    arrive(ledger, now=100.0)
    ledger.admin.ignore("1.2.3", why="phantom", now=101.0)
    arrive(ledger, now=102.0)

    row = study_of(ledger)
    assert (StudyState.IGNORED, "phantom", "admin", 102.0) == (row.state, row.reason, row.who, row.unsettled_since)
    event = ledger.admin.study("1.2.3").events[-1]
    assert ("ignored", "phantom", "admin") == (event.event, event.detail, event.actor)


def test_ignoring_takes_the_job_from_its_worker(ledger: Ledger) -> None:
    """A running job is cancelled: what its worker writes later is refused."""
    held = claim(ledger, settle(ledger))
    ledger.admin.ignore("1.2.3", why="phantom", now=150.0)

    assert [] == finish(ledger, held, now=160.0)
    assert StudyState.IGNORED is study_of(ledger).state
    assert [JobState.CANCELLED] == [job.state for job in ledger.admin.study("1.2.3").jobs]


def test_an_ignored_study_without_a_revision_is_settled_when_retried(ledger: Ledger) -> None:
    """Taken out while it was received, wanted after all: the next settle pass takes it, whatever a rule says."""
    arrive(ledger, now=100.0)
    ledger.admin.ignore("1.2.3", why="phantom", now=101.0)

    assert [] == ledger.admin.retry("1.2.3", now=200.0)
    row = ledger.arrivals.unsettled()[0]
    assert (StudyState.IGNORED, "asked", 0.0) == (row.state, row.who, row.unsettled_since)
    assert ledger.arrivals.settle(row.id, fingerprint="f", now=201.0) is not None
    assert StudyState.QUEUED is study_of(ledger).state


# ---- retention


def test_only_what_is_done_and_old_expires(ledger: Ledger) -> None:
    """Final, nothing waits to be settled, unchanged since the given time; the oldest first."""
    measure(ledger, "1.1", report="2.25.1", destinations=(), now=200.0)
    measure(ledger, "1.2", report="2.25.2", destinations=(), now=100.0)
    measure(ledger, "1.3", report="2.25.3", destinations=(), now=300.0)
    measure(ledger, "1.4", report="2.25.4", now=100.0)
    measure(ledger, "1.5", report="2.25.5", destinations=(), now=100.0)
    arrive(ledger, "1.5", now=120.0)

    assert ["1.2", "1.1"] == [row.study_instance_uid for row in ledger.admin.expired(before=250.0)]
    assert ["1.2"] == [row.study_instance_uid for row in ledger.admin.expired(before=250.0, limit=1)]


def test_removed_files_are_an_event_and_happen_once(ledger: Ledger) -> None:
    """A folder is removed once; what was decided stays in the ledger."""
    measure(ledger, destinations=(), now=100.0)
    assert ledger.admin.forget_files(study_of(ledger).id, remove=lambda: True, now=900.0)

    assert [] == ledger.admin.expired(before=1e6)
    assert ("spool removed", StudyState.REPORTED) == (event_names(ledger)[-1], study_of(ledger).state)


def test_files_that_are_gone_cannot_be_measured_again(ledger: Ledger) -> None:
    """A retry after retention is refused, and while the study is sent again; once that is complete it is allowed."""
    measure(ledger, destinations=(), now=100.0)
    ledger.admin.forget_files(study_of(ledger).id, remove=lambda: True, now=900.0)

    with pytest.raises(NotAllowed, match="removed for their age"):
        ledger.admin.retry("1.2.3", now=901.0)
    study = arrive(ledger, now=902.0)
    with pytest.raises(NotAllowed, match="being sent again"):
        ledger.admin.retry("1.2.3", now=903.0)
    ledger.arrivals.unchanged(study.id, now=904.0, why="the same objects as before")
    assert [JobKind.MEASURE] == [job.kind for job in ledger.admin.retry("1.2.3", now=905.0)]


def test_a_study_that_got_an_object_is_not_forgotten(ledger: Ledger) -> None:
    """An object came between the question and the removal."""
    measure(ledger, destinations=(), now=100.0)
    arrive(ledger, now=899.0)

    assert not ledger.admin.forget_files(study_of(ledger).id, remove=lambda: True, now=900.0)
