"""Units of fulfillment orders that were lost and wait for stock.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the units short, and indexes of who waits for a variant and who lacks it."""
    op.add_column(
        "fulfillment_order_lines",
        sa.Column("quantity_short", sa.Integer(), server_default="0", nullable=False),
    )
    op.create_check_constraint(
        op.f("ck_fulfillment_order_lines_quantity_short"),
        "fulfillment_order_lines",
        "quantity_short BETWEEN 0 AND quantity - quantity_shipped",
    )
    op.create_index(
        "ix_fulfillment_order_lines_variant_id",
        "fulfillment_order_lines",
        ["variant_id"],
        postgresql_where=sa.text("quantity_shipped < quantity"),
    )
    op.create_index(
        "ix_fulfillment_order_lines_quantity_short",
        "fulfillment_order_lines",
        ["variant_id"],
        postgresql_where=sa.text("quantity_short > 0"),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_fulfillment_order_lines_quantity_short", "fulfillment_order_lines")
    op.drop_index("ix_fulfillment_order_lines_variant_id", "fulfillment_order_lines")
    op.drop_constraint(
        op.f("ck_fulfillment_order_lines_quantity_short"), "fulfillment_order_lines", type_="check"
    )
    op.drop_column("fulfillment_order_lines", "quantity_short")
