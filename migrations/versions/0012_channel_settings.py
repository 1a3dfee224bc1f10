"""Channels lose a column that nothing read or wrote.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Remove it; each setting of a channel has a column of its own."""
    op.drop_column("channels", "settings")


def downgrade() -> None:
    """Bring it back, empty."""
    op.add_column(
        "channels",
        sa.Column(
            "settings", postgresql.JSONB(none_as_null=True), server_default=sa.text("'{}'"), nullable=False
        ),
    )
