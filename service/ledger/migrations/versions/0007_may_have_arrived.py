"""What a destination may have, of a delivery that ended without its word.

Revision ID: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: what is there was said by its destination."""
    op.add_column("deliveries", sa.Column("uncertain", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Take it away, with what may have arrived: all that is left is certain."""
    op.execute("DELETE FROM deliveries WHERE uncertain")
    op.drop_column("deliveries", "uncertain")
