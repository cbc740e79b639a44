"""What was done is done again because somebody asked."""

from sqlalchemy import Connection, select, update

from service.ledger import circuit
from service.ledger.moves import ADMIN, JOB, add_job, move_job, move_study, newest_deliveries, note_event
from service.ledger.rows import AT_ONCE, JobRow, StudyRow
from service.ledger.tables import jobs, studies
from service.messages import JobKind
from service.states import JobEvent, JobState, NotAllowed, StudyEvent, StudyState

#: A study in one of these has a report that can be sent again.
_SENT = frozenset({StudyState.DELIVERING, StudyState.REPORTED, StudyState.FAILED})


def retry(connection: Connection, study: StudyRow, *, now: float, measure: bool, actor: str = ADMIN) -> list[JobRow]:
    """Do for a locked study what `Admin.retry` says."""
    if connection.scalar(select(studies.c.files_removed_at).where(studies.c.id == study.id)) is not None:
        raise NotAllowed("the files of this study were removed for their age: send it again")
    last = _last_job(connection, study)
    if last is None:
        return _settle_again(connection, study, now=now, actor=actor)
    deliveries = [] if measure or study.state not in _SENT else newest_deliveries(connection, last)
    if deliveries:
        return _send_again(connection, study, deliveries, now=now, actor=actor)
    study = move_study(connection, study, StudyEvent.RETRIED, now=now, actor=actor)
    return [add_job(connection, JobKind.MEASURE, study, now=now)]


def _last_job(connection: Connection, study: StudyRow) -> JobRow | None:
    """Return the job that was made last: how far the newest revision got, and with which report."""
    wanted = select(*JOB).where(jobs.c.study_id == study.id, jobs.c.revision == study.revision)
    record = connection.execute(wanted.order_by(jobs.c.id.desc()).limit(1)).one_or_none()
    return None if record is None else JobRow(**record._asdict())


def _settle_again(connection: Connection, study: StudyRow, *, now: float, actor: str) -> list[JobRow]:
    if study.state is not StudyState.IGNORED:
        raise NotAllowed(f"a study that is {study.state} cannot be {StudyEvent.RETRIED}")
    looked_at = update(studies).where(studies.c.id == study.id).values(who=None, unsettled_since=AT_ONCE)
    connection.execute(looked_at)
    note_event(connection, study.id, StudyEvent.RETRIED, now=now, actor=actor)
    return []


def _send_again(
    connection: Connection, study: StudyRow, deliveries: list[JobRow], *, now: float, actor: str
) -> list[JobRow]:
    """Make a new delivery for each old one, which stays as it ended; one that waits gives way to the new one.

    While others are under way, a destination that has the report is left in peace.
    """
    done = {JobState.DONE} if study.state is StudyState.DELIVERING else set()
    old = [job for job in deliveries if job.state not in {JobState.RUNNING, *done}]
    if not old:
        raise NotAllowed("the report is being sent at this moment")
    for job in old:
        if job.state is JobState.WAITING:
            move_job(connection, job, JobEvent.CANCELLED, now=now)
    names = [job.destination or "" for job in old]
    circuit.close(connection, names)
    study = move_study(connection, study, StudyEvent.RESENT, now=now, actor=actor, detail=f"to {', '.join(names)}")
    return [
        add_job(connection, JobKind.DELIVER, study, now=now, report_id=job.report_id, destination=job.destination)
        for job in old
    ]
