"""Work lists and reports of returns: what is open, and what was sent in a span of time.

Revision ID: 0046
Revises: 0045
"""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes."""
    op.create_index(
        "ix_returns_open", "returns", ["created_at", "id"], postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_index(
        "ix_shipments_shipped_at",
        "shipments",
        ["shipped_at"],
        postgresql_where=sa.text("shipped_at IS NOT NULL"),
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_index("ix_shipments_shipped_at", "shipments")
    op.drop_index("ix_returns_open", "returns")
