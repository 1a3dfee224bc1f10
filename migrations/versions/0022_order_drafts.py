"""Orders that staff make: drafts, the carts behind them, and the prices that staff set.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_PLACED = "placed = (status <> 'DRAFT') OR (NOT placed AND status = 'CANCELED')"


def upgrade() -> None:
    """Add what tells a draft from an order, and a staff price from the channel's."""
    op.add_column("orders", sa.Column("placed", sa.Boolean(), server_default="true", nullable=False))
    op.add_column("orders", sa.Column("drafted_at", sa.DateTime(timezone=True)))
    op.add_column("orders", sa.Column("note", sa.Text()))
    op.create_check_constraint(op.f("ck_orders_placed"), "orders", _PLACED)
    op.create_check_constraint(op.f("ck_orders_drafted"), "orders", "placed OR drafted_at IS NOT NULL")
    op.create_index(
        "ix_orders_drafts", "orders", ["placed_at", "id"], postgresql_where=sa.text("status = 'DRAFT'")
    )
    op.add_column("carts", sa.Column("delivery_price_minor", sa.BigInteger()))
    op.add_column("carts", sa.Column("holds_stock", sa.Boolean(), server_default="true", nullable=False))
    op.create_check_constraint(op.f("ck_carts_delivery_price"), "carts", "delivery_price_minor >= 0")
    op.add_column(
        "cart_lines", sa.Column("price_fixed", sa.Boolean(), server_default="false", nullable=False)
    )
    _index_idle("status = 'ACTIVE' AND order_id IS NULL")


def downgrade() -> None:
    """Take it away; drafts stay as orders with the status DRAFT, and nothing can be done with them."""
    _index_idle("status = 'ACTIVE'")
    op.drop_column("cart_lines", "price_fixed")
    op.drop_constraint(op.f("ck_carts_delivery_price"), "carts", type_="check")
    op.drop_column("carts", "holds_stock")
    op.drop_column("carts", "delivery_price_minor")
    op.drop_index("ix_orders_drafts", "orders")
    op.drop_constraint(op.f("ck_orders_drafted"), "orders", type_="check")
    op.drop_constraint(op.f("ck_orders_placed"), "orders", type_="check")
    op.drop_column("orders", "note")
    op.drop_column("orders", "drafted_at")
    op.drop_column("orders", "placed")


def _index_idle(predicate: str) -> None:
    op.drop_index("ix_carts_active_at", "carts")
    op.create_index("ix_carts_active_at", "carts", ["active_at"], postgresql_where=sa.text(predicate))
