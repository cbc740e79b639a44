"""Earlier studies of the same patient, and which of them a revision was compared with. None of it is ever logged."""

from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, Engine, Row, Select, and_, func, or_, select, true, update

from service.ledger.engine import reading, writing
from service.ledger.moves import locked
from service.ledger.rows import SR, ReportRow
from service.ledger.tables import columns, deliveries, reports, revisions, studies
from service.states import StudyState
from service.study_identity import StudyIdentity


@dataclass(frozen=True, kw_only=True)
class EarlierStudy:
    """What the ledger knows of an earlier study."""

    study_instance_uid: str
    study_date: str
    study_time: str
    #: Of its newest revision that has any; JSON text (spondyl.findings/1).
    findings: str | None
    #: What was read back from a report of ours that came with it; JSON text.
    own_report: str | None
    #: Its newest structured report: of the alternatives one that was delivered.
    report: ReportRow | None


@dataclass(frozen=True)
class Priors:
    """Questions about earlier studies."""

    engine: Engine

    def identify(self, study_id: int, identity: StudyIdentity, *, own_report: str | None) -> None:
        """Note whose study this is, and what a report of ours says that came with it."""
        with writing(self.engine) as connection:
            study = locked(connection, study_id)
            values = {**asdict(identity), "own_report": own_report}
            connection.execute(update(studies).where(studies.c.id == study.id).values(values))

    def earlier(self, study_id: int, identity: StudyIdentity, *, limit: int = 10) -> list[EarlierStudy]:
        """Return earlier studies of the patient of `identity`, the newest first.

        Same Patient ID and issuer, a birth date that does not contradict, an earlier Study Date and Time. Without a
        Patient ID or a Study Date there are none; nor is one that an administrator or a rule took out.
        """
        if not identity.patient_id or not identity.study_date:
            return []
        newest_first = studies.c.study_date.desc(), studies.c.study_time.desc(), studies.c.id.desc()
        with reading(self.engine) as connection:
            found = connection.execute(_of_patient(study_id, identity).order_by(*newest_first).limit(limit)).all()
            return [_earlier(record, connection.execute(_report(record.id)).one_or_none()) for record in found]

    def pinned(self, study_id: int, revision: int) -> str | None:
        """Return what a revision was compared with first; None where it never was."""
        with reading(self.engine) as connection:
            return connection.scalar(select(revisions.c.prior).where(_this(study_id, revision)))

    def pin(self, study_id: int, revision: int, prior: str) -> str:
        """Keep what a revision is compared with, unless something was kept before; return what is kept."""
        with writing(self.engine) as connection:
            locked(connection, study_id)
            this = _this(study_id, revision)
            connection.execute(update(revisions).where(this, revisions.c.prior.is_(None)).values(prior=prior))
            return str(connection.scalar(select(revisions.c.prior).where(this)))


def _this(study_id: int, revision: int) -> ColumnElement[bool]:
    return (revisions.c.study_id == study_id) & (revisions.c.number == revision)


def _of_patient(study_id: int, identity: StudyIdentity) -> Select[tuple[object, ...]]:
    newest = (
        select(revisions.c.findings)
        .where(revisions.c.study_id == studies.c.id, revisions.c.findings.is_not(None))
        .order_by(revisions.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    date, time = identity.study_date, identity.study_time
    same_day = and_(studies.c.study_date == date, studies.c.study_time != "", studies.c.study_time < time)
    births = {"", identity.patient_birth_date}
    same_birth = studies.c.patient_birth_date.in_(births) if identity.patient_birth_date else true()
    return select(
        studies.c.id,
        studies.c.study_instance_uid,
        studies.c.study_date,
        studies.c.study_time,
        studies.c.own_report,
        newest.label("findings"),
    ).where(
        studies.c.id != study_id,
        studies.c.state != StudyState.IGNORED,
        studies.c.patient_id == identity.patient_id,
        func.coalesce(studies.c.issuer_of_patient_id, "") == identity.issuer_of_patient_id,
        studies.c.study_date != "",
        or_(studies.c.study_date < date, same_day),
        same_birth,
    )


def _report(study_id: int) -> Select[tuple[object, ...]]:
    arrived = reports.join(deliveries, deliveries.c.report_id == reports.c.id, isouter=True)
    order = reports.c.revision.desc(), deliveries.c.id.is_(None), reports.c.choice, reports.c.id.desc()
    sendable = reports.c.study_id == study_id, reports.c.kind == SR, reports.c.finding.is_(None)
    return select(*columns(reports, ReportRow)).select_from(arrived).where(*sendable).order_by(*order).limit(1)


def _earlier(study: Row[tuple[object, ...]], report: Row[tuple[object, ...]] | None) -> EarlierStudy:
    return EarlierStudy(
        study_instance_uid=study.study_instance_uid,
        study_date=study.study_date,
        study_time=study.study_time,
        findings=study.findings,
        own_report=study.own_report,
        report=None if report is None else ReportRow(**report._asdict()),
    )
