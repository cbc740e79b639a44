"""Proof of arrival: what a destination said that it stored, and what became of the question whether it has it.

A delivery in state `stored` waits for proof; one worker at a time asks (`proving`). The answer may come to whoever
asked, or to any listener on an association of the destination's own: both write here, under the job as they read it,
so of two answers one counts. What writes tells whether the job was still as it was read.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, delete, insert, select, update

from service.ledger import circuit
from service.ledger.engine import reading, writing
from service.ledger.moves import JOB, NODE, find_job, locked, move_job, note_event
from service.ledger.outcomes import conclude, fail, is_wanted
from service.ledger.rows import Claim, JobRow, ReportRow, StudyRow
from service.ledger.sent import arrived
from service.ledger.tables import commitments, deliveries, jobs, reports, studies
from service.states import JobEvent, JobState

_AWAITED: Final = (JobState.STORED, JobState.PROVING)
#: What happens to a study beside its moves.
PROVEN: Final = "proven"
MISSING: Final = "missing"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An object that a destination was asked to commit to."""

    #: The delivery that it is of, as it is now.
    job: JobRow
    #: The study's key.
    study: str
    #: What was sent: the object's kind.
    kind: str
    sop_instance_uid: str


@dataclass(frozen=True)
class Proofs:
    """Deliveries that are stored, and their proof."""

    engine: Engine

    def stored(self, claim: Claim, *, detail: str, stored: ReportRow, now: float) -> bool:
        """End the sending of a delivery that is to be proven; `detail` says what was stored, `stored` what it was."""
        with writing(self.engine) as connection:
            locked(connection, claim.study.id)
            news = {"error": None, "report_id": stored.id, "stored_at": now, "not_before": 0.0}
            job = move_job(connection, claim.job, JobEvent.STORED, now=now, **news)
            if job is None:
                return False
            arrived(connection, job, detail=detail, now=now)
            return True

    def asked(self, claim: Claim, *, transaction_uid: str, sop_instance_uid: str, now: float) -> bool:
        """Write down a transaction before the destination hears of it, so that whoever gets the answer knows it."""
        with writing(self.engine) as connection:
            if not _is_held(connection, claim):
                return False
            asked = {"transaction_uid": transaction_uid, "sop_instance_uid": sop_instance_uid, "asked_at": now}
            connection.execute(insert(commitments).values(job_id=claim.job.id, **asked))
            return True

    def is_held(self, claim: Claim) -> bool:
        """Whether nobody has answered for the worker that asks."""
        with reading(self.engine) as connection:
            return _is_held(connection, claim)

    def of_transaction(self, transaction_uid: str) -> Asked | None:
        """Return what was asked for in a transaction that still counts."""
        wanted = (
            select(commitments.c.sop_instance_uid, reports.c.kind, studies.c.key, *JOB)
            .join(jobs, jobs.c.id == commitments.c.job_id)
            .join(reports, reports.c.id == jobs.c.report_id)
            .join(studies, studies.c.id == jobs.c.study_id)
            .where(commitments.c.transaction_uid == transaction_uid, jobs.c.state.in_(_AWAITED))
        )
        with reading(self.engine) as connection:
            record = connection.execute(wanted).one_or_none()
        if record is None:
            return None
        sop_instance_uid, kind, study, *job = record
        row = JobRow(**dict(zip((column.name for column in JOB), job, strict=True)))
        return Asked(job=row, study=study, kind=kind, sop_instance_uid=sop_instance_uid)

    def is_settled(self, transaction_uid: str) -> bool:
        """Whether something was asked for in a transaction whose delivery has ended meanwhile."""
        wanted = select(commitments.c.job_id).where(commitments.c.transaction_uid == transaction_uid)
        with reading(self.engine) as connection:
            return connection.scalar(wanted) is not None

    def proven(self, job: JobRow, *, by: str, now: float) -> bool:
        """Close a delivery: its destination has the object, says what `by` names."""
        with writing(self.engine) as connection:
            study = locked(connection, job.study_id)
            done = move_job(connection, job, JobEvent.FINISHED, now=now, error=None)
            if done is None:
                return False
            this = (deliveries.c.report_id == job.report_id) & (deliveries.c.destination == job.destination)
            proof = {"proven_at": now, "detail": deliveries.c.detail + f"; proven by {by}"}
            connection.execute(update(deliveries).where(this, deliveries.c.proven_at.is_(None)).values(proof))
            _note(connection, study, job, PROVEN, by, now=now)
            _settled(connection, study, done, now=now)
            return True

    def missing(self, job: JobRow, *, until: float, why: str, now: float) -> bool:
        """Have an object sent again at `until`: its destination has not got it. Not where nobody wants it any more."""
        with writing(self.engine) as connection:
            study = locked(connection, job.study_id)
            event = JobEvent.MISSING if is_wanted(connection, study, job) else JobEvent.CANCELLED
            again = move_job(connection, job, event, now=now, error=why, not_before=until)
            if again is None:
                return False
            # It is stored anew: an answer to what was asked before is no proof of that.
            connection.execute(delete(commitments).where(commitments.c.job_id == job.id))
            circuit.close(connection, [job.destination or ""])
            _note(connection, study, job, MISSING, why, now=now)
            return True

    def later(self, job: JobRow, *, until: float, why: str, now: float) -> bool:
        """Have proof be asked for again at `until`: the destination answered, and could not say. As `missing`."""
        with writing(self.engine) as connection:
            study = locked(connection, job.study_id)
            event = JobEvent.POSTPONED if is_wanted(connection, study, job) else JobEvent.CANCELLED
            if move_job(connection, job, event, now=now, error=why, not_before=until) is None:
                return False
            circuit.close(connection, [job.destination or ""])
            return True

    def refused(self, job: JobRow, *, who: str, why: str, now: float) -> bool:
        """End a delivery whose proof the destination refuses for good: `who` must act."""
        with writing(self.engine) as connection:
            study = locked(connection, job.study_id)
            failed = move_job(connection, job, JobEvent.GAVE_UP, now=now, error=why, who=who)
            if failed is None:
                return False
            fail(connection, study, failed, who=who, why=why, now=now)
            return True


def _is_held(connection: Connection, claim: Claim) -> bool:
    job = find_job(connection, claim.job.id)
    return job is not None and (job.state, job.attempts) == (claim.job.state, claim.job.attempts)


def _settled(connection: Connection, study: StudyRow, job: JobRow, *, now: float) -> None:
    circuit.close(connection, [job.destination or ""])
    conclude(connection, study, job, now=now)


def _note(connection: Connection, study: StudyRow, job: JobRow, event: str, detail: str, *, now: float) -> None:
    kind = connection.scalar(select(reports.c.kind).where(reports.c.id == job.report_id))
    said = f"{kind} at {job.destination}: {detail}"
    note_event(connection, study.id, event, now=now, actor=job.worker or NODE, detail=said)
