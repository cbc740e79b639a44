"""Where states change: every transition of `service.states` becomes one conditional UPDATE, here and nowhere else.

A transaction that changes a study or its jobs first locks the study (`locked`), so what belongs to one study is
changed by one process at a time, in one order of locks: study, its jobs, destination. A study's move writes its event,
a job's move its attempt, in the same transaction.
"""

from collections.abc import Collection
from typing import Final

from sqlalchemy import ColumnElement, Connection, case, func, insert, select, update

from service.ledger.rows import SR, JobRow, StudyRow
from service.ledger.tables import attempts, columns, events, jobs, outputs, reports, revisions, studies
from service.messages import JobKind
from service.states import HELD, IDLE, JobEvent, JobState, StudyEvent, next_job_state, next_study_state

#: Who acts where neither a worker nor an administrator does.
NODE: Final = "node"
ADMIN: Final = "admin"
API: Final = "api"
#: `who` of a study that was ignored, and that somebody asked to be measured all the same: no rule keeps it out.
ASKED: Final = "asked"

STUDY: Final = columns(studies, StudyRow)
JOB: Final = columns(jobs, JobRow)


def locked(connection: Connection, study_id: int) -> StudyRow:
    """Return a study and keep others from changing it, or its jobs, until the transaction ends."""
    record = connection.execute(select(*STUDY).where(studies.c.id == study_id).with_for_update()).one()
    return StudyRow(**record._asdict())


def move_study(
    connection: Connection,
    study: StudyRow,
    event: StudyEvent,
    *,
    now: float,
    actor: str = NODE,
    detail: str = "",
    **values: object,
) -> StudyRow:
    """Take a locked study where `event` takes it; NotAllowed where it cannot happen. `values` are columns to set."""
    values = {"state": next_study_state(study.state, event), "reason": None, "who": None, "updated_at": now} | values
    moved = update(studies).where(studies.c.id == study.id, studies.c.state == study.state)
    record = connection.execute(moved.values(values).returning(*STUDY)).one()
    note_event(connection, study.id, event, now=now, actor=actor, detail=detail)
    return StudyRow(**record._asdict())


def note_event(connection: Connection, study_id: int, event: str, *, now: float, actor: str, detail: str = "") -> None:
    """Write down that something happened to a study."""
    connection.execute(insert(events).values(study_id=study_id, at=now, event=event, detail=detail, actor=actor))


def find_job(connection: Connection, job_id: int) -> JobRow | None:
    """Return a job, or None where there is none."""
    record = connection.execute(select(*JOB).where(jobs.c.id == job_id)).one_or_none()
    return None if record is None else JobRow(**record._asdict())


def add_job(connection: Connection, kind: JobKind, study: StudyRow, *, now: float, **values: object) -> JobRow:
    """Enter a job of the study's newest revision; it waits, and may be claimed at once."""
    values = {
        "kind": kind,
        "study_id": study.id,
        "revision": study.revision,
        "state": JobState.WAITING,
        "attempts": 0,
        "losses": 0,
        "faults": 0,
        "not_before": 0.0,
        "created_at": now,
        "updated_at": now,
    } | values
    return JobRow(**connection.execute(insert(jobs).values(values).returning(*JOB)).one()._asdict())


def begin_revision(
    connection: Connection,
    study: StudyRow,
    event: StudyEvent,
    made_of: tuple[str, str | None],
    *,
    now: float,
    actor: str = NODE,
    detail: str = "",
    **values: object,
) -> JobRow:
    """Enter a new revision of a locked study and its measure job; what is under way is no longer wanted.

    `made_of` is the fingerprint of its objects and the digest of its landmarks document; `values` are further columns
    of the study.
    """
    cancel_unwanted(connection, study.id, now=now)
    fingerprint, document = made_of
    sources = {"fingerprint": fingerprint, "document": document}
    number = study.revision + 1
    connection.execute(insert(revisions).values(study_id=study.id, number=number, started_at=now, **sources))
    news = values | sources | {"revision": number}
    study = move_study(connection, study, event, now=now, actor=actor, detail=detail or f"revision {number}", **news)
    return add_job(connection, JobKind.MEASURE, study, now=now)


