"""What an administrator is shown of the ledger; `asdict` of it is the JSON of the command line and of the API.

No patient data: what the ledger knows of a patient is asked for measuring only (`ledger.priors`). Times are ISO 8601,
UTC.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from service import sop_classes
from service.ledger import rows
from service.ledger.rows import DeliveryRow, EventRow, JobRow, ReportRow, StudyDetail, StudyRow
from service.states import StudyState


@dataclass(frozen=True, kw_only=True)
class Study:
    """One line of the list of studies."""

    key: str
    study_instance_uid: str
    state: str
    reason: str | None
    who_must_act: str | None
    source: str
    revision: int
    received_at: str
    updated_at: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """One piece of work."""

    id: int
    kind: str
    revision: int
    destination: str | None
    state: str
    attempts: int
    #: None: as soon as a worker is free.
    not_before: str | None
    worker: str | None
    error: str | None


@dataclass(frozen=True, kw_only=True)
class Report:
    """One object that was made."""

    revision: int
    #: "sr", "gsps", "summary", "pdf", "sagittal".
    kind: str
    #: Place among the alternatives of one kind; 0 is preferred.
    choice: int
    sop_instance_uid: str
    sop_class_uid: str
    #: The SOP class by name.
    sop_class: str
    predecessor_uid: str | None
    #: Why it is held back and not sent: what the gate found.
    finding: str | None
    file_name: str
    created_at: str


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What became of one object at one destination."""

    kind: str
    #: Once it is done, of the alternative that was stored.
    sop_class: str
    sop_instance_uid: str
    destination: str
    state: str
    attempts: int
    error: str | None
    delivered_at: str | None


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened to a study."""

    at: str
    event: str
    detail: str
    actor: str


@dataclass(frozen=True, kw_only=True)
class Studies:
    """The list of studies, newest first."""

    studies: list[Study]
    schema: Literal["spondyl.studies/1"] = "spondyl.studies/1"


@dataclass(frozen=True, kw_only=True)
class Detail:
    """All that is known of one study."""

    study: Study
    #: Schema `spondyl.findings/1`; None before the first measurement.
    findings: dict[str, Any] | None
    jobs: list[Job]
    reports: list[Report]
    deliveries: list[Delivery]
    events: list[Event]
    schema: Literal["spondyl.study/1"] = "spondyl.study/1"


@dataclass(frozen=True, kw_only=True)
class Supplied:
    """What became of a landmarks document that was handed in."""

    study: Study
    #: Digest of its bytes, by which the study's events name it.
    document: str
    #: False where it is the document that counted already.
    changed: bool
    schema: Literal["spondyl.supplied/1"] = "spondyl.supplied/1"


def utc(seconds: float) -> str:
    """Return a time in seconds since the epoch as ISO 8601, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def study(row: StudyRow) -> Study:
    """Return one line of the list of studies."""
    return Study(
        key=row.key,
        study_instance_uid=row.study_instance_uid,
        state=row.state.value,
        reason=row.reason,
        # The ledger keeps with an ignored study who took it out; nobody must act on it.
        who_must_act=None if row.state is StudyState.IGNORED else row.who,
        source=row.source,
        revision=row.revision,
        received_at=utc(row.last_received_at),
        updated_at=utc(row.updated_at),
    )


def supplied(found: rows.Supplied) -> Supplied:
    """Return what became of a landmarks document."""
    return Supplied(study=study(found.study), document=found.digest, changed=found.changed)


def studies(found: Iterable[StudyRow]) -> Studies:
    """Return the list of studies."""
    return Studies(studies=[study(row) for row in found])


def _job(row: JobRow) -> Job:
    return Job(
        id=row.id,
        kind=row.kind.value,
        revision=row.revision,
        destination=row.destination,
        state=row.state.value,
        attempts=row.attempts,
        not_before=utc(row.not_before) if row.not_before else None,
        worker=row.worker,
        error=row.error,
    )


def _report(row: ReportRow) -> Report:
    return Report(
        revision=row.revision,
        kind=row.kind,
        choice=row.choice,
        sop_instance_uid=row.sop_instance_uid,
        sop_class_uid=row.sop_class_uid,
        sop_class=_class_name(row.sop_class_uid),
        predecessor_uid=row.predecessor_uid,
        finding=row.finding,
        file_name=row.file_name,
        created_at=utc(row.created_at),
    )


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        kind=row.kind,
        sop_class=_class_name(row.sop_class_uid),
        sop_instance_uid=row.sop_instance_uid,
        destination=row.destination,
        state=row.state.value,
        attempts=row.attempts,
        error=row.error,
        delivered_at=None if row.delivered_at is None else utc(row.delivered_at),
    )


def _class_name(sop_class_uid: str) -> str:
    return sop_classes.NAMES.get(sop_class_uid, sop_class_uid)


def _event(row: EventRow) -> Event:
    return Event(at=utc(row.at), event=row.event, detail=row.detail, actor=row.actor)


def detail(found: StudyDetail, findings: str | None) -> Detail:
    """Return all that is known of one study; `findings` is the JSON text that the ledger holds."""
    return Detail(
        study=study(found.study),
        findings=json.loads(findings) if findings else None,
        jobs=[_job(row) for row in found.jobs],
        reports=[_report(row) for row in found.reports],
        deliveries=[_delivery(row) for row in found.deliveries],
        events=[_event(row) for row in found.events],
    )
