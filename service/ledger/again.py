"""What was done is done again because somebody asked."""

from sqlalchemy import ColumnElement, Connection, exists, select, update

from service.ledger import circuit
from service.ledger.moves import (
    ADMIN,
    ASKED,
    add_job,
    begin_revision,
    move_job,
    move_study,
    newest_deliveries,
    newest_measuring,
    note_event,
)
from service.ledger.priors import rests_on_withdrawn
from service.ledger.removed import objects_are_gone
from service.ledger.retractions import is_retracted
from service.ledger.rows import AT_ONCE, SR, JobRow, StudyRow
from service.ledger.tables import outputs, reports, studies
from service.messages import JobKind
from service.states import HELD, IDLE, JobEvent, JobState, NotAllowed, StudyEvent, StudyState

#: A study in one of these may have a report that can be sent again.
_SENT = frozenset({StudyState.DELIVERING, StudyState.REPORTED, StudyState.NOT_ANALYSABLE, StudyState.FAILED})


def retry(connection: Connection, study: StudyRow, *, now: float, measure: bool, actor: str = ADMIN) -> list[JobRow]:
    """Do for a locked study what `Admin.retry` says."""
    if connection.scalar(select(studies.c.files_removed_at).where(studies.c.id == study.id)) is not None:
        raise NotAllowed("the files of this study were removed for their age: send it again")
    if study.revision == 0:
        return _settle_again(connection, study, now=now, actor=actor)
    is_gone = objects_are_gone(connection, study.id)
    if is_gone and study.unsettled_since is not None:
        raise NotAllowed("this study is being sent again: wait until it is complete")
    measuring = newest_measuring(connection, study.id)
    can_be_sent = study.state in _SENT and not is_gone and not _is_held_back(connection, study, measuring)
    deliveries = newest_deliveries(connection, measuring) if can_be_sent and not measure else []
    if deliveries:
        return _send_again(connection, study, deliveries, now=now, actor=actor)
    if is_retracted(connection, study):
        why = f"revision {study.revision + 1}: what was reported before was taken back"
        return [_begin_another(connection, study, why, now=now, actor=actor)]
    if rests_on_withdrawn(connection, study.id, study.revision):
        return [_compare_again(connection, study, now=now, actor=actor)]
    study = move_study(connection, study, StudyEvent.RETRIED, now=now, actor=actor)
    return [add_job(connection, JobKind.MEASURE, study, now=now)]


def _compare_again(connection: Connection, study: StudyRow, *, now: float, actor: str) -> JobRow:
    """Begin a revision: the same one would say what its prior said, which was another patient's, or was taken out."""
    why = f"revision {study.revision + 1}: the prior of revision {study.revision} counts no more"
    return _begin_another(connection, study, why, now=now, actor=actor)


def _begin_another(connection: Connection, study: StudyRow, why: str, *, now: float, actor: str) -> JobRow:
    """Begin a revision that is made of the same, so that its objects have UIDs of their own."""
    made_of = study.fingerprint or "", study.document
    return begin_revision(connection, study, StudyEvent.RETRIED, made_of, now=now, actor=actor, detail=why)


def _is_held_back(connection: Connection, study: StudyRow, measuring: int) -> bool:
    """Whether the gate found something that must not be sent: only another measuring can make it anew.

    Of the alternatives of the report one that passed is enough, unless the study failed: that one may be the cause.
    """
    made = reports.c.id.in_(select(outputs.c.report_id).where(outputs.c.job_id == measuring))
    found: ColumnElement[bool] = reports.c.finding.is_not(None)
    if study.state is not StudyState.FAILED and connection.scalar(
        select(exists().where(made, reports.c.kind == SR, ~found))
    ):
        found &= reports.c.kind != SR
    return bool(connection.scalar(select(exists().where(made, found))))


def _settle_again(connection: Connection, study: StudyRow, *, now: float, actor: str) -> list[JobRow]:
    if study.state is not StudyState.IGNORED:
        raise NotAllowed(f"a study that is {study.state} cannot be {StudyEvent.RETRIED}")
    looked_at = update(studies).where(studies.c.id == study.id).values(who=ASKED, unsettled_since=AT_ONCE)
    connection.execute(looked_at)
    note_event(connection, study.id, StudyEvent.RETRIED, now=now, actor=actor)
    return []


def _send_again(
    connection: Connection, study: StudyRow, deliveries: list[JobRow], *, now: float, actor: str
) -> list[JobRow]:
    """Make a new delivery for each old one, which stays as it ended; one that waits gives way to the new one.

    While others are under way, what a destination has, or does not take, is left in peace.
    """
    done = {JobState.DONE, JobState.DECLINED} if study.state is StudyState.DELIVERING else set()
    old = [job for job in deliveries if job.state not in HELD | done]
    if not old:
        raise NotAllowed("the report is being sent at this moment")
    for job in old:
        if job.state in IDLE:
            move_job(connection, job, JobEvent.CANCELLED, now=now)
    names = list(dict.fromkeys(job.destination or "" for job in old))
    circuit.close(connection, names)
    study = move_study(connection, study, StudyEvent.RESENT, now=now, actor=actor, detail=f"to {', '.join(names)}")
    return [
        add_job(connection, JobKind.DELIVER, study, now=now, report_id=job.report_id, destination=job.destination)
        for job in old
    ]
