"""The story of a study: events and tries in one line of time."""

from dataclasses import replace

from service.ledger.lists import Attempt
from service.ledger.rows import EventRow
from service.messages import JobKind
from service.states import JobEvent
from service.story import story


def _event(at: float, event: str, actor: str = "node") -> EventRow:
    return EventRow(at=at, event=event, detail="", actor=actor)


def _try(at: float, outcome: JobEvent | None, *, kind: JobKind = JobKind.MEASURE, to: str | None = None) -> Attempt:
    ended = None if outcome is None else at + 2.5
    return Attempt(
        kind=kind,
        brings="gsps" if kind is JobKind.DELIVER else None,
        destination=to,
        number=1,
        worker="w1",
        started_at=at,
        ended_at=ended,
        outcome=outcome,
        error="it hung up" if outcome is JobEvent.POSTPONED else None,
    )


def test_events_and_tries_are_in_order_of_time() -> None:
    """At the same moment the event comes first: it caused the try. A claim is said by its try alone."""
    steps = story(
        [_event(1.0, "received"), _event(2.0, "settled"), _event(3.0, "claimed"), _event(9.0, "measured")],
        [_try(2.0, JobEvent.FINISHED)],
    )

    assert ["received", "settled", "measuring, try 1: finished", "measured"] == [step.title for step in steps]
    assert 2.5 == steps[2].took_s


def test_a_try_says_whether_it_sent_or_asked() -> None:
    """Proof that takes its time is nothing bad; an object that is missing is."""
    tries = [
        _try(1.0, JobEvent.STORED, kind=JobKind.DELIVER, to="pacs"),
        replace(_try(2.0, JobEvent.POSTPONED, kind=JobKind.DELIVER, to="pacs"), number=2, proves=True),
        replace(_try(3.0, JobEvent.MISSING, kind=JobKind.DELIVER, to="pacs"), number=3, proves=True),
    ]

    assert [
        ("sending gsps, try 1 to pacs: stored", False),
        ("asking for proof of gsps, try 2 to pacs: postponed", False),
        ("asking for proof of gsps, try 3 to pacs: missing", True),
    ] == [(step.title, step.bad) for step in story([], tries)]


def test_what_went_wrong_is_marked() -> None:
    """A try that did not finish is bad, with its words; one that runs, was cancelled or declined is not."""
    tries = [
        _try(1.0, JobEvent.POSTPONED, kind=JobKind.DELIVER, to="pacs"),
        _try(2.0, JobEvent.CANCELLED),
        _try(3.0, None),
        _try(4.0, JobEvent.DECLINED, kind=JobKind.DELIVER, to="pacs"),
    ]
    failed, cancelled, runs, declined = story([], tries)

    assert ("sending gsps, try 1 to pacs: postponed", "it hung up", True) == (failed.title, failed.detail, failed.bad)
    assert (False, False, False, None) == (cancelled.bad, runs.bad, declined.bad, runs.took_s)
    assert [True, True, False] == [
        step.bad for step in story([_event(1.0, "gave_up"), _event(2.0, "quarantined"), _event(3.0, "not_taken")], [])
    ]
