"""Idempotency keys are found by their age, for the job that removes the old ones.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index it."""
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])


def downgrade() -> None:
    """Remove the index."""
    op.drop_index("ix_idempotency_keys_created_at", table_name="idempotency_keys")
