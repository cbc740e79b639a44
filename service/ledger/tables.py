"""The tables, and how a record of one becomes a frozen row.

A study has revisions (what was found complete at one time), a revision has jobs (what is to be done), a job has
attempts (who tried). A measure job makes objects (`reports`), or finds that those of an earlier one say the same:
`outputs` says which objects it ended with. A delivery job brings one of them to one destination; of the alternatives of
the structured report it brings the one that the destination takes. Effort stands in `jobs`; `deliveries` holds facts
alone: this object reached that destination, the first time, or a try has left that open. `commitments` says what a
destination was asked to commit to; a row stays, so that a report that comes late is known. `completions` says what is
still to be fetched from its source's archive before a study is measured. `destinations` is the circuit of each
destination. `events` says what happened to a study, written in the transaction that made it happen.

Times are float seconds since the epoch, UTC.
"""

from dataclasses import fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Enum,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    case,
    false,
)

from service.messages import JobKind
from service.states import JobEvent, JobState, StudyState

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Constraints have names, so that a later migration can speak of them on every database.
metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _words(words: type[StrEnum]) -> Enum:
    """Return the type of a column that holds one of `words`: text in the database, so a new word is no migration."""
    return Enum(words, native_enum=False, length=32, values_callable=lambda members: [str(m) for m in members])


