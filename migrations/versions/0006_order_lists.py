"""What staff look for in lists of orders is indexed.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_orders_email", "orders", [sa.text("lower(email)")])
    op.create_index(
        "ix_orders_external_id",
        "orders",
        ["external_id"],
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_index(
        "ix_orders_waiting",
        "orders",
        ["placed_at", "id"],
        postgresql_where=sa.text("status = 'PENDING_APPROVAL'"),
    )


def downgrade() -> None:
    op.drop_index("ix_orders_waiting", table_name="orders")
    op.drop_index("ix_orders_external_id", table_name="orders")
    op.drop_index("ix_orders_email", table_name="orders")
