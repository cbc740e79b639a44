"""How a running job ends. A function works inside the caller's transaction, and writes nothing where the job is lost.

A job is lost where it was released, cancelled or taken over since it was claimed. What an older revision still has
running may end, but changes the study no more; it is not tried again either.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, insert, select, update

from service.errors import SpondylError
from service.ledger import circuit
from service.ledger.moves import (
    NODE,
    add_job,
    begin_revision,
    locked,
    move_job,
    move_study,
    newest_deliveries,
    newest_measuring,
    note_event,
)
from service.ledger.rows import REJECTION, SAGITTAL, SR, Claim, JobRow, NewReport, ReportRow, StudyRow
from service.ledger.sent import arrived, choices, may_have_arrived
from service.ledger.tables import jobs, outputs, reports, revisions
from service.messages import JobKind
from service.states import OPEN, JobEvent, JobState, StudyEvent, StudyState

#: What happens to a study beside its moves.
NOT_TAKEN: Final = "not_taken"
QUARANTINED: Final = "quarantined"
NOT_CHECKED: Final = "not_checked"
#: A destination has the note that takes its objects back; or somebody must see to it that it gets it.
REJECTED: Final = "rejected"
NOT_REJECTED: Final = "not_rejected"


def measured(
    connection: Connection,
    claim: Claim,
    *,
    findings: str,
    reason: str | None,
    objects: Sequence[NewReport],
    wanted: Mapping[str, Collection[str]],
    unchecked: Collection[str],
    now: float,
) -> list[JobRow]:
    """End a measure job with its findings, and with the objects that state them and their deliveries."""
    study = locked(connection, claim.study.id)
    job = move_job(connection, claim.job, JobEvent.FINISHED, now=now, error=None)
    if job is None:
        return []
    _keep_findings(connection, job, findings, reason, now=now)
    actor = claim.job.worker or NODE
    if not objects:
        unanalysable = StudyEvent.UNANALYSABLE
        move_study(connection, study, unanalysable, now=now, actor=actor, detail=reason or "", reason=reason)
        return []
    study = move_study(connection, study, StudyEvent.MEASURED, now=now, actor=actor)
    made = {_enter_report(connection, job, each, now=now): each for each in objects}
    connection.execute(insert(outputs), [{"job_id": job.id, "report_id": number} for number in made])
    for detail in unchecked:
        note_event(connection, study.id, NOT_CHECKED, now=now, actor=actor, detail=detail)
    for each in objects:
        if each.finding:
            detail = f"{each.kind}: {each.finding}"
            note_event(connection, study.id, QUARANTINED, now=now, actor=actor, detail=detail)
    why = _held_back(objects)
    to_do = [] if _has_no_report(objects) else _missing(connection, job, made, wanted)
    if not to_do and why is not None:
        who = SpondylError.who
        move_study(connection, study, StudyEvent.GAVE_UP, now=now, actor=actor, detail=why, reason=why, who=who)
    elif not to_do:
        nothing = "every destination has this report already" if wanted else "no destination is configured"
        _complete(connection, study, now=now, detail=nothing)
    return [
        add_job(connection, JobKind.DELIVER, study, now=now, report_id=number, destination=name)
        for name, number in to_do
    ]


def revised(connection: Connection, claim: Claim, *, now: float) -> JobRow | None:
    """End a measure job without a result, and begin a revision that is made of the same."""
    study = locked(connection, claim.study.id)
    if move_job(connection, claim.job, JobEvent.CANCELLED, now=now) is None:
        return None
    made_of, actor = (study.fingerprint or "", claim.document), claim.job.worker or NODE
    return begin_revision(connection, study, StudyEvent.REVISED, made_of, now=now, actor=actor)


def _has_no_report(objects: Sequence[NewReport]) -> bool:
    """Whether the gate held back every alternative of the report: what goes with it goes nowhere without it."""
    reports = [each for each in objects if each.kind == SR]
    return bool(reports) and all(each.finding for each in reports)


def _held_back(objects: Sequence[NewReport]) -> str | None:
    """Return what the gate found that somebody misses; of the alternatives of the report one that passed is enough."""
    if _has_no_report(objects):
        return f"no report was sent; {next((each.finding for each in objects if each.kind == SR), None)}"
    accompanying = (f"{each.kind}: {each.finding}" for each in objects if each.finding and each.kind != SR)
    return next(accompanying, None)


def delivered(connection: Connection, claim: Claim, *, detail: str, stored: ReportRow | None, now: float) -> bool:
    """End a delivery with its proof; its destination's circuit closes, the last delivery completes the study."""
    study = locked(connection, claim.study.id)
    number = claim.job.report_id if stored is None else stored.id
    job = move_job(connection, claim.job, JobEvent.FINISHED, now=now, error=None, report_id=number)
    if job is None:
        return False
    arrived(connection, job, detail=detail, now=now)
    conclude(connection, study, job, now=now)
    return True


