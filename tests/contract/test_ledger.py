"""The contract of the ledger, SQLite and PostgreSQL alike: from the first object to a disposition."""

from dataclasses import replace

import pytest
from ledgers import arrive, claim, deliver, event_names, finish, measure, new_report, settle, study_of

from service.ledger import Claim, JobRow, Ledger, NewReport, outcomes
from service.ledger.engine import writing
from service.ledger.moves import ADMIN, ASKED
from service.messages import JobKind
from service.spool import study_key
from service.states import JobState, NotAllowed, StudyState

# ---- arrivals


def test_a_new_study_is_entered_with_its_first_object(ledger: Ledger) -> None:
    """The first object enters the study, as receiving, with one event."""
    row = arrive(ledger, "1.2.3", now=100.0, held_until=115.0)

    assert (study_key("1.2.3"), "1.2.3", "ct1") == (row.key, row.study_instance_uid, row.source)
    assert (StudyState.RECEIVING, 0, None, 1) == (row.state, row.revision, row.fingerprint, row.arrivals)
    assert (100.0, 100.0, 115.0, 100.0) == (
        row.first_received_at,
        row.last_received_at,
        row.held_until,
        row.unsettled_since,
    )
    assert ["received"] == event_names(ledger)


def test_more_objects_are_no_events(ledger: Ledger) -> None:
    """A study of five hundred objects has one event of reception, and remembers its first and its last object."""
    arrive(ledger, now=100.0)
    row = arrive(ledger, now=107.0)

    assert (100.0, 107.0, 2) == (row.first_received_at, row.last_received_at, row.arrivals)
    assert ["received"] == event_names(ledger)


def test_a_note_that_comes_late_takes_nothing_back(ledger: Ledger) -> None:
    """Of two notes in the wrong order the later time stays, for the last object and for the hold."""
    arrive(ledger, now=107.0, held_until=122.0)
    row = arrive(ledger, now=100.0, held_until=115.0)

    assert (107.0, 122.0) == (row.last_received_at, row.held_until)


def test_a_key_belongs_to_one_study(ledger: Ledger) -> None:
    """The same UID under another key is refused."""
    arrive(ledger, "1.2.3")

    with pytest.raises(ValueError, match="another key"):
        ledger.arrivals.note(key="f" * 32, study_instance_uid="1.2.3", source="ct1", now=1.0, held_until=0.0)


def test_an_association_holds_and_releases_its_studies(ledger: Ledger) -> None:
    """A hold only grows while the association is open, ends with it, and concerns no other study."""
    keys = [arrive(ledger, uid, held_until=115.0).key for uid in ("1.2.3", "1.2.4")]
    arrive(ledger, "1.2.5", held_until=115.0)

    ledger.arrivals.hold(keys, until=120.0)
    ledger.arrivals.hold(keys, until=110.0)
    assert 120.0 == study_of(ledger, "1.2.3").held_until

    ledger.arrivals.release([keys[0]], now=104.0)
    assert [104.0, 120.0, 115.0] == [study_of(ledger, uid).held_until for uid in ("1.2.3", "1.2.4", "1.2.5")]


def test_release_does_not_lengthen_a_hold(ledger: Ledger) -> None:
    """A hold that has run out stays run out."""
    key = arrive(ledger, held_until=90.0).key
    ledger.arrivals.release([key], now=104.0)

    assert 90.0 == study_of(ledger).held_until


def test_unsettled_are_studies_with_news_the_longest_quiet_first(ledger: Ledger) -> None:
    """What was never settled and what has got objects since, by the time of the last object; not what is measured."""
    settle(ledger, "1.1", now=10.0)
    settle(ledger, "1.2", now=11.0)
    claim(ledger, settle(ledger, "1.3", now=12.0))
    arrive(ledger, "1.4", now=50.0)
    arrive(ledger, "1.2", now=40.0)
    arrive(ledger, "1.3", now=30.0)

    assert ["1.2", "1.4"] == [row.study_instance_uid for row in ledger.arrivals.unsettled()]
    assert ["1.2"] == [row.study_instance_uid for row in ledger.arrivals.unsettled(limit=1)]


