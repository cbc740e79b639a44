"""Earlier studies of the same patient, and which of them a revision was compared with. None of it is ever logged."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, and_, false, func, or_, select, true, update

from service.ledger.engine import reading, writing
from service.ledger.moves import locked, unchanged_since
from service.ledger.retractions import stands
from service.ledger.rows import SR, Claim, ReportRow
from service.ledger.tables import columns, deliveries, jobs, reports, revisions, studies
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


@dataclass(frozen=True, kw_only=True)
class OwnRevision:
    """What an earlier revision of a study said, and what it was compared with."""

    #: JSON text (spondyl.findings/1).
    findings: str
    #: As `Priors.pin` was given it; None where it was compared with nothing yet.
    prior: str | None


@dataclass(frozen=True)
class Priors:
    """Questions about earlier studies."""

    engine: Engine

    def identify(
        self, study_id: int, identity: StudyIdentity, *, own_report: str | None, held: Claim | None = None
    ) -> None:
        """Note whose study this is, and what a report of ours says that came with it.

        Nothing is noted under a claim that is `held` no more: whoever has the job now may have read other objects.
        """
        with writing(self.engine) as connection:
            study = locked(connection, study_id)
            if _is_lost(connection, held):
                return
            values = {**asdict(identity), "own_report": own_report}
            connection.execute(update(studies).where(studies.c.id == study.id).values(values))

    def earlier(self, study_id: int, identity: StudyIdentity, *, limit: int = 100) -> list[EarlierStudy]:
        """Return earlier studies of the patient of `identity` that have numbers, the newest first.

        Same Patient ID and issuer, no birth date or sex that contradicts, an earlier Study Date and Time. Where there
        is no issuer both birth dates must be stated, and both studies come from one source: a bare number may be
        another hospital's. Without a Patient ID or a Study Date there are none; nor is one that an administrator or a
        rule took out. `limit` is more than a patient has; it bounds what a number that many share costs.
        """
        newest_first = studies.c.study_date.desc(), studies.c.study_time.desc(), studies.c.id.desc()
        measured = _newest(func.coalesce(revisions.c.reason, "")) == ""
        told = or_(studies.c.own_report.is_not(None), measured)
        wanted = select(
            studies.c.id,
            studies.c.study_instance_uid,
            studies.c.study_date,
            studies.c.study_time,
            studies.c.own_report,
            _newest(revisions.c.findings).label("findings"),
        ).where(_of_patient(study_id, identity), told)
        with reading(self.engine) as connection:
            found = connection.execute(wanted.order_by(*newest_first).limit(limit)).all()
            return [_earlier(record, connection.execute(_report(record.id)).one_or_none()) for record in found]

    def own(self, study_id: int, *, before_revision: int) -> list[OwnRevision]:
        """Return what earlier revisions of a study said, the newest first."""
        wanted = select(revisions.c.findings, revisions.c.prior).where(
            revisions.c.study_id == study_id,
            revisions.c.number < before_revision,
            revisions.c.findings.is_not(None),
        )
        with reading(self.engine) as connection:
            found = connection.execute(wanted.order_by(revisions.c.number.desc())).all()
        return [OwnRevision(findings=record.findings, prior=record.prior) for record in found]

    def withdrawn(self, study_id: int, identity: StudyIdentity, uids: Collection[str]) -> set[str]:
        """Return which of these studies the ledger knows, but no longer as earlier ones of the patient of `identity`.

        An administrator took it out, or it turned out to be another patient's, or of another date.
        """
        with reading(self.engine) as connection:
            return _withdrawn(connection, study_id, identity, uids)

    def compared_with(self, study_instance_uid: str) -> list[str]:
        """Return the Study Instance UIDs of those whose newest revision was compared with this study."""
        with reading(self.engine) as connection:
            return resting_on(connection, study_instance_uid)

    def pinned(self, study_id: int, revision: int) -> str | None:
        """Return what a revision was compared with first; None where it never was."""
        with reading(self.engine) as connection:
            return connection.scalar(select(revisions.c.prior).where(_this(study_id, revision)))

    def pin(self, study_id: int, revision: int, prior: str, *, held: Claim | None = None) -> str:
        """Keep what a revision is compared with, unless something was kept before; return what is kept.

        Nothing is kept under a claim that is `held` no more, whose result nobody wants; `prior` is returned.

        `prior` is a JSON object whose `rests_on` lists the Study Instance UIDs of the earlier studies in it.
        """
        with writing(self.engine) as connection:
            locked(connection, study_id)
            if _is_lost(connection, held):
                return prior
            this = _this(study_id, revision)
            connection.execute(update(revisions).where(this, revisions.c.prior.is_(None)).values(prior=prior))
            return str(connection.scalar(select(revisions.c.prior).where(this)))


def _is_lost(connection: Connection, held: Claim | None) -> bool:
    if held is None:
        return False
    return connection.scalar(select(jobs.c.id).where(unchanged_since(held.job))) is None


def _this(study_id: int, revision: int) -> ColumnElement[bool]:
    return (revisions.c.study_id == study_id) & (revisions.c.number == revision)


def resting_on(connection: Connection, study_instance_uid: str) -> list[str]:
    """Return the Study Instance UIDs of those whose newest revision was compared with this study, or keeps its UIDs."""
    newest = select(studies.c.study_instance_uid, revisions.c.prior).join(
        revisions, (revisions.c.study_id == studies.c.id) & (revisions.c.number == studies.c.revision)
    )
    named = revisions.c.prior.contains(json.dumps(study_instance_uid), autoescape=True)
    found = connection.execute(newest.where(named).order_by(studies.c.id)).all()
    return [each.study_instance_uid for each in found if study_instance_uid in _rests_on(each.prior)]


def rests_on_withdrawn(connection: Connection, study_id: int, revision: int) -> bool:
    """Whether a revision was compared with a study that is no earlier one of its patient any more."""
    prior = connection.scalar(select(revisions.c.prior).where(_this(study_id, revision)))
    parts = [studies.c[field.name] for field in fields(StudyIdentity)]
    found = connection.execute(select(*parts).where(studies.c.id == study_id)).one()
    identity = StudyIdentity(**{name: value or "" for name, value in found._asdict().items()})
    return bool(_withdrawn(connection, study_id, identity, _rests_on(prior)))


def _rests_on(prior: str | None) -> list[str]:
    return [] if prior is None else list(json.loads(prior)["rests_on"])


def _withdrawn(connection: Connection, study_id: int, identity: StudyIdentity, uids: Collection[str]) -> set[str]:
    if not uids:
        return set()
    named = studies.c.study_instance_uid.in_(uids)
    known = set(connection.scalars(select(studies.c.study_instance_uid).where(named)))
    still = select(studies.c.study_instance_uid).where(named, _of_patient(study_id, identity))
    return known - set(connection.scalars(still))


def _newest(column: ColumnElement[str | None]) -> ColumnElement[str | None]:
    """Return a column of the newest revision of a study that has findings."""
    its = revisions.c.study_id == studies.c.id, revisions.c.findings.is_not(None)
    return select(column).where(*its).order_by(revisions.c.number.desc()).limit(1).scalar_subquery()


def _of_patient(study_id: int, identity: StudyIdentity) -> ColumnElement[bool]:
    """Return the condition that a study is an earlier one of a patient (workers.patient.is_same_patient)."""
    if not identity.patient_id or not identity.study_date:
        return false()
    date, time, birth = identity.study_date, identity.study_time, studies.c.patient_birth_date
    same_day = and_(studies.c.study_date == date, studies.c.study_time != "", studies.c.study_time < time)
    this = studies.alias()
    one_source = studies.c.source == select(this.c.source).where(this.c.id == study_id).scalar_subquery()
    sure = and_(birth != "", one_source) if identity.patient_birth_date else false()
    return and_(
        studies.c.id != study_id,
        studies.c.state != StudyState.IGNORED,
        studies.c.patient_id == identity.patient_id,
        func.coalesce(studies.c.issuer_of_patient_id, "") == identity.issuer_of_patient_id,
        studies.c.study_date != "",
        or_(studies.c.study_date < date, same_day),
        _agrees(birth, identity.patient_birth_date),
        _agrees(studies.c.patient_sex, identity.patient_sex),
        true() if identity.issuer_of_patient_id else sure,
    )


def _agrees(column: ColumnElement[str], stated: str) -> ColumnElement[bool]:
    """Return the condition that a column does not state anything else."""
    return func.coalesce(column, "").in_({"", stated}) if stated else true()


def _report(study_id: int) -> Select[tuple[object, ...]]:
    arrived = reports.join(deliveries, deliveries.c.report_id == reports.c.id, isouter=True)
    certain_first = func.coalesce(deliveries.c.uncertain, true())
    order = reports.c.revision.desc(), certain_first, reports.c.choice, reports.c.id.desc()
    sendable = reports.c.study_id == study_id, reports.c.kind == SR, reports.c.finding.is_(None), stands(study_id)
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
