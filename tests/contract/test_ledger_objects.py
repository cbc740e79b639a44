"""The contract of the ledger, SQLite and PostgreSQL alike: a revision that comes back as several objects."""

import pytest
from ledgers import claim, deliver, event_names, finish, measure, new_report, settle, study_of

from service.ledger import JobRow, Ledger, NewReport
from service.states import JobState, NotAllowed, StudyState

#: The report in three SOP classes, an overlay and a summary picture.
OBJECTS = [
    *(new_report(f"2.25.1{choice}", choice=choice) for choice in range(3)),
    new_report("2.25.2", kind="gsps"),
    new_report("2.25.3", kind="summary"),
]


def _decline(ledger: Ledger, job: JobRow, *, now: float = 160.0) -> None:
    assert ledger.jobs.decline(claim(ledger, job, now=now), why="no such class", now=now)


def _state(ledger: Ledger) -> tuple[StudyState, str | None, str | None]:
    row = study_of(ledger)
    return row.state, row.reason, row.who


def _kinds(ledger: Ledger) -> list[tuple[str, str, JobState]]:
    return [(each.destination, each.kind, each.state) for each in ledger.admin.study("1.2.3").deliveries]


# ---- who gets what


def test_each_destination_gets_each_kind_that_it_wants(ledger: Ledger) -> None:
    """One delivery an object and destination, the report first; its alternatives are one object."""
    held = claim(ledger, settle(ledger))
    wanted = {"pacs": ["sr", "summary"], "archive": ["sr"]}
    jobs = ledger.jobs.finish_measure(held, findings="{}", reason=None, objects=OBJECTS, wanted=wanted, now=150.0)

    assert [("pacs", "sr"), ("pacs", "summary"), ("archive", "sr")] == [each[:2] for each in _kinds(ledger)]
    assert 3 == len(jobs)


def test_a_delivery_may_choose_among_the_alternatives(ledger: Ledger) -> None:
    """A delivery of the report holds its alternatives in their order, one of an overlay that overlay alone."""
    report, overlay, _ = measure(ledger, objects=OBJECTS)
    held = claim(ledger, report, now=160.0)
    ledger.jobs.finish_delivery(held, detail="0x0000", now=161.0)

    assert ["2.25.10", "2.25.11", "2.25.12"] == [each.sop_instance_uid for each in held.choices]
    assert ["2.25.2"] == [each.sop_instance_uid for each in claim(ledger, overlay, now=162.0).choices]


def test_the_study_is_reported_once_every_object_is_there(ledger: Ledger) -> None:
    """The report alone does not complete the study where the destination wants more."""
    for job in measure(ledger, objects=OBJECTS):
        assert StudyState.DELIVERING is study_of(ledger).state
        deliver(ledger, job)

    assert StudyState.REPORTED is study_of(ledger).state


# ---- alternatives


def _stored(ledger: Ledger, job: JobRow, choice: int, *, now: float = 160.0) -> None:
    held = claim(ledger, job, now=now)
    assert ledger.jobs.finish_delivery(held, detail="0x0000", stored=held.choices[choice], now=now)


def test_the_ledger_knows_which_alternative_was_stored(ledger: Ledger) -> None:
    """What a destination has is the object that it took, by class and UID."""
    _stored(ledger, measure(ledger, objects=OBJECTS[:3])[0], 2)

    (delivery,) = ledger.admin.study("1.2.3").deliveries
    assert ("1.2.840.10008.5.1.4.1.1.88.22", "2.25.12") == (delivery.sop_class_uid, delivery.sop_instance_uid)
    assert StudyState.REPORTED is study_of(ledger).state


def test_the_predecessor_is_what_was_stored(ledger: Ledger) -> None:
    """The next revision replaces the alternatives that destinations have, and knows all that was made."""
    pacs, archive = measure(ledger, objects=OBJECTS[:3], destinations=("pacs", "archive"))
    _stored(ledger, pacs, 2)
    _stored(ledger, archive, 1)

    earlier = ledger.admin.last_report(study_of(ledger).id, before_revision=2)
    assert earlier is not None
    assert ["2.25.11", "2.25.12"] == sorted(each.sop_instance_uid for each in earlier.arrived)
    assert ["2.25.10", "2.25.11", "2.25.12"] == [each.sop_instance_uid for each in earlier.made]


