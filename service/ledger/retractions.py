"""Reports that are taken back: what a destination has of ours, and the rejection notes that name it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from sqlalchemy import ColumnElement, Connection, Engine, func, insert, select, true

from service.ledger import circuit
from service.ledger.engine import reading, writing
from service.ledger.moves import ADMIN, add_job, cancel_jobs, locked, move_study, note_event
from service.ledger.rows import REJECTION, JobRow, NewReport, ReportRow, StudyRow
from service.ledger.tables import columns, deliveries, jobs, reports, studies
from service.messages import JobKind
from service.states import OPEN, JobState, NotAllowed, StudyEvent, StudyState
from service.study_identity import StudyIdentity

#: A delivery of a note that ended like this may be asked for again.
_ENDED_BADLY = frozenset({JobState.FAILED, JobState.DECLINED, JobState.CANCELLED})
#: Answered by what is there at this moment; a note must not miss an object that is on its way.
_UNDER_WAY = "an object of this study is being sent at this moment: ask again when that has ended"
_MOVED = "an object of this study has arrived meanwhile: ask again"


@dataclass(frozen=True, kw_only=True)
class Note:
    """A rejection note and the destinations that have what it names."""

    report: NewReport
    destinations: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What an administrator wants."""

    #: Of the study, from then on: what its objects were rejected as, and why.
    reason: str
    actor: str = ADMIN


@dataclass(frozen=True)
class Retractions:
    """Questions and orders about what is taken back."""

    engine: Engine

    def there(self, study_id: int) -> dict[str, tuple[ReportRow, ...]]:
        """Return by destination the objects of a study that it has, or may have, and that no note has named yet."""
        with reading(self.engine) as connection:
            return _there(connection, study_id)

    def notes(self, study_id: int) -> tuple[ReportRow, ...]:
        """Return the notes of a study, the first first."""
        wanted = select(*columns(reports, ReportRow)).where(reports.c.study_id == study_id)
        with reading(self.engine) as connection:
            found = connection.execute(wanted.where(reports.c.kind == REJECTION).order_by(reports.c.id))
            return tuple(ReportRow(**record._asdict()) for record in found)

    def identity(self, study_id: int) -> StudyIdentity:
        """Return whose study it is, as far as the ledger keeps it: of files that are gone."""
        wanted = select(*(studies.c[field.name] for field in fields(StudyIdentity))).where(studies.c.id == study_id)
        with reading(self.engine) as connection:
            found = connection.execute(wanted).one()
        return StudyIdentity(**{name: value or "" for name, value in found._asdict().items()})

    def untold(self) -> int:
        """Return how many notes a destination was to get and did not, and nobody has asked again since."""
        failed = select(jobs.c.id).join(reports, reports.c.id == jobs.c.report_id)
        failed = failed.where(jobs.c.state == JobState.FAILED, reports.c.kind == REJECTION).limit(1)
        with reading(self.engine) as connection:
            # Asked by every look at the first page: what failed is found by an index, what is a note is not.
            if connection.scalar(failed) is None:
                return 0
            return sum(job.state is JobState.FAILED for job in _newest_of_notes(connection))

    def retract(
        self, study_id: int, notes: Sequence[Note], order: Order, *, seen: Mapping[str, object], now: float
    ) -> list[JobRow]:
        """Take a study out, enter the notes and return their deliveries; all other work on the study is cancelled.

        `seen` is what `there` returned when the notes were made. NotAllowed where it holds no more, or where an object
        is being sent at this moment: what arrives afterwards would stay.
        """
        with writing(self.engine) as connection:
            study = locked(connection, study_id)
            if _is_sending(connection, study_id):
                raise NotAllowed(_UNDER_WAY)
            if _there(connection, study_id) != seen:
                raise NotAllowed(_MOVED)
            cancel_jobs(connection, study_id, OPEN, now=now)
            out = {"reason": order.reason, "who": ADMIN, "unsettled_since": None}
            study = move_study(
                connection, study, StudyEvent.RETRACTED, now=now, actor=order.actor, detail=order.reason, **out
            )
            return [job for note in notes for job in _send(connection, study, note, now=now)]

    def send_again(self, study_id: int, order: Order, *, now: float) -> list[JobRow]:
        """Return new deliveries of those notes that a destination has not got; a study that is in again gets none."""
        with writing(self.engine) as connection:
            study = locked(connection, study_id)
            if study.state is not StudyState.IGNORED:
                raise NotAllowed("no destination has an object of this study that was not taken back already")
            bad = [job for job in _newest_of_notes(connection, study_id) if job.state in _ENDED_BADLY]
            circuit.close(connection, [job.destination or "" for job in bad])
            if bad:
                detail = f"to {', '.join(sorted({job.destination or '' for job in bad}))}"
                note_event(connection, study_id, StudyEvent.RETRACTED, now=now, actor=order.actor, detail=detail)
            return [
                add_job(connection, job.kind, study, now=now, report_id=job.report_id, destination=job.destination)
                for job in bad
            ]