def declined(connection: Connection, claim: Claim, *, why: str, perhaps: Iterable[ReportRow] = (), now: float) -> bool:
    """End a delivery of what its destination does not take and need not; it answered, so its circuit closes."""
    study = locked(connection, claim.study.id)
    job = move_job(connection, claim.job, JobEvent.DECLINED, now=now, error=why)
    if job is None:
        return False
    may_have_arrived(connection, claim.job, perhaps, why=why, now=now)
    kind = connection.scalar(select(reports.c.kind).where(reports.c.id == job.report_id))
    also = ", which its report and overlay may refer to" if kind == SAGITTAL else ""
    detail = f"not taken by {job.destination}: {kind}{also}"
    note_event(connection, study.id, NOT_TAKEN, now=now, actor=job.worker or NODE, detail=detail)
    circuit.close(connection, [job.destination or ""])
    conclude(connection, study, job, now=now)
    return True


def postponed(
    connection: Connection,
    claim: Claim,
    *,
    until: float,
    why: str,
    fault: bool = False,
    answered: bool = False,
    perhaps: Sequence[ReportRow] = (),
    now: float,
) -> bool:
    """Hand a job back for later; `fault` counts against it, `answered` closes its destination's circuit.

    `perhaps`: what may be there.
    """
    study = locked(connection, claim.study.id)
    event, news = JobEvent.POSTPONED, {"not_before": until, "faults": claim.job.faults + fault}
    if not is_wanted(connection, study, claim.job):
        event, news = JobEvent.CANCELLED, {}
    job = move_job(connection, claim.job, event, now=now, error=why, **news)
    if job is None:
        return False
    may_have_arrived(connection, claim.job, perhaps, why=why, now=now)
    if answered:
        circuit.close(connection, [job.destination or ""])
    if job.kind is JobKind.MEASURE and event is JobEvent.POSTPONED:
        actor = claim.job.worker or NODE
        move_study(connection, study, StudyEvent.RELEASED, now=now, actor=actor, detail=why)
    return True


def given_up(
    connection: Connection, claim: Claim, *, who: str, why: str, perhaps: Sequence[ReportRow] = (), now: float
) -> bool:
    """End a job for good: `who` must act. `perhaps`: what may be there."""
    study = locked(connection, claim.study.id)
    job = move_job(connection, claim.job, JobEvent.GAVE_UP, now=now, error=why, who=who)
    if job is None:
        return False
    may_have_arrived(connection, claim.job, perhaps, why=why, now=now)
    fail(connection, study, job, who=who, why=why, now=now)
    return True


def lost(connection: Connection, job: JobRow, *, max_attempts: int, now: float) -> JobRow | None:
    """End the try of a worker that was not heard of: the job waits again, or has failed after so many deaths.

    None where the worker was heard of after all. What it was sending may be there.
    """
    study = locked(connection, job.study_id)
    losses = (connection.scalar(select(jobs.c.losses).where(jobs.c.id == job.id)) or 0) + 1
    why = f"the worker died {losses} time{'s' if losses > 1 else ''}"
    event, news = JobEvent.LOST, {"losses": losses}
    if not is_wanted(connection, study, job):
        event, news = JobEvent.CANCELLED, {}
    elif losses >= max_attempts:
        event, news = JobEvent.GAVE_UP, {"losses": losses, "who": SpondylError.who}
    ended = move_job(connection, job, event, jobs.c.lease_until < now, now=now, error=why, **news)
    if ended is None:
        return None
    # Which of its alternatives it was, only the dead could say.
    may_have_arrived(connection, job, choices(connection, job), why=why, now=now)
    if event is JobEvent.GAVE_UP:
        fail(connection, study, ended, who=SpondylError.who, why=why, now=now)
    elif event is JobEvent.LOST and job.kind is JobKind.MEASURE:
        move_study(connection, study, StudyEvent.RELEASED, now=now, detail=why)
    return ended


def is_wanted(connection: Connection, study: StudyRow, job: JobRow) -> bool:
    """Whether another try of a job is of use: of a study that was taken out only that of its rejection note is."""
    if job.revision != study.revision or study.state is not StudyState.IGNORED:
        return job.revision == study.revision
    return connection.scalar(select(reports.c.kind).where(reports.c.id == job.report_id)) == REJECTION


def fail(connection: Connection, study: StudyRow, job: JobRow, *, who: str, why: str, now: float) -> None:
    """Fail a study whose job has failed: `who` must act."""
    if job.kind is JobKind.MEASURE:
        actor = job.worker or NODE
        move_study(connection, study, StudyEvent.GAVE_UP, now=now, actor=actor, detail=why, reason=why, who=who)
    else:
        conclude(connection, study, job, now=now)


