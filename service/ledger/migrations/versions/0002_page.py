"""What the page needs: people, sessions, switches, rejected callers, the audit trail; indices of the lists.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INDICES = {
    "ix_studies_by_state": ("studies", ["state", "last_received_at", "id"]),
    "ix_studies_by_source": ("studies", ["source", "last_received_at", "id"]),
    "ix_studies_by_source_state": ("studies", ["source", "state", "last_received_at", "id"]),
    "ix_studies_by_reason": ("studies", ["state", "reason", "last_received_at", "id", "who"]),
    "ix_studies_of_a_day": ("studies", ["last_received_at", "source", "state"]),
    "ix_studies_accession_number": ("studies", ["accession_number"]),
    "ix_deliveries_destination": ("deliveries", ["destination", "delivered_at"]),
}
TABLES = ("people", "sessions", "switches", "callers", "audit")


def upgrade() -> None:
    """Create the tables, then the indices."""
    _people()
    _sessions()
    _switches()
    _callers()
    _audit()
    for name, (table, columns) in INDICES.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    """Drop them."""
    for name, (table, _) in INDICES.items():
        op.drop_index(name, table_name=table)
    for table in TABLES:
        op.drop_table(table)


def _people() -> None:
    op.create_table(
        "people",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password", sa.Text()),
        sa.Column("token", sa.String(64)),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_people"),
        sa.UniqueConstraint("token", name="uq_people_token"),
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("credential", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])


def _switches() -> None:
    op.create_table(
        "switches",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("since", sa.Float(53), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_switches"),
    )


def _callers() -> None:
    op.create_table(
        "callers",
        sa.Column("calling_ae", sa.String(64), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("cause", sa.String(32), nullable=False),
        sa.Column("called_ae", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.Float(53), nullable=False),
        sa.Column("last_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("calling_ae", "address", "cause", name="pk_callers"),
    )
    op.create_index("ix_callers_last_at", "callers", ["last_at"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(53), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
