"""What proof of arrival needs: when a destination stored and proved, and which transaction asked for which object.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, create the table."""
    op.add_column("jobs", sa.Column("stored_at", sa.Float(53)))
    op.add_column("attempts", sa.Column("proves", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("deliveries", sa.Column("proven_at", sa.Float(53)))
    op.create_table(
        "commitments",
        sa.Column("transaction_uid", sa.String(64), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("sop_instance_uid", sa.String(64), nullable=False),
        sa.Column("asked_at", sa.Float(53), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_commitments_job_id"),
        sa.PrimaryKeyConstraint("transaction_uid", name="pk_commitments"),
    )
    op.create_index("ix_commitments_job_id", "commitments", ["job_id"])


def downgrade() -> None:
    """Take them away."""
    op.drop_table("commitments")
    op.drop_column("deliveries", "proven_at")
    op.drop_column("attempts", "proves")
    op.drop_column("jobs", "stored_at")