studies: Final = Table(
    "studies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(32), nullable=False, unique=True),
    Column("study_instance_uid", Text, nullable=False, unique=True),
    Column("state", _words(StudyState), nullable=False, index=True),
    Column("reason", Text),
    Column("who", Text),
    Column("source", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("fingerprint", String(64)),
    Column("first_received_at", Float(53), nullable=False),
    Column("last_received_at", Float(53), nullable=False, index=True),
    Column("held_until", Float(53), nullable=False),
    Column("settled_at", Float(53)),
    #: Since when something waits to be settled, and how often an arrival was noted.
    Column("unsettled_since", Float(53)),
    Column("arrivals", Integer, nullable=False),
    Column("updated_at", Float(53), nullable=False),
    #: When its spool folder was removed, for its age.
    Column("files_removed_at", Float(53)),
    #: Digest of the landmarks document that counts.
    Column("document", String(32)),
    #: Whose study it is and of when, as its headers say, stripped; null until it was measured first.
    Column("patient_id", Text, index=True),
    Column("issuer_of_patient_id", Text),
    Column("patient_birth_date", Text),
    Column("patient_sex", Text),
    Column("study_date", Text),
    Column("study_time", Text),
    Column("accession_number", Text),
    #: How urgent it is, the higher the sooner, and the names of the destinations it goes to, null being all.
    Column("priority", Integer, nullable=False, server_default="1"),
    Column("destinations", Text),
    #: What was read back from a report of ours that came with it, where nothing else could be measured; JSON text.
    Column("own_report", Text),
)
#: The settle pass asks for these twice a second, however many studies there are.
_UNSETTLED: Final = studies.c.unsettled_since.is_not(None)
Index("ix_studies_unsettled", studies.c.last_received_at, sqlite_where=_UNSETTLED, postgresql_where=_UNSETTLED)

revisions: Final = Table(
    "revisions",
    metadata,
    Column("study_id", ForeignKey("studies.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("fingerprint", String(64), nullable=False),
    #: Digest of the landmarks document that it is measured with.
    Column("document", String(32)),
    Column("started_at", Float(53), nullable=False),
    Column("measured_at", Float(53)),
    #: The earlier study that it was compared with first, as it was then, so that a retry says the same; JSON text.
    Column("prior", Text),
    #: JSON text, schema spondyl.findings/1.
    Column("findings", Text),
    #: Coded: why nothing could be measured.
    Column("reason", Text),
)

reports: Final = Table(
    "reports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    #: The kind's word, and its place among the alternatives of one kind: 0 is preferred.
    Column("kind", String(32), nullable=False),
    Column("choice", Integer, nullable=False),
    Column("sop_instance_uid", String(64), nullable=False, unique=True),
    Column("sop_class_uid", String(64), nullable=False),
    Column("series_instance_uid", String(64), nullable=False),
    Column("file_name", String(128), nullable=False),
    #: Of the findings that it states: whether another one would say the same.
    Column("findings_digest", String(64), nullable=False),
    Column("predecessor_uid", String(64)),
    #: Why it must not be sent: what the gate found.
    Column("finding", Text),
    Column("created_at", Float(53), nullable=False),
    ForeignKeyConstraint(["study_id", "revision"], ["revisions.study_id", "revisions.number"]),
    Index(None, "study_id", "revision"),
)

jobs: Final = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", _words(JobKind), nullable=False),
    Column("study_id", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("destination", String(32)),
    Column("report_id", ForeignKey("reports.id")),
    Column("state", _words(JobState), nullable=False),
    #: Claims so far; together with `state` it tells one holder of the job from the next.
    Column("attempts", Integer, nullable=False),
    #: Workers that died with it.
    Column("losses", Integer, nullable=False),
    #: Tries that ended in a fault of ours; passing failures do not count.
    Column("faults", Integer, nullable=False),
    #: 0 means at once, whatever the clocks of two machines say.
    Column("not_before", Float(53), nullable=False),
    Column("enqueued_at", Float(53)),
    Column("lease_until", Float(53)),
    Column("worker", Text),
    Column("error", Text),
    #: Who must act, where it failed.
    Column("who", Text),
    Column("created_at", Float(53), nullable=False),
    Column("updated_at", Float(53), nullable=False),
    #: When the destination last said that it stored the object.
    Column("stored_at", Float(53)),
    ForeignKeyConstraint(["study_id", "revision"], ["revisions.study_id", "revisions.number"]),
    Index(None, "study_id", "revision"),
    Index(None, "state", "destination"),
)

outputs: Final = Table(
    "outputs",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("report_id", ForeignKey("reports.id"), primary_key=True, index=True),
)

attempts: Final = Table(
    "attempts",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("worker", Text, nullable=False),
    Column("started_at", Float(53), nullable=False),
    Column("ended_at", Float(53)),
    Column("outcome", _words(JobEvent)),
    Column("error", Text),
    #: Of a delivery: whether proof was asked for; else it was sent.
    Column("proves", Boolean, nullable=False, server_default=false()),
)

deliveries: Final = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("report_id", ForeignKey("reports.id"), nullable=False),
    Column("destination", String(32), nullable=False),
    Column("delivered_at", Float(53), nullable=False),
    #: What says so: the status of the C-STORE, and what proved it afterwards.
    Column("detail", Text, nullable=False),
    #: Nobody knows whether it did: a try ended without its word, at `delivered_at`.
    Column("uncertain", Boolean, nullable=False, server_default=false()),
    #: When the destination proved that it has it; null where the site trusts the status, or proof is awaited.
    Column("proven_at", Float(53)),
    UniqueConstraint("report_id", "destination"),
)

completions: Final = Table(
    "completions",
    metadata,
    Column("study_id", ForeignKey("studies.id"), primary_key=True),
    #: What is to be fetched, words joined by commas.
    Column("wanted", Text, nullable=False),
    #: Since when the archive is asked, how often it was, and when it is next; 0 means at once.
    Column("since", Float(53), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("not_before", Float(53), nullable=False),
    #: How often it listed objects that were not here after it had been asked for them.
    Column("lacked", Integer, nullable=False, server_default="0"),
    #: Of the folder that needs nothing more, or is measured as it is; null while the archive is asked.
    Column("fingerprint", String(64)),
)
#: Asked for twice a second, however many studies were completed.
_ASKED: Final = completions.c.fingerprint.is_(None)
Index(
    "ix_completions_asked",
    completions.c.not_before,
    completions.c.study_id,
    sqlite_where=_ASKED,
    postgresql_where=_ASKED,
)

commitments: Final = Table(
    "commitments",
    metadata,
    Column("transaction_uid", String(64), primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), nullable=False, index=True),
    Column("sop_instance_uid", String(64), nullable=False),
    Column("asked_at", Float(53), nullable=False),
)

destinations: Final = Table(
    "destinations",
    metadata,
    Column("name", String(32), primary_key=True),
    #: Consecutive; 0 is a closed circuit.
    Column("failures", Integer, nullable=False),
    Column("not_before", Float(53), nullable=False),
    Column("error", Text),
)

events: Final = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("studies.id"), nullable=False, index=True),
    Column("at", Float(53), nullable=False),
    Column("event", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Column("actor", Text, nullable=False),
)


def columns(table: Table, row: "type[DataclassInstance]") -> list[Column[Any]]:
    """Return the columns of `table` that the fields of `row` name, so that `row(**record._asdict())` is complete."""
    return [table.c[field.name] for field in fields(row)]


def later(column: Column[float], value: float) -> ColumnElement[float]:
    """Return the later of what a record holds and `value`."""
    return case((column < value, value), else_=column)
