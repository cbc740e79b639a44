"""An index of the studies whose archive is asked: they are looked for twice a second, those that were asked stay.

Revision ID: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index."""
    op.create_index(
        "ix_completions_asked",
        "completions",
        ["not_before", "study_id"],
        sqlite_where=sa.text("fingerprint IS NULL"),
        postgresql_where=sa.text("fingerprint IS NULL"),
    )


def downgrade() -> None:
    """Take it away."""
    op.drop_index("ix_completions_asked", "completions")
