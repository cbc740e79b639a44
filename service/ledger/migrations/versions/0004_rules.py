"""What a rule decides of a study: how urgent it is and where it goes.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("studies", sa.Column("priority", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("studies", sa.Column("destinations", sa.Text()))


def downgrade() -> None:
    """Take them away."""
    op.drop_column("studies", "destinations")
    op.drop_column("studies", "priority")
