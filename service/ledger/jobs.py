"""Work: who may do it, who holds it, how it ends."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, case, func, or_, select, update

from service.ledger import circuit, outcomes
from service.ledger.engine import reading, writing
from service.ledger.moves import JOB, find_job, locked, move_job, move_study, unchanged_since
from service.ledger.rows import SR, Claim, JobRow, NewReport, ReportRow
from service.ledger.sent import choices, left_open
from service.ledger.switches import Paused, is_paused
from service.ledger.tables import destinations, jobs, revisions, studies
from service.messages import JobKind
from service.states import HELD, IDLE, JobEvent, JobState, StudyEvent


@dataclass(frozen=True)
class Jobs:
    """Jobs. A write under a Claim is refused, by False or [], once the job was taken from this worker."""

    engine: Engine

    def claim(self, job_id: int, *, worker: str, now: float, lease_s: float) -> Claim | None:
        """Take a job that waits, to be done or for proof; of any number of callers exactly one gets it.

        None where it does not wait, its time has not come, processing is paused, its destination's circuit is open, or
        another delivery to that destination runs: one that hangs costs one worker process, whatever waits behind it.
        """
        with writing(self.engine) as connection:
            job = _waiting(connection, job_id, now=now)
            if job is None or not _let_through(connection, job, now=now, lease_s=lease_s):
                return None
            study = locked(connection, job.study_id)
            held = {"worker": worker, "attempts": job.attempts + 1, "lease_until": now + lease_s}
            running = move_job(connection, job, JobEvent.CLAIMED, now=now, **held)
            if running is None:
                return None
            if running.kind is JobKind.MEASURE:
                detail = f"attempt {running.attempts}"
                study = move_study(connection, study, StudyEvent.CLAIMED, now=now, actor=worker, detail=detail)
            offered = choices(connection, running)
            perhaps = left_open(connection, running, offered)
            return Claim(job=running, study=study, choices=offered, perhaps=perhaps, **_revision(connection, running))

    def renew(self, claim: Claim, *, now: float, lease_s: float) -> bool:
        """Say that the worker is alive."""
        with writing(self.engine) as connection:
            renewed = update(jobs).where(unchanged_since(claim.job)).values(lease_until=now + lease_s)
            return connection.execute(renewed).rowcount == 1

    def postpone(
        self,
        claim: Claim,
        *,
        until: float,
        why: str,
        fault: bool = False,
        answered: bool = False,
        perhaps: Sequence[ReportRow] = (),
        now: float,
    ) -> bool:
        """Hand the job back for later: a passing failure, or a fault of ours, which is counted.

        Where its destination `answered` that destination is well: its circuit closes, and others pass at once.
        `perhaps`: what of its alternatives may be there; it is sent again, unless nobody wants it any more.
        """
        with writing(self.engine) as connection:
            return outcomes.postponed(
                connection, claim, until=until, why=why, fault=fault, answered=answered, perhaps=perhaps, now=now
            )

    def give_up(self, claim: Claim, *, who: str, why: str, perhaps: Sequence[ReportRow] = (), now: float) -> bool:
        """End the job for good; its study fails, for a delivery only once no other one of its report is open.

        `perhaps` as in `postpone`.
        """
        with writing(self.engine) as connection:
            return outcomes.given_up(connection, claim, who=who, why=why, perhaps=perhaps, now=now)

    def finish_measure(
        self,
        claim: Claim,
        *,
        findings: str,
        reason: str | None,
        objects: Sequence[NewReport],
        wanted: Mapping[str, Collection[str]],
        unchecked: Collection[str] = (),
        now: float,
    ) -> list[JobRow]:
        """End a measure job; return the deliveries that are now to be done.

        `reason` is coded: nothing could be measured; `objects` are then none, or a report that says so. Else they are
        the structured report in its alternatives and what goes with it. `wanted` says by destination which kinds it
        gets; each object goes there in a delivery of its own, the alternatives in one. An object whose SOP instance
        the ledger knows already goes only to those destinations that have not got it. The study ends at once where
        nothing is to be sent. `unchecked` says why objects were not looked at in full.
        """
        if reason is None and not any(each.kind == SR for each in objects):
            raise ValueError("a measure job ends with a reason or with a report")
        with writing(self.engine) as connection:
            return outcomes.measured(
                connection,
                claim,
                findings=findings,
                reason=reason,
                objects=objects,
                wanted=wanted,
                unchecked=unchecked,
                now=now,
            )

    def revise(self, claim: Claim, *, now: float) -> JobRow | None:
        """End a measure job whose report differs from what a destination has of its revision, and begin a new one.

        Return the measure job of that; None where the claim was lost.
        """
        with writing(self.engine) as connection:
            return outcomes.revised(connection, claim, now=now)

    def finish_delivery(self, claim: Claim, *, detail: str, now: float, stored: ReportRow | None = None) -> bool:
        """End a delivery; `detail` is what proves it, `stored` which of its alternatives it was (else the preferred).

        The last delivery of a revision completes the study.
        """
        with writing(self.engine) as connection:
            return outcomes.delivered(connection, claim, detail=detail, stored=stored, now=now)

    def decline(self, claim: Claim, *, why: str, now: float, perhaps: Iterable[ReportRow] = ()) -> bool:
        """End a delivery to a destination that takes no object of this kind, and need not: no failure, but an event."""
        with writing(self.engine) as connection:
            return outcomes.declined(connection, claim, why=why, perhaps=perhaps, now=now)

    def destination_failed(self, name: str, *, until: float, why: str, now: float) -> None:
        """Open the circuit of a destination until then, and count one more consecutive failure."""
        with writing(self.engine) as connection:
            circuit.fail(connection, name, until=max(until, now), why=why)

    def destination(self, name: str) -> tuple[int, float]:
        """Return (consecutive failures, time before which nothing goes there); (0, 0.0) where all is well."""
        wanted = select(destinations.c.failures, destinations.c.not_before).where(destinations.c.name == name)
        with reading(self.engine) as connection:
            found = connection.execute(wanted).one_or_none()
        return (0, 0.0) if found is None else (found.failures, found.not_before)

    def release_lost(self, *, now: float, max_attempts: int) -> list[JobRow]:
        """End the tries of workers that were not heard of in time; return the jobs as they are now.

        They wait again. One that `max_attempts` workers died with has failed: another death would teach nothing.
        """
        overdue = select(*JOB).where(jobs.c.state.in_(HELD), jobs.c.lease_until < now).order_by(jobs.c.id)
        with reading(self.engine) as connection:
            found = [JobRow(**record._asdict()) for record in connection.execute(overdue)]
        released = []
        for job in found:
            with writing(self.engine) as connection:
                released.append(outcomes.lost(connection, job, max_attempts=max_attempts, now=now))
        return [job for job in released if job is not None]

    def due(self, *, now: float, requeue_s: float, limit: int = 500) -> list[JobRow]:
        """Return the jobs that are worth a message to the broker now, the most urgent first, then the oldest.

        They wait, their time has come, their circuit lets them through, and no message was sent in `requeue_s`. None
        while processing is paused.
        """
        unsent = or_(jobs.c.enqueued_at.is_(None), jobs.c.enqueued_at <= now - requeue_s)
        wanted = select(*JOB).where(
            jobs.c.state.in_(IDLE), jobs.c.not_before <= now, unsent, circuit.lets_through(now=now)
        )
        with reading(self.engine) as connection:
            if is_paused(connection, Paused.PROCESSING):
                return []
            urgent_first = wanted.join(studies, studies.c.id == jobs.c.study_id).order_by(*_urgent_first()).limit(limit)
            return [JobRow(**r._asdict()) for r in connection.execute(urgent_first)]

    def most_urgent(self, job_id: int, *, now: float) -> int:
        """Return the measure job that a message for `job_id` is to start: that one, unless a more urgent one waits.

        A message says that there is work, the ledger says which: that is an order that no broker need keep. Where
        that job waits no more, for an earlier message started it, the one whose turn it is stands in for it; where
        none waits, or processing is paused, `job_id` itself is returned.
        """
        waits = jobs.c.kind == JobKind.MEASURE, jobs.c.state == JobState.WAITING, jobs.c.not_before <= now
        its_own = case((jobs.c.id == job_id, 0), else_=1)
        order = (studies.c.priority.desc(), its_own, jobs.c.id)
        wanted = select(jobs.c.id).join(studies, studies.c.id == jobs.c.study_id).where(*waits).order_by(*order)
        with reading(self.engine) as connection:
            found = None if is_paused(connection, Paused.PROCESSING) else connection.scalar(wanted.limit(1))
        return job_id if found is None else int(found)

    def next_delivery(self, destination: str, *, now: float) -> int | None:
        """Return the delivery to `destination` whose turn it is: it waits, and its time has come."""
        with reading(self.engine) as connection:
            found = connection.execute(circuit.next_in_turn(destination, now=now)).one_or_none()
        return None if found is None else int(found[0])

    def enqueued(self, job_ids: Iterable[int], *, now: float) -> None:
        """Note that messages were sent.

        A job that another process changes at this moment is passed over; a message sent twice does no harm.
        """
        wanted = sorted(set(job_ids))
        with writing(self.engine) as connection:
            free = select(jobs.c.id).where(jobs.c.id.in_(wanted)).order_by(jobs.c.id)
            found = connection.scalars(free.with_for_update(skip_locked=True)).all()
            connection.execute(update(jobs).where(jobs.c.id.in_(found)).values(enqueued_at=now))


def _urgent_first() -> tuple[ColumnElement[int], ...]:
    return studies.c.priority.desc(), jobs.c.id


def _waiting(connection: Connection, job_id: int, *, now: float) -> JobRow | None:
    """Return a job that may be claimed, its study locked; else None."""
    job = find_job(connection, job_id)
    if job is None:
        return None
    locked(connection, job.study_id)
    job = find_job(connection, job_id)
    return job if job is not None and job.state in IDLE and job.not_before <= now else None


def _let_through(connection: Connection, job: JobRow, *, now: float, lease_s: float) -> bool:
    """Whether pause and circuit let a job pass; where not, its message is used up, so it needs another one later."""
    if not is_paused(connection, Paused.PROCESSING) and (
        job.destination is None or circuit.passes(connection, job.destination, now=now, probe_s=lease_s)
    ):
        return True
    connection.execute(update(jobs).where(jobs.c.id == job.id).values(enqueued_at=None))
    return False


def _revision(connection: Connection, job: JobRow) -> dict[str, Any]:
    """Return what a claim says of its job's revision."""
    its = revisions.c.study_id == job.study_id
    sources = select(revisions.c.started_at, revisions.c.fingerprint, revisions.c.document)
    found = connection.execute(sources.where(its, revisions.c.number == job.revision)).one()
    before = connection.execute(sources.where(its, revisions.c.number == job.revision - 1)).one_or_none()
    with_it = its, revisions.c.document == found.document
    since = connection.scalar(select(func.min(revisions.c.started_at)).where(*with_it))
    return {
        "started_at": float(found.started_at),
        "document": found.document,
        "document_since": None if found.document is None else since,
        "anew": before is not None and before[1:] == found[1:],
    }
