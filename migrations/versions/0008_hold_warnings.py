"""When a cart's shopper was last told that its holds are about to end.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the moment."""
    op.add_column("carts", sa.Column("holds_warned_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("carts", "holds_warned_at")
