"""The contract of the ledger: what was reported is taken back, once, at every destination that has it."""

import pytest
from ledgers import claim, deliver, event_names, finish, measure, new_report, settle, study_of

from service.ledger import JobRow, Ledger, NewReport
from service.ledger.retractions import Note, Order
from service.ledger.rows import REJECTION
from service.sop_classes import REJECTION_NOTE
from service.states import JobState, NotAllowed, StudyState

ORDER = Order(reason="retracted (quality): wrong level")


def note(uid: str = "2.25.90") -> NewReport:
    """Return a rejection note to be entered."""
    return NewReport(
        kind=REJECTION,
        sop_instance_uid=uid,
        sop_class_uid=REJECTION_NOTE,
        series_instance_uid="2.25.9",
        file_name=f"rejection-{uid}.dcm",
        findings_digest="0" * 64,
        predecessor_uid=None,
    )


def take_back(ledger: Ledger, uid: str = "2.25.90", *, now: float = 200.0) -> list[JobRow]:
    """Retract the study for every destination that has something."""
    study = study_of(ledger)
    there = ledger.retractions.there(study.id)
    notes = [Note(report=note(uid), destinations=tuple(there))]
    return ledger.retractions.retract(study.id, notes, ORDER, seen=there, now=now)


def reported(ledger: Ledger) -> None:
    """Have a study reported at two destinations."""
    for job in measure(ledger, destinations=("one", "two")):
        deliver(ledger, job)


def test_what_arrived_is_there_until_a_note_has_named_it(ledger: Ledger) -> None:
    """By destination the objects that it said it stored; what waits for one is not there."""
    first, second = measure(ledger, objects=[new_report(), new_report("2.25.2", kind="gsps")])
    deliver(ledger, first)

    there = ledger.retractions.there(study_of(ledger).id)
    assert {"pacs": ["2.25.1"]} == {name: [row.sop_instance_uid for row in rows] for name, rows in there.items()}

    take_back(ledger)
    assert {} == ledger.retractions.there(study_of(ledger).id)
    assert JobState.CANCELLED is {job.id: job.state for job in ledger.admin.study("1.2.3").jobs}[second.id]


def test_a_study_that_is_taken_back_is_out_and_its_notes_are_delivered(ledger: Ledger) -> None:
    """It is ignored with the reason; each destination has a delivery of its own, whose end does not move the study."""
    reported(ledger)

    one, two = take_back(ledger)
    study = study_of(ledger)
    assert (StudyState.IGNORED, ORDER.reason, "admin") == (study.state, study.reason, study.who)
    deliver(ledger, one, now=210.0)
    held = claim(ledger, two, now=210.0)
    assert [row.sop_instance_uid for row in held.choices] == ["2.25.90"]
    assert ledger.jobs.give_up(held, who="the administrator of the destination", why="refused", now=211.0)

    assert study_of(ledger).state is StudyState.IGNORED
    assert ["retracted", "rejected", "not_rejected"] == event_names(ledger)[-3:]
    # Somebody is told of it, until it is asked for again.
    assert ledger.retractions.untold() == 1
    ledger.retractions.send_again(study_of(ledger).id, ORDER, now=212.0)
    assert ledger.retractions.untold() == 0
    said = {event.event: event.detail for event in ledger.admin.study("1.2.3").events}
    assert ("one", "two: refused") == (said["rejected"], said["not_rejected"])


def test_asked_again_only_what_did_not_arrive_goes_again(ledger: Ledger) -> None:
    """A note that is there, or on its way, is left in peace."""
    reported(ledger)
    one, two = take_back(ledger)
    assert [] == ledger.retractions.send_again(study_of(ledger).id, ORDER, now=220.0)

    deliver(ledger, one, now=230.0)
    assert ledger.jobs.decline(claim(ledger, two, now=230.0), why="takes no note", now=231.0)
    [again] = ledger.retractions.send_again(study_of(ledger).id, ORDER, now=240.0)

    assert (again.destination, again.report_id) == (two.destination, two.report_id)


def test_nothing_is_taken_back_while_an_object_is_being_sent(ledger: Ledger) -> None:
    """What arrives a moment later would stay; nor where something arrived since the notes were written."""
    first, second = measure(ledger, objects=[new_report(), new_report("2.25.2", kind="gsps")], destinations=("one",))
    deliver(ledger, first)
    study = study_of(ledger)
    before = ledger.retractions.there(study.id)
    held = claim(ledger, second, now=170.0)
    with pytest.raises(NotAllowed, match="being sent at this moment"):
        take_back(ledger)

    assert ledger.jobs.finish_delivery(held, detail="0x0000", now=180.0)
    with pytest.raises(NotAllowed, match="arrived meanwhile"):
        ledger.retractions.retract(study.id, [], ORDER, seen=before, now=190.0)
    assert study_of(ledger).state is StudyState.REPORTED


def test_a_study_that_was_taken_back_is_reported_anew_in_a_revision_of_its_own(ledger: Ledger) -> None:
    """An archive keeps out what was rejected, so it must not be sent again; nor is it a predecessor. Notes go first."""
    reported(ledger)
    one, two = take_back(ledger)
    deliver(ledger, one, now=210.0)
    with pytest.raises(NotAllowed, match="still on its way"):
        ledger.admin.retry("1.2.3", now=220.0)
    deliver(ledger, two, now=220.0)

    [job] = ledger.admin.retry("1.2.3", now=230.0)
    held = claim(ledger, job, now=240.0)
    assert (2, True) == (held.job.revision, held.anew)
    assert ledger.admin.last_report(held.study.id, before_revision=2) is None

    [again, _] = finish(ledger, held, report="2.25.7", destinations=("one", "two"), now=250.0)
    deliver(ledger, again, now=260.0)
    there = ledger.retractions.there(held.study.id)
    assert {"one": ["2.25.7"]} == {name: [row.sop_instance_uid for row in rows] for name, rows in there.items()}


def test_the_folder_that_a_note_made_anew_expires_again(ledger: Ledger) -> None:
    """A retraction after retention writes the note into an empty folder, which is removed at its time."""
    reported(ledger)
    study = study_of(ledger)
    assert ledger.admin.forget_files(study.id, remove=lambda: True, now=170.0)
    assert [] == ledger.admin.expired(before=1000.0)

    take_back(ledger, now=200.0)

    assert [study.id] == [row.id for row in ledger.admin.expired(before=1000.0)]
    with pytest.raises(NotAllowed, match="removed for their age"):
        ledger.admin.retry("1.2.3", now=300.0)


def test_a_study_that_was_never_reported_has_nothing_there(ledger: Ledger) -> None:
    """Nothing is invented for a study without deliveries; one that is in again has no note to be sent again."""
    settle(ledger)

    study = study_of(ledger)
    assert ({}, ()) == (ledger.retractions.there(study.id), ledger.retractions.notes(study.id))
    with pytest.raises(NotAllowed, match="no destination has"):
        ledger.retractions.send_again(study.id, ORDER, now=200.0)
