"""How the node does, in numbers: what a day brought, how long it took, what runs, which destination is down."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, func, select

from service.ledger.engine import reading
from service.ledger.tables import deliveries, destinations, jobs, reports, studies
from service.messages import JobKind
from service.states import HELD, JobState, StudyState

_STORED: Final = jobs.c.state.in_((JobState.STORED, JobState.PROVING))


@dataclass(frozen=True, kw_only=True)
class RunningJob:
    """What a worker does at this moment."""

    worker: str
    kind: JobKind
    study: str
    destination: str | None
    since: float


@dataclass(frozen=True, kw_only=True)
class DestinationState:
    """How a destination does."""

    name: str
    #: In a row; 0 where the last try went well.
    failures: int
    #: Before then nothing is sent there.
    not_before: float
    error: str | None
    waiting: int
    oldest_at: float | None
    delivered_at: float | None
    #: Objects that it said it stored, not proven yet.
    unproven: int = 0


@dataclass(frozen=True)
class Watch:
    """Questions about the node as a whole."""

    engine: Engine

    def by_source(self, *, since: float) -> dict[str, dict[StudyState, int]]:
        """Return how many studies of each source, whose last object came since then, are in each state."""
        # Counted here: asked to group, SQLite reads the whole index that is in that order instead of the day's part.
        day = select(studies.c.source, studies.c.state).where(studies.c.last_received_at >= since)
        with reading(self.engine) as connection:
            number = Counter((source, state) for source, state in connection.execute(day))
        found: dict[str, dict[StudyState, int]] = {}
        for (source, state), count in number.items():
            found.setdefault(source, {})[state] = count
        return found

    def turnarounds(self, *, since: float) -> list[float]:
        """Return the seconds from last object to last proof, sorted, of studies reported since; late objects left out.

        A study whose last object came after its report has no such time.
        """
        took = func.max(func.coalesce(deliveries.c.proven_at, deliveries.c.delivered_at)) - studies.c.last_received_at
        wanted = (
            select(took)
            .select_from(studies)
            .join(reports, reports.c.study_id == studies.c.id)
            .join(deliveries, deliveries.c.report_id == reports.c.id)
            .where(studies.c.last_received_at >= since, studies.c.state == StudyState.REPORTED)
            .where(reports.c.revision == studies.c.revision, ~deliveries.c.uncertain)
            .group_by(studies.c.id, studies.c.last_received_at)
        )
        with reading(self.engine) as connection:
            return sorted(seconds for seconds in connection.scalars(wanted) if seconds >= 0)

    def running(self) -> list[RunningJob]:
        """Return the jobs that run, by worker."""
        wanted = (
            select(jobs.c.worker, jobs.c.kind, studies.c.key, jobs.c.destination, jobs.c.updated_at)
            .join(studies, studies.c.id == jobs.c.study_id)
            .where(jobs.c.state.in_(HELD))
            .order_by(jobs.c.worker, jobs.c.id)
        )
        with reading(self.engine) as connection:
            return [
                RunningJob(worker=worker or "", kind=kind, study=key, destination=destination, since=since)
                for worker, kind, key, destination, since in connection.execute(wanted)
            ]

    def unsettled_since(self) -> tuple[int, float | None]:
        """Return how many studies wait to be found complete, and since when the oldest does."""
        waits = studies.c.unsettled_since.is_not(None)
        wanted = select(func.count(), func.min(studies.c.last_received_at)).where(waits)
        with reading(self.engine) as connection:
            number, oldest = connection.execute(wanted).one()
        return number, oldest

    def unproven(self) -> dict[str, tuple[int, float]]:
        """Return of each destination how many objects it stored without proof yet, and when it stored the oldest."""
        wanted = select(jobs.c.destination, func.count(), func.min(jobs.c.stored_at)).where(_STORED)
        with reading(self.engine) as connection:
            found = connection.execute(wanted.group_by(jobs.c.destination)).all()
        return {str(name): (number, oldest) for name, number, oldest in found}

    def destination(self, name: str) -> DestinationState:
        """Return how a destination does; of one that was never used, that nothing is known."""
        circuit = select(destinations.c.failures, destinations.c.not_before, destinations.c.error)
        waits = jobs.c.state == JobState.WAITING, jobs.c.destination == name
        waiting = select(func.count(), func.min(jobs.c.created_at)).where(*waits)
        certain = deliveries.c.destination == name, ~deliveries.c.uncertain
        last = select(func.max(deliveries.c.delivered_at)).where(*certain)
        with reading(self.engine) as connection:
            record = connection.execute(circuit.where(destinations.c.name == name)).one_or_none()
            number, oldest = connection.execute(waiting).one()
            delivered_at = connection.scalar(last)
            unproven = connection.scalar(select(func.count()).where(_STORED, jobs.c.destination == name)) or 0
        failures, not_before, error = record or (0, 0.0, None)
        return DestinationState(
            name=name,
            failures=failures,
            not_before=not_before,
            error=error,
            waiting=number,
            oldest_at=oldest,
            delivered_at=delivered_at,
            unproven=unproven,
        )
