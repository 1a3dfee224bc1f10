"""Rules of returns: more checks of a verdict, units that came back incomplete, and disputes of the sandbox.

Revision ID: 0042
Revises: 0041
"""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

_GRADES = "AS_NEW OPENED USED DAMAGED NOT_OURS"
_GRADES_NOW = "AS_NEW OPENED USED DAMAGED INCOMPLETE NOT_OURS"
_CHECKS = (
    "PAID NOT_PAID ORDER_ENDED WITHIN_POLICY WINDOW_OVER FINAL_SALE RIGHT_OF_WITHDRAWAL FAULT_OUTSIDE_POLICY"
    " ABOVE_AUTO_REFUND NOTHING_TO_REFUND PROVIDER_AGREES PROVIDER_SILENT PROVIDER_HAS_NO_RECORD"
    " PROVIDER_DISAGREES REFUNDED_AT_PROVIDER DISPUTED IS_BUYER NOT_THE_BUYER UNVERIFIED FRAUD_BEFORE"
    " RETURN_RATE DELIVERED NOT_DELIVERED SAID_NOT_DELIVERED CARRIER_CONTRADICTS NOTHING_BEFORE"
    " RETURNED_BEFORE REFUSED_BEFORE AS_EXPECTED NOT_AS_EXPECTED"
)
_CHECKS_NOW = (
    "PAID NOT_PAID ORDER_ENDED NOT_SHIPPED WITHIN_POLICY WINDOW_OVER FINAL_SALE RIGHT_OF_WITHDRAWAL"
    " FAULT_OUTSIDE_POLICY PARTLY_FORBIDDEN WITHIN_AUTO_REFUND ABOVE_AUTO_REFUND NOTHING_TO_REFUND"
    " PROVIDER_AGREES PROVIDER_SILENT PROVIDER_HAS_NO_RECORD PROVIDER_DISAGREES REFUNDED_AT_PROVIDER"
    " DISPUTED IS_BUYER NOT_THE_BUYER UNVERIFIED FRAUD_BEFORE RETURN_RATE DELIVERED NOT_DELIVERED"
    " SAID_NOT_DELIVERED CARRIER_CONTRADICTS NOTHING_BEFORE RETURNED_BEFORE REFUSED_BEFORE"
    " EXCHANGED_BEFORE KEPT_IN_PIECES AS_EXPECTED NOT_AS_EXPECTED"
)
_NEW_CHECKS = "NOT_SHIPPED PARTLY_FORBIDDEN WITHIN_AUTO_REFUND EXCHANGED_BEFORE KEPT_IN_PIECES"


def _one_of(column: str, values: str) -> str:
    listed = ", ".join(f"'{value}'" for value in values.split())
    return f"{column} IN ({listed})"


def _limit(grades: str, checks: str) -> None:
    for table, column, values in (
        ("return_inspections", "grade", grades),
        ("return_rules", "code", checks),
    ):
        name = op.f(f"ck_{table}_{column}")
        op.drop_constraint(name, table)
        op.create_check_constraint(name, table, _one_of(column, values))


def upgrade() -> None:
    """Widen what may be stored."""
    _limit(_GRADES_NOW, _CHECKS_NOW)
    op.add_column(
        "sandbox_charges",
        sa.Column("disputed_minor", sa.BigInteger(), server_default="0", nullable=False),
    )
    op.add_column("sandbox_charges", sa.Column("dispute", sa.Text(), server_default="NONE", nullable=False))
    # What was charged back so far was never said to be decided.
    op.execute(
        "UPDATE sandbox_charges SET disputed_minor = charged_back_minor, dispute = 'OPEN'"
        " WHERE charged_back_minor > 0"
    )
    op.create_check_constraint(
        op.f("ck_sandbox_charges_disputed"), "sandbox_charges", "disputed_minor BETWEEN 0 AND captured_minor"
    )
    op.create_check_constraint(
        op.f("ck_sandbox_charges_dispute"), "sandbox_charges", _one_of("dispute", "NONE OPEN WON LOST")
    )


def downgrade() -> None:
    """Narrow it again; rules that are unknown then are forgotten, and what was incomplete was damaged."""
    op.drop_constraint(op.f("ck_sandbox_charges_dispute"), "sandbox_charges")
    op.drop_constraint(op.f("ck_sandbox_charges_disputed"), "sandbox_charges")
    op.drop_column("sandbox_charges", "dispute")
    op.drop_column("sandbox_charges", "disputed_minor")
    op.execute(f"DELETE FROM return_rules WHERE {_one_of('code', _NEW_CHECKS)}")
    op.execute("UPDATE return_inspections SET grade = 'DAMAGED' WHERE grade = 'INCOMPLETE'")
    _limit(_GRADES, _CHECKS)
