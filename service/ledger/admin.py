"""What an administrator, a page or a command asks of the ledger, and what they may change."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, case, exists, func, select, update

from service.errors import Unknown
from service.ledger import again
from service.ledger.engine import reading, writing
from service.ledger.moves import ADMIN, JOB, NODE, STUDY, cancel_unwanted, locked, move_study, note_event
from service.ledger.priors import resting_on
from service.ledger.removed import REMOVED
from service.ledger.retractions import stands
from service.ledger.rows import AT_ONCE, SR, DeliveryRow, Earlier, EventRow, JobRow, ReportRow, StudyDetail, StudyRow
from service.ledger.tables import attempts, columns, deliveries, events, jobs, outputs, reports, revisions, studies
from service.messages import JobKind
from service.states import FINAL, JobState, StudyEvent, StudyState


@dataclass(frozen=True)
class Admin:
    """Questions and orders. A study goes by its Study Instance UID or by its key; Unknown where there is none."""

    engine: Engine

    def studies(self, *, state: StudyState | None = None, limit: int = 200) -> list[StudyRow]:
        """Return studies, the one that was received last first."""
        wanted = select(*STUDY).order_by(studies.c.last_received_at.desc(), studies.c.id.desc()).limit(limit)
        if state is not None:
            wanted = wanted.where(studies.c.state == state)
        with reading(self.engine) as connection:
            return [StudyRow(**record._asdict()) for record in connection.execute(wanted)]

    def study(self, uid_or_key: str) -> StudyDetail:
        """Return all that is known of a study."""
        with reading(self.engine) as connection:
            study = _find(connection, uid_or_key)
            its_jobs = select(*JOB).where(jobs.c.study_id == study.id).order_by(jobs.c.id)
            its_reports = select(*columns(reports, ReportRow)).where(reports.c.study_id == study.id)
            its_events = select(*columns(events, EventRow)).where(events.c.study_id == study.id)
            return StudyDetail(
                study=study,
                jobs=tuple(JobRow(**r._asdict()) for r in connection.execute(its_jobs)),
                reports=tuple(ReportRow(**r._asdict()) for r in connection.execute(its_reports.order_by(reports.c.id))),
                deliveries=_deliveries(connection, study.id),
                events=tuple(EventRow(**r._asdict()) for r in connection.execute(its_events.order_by(events.c.id))),
            )

    def findings(self, uid_or_key: str, *, revision: int | None = None) -> str | None:
        """Return the findings of a revision, else of the newest that has any; JSON text (spondyl.findings/1)."""
        with reading(self.engine) as connection:
            study = _find(connection, uid_or_key)
            have = select(revisions.c.findings).where(
                revisions.c.study_id == study.id, revisions.c.findings.is_not(None)
            )
            if revision is not None:
                have = have.where(revisions.c.number == revision)
            return connection.scalar(have.order_by(revisions.c.number.desc()).limit(1))

    def counts(self) -> dict[StudyState, int]:
        """Return how many studies are in each state, 0 included."""
        wanted = select(studies.c.state, func.count().label("number")).group_by(studies.c.state)
        with reading(self.engine) as connection:
            found = {record.state: record.number for record in connection.execute(wanted)}
        return {state: found.get(state, 0) for state in StudyState}

    def waiting(self) -> dict[JobKind, tuple[int, float | None]]:
        """Return of each kind of job how many wait, and when the oldest of them was made."""
        wanted = (
            select(jobs.c.kind, func.count(), func.min(jobs.c.created_at))
            .where(jobs.c.state == JobState.WAITING)
            .group_by(jobs.c.kind)
        )
        with reading(self.engine) as connection:
            found = {kind: (count, oldest) for kind, count, oldest in connection.execute(wanted)}
        return {kind: found.get(kind, (0, None)) for kind in JobKind}

    def settle_now(self, uid_or_key: str, *, now: float, actor: str = ADMIN) -> None:
        """Ask for a study to be settled at the next pass, whatever the quiet period or an open association says."""
        with writing(self.engine) as connection:
            study = locked(connection, _find(connection, uid_or_key).id)
            connection.execute(update(studies).where(studies.c.id == study.id).values(unsettled_since=AT_ONCE))
            note_event(connection, study.id, "settle_asked", now=now, actor=actor)

    def retry(self, uid_or_key: str, *, now: float, measure: bool = False, actor: str = ADMIN) -> list[JobRow]:
        """Do the last step of a study again; return the jobs that are now to be done.

        Reported (a reason, too), or failed in delivery: what the newest revision was reported with goes to each of its
        destinations again (RESENT), byte for byte, at once and with new patience: their circuits close. While it is
        being delivered, so do the deliveries that wait. Anything else, and what the gate held back, is measured again
        (RETRIED), with the same start, so that the same inputs give the same bytes; with `measure` a study that has a
        report, too, which is then sent to the destinations that are configured now and have not got it. A report that
        was never to go anywhere can only be measured again.

        A study that was taken out before it had a revision is settled instead, and [] returned. NotAllowed where the
        study is on its way, or its files were removed for their age.
        """
        with writing(self.engine) as connection:
            study = locked(connection, _find(connection, uid_or_key).id)
            return again.retry(connection, study, now=now, measure=measure, actor=actor)

    def ignore(self, uid_or_key: str, *, why: str, now: float, actor: str = ADMIN) -> list[str]:
        """Take a study out for good: its jobs are cancelled, and objects that still come change nothing.

        What a destination has of it, or is being sent at this moment, stays there; no later study is compared with it
        any more. Return the Study Instance UIDs of those that were: measured again, they are not. NotAllowed where the
        study is out already.
        """
        with writing(self.engine) as connection:
            study = locked(connection, _find(connection, uid_or_key).id)
            cancel_unwanted(connection, study.id, now=now)
            out = {"reason": why, "who": ADMIN, "unsettled_since": None}
            move_study(connection, study, StudyEvent.IGNORED, now=now, actor=actor, detail=why, **out)
            return resting_on(connection, study.study_instance_uid)

    def is_own_report(self, sop_instance_uid: str) -> bool:
        """Whether this node made the object, of whatever kind it is."""
        with reading(self.engine) as connection:
            made = exists().where(reports.c.sop_instance_uid == sop_instance_uid)
            return bool(connection.scalar(select(made)))

    def last_report(self, study_id: int, *, before_revision: int, destinations: Collection[str] = ()) -> Earlier | None:
        """Return what an earlier revision was reported with: the newest whose report a destination has, or may have.

        Beside it of each destination the report that it has, which may be an older one, and those after it that it may
        have; of `destinations` alone where one of them has any. What was taken back does not count.
        """
        earlier = reports.c.study_id == study_id, reports.c.revision < before_revision, reports.c.kind == SR
        whose = deliveries.c.destination, deliveries.c.uncertain
        arrived = select(*whose, *columns(reports, ReportRow)).join(reports)
        arrived = arrived.where(*earlier, stands(study_id))
        with reading(self.engine) as connection:
            has: dict[str, list[ReportRow]] = {}
            for record in connection.execute(arrived.order_by(reports.c.id)):
                each = record._asdict()
                name, uncertain = each.pop("destination"), each.pop("uncertain")
                # What is there took the place of what came before it; what may be there did not.
                has[name] = [*(has.get(name, []) if uncertain else []), ReportRow(**each)]
            if not has:
                return None
            newest = max(row.id for rows in has.values() for row in rows)
            made_by = select(func.max(outputs.c.job_id)).join(jobs, jobs.c.id == outputs.c.job_id)
            made_by = made_by.where(outputs.c.report_id == newest, jobs.c.revision < before_revision)
            its = outputs.c.job_id == made_by.scalar_subquery()
            made = select(*columns(reports, ReportRow)).join(outputs).where(its).order_by(reports.c.id)
            rows = tuple(ReportRow(**record._asdict()) for record in connection.execute(made))
        wanted = [rows for name, rows in has.items() if name in destinations] or has.values()
        replaced = {row.id: row for row in sorted((row for rows in wanted for row in rows), key=lambda row: -row.id)}
        return Earlier(made=rows, arrived=tuple(replaced.values()))

    def expired(self, *, before: float, limit: int = 100) -> list[StudyRow]:
        """Return studies whose spool folder may go: final, nothing waits to be settled, unchanged since `before`."""
        old = (
            studies.c.state.in_(FINAL),
            studies.c.unsettled_since.is_(None),
            # A rejection note of a study whose files are gone makes a folder anew.
            studies.c.files_removed_at.is_(None) | (studies.c.files_removed_at < studies.c.updated_at),
            studies.c.updated_at < before,
        )
        wanted = select(*STUDY).where(*old).order_by(studies.c.updated_at).limit(limit)
        with reading(self.engine) as connection:
            return [StudyRow(**record._asdict()) for record in connection.execute(wanted)]

    def forget_files(self, study_id: int, *, remove: Callable[[], bool], now: float) -> bool:
        """Have `remove` take away a study's spool folder, soon, and note it; tell whether it is gone.

        Nobody can ask for the study meanwhile: it is locked. Where somebody just has, or an object has come, or
        `remove` says that it could not, the files stay.
        """
        with writing(self.engine) as connection:
            study = locked(connection, study_id)
            if study.unsettled_since is not None or study.state not in FINAL or not remove():
                return False
            gone = {"files_removed_at": now, "document": None, "updated_at": now}
            connection.execute(update(studies).where(studies.c.id == study.id).values(gone))
            note_event(connection, study.id, REMOVED, now=now, actor=NODE)
            return True


def _find(connection: Connection, uid_or_key: str) -> StudyRow:
    named = (studies.c.key == uid_or_key) | (studies.c.study_instance_uid == uid_or_key)
    record = connection.execute(select(*STUDY).where(named)).one_or_none()
    if record is None:
        raise Unknown("no study is known under this UID or key")
    return StudyRow(**record._asdict())


def _deliveries(connection: Connection, study_id: int) -> tuple[DeliveryRow, ...]:
    last = (attempts.c.job_id == jobs.c.id) & (attempts.c.number == jobs.c.attempts)
    said = (deliveries.c.report_id == jobs.c.report_id) & (deliveries.c.destination == jobs.c.destination)
    wanted = (
        select(
            jobs.c.report_id,
            reports.c.kind,
            reports.c.sop_class_uid,
            reports.c.sop_instance_uid,
            jobs.c.destination,
            jobs.c.state,
            jobs.c.attempts,
            jobs.c.not_before,
            jobs.c.error,
            case((jobs.c.state == JobState.DONE, attempts.c.ended_at)).label("delivered_at"),
            case((~deliveries.c.uncertain, deliveries.c.detail)).label("proof"),
        )
        .join(reports, reports.c.id == jobs.c.report_id)
        .join(deliveries, said, isouter=True)
        .join(attempts, last, isouter=True)
        .where(jobs.c.study_id == study_id, jobs.c.kind == JobKind.DELIVER)
        .order_by(jobs.c.id)
    )
    return tuple(DeliveryRow(**record._asdict()) for record in connection.execute(wanted))
