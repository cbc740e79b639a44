"""What failed is done again because somebody asked."""

from sqlalchemy import Connection, select, update

from service.ledger import circuit
from service.ledger.moves import ADMIN, JOB, add_job, move_job, move_study, note_event
from service.ledger.rows import AT_ONCE, JobRow, StudyRow
from service.ledger.tables import jobs, studies
from service.messages import JobKind
from service.states import JobEvent, JobState, NotAllowed, StudyEvent, StudyState


def retry(connection: Connection, study: StudyRow, *, now: float) -> list[JobRow]:
    """Do for a locked study what `Admin.retry` says."""
    if connection.scalar(select(studies.c.files_removed_at).where(studies.c.id == study.id)) is not None:
        raise NotAllowed("the files of this study were removed for their age: send it again")
    last = _last_job(connection, study)
    if last is None:
        return _settle_again(connection, study, now=now)
    if last.kind is JobKind.DELIVER and study.state in {StudyState.FAILED, StudyState.DELIVERING}:
        return _deliver_again(connection, study, last, now=now)
    study = move_study(connection, study, StudyEvent.RETRIED, now=now, actor=ADMIN)
    return [add_job(connection, JobKind.MEASURE, study, now=now)]


def _last_job(connection: Connection, study: StudyRow) -> JobRow | None:
    """Return the job that was made last; it tells how far the newest revision got."""
    wanted = select(*JOB).where(jobs.c.study_id == study.id, jobs.c.revision == study.revision)
    record = connection.execute(wanted.order_by(jobs.c.id.desc()).limit(1)).one_or_none()
    return None if record is None else JobRow(**record._asdict())


def _settle_again(connection: Connection, study: StudyRow, *, now: float) -> list[JobRow]:
    if study.state is not StudyState.IGNORED:
        raise NotAllowed(f"a study that is {study.state} cannot be {StudyEvent.RETRIED}")
    looked_at = update(studies).where(studies.c.id == study.id).values(who=None, unsettled_since=AT_ONCE)
    connection.execute(looked_at)
    note_event(connection, study.id, StudyEvent.RETRIED, now=now, actor=ADMIN)
    return []


def _deliver_again(connection: Connection, study: StudyRow, last: JobRow, *, now: float) -> list[JobRow]:
    """Let the deliveries that belong to `last` go now; to those that failed everybody's patience begins anew."""
    siblings = (jobs.c.revision == last.revision) & (jobs.c.report_id == last.report_id)
    wanted = select(*JOB).where(siblings, jobs.c.state.in_({JobState.FAILED, JobState.WAITING})).order_by(jobs.c.id)
    found = [JobRow(**record._asdict()) for record in connection.execute(wanted)]
    for job in found:
        if job.state is JobState.FAILED:
            move_job(connection, job, JobEvent.RETRIED, now=now, who=None, losses=0, created_at=now)
    mine = jobs.c.id.in_([job.id for job in found])
    due = update(jobs).where(mine).values(not_before=0.0, enqueued_at=None, updated_at=now).returning(*JOB)
    ready = [JobRow(**record._asdict()) for record in connection.execute(due)]
    circuit.close(connection, [job.destination or "" for job in ready])
    move_study(connection, study, StudyEvent.RESENT, now=now, actor=ADMIN)
    return sorted(ready, key=lambda job: job.id)
