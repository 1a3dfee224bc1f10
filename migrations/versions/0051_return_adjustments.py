"""Staff may change what a return brings, and say why; gifts of an order are told from what edits gave back.

Revision ID: 0051
Revises: 0050
"""

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep what was changed, and why."""
    op.add_column(
        "returns", sa.Column("adjustment_minor", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.add_column("returns", sa.Column("adjustment_reason", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_returns_adjustment"), "returns", "adjustment_minor = 0 OR adjustment_reason IS NOT NULL"
    )
    op.add_column("orders", sa.Column("gifts_minor", sa.BigInteger(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_orders_gifts"), "orders", "gifts_minor >= 0")


def downgrade() -> None:
    """Forget it; what was given back stays."""
    op.drop_constraint(op.f("ck_orders_gifts"), "orders")
    op.drop_column("orders", "gifts_minor")
    op.drop_constraint(op.f("ck_returns_adjustment"), "returns")
    op.drop_column("returns", "adjustment_reason")
    op.drop_column("returns", "adjustment_minor")
