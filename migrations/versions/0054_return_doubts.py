"""Returns: two more checks, jobs put off what goes wrong, and lines may be edited away that were asked for.

Revision ID: 0054
Revises: 0053
"""

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

_CHECKS = (
    "PAID NOT_PAID ORDER_ENDED NOT_SHIPPED WITHIN_POLICY WINDOW_OVER FINAL_SALE RIGHT_OF_WITHDRAWAL"
    " FAULT_OUTSIDE_POLICY PARTLY_FORBIDDEN WITHIN_AUTO_REFUND ABOVE_AUTO_REFUND NOTHING_TO_REFUND"
    " PROVIDER_AGREES PROVIDER_SILENT PROVIDER_HAS_NO_RECORD PROVIDER_DISAGREES REFUNDED_AT_PROVIDER"
    " DISPUTED IS_BUYER NOT_THE_BUYER UNVERIFIED FRAUD_BEFORE RETURN_RATE DELIVERED NOT_DELIVERED"
    " SAID_NOT_DELIVERED CARRIER_CONTRADICTS NOTHING_BEFORE RETURNED_BEFORE REFUSED_BEFORE"
    " EXCHANGED_BEFORE KEPT_IN_PIECES AS_EXPECTED NOT_AS_EXPECTED"
)
_PUT_OFF = ("returns", "claims")
_NEW = "REFUNDED_BY_HAND ARRIVED_LATE"


def upgrade() -> None:
    """Let rules be of the new checks."""
    _let(f"{_CHECKS} {_NEW}")
    op.drop_constraint(op.f("fk_return_lines_order_line_id"), "return_lines")
    for table in _PUT_OFF:
        op.add_column(table, sa.Column("put_off_until", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Forget the rules that shops have set for them, and what was asked for of lines that are no more."""
    op.execute(
        "DELETE FROM return_lines l WHERE NOT EXISTS (SELECT FROM order_lines o WHERE o.id = l.order_line_id)"
    )
    for table in _PUT_OFF:
        op.drop_column(table, "put_off_until")
    op.create_foreign_key(
        op.f("fk_return_lines_order_line_id"), "return_lines", "order_lines", ["order_line_id"], ["id"]
    )
    op.execute(f"DELETE FROM return_rules WHERE {_one_of(_NEW)}")
    _let(_CHECKS)


def _let(checks: str) -> None:
    op.drop_constraint(op.f("ck_return_rules_code"), "return_rules")
    op.create_check_constraint(op.f("ck_return_rules_code"), "return_rules", _one_of(checks))


def _one_of(checks: str) -> str:
    listed = ", ".join(f"'{check}'" for check in checks.split())
    return f"code IN ({listed})"
