"""Returns: repairs as a wish and an outcome, by policy, with what sends them back and the letter that tells.

Revision ID: 0055
Revises: 0054
"""

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

_WISHES = "REFUND EXCHANGE STORE_CREDIT"
_OUTCOMES = "REFUNDED EXCHANGED STORE_CREDIT REJECTED"
_KINDS = (
    "ORDER_CONFIRMED ORDER_RECEIVED ORDER_APPROVED ORDER_CANCELED ORDER_REFUNDED SHIPPED OUT_FOR_DELIVERY"
    " DELIVERED DELAYED DELIVERY_FAILED READY_FOR_PICKUP RETURN_RECEIVED_REQUEST RETURN_APPROVED"
    " RETURN_READY_TO_SEND RETURN_DECLINED RETURN_REMINDER RETURN_ARRIVED RETURN_REFUNDED"
    " RETURN_REFUND_DELAYED RETURN_EXCHANGE_UNAVAILABLE RETURN_REJECTED RETURN_CANCELED RETURN_EXPIRED"
    " CLAIM_RECEIVED CLAIM_APPROVED CLAIM_DECLINED CLAIM_CANCELED UNLINKED_REFUND_PAID"
)


def upgrade() -> None:
    """Let returns be for a repair."""
    op.add_column(
        "return_policies", sa.Column("repair", sa.Boolean(), nullable=False, server_default="false")
    )
    op.add_column("returns", sa.Column("fulfillment_order_id", sa.Uuid()))
    op.create_foreign_key(
        op.f("fk_returns_fulfillment_order_id"),
        "returns",
        "fulfillment_orders",
        ["fulfillment_order_id"],
        ["id"],
    )
    op.create_unique_constraint(op.f("uq_returns_fulfillment_order_id"), "returns", ["fulfillment_order_id"])
    _let("returns", "wish", f"{_WISHES} REPAIR")
    _let("return_lines", "outcome", f"{_OUTCOMES} REPAIRED")
    _let("notifications", "kind", f"{_KINDS} RETURN_REPAIRED")


def downgrade() -> None:
    """Forget its letters; fails where a return is for a repair, which no other wish stands for."""
    _let("returns", "wish", _WISHES)
    _let("return_lines", "outcome", _OUTCOMES)
    op.execute("DELETE FROM notifications WHERE kind = 'RETURN_REPAIRED'")
    _let("notifications", "kind", _KINDS)
    op.drop_constraint(op.f("uq_returns_fulfillment_order_id"), "returns", type_="unique")
    op.drop_constraint(op.f("fk_returns_fulfillment_order_id"), "returns", type_="foreignkey")
    op.drop_column("returns", "fulfillment_order_id")
    op.drop_column("return_policies", "repair")


def _let(table: str, column: str, values: str) -> None:
    name = op.f(f"ck_{table}_{column}")
    op.drop_constraint(name, table, type_="check")
    listed = ", ".join(f"'{value}'" for value in values.split())
    op.create_check_constraint(name, table, f"{column} IN ({listed})")