def test_a_study_that_is_too_large_says_so_once_in_a_while(ledger: Ledger) -> None:
    """One event for a thousand refused objects, another after the time given; of a study nobody knows nothing."""
    key = arrive(ledger, "1.2.3", now=100.0).key
    said = [ledger.arrivals.too_large(key, why="too many", now=now, since=now - 50.0) for now in (101, 102, 152)]

    assert said == [True, False, True]
    assert ["received", "objects_refused", "objects_refused"] == event_names(ledger)
    assert not ledger.arrivals.too_large("f" * 32, why="too many", now=1.0, since=0.0)


def test_an_unknown_key_has_no_study(ledger: Ledger) -> None:
    """Nothing is known of a folder that nobody noted."""
    assert ledger.arrivals.by_key("0" * 32) is None


# ---- settling


def test_settling_makes_a_revision_and_its_job(ledger: Ledger) -> None:
    """A settled study is queued as revision 1, and one measure job waits that may be claimed at once."""
    study = arrive(ledger)
    job = ledger.arrivals.settle(study.id, fingerprint="f", now=130.0)

    assert job is not None
    assert (JobKind.MEASURE, study.id, 1, JobState.WAITING, 0) == (
        job.kind,
        job.study_id,
        job.revision,
        job.state,
        job.attempts,
    )
    assert (0.0, None, None) == (job.not_before, job.enqueued_at, job.lease_until)
    row = study_of(ledger)
    assert (StudyState.QUEUED, 1, "f", 130.0, None) == (
        row.state,
        row.revision,
        row.fingerprint,
        row.settled_at,
        row.unsettled_since,
    )
    assert ["received", "settled"] == event_names(ledger)


def test_the_second_of_two_processes_settles_nothing(ledger: Ledger) -> None:
    """The same fingerprint again is no new revision."""
    job = settle(ledger, fingerprint="f")

    assert ledger.arrivals.settle(job.study_id, fingerprint="f", now=131.0) is None
    assert 1 == study_of(ledger).revision


def test_a_study_is_not_settled_while_it_is_measured(ledger: Ledger) -> None:
    """Late objects wait for the worker, and are found afterwards."""
    held = claim(ledger, settle(ledger))
    arrive(ledger, now=145.0)

    assert ledger.arrivals.settle(held.study.id, fingerprint="new", now=180.0) is None
    finish(ledger, held, now=190.0)
    assert ["1.2.3"] == [row.study_instance_uid for row in ledger.arrivals.unsettled()]


def test_an_object_that_comes_while_the_spool_is_read_stays_unsettled(ledger: Ledger) -> None:
    """What was noted after the count that the settle pass read may not be in the fingerprint: it is looked at again."""
    read = arrive(ledger, now=100.0)
    arrive(ledger, now=129.9)
    ledger.arrivals.settle(read.id, fingerprint="f", now=130.0, read=read)

    row = study_of(ledger)
    assert (130.0, 130.0) == (row.settled_at, row.unsettled_since)
    ledger.arrivals.unchanged(row.id, now=160.0, why="the same", read=row)
    assert study_of(ledger).unsettled_since is None


