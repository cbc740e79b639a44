"""What the page asks of the ledger, over SQLite and PostgreSQL: lists, numbers, people, pauses, callers, trail."""

import pytest
from ledgers import arrive, claim, deliver, finish, measure, settle, study_of
from sqlalchemy import update

from service.errors import Unknown
from service.ledger import Ledger, audit
from service.ledger.callers import MOST_CALLERS, Caller
from service.ledger.engine import writing
from service.ledger.lists import Wanted
from service.ledger.people import Role, Session
from service.ledger.switches import Paused
from service.ledger.tables import studies
from service.states import StudyState


def _uids(ledger: Ledger, wanted: Wanted, *, limit: int = 50) -> list[str]:
    """Return the studies of all pages."""
    found: list[str] = []
    after = None
    while True:
        page = ledger.lists.page(wanted, after=after, limit=limit)
        found += [row.study_instance_uid for row in page.rows]
        if page.after is None:
            return found
        after = page.after


# ---- lists


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
def test_pages_hold_every_study_once_in_order(ledger: Ledger, limit: int) -> None:
    """Studies of the same moment too: whatever a page holds, all pages hold each study once, the newest first."""
    for number in range(7):
        arrive(ledger, f"1.{number}", now=100.0 + number // 3)

    assert [f"1.{number}" for number in (6, 5, 4, 3, 2, 1, 0)] == _uids(ledger, Wanted(), limit=limit)


def test_a_filter_leaves_out_what_was_not_asked_for(ledger: Ledger) -> None:
    """State, source, day, reason, name: each alone keeps what fits; together they keep what fits all."""
    arrive(ledger, "1.1", now=100.0)
    held = claim(ledger, settle(ledger, "1.2", now=200.0), now=210.0)
    ledger.jobs.give_up(held, who="developers", why="broken", now=220.0)
    arrive(ledger, "1.3", now=300.0)
    key = study_of(ledger, "1.3").key

    assert ["1.2"] == _uids(ledger, Wanted(state=StudyState.FAILED))
    assert ["1.2"] == _uids(ledger, Wanted(state=StudyState.FAILED, reason="broken", source="ct1"))
    assert [] == _uids(ledger, Wanted(state=StudyState.FAILED, source="ct2"))
    assert ["1.3", "1.2"] == _uids(ledger, Wanted(since=200.0))
    assert ["1.2", "1.1"] == _uids(ledger, Wanted(until=300.0))
    assert ["1.3"] == _uids(ledger, Wanted(name="1.3")) == _uids(ledger, Wanted(name=key))
    assert (3, 1) == (ledger.lists.count(Wanted()), ledger.lists.count(Wanted(reason="broken")))


def test_a_patient_is_found_by_whole_words(ledger: Ledger) -> None:
    """By Patient ID or accession number, the newest first, so many at most; a part, or nothing, is nobody's."""
    for number in range(4):
        arrive(ledger, f"1.{number}", now=100.0 + number)
    with writing(ledger.engine) as connection:
        connection.execute(update(studies).where(studies.c.id != 1).values(patient_id="P-1", accession_number=""))
        connection.execute(update(studies).where(studies.c.id == 2).values(accession_number="A-2"))

    assert ["1.3", "1.2", "1.1"] == [row.study_instance_uid for row in ledger.lists.of_patient("P-1", limit=9)]
    assert ["1.3"] == [row.study_instance_uid for row in ledger.lists.of_patient("P-1", limit=1)]
    assert ["1.1"] == [row.study_instance_uid for row in ledger.lists.of_patient("A-2", limit=9)]
    assert [] == [*ledger.lists.of_patient("P", limit=9), *ledger.lists.of_patient("", limit=9)]


def test_causes_group_what_ended_alike(ledger: Ledger) -> None:
    """Studies with the same reason are one cause, with their number, who must act, and the first and last time."""
    for number, why in enumerate(("broken", "broken", "other")):
        held = claim(ledger, settle(ledger, f"1.{number}", now=100.0 + number), now=150.0)
        ledger.jobs.give_up(held, who="developers", why=why, now=160.0)

    causes = ledger.lists.causes([StudyState.FAILED])
    assert [("broken", "developers", 2, 100.0, 101.0), ("other", "developers", 1, 102.0, 102.0)] == [
        (each.reason, each.who, each.studies, each.first_at, each.last_at) for each in causes
    ]
    assert [] == ledger.lists.causes([StudyState.NOT_ANALYSABLE])
    assert ["broken"] == [each.reason for each in ledger.lists.causes([StudyState.FAILED], limit=1)]


def test_sources_are_named_once(ledger: Ledger) -> None:
    """Each source that studies came from, by name."""
    for number, source in enumerate(("b", "a", "b")):
        ledger.arrivals.note(
            key=f"{number}" * 32, study_instance_uid=f"1.{number}", source=source, now=1.0, held_until=0.0
        )

    assert ["a", "b"] == ledger.lists.sources()


def test_a_study_tells_its_tries_and_proofs(ledger: Ledger) -> None:
    """Every try of every job, the newest first; each object with the destination that has it and what proves it."""
    deliver(ledger, measure(ledger)[0])
    study = study_of(ledger)

    tries = [(each.kind.value, each.brings, each.destination, each.number) for each in ledger.lists.attempts(study.id)]
    assert [("spondyl.deliver", "sr", "pacs", 1), ("spondyl.measure", None, None, 1)] == tries
    (sent,) = ledger.lists.sent(study.id)
    assert ("sr", "2.25.1", "pacs", "0x0000", 160.0) == (
        sent.kind,
        sent.sop_instance_uid,
        sent.destination,
        sent.detail,
        sent.delivered_at,
    )


def test_events_can_be_followed(ledger: Ledger) -> None:
    """Asked for what came after the last one, the ledger gives every event once, in order."""
    deliver(ledger, measure(ledger)[0])
    seen: list[tuple[int, str]] = []
    while found := ledger.lists.events_after(seen[-1][0] if seen else 0, limit=2):
        seen += [(each[0], each[3]) for each in found]

    assert ["received", "settled", "claimed", "measured", "delivered"] == [event for _, event in seen]


# ---- numbers


def test_a_day_is_counted_by_source_and_state(ledger: Ledger) -> None:
    """What came before the day is left out."""
    arrive(ledger, "1.1", now=100.0)
    deliver(ledger, measure(ledger, "1.2", now=200.0)[0], now=260.0)

    assert {"ct1": {StudyState.REPORTED: 1}} == ledger.watch.by_source(since=150.0)
    assert {"ct1": {StudyState.REPORTED: 1, StudyState.RECEIVING: 1}} == ledger.watch.by_source(since=100.0)


def test_turnaround_runs_from_last_object_to_last_destination(ledger: Ledger) -> None:
    """Of two destinations the later one counts; a study that is not reported yet has no such time."""
    jobs = measure(ledger, "1.1", destinations=("a", "b"), now=150.0)
    deliver(ledger, jobs[0], now=170.0)
    before = ledger.watch.turnarounds(since=0.0)
    deliver(ledger, jobs[1], now=190.0)

    assert ([], [60.0]) == (before, ledger.watch.turnarounds(since=0.0))


def test_an_object_that_came_late_has_no_turnaround(ledger: Ledger) -> None:
    """Where something came after the report, the time would be negative: it is left out."""
    deliver(ledger, measure(ledger)[0], now=170.0)
    arrive(ledger, now=500.0)

    assert [] == ledger.watch.turnarounds(since=0.0)


def test_running_jobs_name_worker_and_study(ledger: Ledger) -> None:
    """What is being done at this moment, by whom, since when; nothing once it is done."""
    held = claim(ledger, settle(ledger), now=140.0, worker="host:9")
    (running,) = ledger.watch.running()
    finish(ledger, held)

    assert ("host:9", study_of(ledger).key, 140.0) == (running.worker, running.study, running.since)
    assert [] == ledger.watch.running()


def test_a_destination_tells_how_it_does(ledger: Ledger) -> None:
    """Failures in a row with the words, what waits there, and when it took something last."""
    deliver(ledger, measure(ledger, "1.1", report="2.25.1")[0], now=170.0)
    measure(ledger, "1.2", report="2.25.2", now=200.0)
    ledger.jobs.destination_failed("pacs", until=300.0, why="does not answer", now=210.0)
    found = ledger.watch.destination("pacs")

    assert (1, 300.0, "does not answer", 1, 200.0, 170.0) == (
        found.failures,
        found.not_before,
        found.error,
        found.waiting,
        found.oldest_at,
        found.delivered_at,
    )
    unused = ledger.watch.destination("other")
    assert (0, None, 0, None, None) == (
        unused.failures,
        unused.error,
        unused.waiting,
        unused.oldest_at,
        unused.delivered_at,
    )


def test_what_arrives_is_counted(ledger: Ledger) -> None:
    """Studies that wait to be found complete, and the one that waits longest; one that was settled does not."""
    arrive(ledger, "1.1", now=100.0)
    arrive(ledger, "1.2", now=200.0)
    settle(ledger, "1.3")

    number, oldest = ledger.watch.unsettled_since()
    assert (2, 100.0) == (number, oldest)


# ---- people


def test_a_person_keeps_what_was_not_changed(ledger: Ledger) -> None:
    """A token that is added leaves the password; the new role counts."""
    ledger.people.put("anna", Role.VIEWER, now=1.0, password="hash")
    ledger.people.put("anna", Role.OPERATOR, now=2.0, token="digest")

    (person,) = ledger.people.everybody()
    assert ("anna", Role.OPERATOR, "hash", "digest", 1.0) == (
        person.name,
        person.role,
        person.password,
        person.token,
        person.created_at,
    )
    assert person == ledger.people.named("anna") == ledger.people.with_token("digest")
    assert ledger.people.named("otto") is ledger.people.with_token("other") is None


def test_a_session_ends_by_time_and_by_hand_and_with_its_person(ledger: Ledger) -> None:
    """It is known until it expires, is ended, or its person is removed; nobody else's ends with it."""
    for name in ("anna", "otto"):
        ledger.people.put(name, Role.VIEWER, now=1.0)
    for digest, name in (("a", "anna"), ("b", "anna"), ("c", "otto")):
        session = Session(person=name, credential="x", expires_at=100.0)
        ledger.people.begin_session(digest, session, now=1.0)
    alive = [ledger.people.session(digest, now=99.0) is not None for digest in "abc"]
    expired = [ledger.people.session(digest, now=100.0) for digest in "abc"]
    ledger.people.end_session("a")
    ended = [ledger.people.session(digest, now=2.0) is not None for digest in "abc"]
    ledger.people.remove("anna")
    removed = [ledger.people.session(digest, now=2.0) is not None for digest in "abc"]

    assert ([True] * 3, [None] * 3) == (alive, expired)
    assert ([False, True, True], [False, False, True]) == (ended, removed)


def test_nobody_cannot_be_removed(ledger: Ledger) -> None:
    """A name that nobody has is said to be unknown."""
    assert not ledger.people.any()
    with pytest.raises(Unknown, match="nobody is called 'anna'"):
        ledger.people.remove("anna")


# ---- the trail


def test_nothing_pushes_out_who_looked_at_a_patient(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of everything else the newest stay; the trail is read a page at a time by the number of the last entry."""
    monkeypatch.setattr(audit, "MOST_ENTRIES", 3)
    monkeypatch.setattr(audit, "_DROP_EVERY", 1)
    for what in ("see_picture", "seeing", "search_patient", *["login_failed"] * 5):
        ledger.audit.note(actor="anna", address="::1", what=what, now=1.0)
    newest = ledger.audit.latest(limit=2)
    older = ledger.audit.latest(before=newest[-1].id)

    assert ["login_failed"] * 2 == [each.action for each in newest]
    assert ["login_failed", "search_patient", "see_picture"] == [each.action for each in older]


# ---- pauses


def test_a_pause_is_written_down_once(ledger: Ledger) -> None:
    """Paused twice it stays the first one's; both ends stand in the trail with who did it."""
    for actor in ("anna", "otto"):
        ledger.switches.pause(Paused.INTAKE, actor=actor, address="::1", why="update", now=5.0)
    paused = ledger.switches.paused()
    ledger.switches.resume(Paused.INTAKE, actor="otto", address="::1", now=9.0)
    ledger.switches.resume(Paused.INTAKE, actor="otto", address="::1", now=9.0)

    assert [("anna", "update", 5.0)] == [(each.actor, each.why, each.since) for each in paused.values()]
    assert {} == ledger.switches.paused()
    trail = [(each.action, each.actor) for each in ledger.audit.latest()]
    assert [("resume_intake", "otto"), ("pause_intake", "anna")] == trail


def test_while_processing_is_paused_no_job_begins(ledger: Ledger) -> None:
    """No job is due and none can be claimed, measuring or sending; afterwards each goes on at once."""
    send = measure(ledger, "1.1")[0]
    job = settle(ledger, "1.2")
    ledger.switches.pause(Paused.PROCESSING, actor="anna", address="::1", why="update", now=150.0)
    due = ledger.jobs.due(now=1000.0, requeue_s=20.0)
    claims = [ledger.jobs.claim(each.id, worker="w", now=1000.0, lease_s=15.0) for each in (job, send)]
    ledger.switches.resume(Paused.PROCESSING, actor="anna", address="::1", now=1000.0)

    assert ([], [None, None]) == (due, claims)
    assert {job.id, send.id} == {each.id for each in ledger.jobs.due(now=1000.0, requeue_s=20.0)}
    assert ledger.jobs.claim(job.id, worker="w", now=1000.0, lease_s=15.0) is not None


def test_a_paused_intake_stops_no_work(ledger: Ledger) -> None:
    """The two pauses are apart."""
    job = settle(ledger)
    ledger.switches.pause(Paused.INTAKE, actor="anna", address="::1", why="update", now=150.0)

    assert ledger.jobs.claim(job.id, worker="w", now=160.0, lease_s=15.0) is not None


# ---- callers and trail


def _caller(title: str = "CT3", *, number: int = 1, at: float = 10.0) -> Caller:
    return Caller(
        calling_ae=title,
        address="10.0.0.3",
        cause="calling_ae_title",
        called_ae="SPONDYL",
        number=number,
        first_at=at,
        last_at=at,
    )


def test_a_caller_adds_up(ledger: Ledger) -> None:
    """Told again, a caller keeps its first time, and its number grows; forgotten, it is gone."""
    ledger.callers.note([_caller(number=2, at=10.0)])
    ledger.callers.note([_caller(number=3, at=20.0), _caller("MR1", at=15.0)])
    found = [(each.calling_ae, each.number, each.first_at, each.last_at) for each in ledger.callers.latest()]
    counts = (ledger.callers.since(16.0), ledger.callers.since(0.0))
    ledger.callers.forget(calling_ae="CT3", address="10.0.0.3")

    assert [("CT3", 5, 10.0, 20.0), ("MR1", 1, 15.0, 15.0)] == found
    assert (1, 2) == counts
    assert ["MR1"] == [each.calling_ae for each in ledger.callers.latest()]


def test_only_the_latest_callers_are_kept(ledger: Ledger) -> None:
    """Titles that a scanner makes up push out the oldest, never more than so many stay."""
    ledger.callers.note([_caller(f"A{number}", at=float(number)) for number in range(MOST_CALLERS)])
    ledger.callers.note([_caller("NEW", at=9999.0)])
    kept = [each.calling_ae for each in ledger.callers.latest()]

    assert MOST_CALLERS == len(kept)
    assert ("NEW", "A1") == (kept[0], kept[-1])


def test_an_actor_stands_with_what_was_done(ledger: Ledger) -> None:
    """A study's event names who asked, whatever the order was."""
    arrive(ledger, "1.1")
    ledger.admin.settle_now("1.1", now=110.0, actor="anna")
    ledger.admin.ignore("1.1", why="twice", now=120.0, actor="otto")
    ledger.admin.retry("1.1", now=130.0, actor="anna")
    events = [(each.event, each.actor) for each in ledger.admin.study("1.1").events]

    assert [("received", "node"), ("settle_asked", "anna"), ("ignored", "otto"), ("retried", "anna")] == events
