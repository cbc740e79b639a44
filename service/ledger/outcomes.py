"""How a running job ends. A function works inside the caller's transaction, and writes nothing where the job is lost.

A job is lost where it was released, cancelled or taken over since it was claimed. What an older revision still has
running may end, but changes the study no more; it is not tried again either.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection, func, insert, select, update

from service.errors import SpondylError
from service.ledger import circuit
from service.ledger.engine import inserting
from service.ledger.moves import NODE, add_job, locked, move_job, move_study, newest_deliveries
from service.ledger.rows import Claim, JobRow, NewReport, StudyRow
from service.ledger.tables import deliveries, jobs, reports, revisions
from service.messages import JobKind
from service.states import JobEvent, JobState, StudyEvent, StudyState


def measured(
    connection: Connection,
    claim: Claim,
    *,
    findings: str,
    reason: str | None,
    report: NewReport | None,
    destinations: Sequence[str],
    now: float,
) -> list[JobRow]:
    """End a measure job with its findings, and with a reason why there is no report, or a report and its deliveries."""
    study = locked(connection, claim.study.id)
    job = move_job(connection, claim.job, JobEvent.FINISHED, now=now, error=None)
    if job is None:
        return []
    _keep_findings(connection, job, findings, now=now)
    actor = claim.job.worker or NODE
    if report is None:
        unanalysable = StudyEvent.UNANALYSABLE
        move_study(connection, study, unanalysable, now=now, actor=actor, detail=reason or "", reason=reason)
        return []
    study = move_study(connection, study, StudyEvent.MEASURED, now=now, actor=actor)
    report_id = _enter_report(connection, job, report, now=now)
    connection.execute(update(jobs).where(jobs.c.id == job.id).values(report_id=report_id))
    to_do = _without(connection, replace(job, report_id=report_id), destinations)
    if not to_do:
        nothing = "every destination has this report already" if destinations else "no destination is configured"
        move_study(connection, study, StudyEvent.DELIVERED, now=now, detail=nothing)
    return [
        add_job(connection, JobKind.DELIVER, study, now=now, report_id=report_id, destination=name) for name in to_do
    ]


def delivered(connection: Connection, claim: Claim, *, detail: str, now: float) -> bool:
    """End a delivery with its proof; its destination's circuit closes, the last delivery completes the study."""
    study = locked(connection, claim.study.id)
    job = move_job(connection, claim.job, JobEvent.FINISHED, now=now, error=None)
    if job is None:
        return False
    arrived = inserting(connection, deliveries).values(
        report_id=job.report_id, destination=job.destination, delivered_at=now, detail=detail
    )
    connection.execute(arrived.on_conflict_do_nothing())
    circuit.close(connection, [job.destination or ""])
    _conclude(connection, study, job, now=now)
    return True


def postponed(connection: Connection, claim: Claim, *, until: float, why: str, fault: bool = False, now: float) -> bool:
    """Hand a job back for later; `fault` counts against it."""
    study = locked(connection, claim.study.id)
    if claim.job.revision != study.revision:
        return move_job(connection, claim.job, JobEvent.CANCELLED, now=now, error=why) is not None
    faults = claim.job.faults + fault
    job = move_job(connection, claim.job, JobEvent.POSTPONED, now=now, error=why, not_before=until, faults=faults)
    if job is None:
        return False
    if job.kind is JobKind.MEASURE:
        actor = claim.job.worker or NODE
        move_study(connection, study, StudyEvent.RELEASED, now=now, actor=actor, detail=why)
    return True


def given_up(connection: Connection, claim: Claim, *, who: str, why: str, now: float) -> bool:
    """End a job for good: `who` must act."""
    study = locked(connection, claim.study.id)
    job = move_job(connection, claim.job, JobEvent.GAVE_UP, now=now, error=why, who=who)
    if job is None:
        return False
    _fail(connection, study, job, who=who, why=why, now=now)
    return True


