"""Backorders: whether a variant is sold beyond its stock; and what has left and waits for its money.

Revision ID: 0028
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; nothing is sold beyond its stock until staff say so."""
    op.add_column("variants", sa.Column("backorder", sa.Boolean(), nullable=False, server_default="false"))
    op.add_column("variants", sa.Column("backorder_limit", sa.Integer()))
    op.add_column("variants", sa.Column("available_from", sa.DateTime(timezone=True)))
    op.create_check_constraint(op.f("ck_variants_backorder_limit"), "variants", "backorder_limit > 0")
    op.create_index(
        "ix_orders_sent",
        "orders",
        ["id"],
        postgresql_where=sa.text("status = 'OPEN' AND fulfillment_status IN ('FULFILLED', 'DELIVERED')"),
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_index("ix_orders_sent", "orders")
    op.drop_constraint(op.f("ck_variants_backorder_limit"), "variants", type_="check")
    op.drop_column("variants", "available_from")
    op.drop_column("variants", "backorder_limit")
    op.drop_column("variants", "backorder")