def stands(study_id: int) -> ColumnElement[bool]:
    """Return the condition that an object of a study was not taken back: a note names all that arrived before it."""
    note = reports.alias()
    last = select(func.max(note.c.id)).where(note.c.study_id == study_id, note.c.kind == REJECTION)
    return reports.c.id > func.coalesce(last.scalar_subquery(), 0)


def is_retracted(connection: Connection, study: StudyRow) -> bool:
    """Whether the newest revision of a study was taken back; NotAllowed while a destination is still to be told."""
    its = reports.c.study_id == study.id, reports.c.kind == REJECTION, reports.c.revision == study.revision
    if connection.scalar(select(func.count()).select_from(reports).where(*its)) == 0:
        return False
    if any(job.state in OPEN for job in _newest_of_notes(connection, study.id)):
        raise NotAllowed("the rejection note of this study is still on its way: retry when it has arrived")
    return True


def _there(connection: Connection, study_id: int) -> dict[str, tuple[ReportRow, ...]]:
    wanted = (
        select(deliveries.c.destination, *columns(reports, ReportRow))
        .join(reports, reports.c.id == deliveries.c.report_id)
        .where(
            reports.c.study_id == study_id,
            reports.c.kind != REJECTION,
            stands(study_id),
        )
        .order_by(deliveries.c.destination, reports.c.id)
    )
    found: dict[str, tuple[ReportRow, ...]] = {}
    for record in connection.execute(wanted):
        row = record._asdict()
        name = row.pop("destination")
        found[name] = (*found.get(name, ()), ReportRow(**row))
    return found


def _is_sending(connection: Connection, study_id: int) -> bool:
    running = jobs.c.study_id == study_id, jobs.c.kind == JobKind.DELIVER, jobs.c.state == JobState.RUNNING
    return bool(connection.scalar(select(func.count()).select_from(jobs).where(*running)))


def _send(connection: Connection, study: StudyRow, note: Note, *, now: float) -> list[JobRow]:
    """Enter a note, and a delivery of it to each of its destinations, whose circuits close."""
    new = note.report
    values = {
        "study_id": study.id,
        "revision": study.revision,
        "kind": new.kind,
        "choice": new.choice,
        "sop_instance_uid": new.sop_instance_uid,
        "sop_class_uid": new.sop_class_uid,
        "series_instance_uid": new.series_instance_uid,
        "file_name": new.file_name,
        "findings_digest": new.findings_digest,
        "finding": new.finding,
        "created_at": now,
    }
    number = int(connection.execute(insert(reports).values(values).returning(reports.c.id)).scalar_one())
    circuit.close(connection, list(note.destinations))
    return [
        add_job(connection, JobKind.DELIVER, study, now=now, report_id=number, destination=name)
        for name in note.destinations
    ]


def _newest_of_notes(connection: Connection, study_id: int | None = None) -> list[JobRow]:
    """Return of each note, of a study or of all, and destination the delivery that was made last."""
    sent = jobs.join(reports, reports.c.id == jobs.c.report_id)
    its = reports.c.kind == REJECTION, true() if study_id is None else jobs.c.study_id == study_id
    last = select(func.max(jobs.c.id)).select_from(sent).where(*its).group_by(jobs.c.report_id, jobs.c.destination)
    wanted = select(*columns(jobs, JobRow)).where(jobs.c.id.in_(last)).order_by(jobs.c.id)
    return [JobRow(**record._asdict()) for record in connection.execute(wanted)]
