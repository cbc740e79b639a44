"""The list of studies a page at a time, the causes of what failed, and what happened to one study in order of time.

A page is found by the place of the last row of the page before it (keyset), so the thousandth costs what the first
does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, Select, and_, func, or_, select, tuple_

from service.ledger.engine import reading
from service.ledger.moves import STUDY
from service.ledger.rows import StudyRow
from service.ledger.tables import attempts, deliveries, events, jobs, reports, studies
from service.messages import JobKind
from service.states import JobEvent, StudyState


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which studies: what is None, or empty, leaves out nothing. Times: seconds since the epoch, of the last object."""

    state: StudyState | None = None
    source: str | None = None
    #: The whole reason.
    reason: str | None = None
    #: From this moment on, and before that one.
    since: float | None = None
    until: float | None = None
    #: A Study Instance UID or key.
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a row stands in the list: the order is by time, then number, the greatest first."""

    last_received_at: float
    id: int


@dataclass(frozen=True, kw_only=True)
class PageOfStudies:
    """Some studies, and where the next ones begin; None where there are no more."""

    rows: tuple[StudyRow, ...]
    after: Place | None


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Studies that ended alike."""

    state: StudyState
    reason: str
    who: str | None
    studies: int
    first_at: float
    last_at: float


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try of one job of a study."""

    kind: JobKind
    #: What a delivery was to bring, "sr" among them; None for a measurement.
    brings: str | None
    destination: str | None
    number: int
    worker: str
    started_at: float
    ended_at: float | None
    outcome: JobEvent | None
    error: str | None
    #: Of a delivery: whether proof was asked for; else it was sent.
    proves: bool = False


@dataclass(frozen=True, kw_only=True)
class SentObject:
    """One object, one destination that has it, or may have, and what says so."""

    revision: int
    kind: str
    sop_instance_uid: str
    sop_class_uid: str
    destination: str
    delivered_at: float
    detail: str
    uncertain: bool = False


@dataclass(frozen=True)
class Lists:
    """Questions about many studies, or many rows of one."""

    engine: Engine

    def page(self, wanted: Wanted, *, after: Place | None = None, limit: int = 50) -> PageOfStudies:
        """Return the studies that are wanted, the one that was received last first, `limit` of them at most."""
        order = (studies.c.last_received_at.desc(), studies.c.id.desc())
        found = select(*STUDY).where(*_conditions(wanted)).order_by(*order).limit(limit + 1)
        if after is not None:
            place = tuple_(studies.c.last_received_at, studies.c.id)
            found = found.where(place < (after.last_received_at, after.id))
        with reading(self.engine) as connection:
            rows = [StudyRow(**record._asdict()) for record in connection.execute(found)]
        last = rows[limit - 1] if len(rows) > limit else None
        place_of_last = None if last is None else Place(last_received_at=last.last_received_at, id=last.id)
        return PageOfStudies(rows=tuple(rows[:limit]), after=place_of_last)

    def of_patient(self, said: str, *, limit: int) -> list[StudyRow]:
        """Return the studies with this Patient ID or accession number, whole, the newest first, `limit` at most.

        Either is known once a study was measured. An empty word is nobody's.
        """
        if not said:
            return []
        named = or_(studies.c.patient_id == said, studies.c.accession_number == said)
        order = (studies.c.last_received_at.desc(), studies.c.id.desc())
        with reading(self.engine) as connection:
            found = connection.execute(select(*STUDY).where(named).order_by(*order).limit(limit))
            return [StudyRow(**record._asdict()) for record in found]

    def names(self, wanted: Wanted, *, limit: int) -> list[tuple[int, str]]:
        """Return number and key of studies that are wanted, the one that waits longest first."""
        order = (studies.c.last_received_at, studies.c.id)
        found = select(studies.c.id, studies.c.key).where(*_conditions(wanted)).order_by(*order).limit(limit)
        with reading(self.engine) as connection:
            return [(record.id, record.key) for record in connection.execute(found)]

    def count(self, wanted: Wanted) -> int:
        """Return how many studies are wanted."""
        with reading(self.engine) as connection:
            return connection.scalar(select(func.count()).select_from(studies).where(*_conditions(wanted))) or 0

    def recent(self, limit: int) -> list[str]:
        """Return the keys of the studies that got objects last, the last one first."""
        found = select(studies.c.key).order_by(studies.c.last_received_at.desc()).limit(limit)
        with reading(self.engine) as connection:
            return list(connection.scalars(found))

    def sources(self) -> list[str]:
        """Return the sources that studies came from, each found by one look into the index."""
        found: list[str] = []
        with reading(self.engine) as connection:
            name = connection.scalar(select(func.min(studies.c.source)))
            while name is not None:
                found.append(name)
                name = connection.scalar(select(func.min(studies.c.source)).where(studies.c.source > name))
        return found

    def causes(self, states: Sequence[StudyState], *, limit: int | None = None) -> list[Cause]:
        """Return what studies in these states ended with, the most frequent first, all of it or `limit`."""
        alike = (studies.c.state, studies.c.reason)
        # Who must act follows from the reason. All of it stands in one index, so no row is looked at.
        rest = func.max(studies.c.who), func.min(studies.c.last_received_at), func.max(studies.c.last_received_at)
        grouped = select(*alike, func.count(), *rest).where(studies.c.state.in_(states)).group_by(*alike)
        with reading(self.engine) as connection:
            found = connection.execute(grouped.order_by(func.count().desc(), *alike).limit(limit)).all()
        return [
            Cause(state=state, reason=reason or "", who=who, studies=number, first_at=first, last_at=last)
            for state, reason, number, who, first, last in found
        ]

    def attempts(self, study_id: int, *, limit: int = 500) -> list[Attempt]:
        """Return the tries of a study's jobs, the newest first."""
        wanted: Select[tuple[object, ...]] = (
            select(
                jobs.c.kind,
                reports.c.kind.label("brings"),
                jobs.c.destination,
                attempts.c.number,
                attempts.c.worker,
                attempts.c.started_at,
                attempts.c.ended_at,
                attempts.c.outcome,
                attempts.c.error,
                attempts.c.proves,
            )
            .join(attempts, attempts.c.job_id == jobs.c.id)
            .join(reports, reports.c.id == jobs.c.report_id, isouter=True)
            .where(jobs.c.study_id == study_id)
            .order_by(attempts.c.started_at.desc(), jobs.c.id.desc())
            .limit(limit)
        )
        with reading(self.engine) as connection:
            return [Attempt(**record._asdict()) for record in connection.execute(wanted)]

    def sent(self, study_id: int) -> list[SentObject]:
        """Return which object of a study a destination has, or may have, and the proof; the newest revision first."""
        wanted = (
            select(
                reports.c.revision,
                reports.c.kind,
                reports.c.sop_instance_uid,
                reports.c.sop_class_uid,
                deliveries.c.destination,
                deliveries.c.delivered_at,
                deliveries.c.detail,
                deliveries.c.uncertain,
            )
            .join(deliveries, deliveries.c.report_id == reports.c.id)
            .where(reports.c.study_id == study_id)
            .order_by(reports.c.revision.desc(), reports.c.id, deliveries.c.destination)
        )
        with reading(self.engine) as connection:
            return [SentObject(**record._asdict()) for record in connection.execute(wanted)]

    def events_after(self, number: int, *, limit: int) -> list[tuple[int, str, float, str, str, str]]:
        """Return (number, study's key, time, event, detail, actor) of what happened after event `number`, in order."""
        wanted = (
            select(events.c.id, studies.c.key, events.c.at, events.c.event, events.c.detail, events.c.actor)
            .join(studies, studies.c.id == events.c.study_id)
            .where(events.c.id > number)
            .order_by(events.c.id)
            .limit(limit)
        )
        with reading(self.engine) as connection:
            return [tuple(record) for record in connection.execute(wanted)]


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    equal = {"state": wanted.state, "source": wanted.source, "reason": wanted.reason}
    found: list[ColumnElement[bool]] = [studies.c[key] == value for key, value in equal.items() if value is not None]
    if wanted.since is not None:
        found.append(studies.c.last_received_at >= wanted.since)
    if wanted.until is not None:
        found.append(studies.c.last_received_at < wanted.until)
    if wanted.name:
        found.append(or_(studies.c.key == wanted.name, studies.c.study_instance_uid == wanted.name))
    return [and_(*found)] if found else []