def unchanged_since(job: JobRow) -> ColumnElement[bool]:
    """Return the condition that nobody has moved a job since `job` was read: every claim counts one attempt."""
    return (jobs.c.id == job.id) & (jobs.c.state == job.state) & (jobs.c.attempts == job.attempts)


def move_job(
    connection: Connection,
    job: JobRow,
    event: JobEvent,
    *conditions: ColumnElement[bool],
    now: float,
    **values: object,
) -> JobRow | None:
    """Take a job where `event` takes it, if nobody has moved it since and `conditions` hold; else return None."""
    state = next_job_state(job.state, event)
    values = {"state": state, "updated_at": now} | values
    if state not in HELD:
        values |= {"lease_until": None}
    if state in IDLE:
        values |= {"worker": None, "enqueued_at": None}
    moved = update(jobs).where(unchanged_since(job), *conditions).values(values).returning(*JOB)
    record = connection.execute(moved).one_or_none()
    if record is None:
        return None
    row = JobRow(**record._asdict())
    _note_attempt(connection, job, row, event, now=now)
    return row


def newest_measuring(connection: Connection, study_id: int) -> int:
    """Return the number of the measure job of a study that was made last; 0 where there is none."""
    its = jobs.c.study_id == study_id, jobs.c.kind == JobKind.MEASURE
    return int(connection.scalar(select(func.max(jobs.c.id)).where(*its)) or 0)


def newest_deliveries(connection: Connection, measuring: int) -> list[JobRow]:
    """Return the deliveries of what a measure job ended with: of each object and destination the one made last.

    The alternatives of the structured report are one object.
    """
    made = select(outputs.c.report_id).where(outputs.c.job_id == measuring)
    slot = case((reports.c.kind == SR, 0), else_=reports.c.id)
    its = (jobs.c.kind == JobKind.DELIVER) & jobs.c.report_id.in_(made)
    sent = jobs.join(reports, reports.c.id == jobs.c.report_id)
    last = select(func.max(jobs.c.id)).select_from(sent).where(its).group_by(jobs.c.destination, slot)
    wanted = select(*JOB).where(jobs.c.id.in_(last)).order_by(jobs.c.id)
    return [JobRow(**record._asdict()) for record in connection.execute(wanted)]


def cancel_unwanted(connection: Connection, study_id: int, *, now: float) -> None:
    """Cancel the jobs of a locked study that wait, for proof as well, and a measuring that runs.

    A delivery that runs may end: what it brings must be known to be there.
    """
    cancel_jobs(connection, study_id, IDLE, now=now)
    cancel_jobs(connection, study_id, {JobState.RUNNING}, kinds={JobKind.MEASURE}, now=now)


def cancel_jobs(
    connection: Connection,
    study_id: int,
    states: Collection[JobState],
    *,
    kinds: Collection[JobKind] = tuple(JobKind),
    now: float,
) -> None:
    """Cancel the jobs of a locked study that are in one of `states` and of one of `kinds`."""
    wanted = select(*JOB).where(jobs.c.study_id == study_id, jobs.c.state.in_(states), jobs.c.kind.in_(kinds))
    wanted = wanted.order_by(jobs.c.id)
    for record in connection.execute(wanted).all():
        move_job(connection, JobRow(**record._asdict()), JobEvent.CANCELLED, now=now)


def _note_attempt(connection: Connection, before: JobRow, after: JobRow, event: JobEvent, *, now: float) -> None:
    if event is JobEvent.CLAIMED:
        began = {"job_id": after.id, "number": after.attempts, "worker": after.worker, "started_at": now}
        connection.execute(insert(attempts).values(began | {"proves": after.state is JobState.PROVING}))
    elif before.state in HELD:
        this = (attempts.c.job_id == before.id) & (attempts.c.number == before.attempts)
        connection.execute(update(attempts).where(this).values(ended_at=now, outcome=event, error=after.error))
