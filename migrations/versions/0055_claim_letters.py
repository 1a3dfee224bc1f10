"""Customers are told of what becomes of their claims.

Revision ID: 0055
Revises: 0054
"""

from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

_KINDS = (
    "ORDER_CONFIRMED ORDER_RECEIVED ORDER_APPROVED ORDER_CANCELED ORDER_REFUNDED SHIPPED OUT_FOR_DELIVERY"
    " DELIVERED DELAYED DELIVERY_FAILED READY_FOR_PICKUP RETURN_RECEIVED_REQUEST RETURN_APPROVED"
    " RETURN_DECLINED RETURN_REMINDER RETURN_ARRIVED RETURN_REFUNDED RETURN_REFUND_DELAYED"
    " RETURN_EXCHANGE_UNAVAILABLE RETURN_REJECTED RETURN_CANCELED RETURN_EXPIRED"
)
_NEW = "CLAIM_RECEIVED CLAIM_APPROVED CLAIM_DECLINED"


def upgrade() -> None:
    """Let messages be of the new kinds."""
    _let(f"{_KINDS} {_NEW}")


def downgrade() -> None:
    """Forget what was told of them."""
    op.execute(f"DELETE FROM notifications WHERE {_one_of(_NEW)}")
    _let(_KINDS)


def _let(kinds: str) -> None:
    op.drop_constraint(op.f("ck_notifications_kind"), "notifications")
    op.create_check_constraint(op.f("ck_notifications_kind"), "notifications", _one_of(kinds))


def _one_of(kinds: str) -> str:
    listed = ", ".join(f"'{kind}'" for kind in kinds.split())
    return f"kind IN ({listed})"