@pytest.mark.parametrize("asked", ["settle", "retry", "ignore"])
@pytest.mark.parametrize("found", ["settle", "unchanged", "ignore"])
def test_what_an_administrator_asks_while_the_spool_is_read_is_not_lost(ledger: Ledger, asked: str, found: str) -> None:
    """What the settle pass found before it was asked changes nothing: the next pass decides, as they asked."""
    read = arrive(ledger, now=100.0)
    if asked == "retry":
        assert ledger.arrivals.ignore(read.id, rule="own", now=105.0)
        read = arrive(ledger, now=110.0)
        ledger.admin.retry("1.2.3", now=129.9)
    elif asked == "settle":
        ledger.admin.settle_now("1.2.3", now=129.9)
    else:
        ledger.admin.ignore("1.2.3", why="no spine", now=129.9)
    before = study_of(ledger), event_names(ledger)
    changed = {
        "settle": lambda: ledger.arrivals.settle(read.id, fingerprint="f", now=130.0, read=read) is not None,
        "unchanged": lambda: ledger.arrivals.unchanged(read.id, now=130.0, why="the same", read=read),
        "ignore": lambda: ledger.arrivals.ignore(read.id, rule="other", now=130.0, read=read),
    }

    assert not changed[found]()
    assert before == (study_of(ledger), event_names(ledger))
    assert {"settle": (0.0, None), "retry": (0.0, ASKED), "ignore": (None, ADMIN)}[asked] == (
        before[0].unsettled_since,
        before[0].who,
    )


def test_late_objects_are_found_though_the_clock_was_set_back(ledger: Ledger) -> None:
    """Whether something waits to be settled is not a question of the clock."""
    settle(ledger, now=5000.0)
    arrive(ledger, now=100.0)

    assert ["1.2.3"] == [row.study_instance_uid for row in ledger.arrivals.unsettled()]


def test_unchanged_is_an_event_and_no_work(ledger: Ledger) -> None:
    """A study that was sent again keeps its state; that it was looked at is written down with the reason."""
    measure(ledger, destinations=())
    arrive(ledger, now=200.0)
    ledger.arrivals.unchanged(study_of(ledger).id, now=230.0, why="the same objects as before")

    row = study_of(ledger)
    assert (StudyState.REPORTED, 1, 230.0, None) == (row.state, row.revision, row.settled_at, row.unsettled_since)
    last = ledger.admin.study("1.2.3").events[-1]
    assert ("unchanged", "the same objects as before", "node") == (last.event, last.detail, last.actor)


def test_a_rule_takes_a_study_out(ledger: Ledger) -> None:
    """Ignored by rule: the rule's name is the reason, and nobody must act."""
    ledger.arrivals.ignore(arrive(ledger).id, rule="own_report", now=130.0)

    row = study_of(ledger)
    assert (StudyState.IGNORED, "own_report", None, None) == (row.state, row.reason, row.who, row.unsettled_since)
    assert [] == ledger.arrivals.unsettled()


def test_a_new_revision_cancels_what_waits_for_the_old_one(ledger: Ledger) -> None:
    """A measure job that nobody took is cancelled with its revision."""
    first = settle(ledger, now=130.0)
    second = settle(ledger, now=160.0)

    assert (1, 2) == (first.revision, second.revision)
    assert [JobState.CANCELLED, JobState.WAITING] == [job.state for job in ledger.admin.study("1.2.3").jobs]
    assert ledger.jobs.claim(first.id, worker="w1", now=170.0, lease_s=15) is None


# ---- claims


def test_a_claim_begins_the_measuring(ledger: Ledger) -> None:
    """Who claims gets the job, the study as it is now, and the start that every try of the revision shares."""
    held = claim(ledger, settle(ledger, now=130.0), now=140.0, worker="w1", lease_s=15.0)

    assert (JobState.RUNNING, "w1", 1, 155.0) == (
        held.job.state,
        held.job.worker,
        held.job.attempts,
        held.job.lease_until,
    )
    assert (StudyState.MEASURING, 130.0, ()) == (held.study.state, held.started_at, held.choices)
    assert "w1" == ledger.admin.study("1.2.3").events[-1].actor


def test_a_job_is_claimed_once(ledger: Ledger) -> None:
    """A message that the broker delivers twice does no work twice."""
    job = settle(ledger)
    claim(ledger, job)

    assert ledger.jobs.claim(job.id, worker="w2", now=141.0, lease_s=15) is None