def test_sent_again_it_is_what_was_stored(ledger: Ledger) -> None:
    """A destination that has one alternative is offered that one alone: another would be a second report."""
    _stored(ledger, measure(ledger, objects=OBJECTS[:3])[0], 2)
    (job,) = ledger.admin.retry("1.2.3", now=200.0)

    choices = claim(ledger, job, now=201.0).choices
    assert ["2.25.12"] == [each.sop_instance_uid for each in choices]


def test_measured_again_a_stored_alternative_is_enough(ledger: Ledger) -> None:
    """The same objects again: a destination that has any alternative of the report is left in peace."""
    _stored(ledger, measure(ledger, objects=OBJECTS[:3])[0], 1)
    (again,) = ledger.admin.retry("1.2.3", now=200.0, measure=True)

    assert [] == finish(ledger, claim(ledger, again, now=201.0), objects=OBJECTS[:3], now=202.0)
    assert StudyState.REPORTED is study_of(ledger).state


def test_an_alternative_that_is_held_back_is_not_offered(ledger: Ledger) -> None:
    """Of the alternatives a delivery holds those that the gate let pass."""
    held_back = new_report("2.25.10", finding="structure: 1 error")
    (job,) = measure(ledger, objects=[held_back, *OBJECTS[1:3]])

    assert ["2.25.11", "2.25.12"] == [each.sop_instance_uid for each in claim(ledger, job, now=160.0).choices]


# ---- what a destination does not take


def test_what_is_not_taken_is_no_failure(ledger: Ledger) -> None:
    """A kind that a destination does not take is an event of the study, which is reported."""
    report, overlay, picture = measure(ledger, objects=OBJECTS)
    deliver(ledger, report)
    _decline(ledger, overlay)
    _decline(ledger, picture)

    assert (StudyState.REPORTED, None, None) == _state(ledger)
    told = [each.detail for each in ledger.admin.study("1.2.3").events if each.event == "not_taken"]
    assert ["not taken by pacs: gsps", "not taken by pacs: summary"] == told
    assert [JobState.DONE, JobState.DECLINED, JobState.DECLINED] == [each[2] for each in _kinds(ledger)]


def test_a_section_that_is_not_taken_is_said_to_be_missed(ledger: Ledger) -> None:
    """The report went, and may refer to what this destination does not have: the event says so."""
    section, report = measure(ledger, objects=[new_report("2.25.1"), new_report("2.25.2", kind="sagittal")])
    _decline(ledger, section)
    deliver(ledger, report)

    told = [each.detail for each in ledger.admin.study("1.2.3").events if each.event == "not_taken"]
    assert ["not taken by pacs: sagittal, which its report and overlay may refer to"] == told
    assert StudyState.REPORTED is study_of(ledger).state


def test_a_refused_report_fails_the_study_whatever_else_arrived(ledger: Ledger) -> None:
    """The picture alone is no report."""
    report, overlay, picture = measure(ledger, objects=OBJECTS)
    assert ledger.jobs.give_up(claim(ledger, report, now=160.0), who="the PACS admin", why="0xA900", now=160.0)
    _decline(ledger, overlay)
    deliver(ledger, picture)

    assert (StudyState.FAILED, "pacs: 0xA900", "the PACS admin") == _state(ledger)


def test_what_was_not_taken_is_offered_again_where_somebody_asks(ledger: Ledger) -> None:
    """An administrator who has allowed the overlay at the PACS sends all again."""
    report, overlay = measure(ledger, objects=OBJECTS[:4])
    deliver(ledger, report)
    _decline(ledger, overlay)
    again = ledger.admin.retry("1.2.3", now=200.0)

    assert [("pacs", "sr"), ("pacs", "gsps")] == [each[:2] for each in _kinds(ledger)[2:]]
    for job in again:
        deliver(ledger, job, now=201.0)
    assert StudyState.REPORTED is study_of(ledger).state


def test_while_one_waits_what_was_not_taken_stays_so(ledger: Ledger) -> None:
    """Asked to hurry while a delivery waits, the others stay as they ended."""
    report, overlay = measure(ledger, objects=OBJECTS[:4])
    _decline(ledger, overlay)
    (again,) = ledger.admin.retry("1.2.3", now=200.0)

    assert report.report_id == again.report_id