def lost(connection: Connection, job: JobRow, *, max_attempts: int, now: float) -> JobRow | None:
    """End the try of a worker that was not heard of: the job waits again, or has failed after so many deaths.

    None where the worker was heard of after all.
    """
    study = locked(connection, job.study_id)
    losses = (connection.scalar(select(jobs.c.losses).where(jobs.c.id == job.id)) or 0) + 1
    why = f"the worker died {losses} time{'s' if losses > 1 else ''}"
    ended = jobs.c.lease_until < now
    if job.revision != study.revision:
        return move_job(connection, job, JobEvent.CANCELLED, ended, now=now, error=why)
    if losses >= max_attempts:
        failed = move_job(
            connection, job, JobEvent.GAVE_UP, ended, now=now, error=why, who=SpondylError.who, losses=losses
        )
        if failed is not None:
            _fail(connection, study, failed, who=SpondylError.who, why=why, now=now)
        return failed
    waiting = move_job(connection, job, JobEvent.LOST, ended, now=now, error=why, losses=losses)
    if waiting is not None and job.kind is JobKind.MEASURE:
        move_study(connection, study, StudyEvent.RELEASED, now=now, detail=why)
    return waiting


def _fail(connection: Connection, study: StudyRow, job: JobRow, *, who: str, why: str, now: float) -> None:
    if job.kind is JobKind.MEASURE:
        actor = job.worker or NODE
        move_study(connection, study, StudyEvent.GAVE_UP, now=now, actor=actor, detail=why, reason=why, who=who)
    else:
        _conclude(connection, study, job, now=now)


def _conclude(connection: Connection, study: StudyRow, job: JobRow, *, now: float) -> None:
    """Complete the study when the last delivery of its report has ended: reported, or failed where one could not.

    Of each destination the newest delivery counts, and none from before the study was last measured: what failed then
    was overcome, or its destination is no longer configured.
    """
    if job.revision != study.revision or study.state is not StudyState.DELIVERING:
        return
    measured = jobs.c.study_id == study.id, jobs.c.kind == JobKind.MEASURE
    since = connection.scalar(select(func.max(jobs.c.id)).where(*measured)) or 0
    asked_for = [each for each in newest_deliveries(connection, job) if each.id > since]
    if any(each.state in {JobState.WAITING, JobState.RUNNING} for each in asked_for):
        return
    first = next((each for each in asked_for if each.state is JobState.FAILED), None)
    actor = job.worker or NODE
    if first is None:
        move_study(connection, study, StudyEvent.DELIVERED, now=now, actor=actor)
        return
    why = f"{first.destination}: {first.error}"
    who = connection.scalar(select(jobs.c.who).where(jobs.c.id == first.id))
    move_study(connection, study, StudyEvent.GAVE_UP, now=now, actor=actor, detail=why, reason=why, who=who)


def _keep_findings(connection: Connection, job: JobRow, findings: str, *, now: float) -> None:
    this = (revisions.c.study_id == job.study_id) & (revisions.c.number == job.revision)
    connection.execute(update(revisions).where(this).values(findings=findings, measured_at=now))


def _enter_report(connection: Connection, job: JobRow, report: NewReport, *, now: float) -> int:
    """Return the report's number; the same SOP instance, made again, is the same report."""
    known = select(reports.c.id).where(reports.c.sop_instance_uid == report.sop_instance_uid)
    found = connection.scalar(known)
    if found is not None:
        return int(found)
    entered = insert(reports).values(
        study_id=job.study_id,
        revision=job.revision,
        sop_instance_uid=report.sop_instance_uid,
        sop_class_uid=report.sop_class_uid,
        series_instance_uid=report.series_instance_uid,
        file_name=report.file_name,
        findings_digest=report.findings_digest,
        predecessor_uid=report.predecessor_uid,
        created_at=now,
    )
    return int(connection.execute(entered.returning(reports.c.id)).scalar_one())


def _without(connection: Connection, job: JobRow, destinations: Iterable[str]) -> list[str]:
    """Return those of `destinations`, each once, that have not got the report, or to which it was to go again."""
    have = {each.destination for each in newest_deliveries(connection, job) if each.state is JobState.DONE}
    return [name for name in dict.fromkeys(destinations) if name not in have]