def test_a_job_that_nobody_knows_is_not_claimed(ledger: Ledger) -> None:
    """A message for a job of another ledger is no error: it is dropped."""
    assert ledger.jobs.claim(4711, worker="w1", now=1.0, lease_s=15) is None


def test_a_postponed_job_waits_for_its_time(ledger: Ledger) -> None:
    """A passing failure: the study is queued again, the reason is kept, nobody may claim before the time."""
    held = claim(ledger, settle(ledger))
    assert ledger.jobs.postpone(held, until=200.0, why="spool busy", now=150.0)

    assert StudyState.QUEUED is study_of(ledger).state
    job = ledger.admin.study("1.2.3").jobs[0]
    assert (JobState.WAITING, 200.0, "spool busy", None, None) == (
        job.state,
        job.not_before,
        job.error,
        job.worker,
        job.lease_until,
    )
    assert ledger.jobs.claim(job.id, worker="w2", now=199.9, lease_s=15) is None
    assert 2 == claim(ledger, job, now=200.0, worker="w2").job.attempts


def test_every_try_of_a_revision_starts_at_the_same_time(ledger: Ledger) -> None:
    """A retry makes the same bytes: the start belongs to the revision, not to the try."""
    held = claim(ledger, settle(ledger, now=130.0))
    ledger.jobs.postpone(held, until=0.0, why="again", now=150.0)

    assert 130.0 == claim(ledger, held.job, now=160.0).started_at


def test_giving_up_fails_the_study_and_names_who_must_act(ledger: Ledger) -> None:
    """Failed: the reason and the party who must act stand with the study."""
    assert ledger.jobs.give_up(claim(ledger, settle(ledger)), who="the sender", why="no pixels", now=150.0)

    row = study_of(ledger)
    assert (StudyState.FAILED, "no pixels", "the sender") == (row.state, row.reason, row.who)
    assert JobState.FAILED is ledger.admin.study("1.2.3").jobs[0].state


def test_a_worker_that_lives_keeps_its_job(ledger: Ledger) -> None:
    """Every sign of life moves the end of the lease."""
    held = claim(ledger, settle(ledger), now=140.0, lease_s=15.0)
    assert ledger.jobs.renew(held, now=150.0, lease_s=15.0)

    assert [] == ledger.jobs.release_lost(now=160.0, max_attempts=3)
    assert 165.0 == ledger.admin.study("1.2.3").jobs[0].lease_until


def test_the_job_of_a_dead_worker_waits_again(ledger: Ledger) -> None:
    """A lease that ended without a word: the job may be claimed by another, at once."""
    held = claim(ledger, settle(ledger), now=140.0, lease_s=15.0)
    assert [] == ledger.jobs.release_lost(now=155.0, max_attempts=3)
    released = ledger.jobs.release_lost(now=155.1, max_attempts=3)

    assert [(held.job.id, JobState.WAITING, "the worker died 1 time")] == [(j.id, j.state, j.error) for j in released]
    assert StudyState.QUEUED is study_of(ledger).state
    assert [held.job.id] == [job.id for job in ledger.jobs.due(now=155.2, requeue_s=20)]
    claim(ledger, held.job, now=155.2, worker="w2")


def test_a_job_that_kills_its_workers_is_given_up(ledger: Ledger) -> None:
    """After so many deaths the study has failed and the developers must act; postponing is no death."""
    job = settle(ledger)
    ledger.jobs.postpone(claim(ledger, job, now=140.0), until=0.0, why="busy", now=141.0)
    for start in (200.0, 300.0):
        claim(ledger, job, now=start, lease_s=15.0)
        assert [JobState.WAITING] == [j.state for j in ledger.jobs.release_lost(now=start + 20, max_attempts=3)]
    claim(ledger, job, now=400.0, lease_s=15.0)

    assert [JobState.FAILED] == [j.state for j in ledger.jobs.release_lost(now=420.0, max_attempts=3)]
    row = study_of(ledger)
    assert (StudyState.FAILED, "the worker died 3 times", "developers") == (row.state, row.reason, row.who)


