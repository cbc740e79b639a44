"""What is fetched from an archive before a study is measured.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "completions",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("since", sa.Float(53), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.Float(53), nullable=False),
        sa.Column("fingerprint", sa.String(64)),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_completions_study_id"),
        sa.PrimaryKeyConstraint("study_id", name="pk_completions"),
    )


def downgrade() -> None:
    """Take it away."""
    op.drop_table("completions")
