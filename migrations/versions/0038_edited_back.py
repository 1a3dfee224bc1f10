"""Orders know what had been given back of their money; who waits for units of a variant is found in order.

Revision ID: 0038
Revises: 0037
"""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the amount; orders that were edited before get it from the refunds asked for until then."""
    op.add_column(
        "orders", sa.Column("edited_back_minor", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.create_check_constraint(op.f("ck_orders_edited_back"), "orders", "edited_back_minor >= 0")
    op.execute(
        """
        UPDATE orders o SET edited_back_minor = u.amount_minor
          FROM (SELECT e.order_id, sum(t.amount_minor) AS amount_minor
                  FROM (SELECT order_id, max(created_at) AS at FROM order_edits GROUP BY order_id) e
                  JOIN payments p ON p.order_id = e.order_id AND p.status NOT IN ('VOIDED', 'FAILED')
                  JOIN payment_transactions t ON t.payment_id = p.id AND t.requested_at <= e.at
                       AND t.kind IN ('REFUND', 'CHARGEBACK') AND t.status <> 'FAILED'
                 GROUP BY e.order_id) u
         WHERE o.id = u.order_id
        """
    )
    _index("variant_id", "order_line_id")


def downgrade() -> None:
    """Take it away."""
    _index("variant_id")
    op.drop_column("orders", "edited_back_minor")


def _index(*columns: str) -> None:
    name = "ix_fulfillment_order_lines_quantity_short"
    op.drop_index(name, table_name="fulfillment_order_lines")
    op.create_index(
        name, "fulfillment_order_lines", list(columns), postgresql_where=sa.text("quantity_short > 0")
    )