def _stale(ledger: Ledger) -> Claim:
    """Return a claim whose job was taken over by another worker."""
    held = claim(ledger, settle(ledger), now=140.0, worker="w1")
    ledger.jobs.release_lost(now=160.0, max_attempts=3)
    claim(ledger, held.job, now=161.0, worker="w1")
    return held


def test_a_worker_that_was_thought_dead_writes_nothing(ledger: Ledger) -> None:
    """Every write under a claim is refused once the job was claimed again, even by a worker of the same name."""
    stale = _stale(ledger)
    before = ledger.admin.study("1.2.3")

    assert not ledger.jobs.renew(stale, now=170.0, lease_s=15)
    assert not ledger.jobs.postpone(stale, until=0.0, why="late", now=170.0)
    assert not ledger.jobs.give_up(stale, who="nobody", why="late", now=170.0)
    assert [] == finish(ledger, stale, now=170.0)
    assert before == ledger.admin.study("1.2.3")
    assert ledger.admin.findings("1.2.3") is None


def test_a_deliverer_that_was_thought_dead_writes_nothing(ledger: Ledger) -> None:
    """Another delivers it now: what the first one says is refused, and the circuit stays as it is."""
    stale = claim(ledger, measure(ledger)[0], now=160.0, worker="w1")
    ledger.jobs.release_lost(now=200.0, max_attempts=3)
    claim(ledger, stale.job, now=201.0, worker="w2")

    assert not ledger.jobs.finish_delivery(stale, detail="0x0000", now=202.0)
    assert (StudyState.DELIVERING, None) == (
        study_of(ledger).state,
        ledger.admin.study("1.2.3").deliveries[0].delivered_at,
    )


def test_a_claim_does_not_outlive_its_end(ledger: Ledger) -> None:
    """A job ends once: the second ending of the same claim writes nothing."""
    held = claim(ledger, settle(ledger))
    assert 1 == len(finish(ledger, held))

    assert [] == finish(ledger, held)
    assert not ledger.jobs.renew(held, now=151.0, lease_s=15)


# ---- measured


def test_a_study_in_which_nothing_can_be_measured_is_so_disposed_of(ledger: Ledger) -> None:
    """Not analysable: the coded reason, the findings, no report and no delivery."""
    held = claim(ledger, settle(ledger))
    made = ledger.jobs.finish_measure(
        held, findings='{"a": 1}', reason="no_landmarks", objects=(), wanted={}, now=150.0
    )

    detail = ledger.admin.study("1.2.3")
    assert ([], (), ()) == (made, detail.reports, detail.deliveries)
    assert (StudyState.NOT_ANALYSABLE, "no_landmarks") == (detail.study.state, detail.study.reason)
    assert '{"a": 1}' == ledger.admin.findings("1.2.3")


def test_a_measured_study_is_delivered_to_each_destination_once(ledger: Ledger) -> None:
    """One delivery a destination, however often it is named."""
    jobs = measure(ledger, destinations=("pacs", "archive", "pacs"), now=150.0)

    assert ["pacs", "archive"] == [job.destination for job in jobs]
    assert {(JobKind.DELIVER, JobState.WAITING, 0.0)} == {(job.kind, job.state, job.not_before) for job in jobs}
    assert StudyState.DELIVERING is study_of(ledger).state
    (report,) = claim(ledger, jobs[0]).choices
    assert ("2.25.1", "2.25.1.dcm", 1) == (report.sop_instance_uid, report.file_name, report.revision)


def test_a_study_is_reported_at_once_where_nobody_wants_the_report(ledger: Ledger) -> None:
    """Without destinations the report lies in the spool, and that is all that was asked for."""
    assert [] == measure(ledger, destinations=())

    assert StudyState.REPORTED is study_of(ledger).state
    assert ["received", "settled", "claimed", "measured", "delivered"] == event_names(ledger)


