"""What happened to a study, in order: events and tries in one line of time; its objects, with proofs, or held back."""

from collections.abc import Sequence
from dataclasses import dataclass

from service import sop_classes
from service.ledger.arrivals import TOO_LARGE
from service.ledger.lists import Attempt, SentObject
from service.ledger.outcomes import NOT_REJECTED, QUARANTINED
from service.ledger.proofs import MISSING
from service.ledger.rows import EventRow, ReportRow, StudyDetail
from service.messages import JobKind
from service.states import JobEvent, JobState, StudyEvent

_KINDS = {JobKind.MEASURE: "measuring", JobKind.DELIVER: "sending"}
#: Events that a try says better.
_SAID_BY_A_TRY = frozenset({"claimed"})
_BAD_EVENTS = frozenset({StudyEvent.GAVE_UP, QUARANTINED, MISSING, TOO_LARGE, NOT_REJECTED})
#: A try that ends like this went as it should; what a destination does not take and need not is no failure.
_WELL = frozenset({None, JobEvent.FINISHED, JobEvent.STORED, JobEvent.CANCELLED, JobEvent.DECLINED})
#: Nor is a proof that takes its time.
_PROVED_WELL = _WELL | {JobEvent.POSTPONED}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a study's story. Times: seconds since the epoch."""

    at: float
    #: "event" or "try".
    kind: str
    title: str
    detail: str
    actor: str
    #: Of a try that has ended.
    took_s: float | None = None
    #: Whether it went wrong.
    bad: bool = False


@dataclass(frozen=True, kw_only=True)
class Object:
    """One object at one destination."""

    #: "sr", "gsps", "summary", "pdf", "sagittal".
    kind: str
    #: By name; of the alternatives of the report the one that was stored, else the preferred one.
    sop_class: str
    sop_instance_uid: str
    destination: str
    state: str
    attempts: int
    delivered_at: float | None
    #: What the destination answered, or that it may have it; empty where it has not got it.
    proof: str
    error: str | None


def story(events: Sequence[EventRow], attempts: Sequence[Attempt]) -> list[Step]:
    """Return the steps, the first first; of the same moment a try comes after the event that caused it."""
    steps = [_event(each) for each in events if each.event not in _SAID_BY_A_TRY] + [_try(each) for each in attempts]
    return sorted(steps, key=lambda step: (step.at, step.kind != "event"))


def objects(detail: StudyDetail, sent: Sequence[SentObject]) -> list[Object]:
    """Return each delivery, the newest first, with the proof where there is one."""
    proofs = {(each.sop_instance_uid, each.destination): each for each in sent}
    found = []
    for row in reversed(detail.deliveries):
        proof = proofs.get((row.sop_instance_uid, row.destination))
        is_said = proof is not None and (proof.uncertain or row.state is JobState.DONE)
        found.append(
            Object(
                kind=row.kind,
                sop_class=sop_classes.NAMES.get(row.sop_class_uid, row.sop_class_uid),
                sop_instance_uid=row.sop_instance_uid,
                destination=row.destination,
                state=row.state.value,
                attempts=row.attempts,
                delivered_at=row.delivered_at,
                proof=proof.detail if proof and is_said else "",
                error=row.error,
            )
        )
    return found


def held_back(detail: StudyDetail) -> list[ReportRow]:
    """Return the objects that the gate let go nowhere, the newest first."""
    return [row for row in reversed(detail.reports) if row.finding is not None]


def _event(row: EventRow) -> Step:
    return Step(
        at=row.at,
        kind="event",
        title=row.event.replace("_", " "),
        detail=row.detail,
        actor=row.actor,
        bad=row.event in _BAD_EVENTS,
    )


def _try(row: Attempt) -> Step:
    done = "asking for proof of" if row.proves else _KINDS[row.kind]
    what = f"{done}{f' {row.brings}' if row.brings else ''}, try {row.number}"
    where = f" to {row.destination}" if row.destination else ""
    ended = "runs" if row.outcome is None else row.outcome.value.replace("_", " ")
    return Step(
        at=row.started_at,
        kind="try",
        title=f"{what}{where}: {ended}",
        detail=row.error or "",
        actor=row.worker,
        took_s=None if row.ended_at is None else row.ended_at - row.started_at,
        bad=row.outcome not in (_PROVED_WELL if row.proves else _WELL),
    )