def test_a_decline_without_the_claim_changes_nothing(ledger: Ledger) -> None:
    """Another worker holds the delivery now."""
    _, overlay = measure(ledger, objects=OBJECTS[:4])
    stale = claim(ledger, overlay, now=160.0)
    ledger.jobs.release_lost(now=200.0, max_attempts=3)

    assert not ledger.jobs.decline(stale, why="no such class", now=201.0)
    assert "not_taken" not in event_names(ledger)


# ---- a report that says why nothing was measured


def test_a_reported_reason_is_a_disposition_of_its_own(ledger: Ledger) -> None:
    """Where the site wants it told, the study is not analysable once every destination has the report that says so."""
    (job,) = measure(ledger, objects=OBJECTS[:3], reason="NO_LANDMARKS")
    assert (StudyState.DELIVERING, None, None) == _state(ledger)
    deliver(ledger, job)

    assert (StudyState.NOT_ANALYSABLE, "NO_LANDMARKS", None) == _state(ledger)


def test_a_reason_that_could_not_be_delivered_is_a_failure(ledger: Ledger) -> None:
    """Somebody must act; sent again it is what it was."""
    (job,) = measure(ledger, objects=OBJECTS[:3], reason="NO_LANDMARKS")
    assert ledger.jobs.give_up(claim(ledger, job, now=160.0), who="the PACS admin", why="0xA900", now=160.0)
    assert (StudyState.FAILED, "pacs: 0xA900", "the PACS admin") == _state(ledger)

    (again,) = ledger.admin.retry("1.2.3", now=200.0)
    deliver(ledger, again, now=201.0)
    assert (StudyState.NOT_ANALYSABLE, "NO_LANDMARKS", None) == _state(ledger)


def test_a_reason_that_nobody_wants_to_be_sent_ends_the_study(ledger: Ledger) -> None:
    """Without destinations the report lies in the spool, and the study keeps its reason."""
    assert [] == measure(ledger, objects=OBJECTS[:3], reason="NO_LANDMARKS", destinations=())

    assert (StudyState.NOT_ANALYSABLE, "NO_LANDMARKS", None) == _state(ledger)


def test_a_study_that_is_measured_after_all_keeps_no_reason(ledger: Ledger) -> None:
    """The reason is of a revision: the next one has its own."""
    deliver(ledger, measure(ledger, objects=OBJECTS[:3], reason="NO_LANDMARKS")[0])
    deliver(ledger, measure(ledger, report="2.25.9", now=250.0)[0], now=260.0)

    assert (StudyState.REPORTED, None, None) == _state(ledger)


# ---- what the gate holds back

HELD_BACK = [OBJECTS[0], new_report("2.25.2", kind="gsps", finding="structure: 1 error")]


def test_what_is_held_back_is_told(ledger: Ledger) -> None:
    """It is an event of the study, and stands with the object."""
    measure(ledger, objects=HELD_BACK)

    assert ["gsps: structure: 1 error"] == [
        each.detail for each in ledger.admin.study("1.2.3").events if each.event == "quarantined"
    ]
    assert [None, "structure: 1 error"] == [each.finding for each in ledger.admin.study("1.2.3").reports]


def test_what_is_held_back_is_measured_again_not_sent(ledger: Ledger) -> None:
    """A retry makes it anew: what passes then is the same object without its finding, and goes where it is missing."""
    report, overlay = measure(ledger, objects=HELD_BACK)
    deliver(ledger, report)
    assert ledger.jobs.give_up(claim(ledger, overlay, now=161.0), who="developers", why="held back", now=161.0)
    (again,) = ledger.admin.retry("1.2.3", now=200.0)
    (sent,) = finish(ledger, claim(ledger, again, now=201.0), objects=OBJECTS[:1] + OBJECTS[3:4], now=202.0)
    deliver(ledger, sent, now=203.0)

    assert [None, None] == [each.finding for each in ledger.admin.study("1.2.3").reports]
    assert (StudyState.REPORTED, None, None) == _state(ledger)


def test_while_others_are_sent_nothing_is_made_anew(ledger: Ledger) -> None:
    """A study on its way is not measured again because of one object."""
    measure(ledger, objects=HELD_BACK)

    with pytest.raises(NotAllowed, match="delivering cannot be retried"):
        ledger.admin.retry("1.2.3", now=200.0)