@pytest.mark.parametrize("objects", [[], [new_report(kind="gsps")]])
def test_measuring_ends_with_a_reason_or_with_a_report(ledger: Ledger, objects: list[NewReport]) -> None:
    """Neither is a mistake of the caller, and changes nothing; an overlay is no report."""
    held = claim(ledger, settle(ledger))

    with pytest.raises(ValueError, match="reason or with a report"):
        ledger.jobs.finish_measure(held, findings="{}", reason=None, objects=objects, wanted={}, now=1.0)
    assert StudyState.MEASURING is study_of(ledger).state


def test_the_same_report_again_goes_only_where_it_is_missing(ledger: Ledger) -> None:
    """Measured again with the same result: the report's row is kept, a destination that has it is left in peace."""
    deliver(ledger, measure(ledger, destinations=("pacs",))[0])
    again = ledger.admin.retry("1.2.3", now=200.0, measure=True)[0]
    jobs = finish(ledger, claim(ledger, again, now=201.0), destinations=("pacs", "archive"), now=202.0)

    assert ["archive"] == [job.destination for job in jobs]
    assert 1 == len(ledger.admin.study("1.2.3").reports)
    deliver(ledger, jobs[0], now=203.0)
    assert StudyState.REPORTED is study_of(ledger).state


def test_the_same_report_that_all_have_reports_the_study(ledger: Ledger) -> None:
    """Measured again with the same result, and every destination has it: reported, nothing is sent."""
    deliver(ledger, measure(ledger)[0])
    again = ledger.admin.retry("1.2.3", now=200.0, measure=True)[0]

    assert [] == finish(ledger, claim(ledger, again, now=201.0), now=202.0)
    assert StudyState.REPORTED is study_of(ledger).state


# ---- deliveries


def test_the_last_delivery_completes_the_study(ledger: Ledger) -> None:
    """A study is reported when every destination has the report, not before."""
    first, second = measure(ledger, destinations=("pacs", "archive"))
    deliver(ledger, second, now=160.0)
    assert StudyState.DELIVERING is study_of(ledger).state

    deliver(ledger, first, now=170.0)
    assert StudyState.REPORTED is study_of(ledger).state
    found = [(d.destination, d.state, d.delivered_at) for d in ledger.admin.study("1.2.3").deliveries]
    assert [("pacs", JobState.DONE, 170.0), ("archive", JobState.DONE, 160.0)] == found


def _refused(ledger: Ledger, job: JobRow, *, now: float) -> None:
    assert ledger.jobs.give_up(claim(ledger, job, now=now), who="the PACS admin", why="0xA900", now=now)


@pytest.mark.parametrize("refused_first", [True, False])
def test_one_refused_delivery_fails_the_study_once_the_others_have_ended(ledger: Ledger, refused_first: bool) -> None:
    """A destination that refuses does not keep the others from their report; in the end the study has failed."""
    pacs, archive = measure(ledger, destinations=("pacs", "archive"))
    if refused_first:
        _refused(ledger, pacs, now=160.0)
    else:
        deliver(ledger, archive, now=160.0)
    assert StudyState.DELIVERING is study_of(ledger).state

    if refused_first:
        deliver(ledger, archive, now=170.0)
    else:
        _refused(ledger, pacs, now=170.0)
    row = study_of(ledger)
    assert (StudyState.FAILED, "pacs: 0xA900", "the PACS admin") == (row.state, row.reason, row.who)


def test_a_postponed_delivery_leaves_the_study_as_it_is(ledger: Ledger) -> None:
    """A destination that does not answer is a matter of the delivery, not of the study."""
    job = measure(ledger)[0]
    assert ledger.jobs.postpone(claim(ledger, job), until=300.0, why="no answer", now=160.0)

    assert StudyState.DELIVERING is study_of(ledger).state
    found = ledger.admin.study("1.2.3").deliveries[0]
    assert (JobState.WAITING, 1, 300.0, "no answer", None) == (
        found.state,
        found.attempts,
        found.not_before,
        found.error,
        found.delivered_at,
    )


