"""Payments reserve what is being captured, refunded or voided; channels say when they capture.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_CAPTURED = "ck_payments_captured"
_REFUNDED = "ck_payments_refunded"
_POLICY = "ck_channels_capture_policy"
_AMOUNTS = ("capturing_minor", "voiding_minor", "refunding_minor", "charged_back_minor")


def upgrade() -> None:
    """Add the columns, and let the guards count what is reserved."""
    for name in _AMOUNTS:
        op.add_column("payments", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("payments", sa.Column("expires_at", sa.DateTime(timezone=True)))
    _guard(
        "least(captured_minor, capturing_minor, voiding_minor) >= 0"
        " AND captured_minor + capturing_minor + voiding_minor <= authorized_minor",
        "least(refunded_minor, refunding_minor, charged_back_minor) >= 0"
        " AND refunded_minor + refunding_minor + charged_back_minor <= captured_minor",
    )
    op.create_index(
        op.f("ix_payments_expires_at"),
        "payments",
        ["expires_at"],
        postgresql_where=sa.text("status = 'AUTHORIZED'"),
    )
    op.add_column("payment_transactions", sa.Column("reason", sa.Text()))
    op.create_index(
        op.f("uq_payment_transactions_reference"),
        "payment_transactions",
        ["payment_id", "kind", "provider_reference"],
        unique=True,
        postgresql_where=sa.text("kind IN ('CAPTURE', 'REFUND', 'CHARGEBACK')"),
    )
    op.add_column(
        "channels", sa.Column("capture_policy", sa.Text(), server_default="AT_SHIPMENT", nullable=False)
    )
    op.create_check_constraint(
        op.f(_POLICY), "channels", "capture_policy IN ('AT_PLACEMENT', 'AT_SHIPMENT', 'MANUAL')"
    )


def downgrade() -> None:
    """Take them away again; what was reserved or charged back is not counted any more."""
    op.drop_constraint(op.f(_POLICY), "channels", type_="check")
    op.drop_column("channels", "capture_policy")
    op.drop_index(op.f("uq_payment_transactions_reference"), "payment_transactions")
    op.drop_column("payment_transactions", "reason")
    op.drop_index(op.f("ix_payments_expires_at"), "payments")
    _guard("captured_minor BETWEEN 0 AND authorized_minor", "refunded_minor BETWEEN 0 AND captured_minor")
    op.drop_column("payments", "expires_at")
    for name in reversed(_AMOUNTS):
        op.drop_column("payments", name)


def _guard(captured: str, refunded: str) -> None:
    for name, rule in ((_CAPTURED, captured), (_REFUNDED, refunded)):
        op.drop_constraint(op.f(name), "payments", type_="check")
        op.create_check_constraint(op.f(name), "payments", rule)
