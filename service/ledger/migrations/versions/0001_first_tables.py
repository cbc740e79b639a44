"""The first tables.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

#: Children first.
TABLES = ("attempts", "outputs", "jobs", "deliveries", "reports", "revisions", "events", "studies", "destinations")

#: Whose study it is and of when.
IDENTITY = (
    "patient_id",
    "issuer_of_patient_id",
    "patient_birth_date",
    "patient_sex",
    "study_date",
    "study_time",
    "accession_number",
)


def upgrade() -> None:
    """Create all tables, parents first."""
    _studies()
    _events()
    _revisions()
    _reports()
    _deliveries()
    _jobs()
    _outputs()
    _attempts()
    _destinations()


def downgrade() -> None:
    """Drop all tables."""
    for table in TABLES:
        op.drop_table(table)


def _studies() -> None:
    op.create_table(
        "studies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("who", sa.Text()),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(64)),
        sa.Column("first_received_at", sa.Float(53), nullable=False),
        sa.Column("last_received_at", sa.Float(53), nullable=False),
        sa.Column("held_until", sa.Float(53), nullable=False),
        sa.Column("settled_at", sa.Float(53)),
        sa.Column("unsettled_since", sa.Float(53)),
        sa.Column("arrivals", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.Float(53), nullable=False),
        sa.Column("files_removed_at", sa.Float(53)),
        sa.Column("document", sa.String(32)),
        *(sa.Column(name, sa.Text()) for name in IDENTITY),
        sa.Column("own_report", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_studies"),
        sa.UniqueConstraint("key", name="uq_studies_key"),
        sa.UniqueConstraint("study_instance_uid", name="uq_studies_study_instance_uid"),
    )
    op.create_index("ix_studies_state", "studies", ["state"])
    op.create_index("ix_studies_patient_id", "studies", ["patient_id"])
    op.create_index("ix_studies_last_received_at", "studies", ["last_received_at"])
    unsettled = sa.text("unsettled_since IS NOT NULL")
    op.create_index(
        "ix_studies_unsettled", "studies", ["last_received_at"], sqlite_where=unsettled, postgresql_where=unsettled
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(53), nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_events_study_id"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_study_id", "events", ["study_id"])


def _revisions() -> None:
    op.create_table(
        "revisions",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("document", sa.String(32)),
        sa.Column("started_at", sa.Float(53), nullable=False),
        sa.Column("measured_at", sa.Float(53)),
        sa.Column("prior", sa.Text()),
        sa.Column("findings", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_revisions_study_id"),
        sa.PrimaryKeyConstraint("study_id", "number", name="pk_revisions"),
    )


def _reports() -> None:
    op.create_table(
        "reports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("choice", sa.Integer(), nullable=False),
        sa.Column("sop_instance_uid", sa.String(64), nullable=False),
        sa.Column("sop_class_uid", sa.String(64), nullable=False),
        sa.Column("series_instance_uid", sa.String(64), nullable=False),
        sa.Column("file_name", sa.String(128), nullable=False),
        sa.Column("findings_digest", sa.String(64), nullable=False),
        sa.Column("predecessor_uid", sa.String(64)),
        sa.Column("finding", sa.Text()),
        sa.Column("created_at", sa.Float(53), nullable=False),
        _of_revision("reports"),
        sa.PrimaryKeyConstraint("id", name="pk_reports"),
        sa.UniqueConstraint("sop_instance_uid", name="uq_reports_sop_instance_uid"),
    )
    op.create_index("ix_reports_study_id_revision", "reports", ["study_id", "revision"])


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("report_id", sa.Integer(), nullable=False),
        sa.Column("destination", sa.String(32), nullable=False),
        sa.Column("delivered_at", sa.Float(53), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["reports.id"], name="fk_deliveries_report_id"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("report_id", "destination", name="uq_deliveries_report_id_destination"),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("destination", sa.String(32)),
        sa.Column("report_id", sa.Integer()),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("losses", sa.Integer(), nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.Float(53), nullable=False),
        sa.Column("enqueued_at", sa.Float(53)),
        sa.Column("lease_until", sa.Float(53)),
        sa.Column("worker", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("who", sa.Text()),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("updated_at", sa.Float(53), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["reports.id"], name="fk_jobs_report_id"),
        _of_revision("jobs"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_state_destination", "jobs", ["state", "destination"])
    op.create_index("ix_jobs_study_id_revision", "jobs", ["study_id", "revision"])


def _outputs() -> None:
    op.create_table(
        "outputs",
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("report_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_outputs_job_id"),
        sa.ForeignKeyConstraint(["report_id"], ["reports.id"], name="fk_outputs_report_id"),
        sa.PrimaryKeyConstraint("job_id", "report_id", name="pk_outputs"),
    )
    op.create_index("ix_outputs_report_id", "outputs", ["report_id"])


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Float(53), nullable=False),
        sa.Column("ended_at", sa.Float(53)),
        sa.Column("outcome", sa.String(32)),
        sa.Column("error", sa.Text()),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_attempts_job_id"),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_attempts"),
    )


def _destinations() -> None:
    op.create_table(
        "destinations",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.Float(53), nullable=False),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("name", name="pk_destinations"),
    )


def _of_revision(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["study_id", "revision"], ["revisions.study_id", "revisions.number"], name=f"fk_{table}_study_id_revision"
    )