def test_a_new_revision_cancels_deliveries_that_wait(ledger: Ledger) -> None:
    """The report of an older revision is no longer sent to whom has not got it."""
    job = measure(ledger)[0]
    settle(ledger, now=200.0)

    assert StudyState.QUEUED is study_of(ledger).state
    assert ledger.jobs.claim(job.id, worker="w1", now=201.0, lease_s=15) is None


def _overtaken(ledger: Ledger) -> Claim:
    """Return the claim of a delivery whose study has got a new revision since."""
    held = claim(ledger, measure(ledger)[0], now=160.0)
    settle(ledger, now=200.0)
    return held


def test_a_running_delivery_of_an_older_revision_ends_and_changes_the_study_no_more(ledger: Ledger) -> None:
    """The report arrived, which is a fact; the study waits for its new revision."""
    assert ledger.jobs.finish_delivery(_overtaken(ledger), detail="0x0000", now=201.0)

    assert StudyState.QUEUED is study_of(ledger).state
    assert 201.0 == ledger.admin.study("1.2.3").deliveries[0].delivered_at


def test_a_refused_delivery_of_an_older_revision_does_not_fail_the_study(ledger: Ledger) -> None:
    """What happens to a report that was overtaken is no longer the study's matter."""
    assert ledger.jobs.give_up(_overtaken(ledger), who="x", why="refused", now=201.0)

    assert StudyState.QUEUED is study_of(ledger).state


def test_a_delivery_of_an_older_revision_is_not_tried_again(ledger: Ledger) -> None:
    """Handed back after the study got a new revision, it is cancelled."""
    held = _overtaken(ledger)
    assert ledger.jobs.postpone(held, until=300.0, why="no answer", now=201.0)

    assert JobState.CANCELLED is ledger.admin.study("1.2.3").deliveries[0].state
    assert not ledger.jobs.postpone(held, until=300.0, why="no answer", now=202.0)


def test_a_lost_delivery_of_an_older_revision_is_not_tried_again(ledger: Ledger) -> None:
    """Its worker died after the study got a new revision: it is cancelled."""
    held = _overtaken(ledger)

    released = ledger.jobs.release_lost(now=201.0, max_attempts=3)
    assert [(held.job.id, JobState.CANCELLED)] == [(job.id, job.state) for job in released]


def test_deaths_of_deliverers_fail_the_study(ledger: Ledger) -> None:
    """A delivery that kills its workers is given up like any job, and its study with it."""
    job = measure(ledger)[0]
    claim(ledger, job, now=160.0, lease_s=15.0)
    ledger.jobs.release_lost(now=180.0, max_attempts=1)

    assert (StudyState.FAILED, "pacs: the worker died 1 time") == (study_of(ledger).state, study_of(ledger).reason)


# ---- what may not happen


def test_a_study_that_is_out_cannot_be_taken_out(ledger: Ledger) -> None:
    """A move that is not in the table is refused, and nothing of it is written."""
    measure(ledger, destinations=())
    ledger.admin.ignore("1.2.3", why="phantom", now=190.0)
    before = ledger.admin.study("1.2.3")

    with pytest.raises(NotAllowed, match="a study that is ignored cannot be ignored"):
        ledger.arrivals.ignore(before.study.id, rule="own_report", now=200.0)
    assert before == ledger.admin.study("1.2.3")


def test_a_lease_that_was_renewed_meanwhile_is_not_lost(ledger: Ledger) -> None:
    """A worker that was heard of between the look and the release keeps its job."""
    held = claim(ledger, settle(ledger), now=140.0, lease_s=15.0)
    ledger.jobs.renew(held, now=159.0, lease_s=15.0)

    with writing(ledger.engine) as connection:
        assert outcomes.lost(connection, held.job, max_attempts=3, now=160.0) is None
    assert replace(held.job, lease_until=174.0) == ledger.admin.study("1.2.3").jobs[0]