def test_what_is_held_back_fails_a_study_that_goes_nowhere(ledger: Ledger) -> None:
    """Without a destination nobody would ever meet it: the study says so itself."""
    measure(ledger, objects=HELD_BACK, destinations=())

    assert (StudyState.FAILED, "gsps: structure: 1 error", "developers") == _state(ledger)


def test_an_alternative_that_nobody_needs_is_not_missed(ledger: Ledger) -> None:
    """One class of the report was held back, another arrived: sent again as asked, measured again, it is reported."""
    objects = [*OBJECTS[:2], new_report("2.25.12", choice=2, finding="dciodvfy: 1 error")]
    deliver(ledger, measure(ledger, objects=objects)[0])
    (again,) = ledger.admin.retry("1.2.3", now=200.0)
    assert "pacs" == again.destination
    deliver(ledger, again, now=201.0)
    (again,) = ledger.admin.retry("1.2.3", now=300.0, measure=True)
    finish(ledger, claim(ledger, again, now=301.0), objects=objects, now=302.0)

    assert (StudyState.REPORTED, None, None) == _state(ledger)


def test_an_alternative_that_is_held_back_does_not_stop_a_retry(ledger: Ledger) -> None:
    """While the report is delivered in another class, an administrator may hasten it."""
    (job,) = measure(ledger, objects=[OBJECTS[0], new_report("2.25.11", choice=1, finding="dciodvfy: 1 error")])

    assert [job.report_id] == [each.report_id for each in ledger.admin.retry("1.2.3", now=200.0)]


def test_an_alternative_may_be_what_a_failed_study_lacks(ledger: Ledger) -> None:
    """The destination took no class that passed: a retry makes anew the one that did not."""
    objects = [OBJECTS[0], new_report("2.25.11", choice=1, finding="dciodvfy: 1 error")]
    (job,) = measure(ledger, objects=objects)
    assert ledger.jobs.give_up(claim(ledger, job, now=160.0), who="the PACS admin", why="not taken", now=160.0)
    (again,) = ledger.admin.retry("1.2.3", now=200.0)

    assert again.destination is None


def test_without_a_report_nothing_goes_anywhere(ledger: Ledger) -> None:
    """Every alternative was held back: all stands in the ledger, nothing is sent, and the study names who must act."""
    held_back = [new_report(f"2.25.1{n}", choice=n, finding=f"structure: {n + 1} errors") for n in range(3)]
    assert [] == measure(ledger, objects=[*held_back, OBJECTS[3]])

    assert (StudyState.FAILED, "no report was sent; structure: 1 errors", "developers") == _state(ledger)
    detail = ledger.admin.study("1.2.3")
    assert ["sr", "sr", "sr", "gsps"] == [each.kind for each in detail.reports]
    assert 3 == sum(each.event == "quarantined" for each in detail.events)
    assert "{}" == ledger.admin.findings("1.2.3")
    (again,) = ledger.admin.retry("1.2.3", now=200.0)
    assert ["pacs", "pacs"] == [j.destination for j in finish(ledger, claim(ledger, again), objects=OBJECTS[:4])]


def test_every_kind_is_ours(ledger: Ledger) -> None:
    """Whatever a PACS routes back is recognised by its UID, alternatives that nobody took as well."""
    measure(ledger, objects=OBJECTS)

    assert all(ledger.admin.is_own_report(each.sop_instance_uid) for each in OBJECTS)


def test_an_earlier_set_may_stand(ledger: Ledger) -> None:
    """A later revision that ends with the objects of an earlier one is reported with them, and sends nothing twice."""
    for job in measure(ledger, objects=OBJECTS):
        deliver(ledger, job)
    earlier = ledger.admin.last_report(study_of(ledger).id, before_revision=2)
    assert earlier is not None
    held = claim(ledger, settle(ledger, now=200.0), now=201.0)
    made: list[NewReport] = [*earlier.made]

    assert [] == finish(ledger, held, objects=made, now=202.0)
    assert StudyState.REPORTED is study_of(ledger).state
    assert earlier == ledger.admin.last_report(study_of(ledger).id, before_revision=3)