def conclude(connection: Connection, study: StudyRow, job: JobRow, *, now: float) -> None:
    """Complete the study when the last delivery of its objects has ended, or fail it where one could not be made.

    Of each object and destination the newest delivery counts, and none from before the study was last measured: what
    failed then was overcome, or its destination is no longer configured.
    """
    if study.state is StudyState.IGNORED:
        _note_rejection(connection, study, job, now=now)
    if job.revision != study.revision or study.state is not StudyState.DELIVERING:
        return
    since = newest_measuring(connection, study.id)
    asked_for = [each for each in newest_deliveries(connection, since) if each.id > since]
    if any(each.state in OPEN for each in asked_for):
        return
    first = next((each for each in asked_for if each.state is JobState.FAILED), None)
    actor = job.worker or NODE
    if first is None:
        _complete(connection, study, now=now, actor=actor)
        return
    why = f"{first.destination}: {first.error}"
    who = connection.scalar(select(jobs.c.who).where(jobs.c.id == first.id))
    move_study(connection, study, StudyEvent.GAVE_UP, now=now, actor=actor, detail=why, reason=why, who=who)


def _note_rejection(connection: Connection, study: StudyRow, job: JobRow, *, now: float) -> None:
    """Say what became of a rejection note: the study itself stays as it is."""
    kind = connection.scalar(select(reports.c.kind).where(reports.c.id == job.report_id))
    if kind == REJECTION and job.state in {JobState.DONE, JobState.FAILED}:
        event = REJECTED if job.state is JobState.DONE else NOT_REJECTED
        detail = f"{job.destination}: {job.error}" if job.error else job.destination or ""
        note_event(connection, study.id, event, now=now, actor=job.worker or NODE, detail=detail)


def _complete(connection: Connection, study: StudyRow, *, now: float, actor: str = NODE, detail: str = "") -> None:
    """Give a study whose objects are where they belong its disposition: what its findings say."""
    this = (revisions.c.study_id == study.id) & (revisions.c.number == study.revision)
    reason = connection.scalar(select(revisions.c.reason).where(this))
    event = StudyEvent.UNANALYSABLE if reason else StudyEvent.DELIVERED
    move_study(connection, study, event, now=now, actor=actor, detail=detail or reason or "", reason=reason)


def _keep_findings(connection: Connection, job: JobRow, findings: str, reason: str | None, *, now: float) -> None:
    this = (revisions.c.study_id == job.study_id) & (revisions.c.number == job.revision)
    connection.execute(update(revisions).where(this).values(findings=findings, reason=reason, measured_at=now))


def _enter_report(connection: Connection, job: JobRow, report: NewReport, *, now: float) -> int:
    """Return the object's number; the same SOP instance, made again, is the same object, found anew by the gate."""
    known = update(reports).where(reports.c.sop_instance_uid == report.sop_instance_uid)
    news = {"finding": report.finding, "file_name": report.file_name}
    found = connection.scalar(known.values(news).returning(reports.c.id))
    if found is not None:
        return int(found)
    entered = insert(reports).values(
        study_id=job.study_id,
        revision=job.revision,
        kind=report.kind,
        choice=report.choice,
        sop_instance_uid=report.sop_instance_uid,
        sop_class_uid=report.sop_class_uid,
        series_instance_uid=report.series_instance_uid,
        file_name=report.file_name,
        findings_digest=report.findings_digest,
        predecessor_uid=report.predecessor_uid,
        finding=report.finding,
        created_at=now,
    )
    return int(connection.execute(entered.returning(reports.c.id)).scalar_one())


def _missing(
    connection: Connection, job: JobRow, made: Mapping[int, NewReport], wanted: Mapping[str, Collection[str]]
) -> list[tuple[str, int]]:
    """Return (destination, object) where it is wanted and has not arrived, or was to go again, in the order to send.

    Of the alternatives of the report the first one stands for all that the gate let pass.
    """
    slots = {number: SR if each.kind == SR else str(number) for number, each in made.items()}
    have = {
        (each.destination, slots[each.report_id])
        for each in newest_deliveries(connection, job.id)
        if each.state is JobState.DONE and each.report_id is not None
    }
    missing = []
    for name, kinds in wanted.items():
        to_go = [number for number in _to_send(made) if made[number].kind in kinds]
        missing += [(name, number) for number in to_go if (name, slots[number]) not in have]
    return missing


def _to_send(made: Mapping[int, NewReport]) -> Iterable[int]:
    """Yield the objects that are sent: sections, which others refer to, one alternative of the report, the others."""
    yield from (number for number in made if made[number].kind == SAGITTAL)
    alternatives = sorted((number for number in made if made[number].kind == SR), key=lambda n: made[n].choice)
    yield from sorted(alternatives, key=lambda n: made[n].finding is not None)[:1]
    yield from (number for number in made if made[number].kind not in {SR, SAGITTAL})
