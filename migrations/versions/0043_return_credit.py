"""Returns: store credit, exchanges, and what providers refused to give back.

Revision ID: 0043
Revises: 0042
"""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

_REFUNDED = (
    "least(refunded_minor, refunding_minor, charged_back_minor) >= 0"
    " AND refunded_minor + refunding_minor + charged_back_minor <= captured_minor"
)
_GIVEN_BACK = (
    "least(refunded_minor, refunding_minor, charged_back_minor, credited_minor) >= 0"
    " AND refunded_minor + refunding_minor + charged_back_minor + credited_minor <= captured_minor"
)
_LINKS = (
    ("returns", "exchange_order_id", "orders"),
    ("return_lines", "exchange_variant_id", "variants"),
)


def upgrade() -> None:
    """Add the amounts, and what replaces what comes back."""
    for table, column, other in _LINKS:
        op.add_column(table, sa.Column(column, sa.Uuid(), nullable=True))
        op.create_foreign_key(op.f(f"fk_{table}_{column}"), table, other, [column], ["id"])
    op.add_column(
        "return_policies",
        sa.Column("exchange_in_advance", sa.Boolean(), nullable=False, server_default="false"),
    )
    op.create_unique_constraint(op.f("uq_returns_exchange_order_id"), "returns", ["exchange_order_id"])
    op.create_index(op.f("ix_return_lines_exchange_variant_id"), "return_lines", ["exchange_variant_id"])
    _add("payments", "credited_minor")
    op.drop_constraint(op.f("ck_payments_refunded"), "payments", type_="check")
    op.create_check_constraint(op.f("ck_payments_refunded"), "payments", _GIVEN_BACK)
    _add("returns", "credit_minor")
    _add("returns", "bonus_minor")
    op.add_column("returns", sa.Column("refund_failure", sa.Text(), nullable=True))
    op.create_index(
        op.f("ix_returns_refund_failure"),
        "returns",
        ["id"],
        postgresql_where=sa.text("refund_failure IS NOT NULL"),
    )
    op.create_check_constraint(
        op.f("ck_returns_credit"), "returns", "credit_minor BETWEEN 0 AND refund_minor AND bonus_minor >= 0"
    )


def downgrade() -> None:
    """Drop them: what was credited can be refunded again, so see to that first."""
    op.drop_constraint(op.f("ck_returns_credit"), "returns", type_="check")
    op.drop_index(op.f("ix_returns_refund_failure"), table_name="returns")
    op.drop_column("returns", "refund_failure")
    op.drop_column("returns", "bonus_minor")
    op.drop_column("returns", "credit_minor")
    op.drop_constraint(op.f("ck_payments_refunded"), "payments", type_="check")
    op.create_check_constraint(op.f("ck_payments_refunded"), "payments", _REFUNDED)
    op.drop_column("payments", "credited_minor")
    op.drop_column("return_policies", "exchange_in_advance")
    for table, column, _ in _LINKS:
        op.drop_column(table, column)


def _add(table: str, column: str) -> None:
    op.add_column(table, sa.Column(column, sa.BigInteger(), nullable=False, server_default="0"))
