"""Callbacks of payment providers are stored once; the sandbox has some to send.

Revision ID: 0021
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0016"
branch_labels = None
depends_on = None

_KINDS = "kind IN ('AUTHORIZATION', 'CAPTURE', 'REFUND', 'VOID', 'CHARGEBACK')"


def upgrade() -> None:
    """Add both tables, and what the sandbox's record says more of charges."""
    op.create_table(
        "payment_callbacks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("change_reference", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Uuid()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("decline_code", sa.Text()),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("payment_id", sa.Uuid()),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.Column("note", sa.Text()),
        sa.Column("resolved_by", sa.Text()),
        sa.Column("resolved_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_payment_callbacks_amount")),
        sa.CheckConstraint(
            "(state = 'RECEIVED') = (settled_at IS NULL)", name=op.f("ck_payment_callbacks_settled")
        ),
        sa.CheckConstraint(
            "(state = 'RESOLVED') = (resolved_at IS NOT NULL)", name=op.f("ck_payment_callbacks_resolved")
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_payment_callbacks_currency")),
        sa.CheckConstraint(
            "state IN ('RECEIVED', 'APPLIED', 'IGNORED', 'SET_ASIDE', 'RESOLVED')",
            name=op.f("ck_payment_callbacks_state"),
        ),
        sa.CheckConstraint(_KINDS, name=op.f("ck_payment_callbacks_kind")),
        sa.CheckConstraint(
            "outcome IN ('SUCCEEDED', 'DECLINED', 'ACTION_REQUIRED')",
            name=op.f("ck_payment_callbacks_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_payment_callbacks_payment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_callbacks")),
        sa.UniqueConstraint("provider", "event_id", name=op.f("uq_payment_callbacks_provider_event_id")),
    )
    _index("payment_callbacks", "payment_id")
    _index("payment_callbacks", "next_attempt_at", where="state = 'RECEIVED'")
    _index("payment_callbacks", "state", "received_at", "id")
    _index("payment_callbacks", "provider", "change_reference")
    _index("payments", "provider", "provider_reference")
    _sandbox()


def downgrade() -> None:
    """Take it all away; what providers told is forgotten."""
    op.drop_table("sandbox_callbacks")
    op.drop_column("sandbox_changes", "decline_code")
    op.drop_constraint(op.f("ck_sandbox_charges_charged_back"), "sandbox_charges")
    for name in ("expires_at", "decline_code", "charged_back_minor"):
        op.drop_column("sandbox_charges", name)
    op.drop_index(op.f("ix_payments_provider_provider_reference"), "payments")
    op.drop_table("payment_callbacks")


def _sandbox() -> None:
    op.add_column(
        "sandbox_charges",
        sa.Column("charged_back_minor", sa.BigInteger(), server_default="0", nullable=False),
    )
    op.add_column("sandbox_charges", sa.Column("decline_code", sa.Text()))
    op.add_column("sandbox_charges", sa.Column("expires_at", sa.DateTime(timezone=True)))
    op.create_check_constraint(
        op.f("ck_sandbox_charges_charged_back"),
        "sandbox_charges",
        "charged_back_minor BETWEEN 0 AND captured_minor - refunded_minor",
    )
    op.add_column("sandbox_changes", sa.Column("decline_code", sa.Text()))
    # What was declined before is found again with its reason.
    op.execute("UPDATE sandbox_charges SET decline_code = 'card_declined' WHERE state = 'DECLINED'")
    op.execute("UPDATE sandbox_changes SET decline_code = 'amount_too_large' WHERE state = 'DECLINED'")
    op.create_table(
        "sandbox_callbacks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("charge_reference", sa.Text(), nullable=False),
        sa.Column("change_reference", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("idempotency_key", sa.Text()),
        sa.Column("decline_code", sa.Text()),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deliveries_left", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_status", sa.Integer()),
        sa.CheckConstraint("deliveries_left >= 0", name=op.f("ck_sandbox_callbacks_deliveries_left")),
        sa.ForeignKeyConstraint(
            ["charge_reference"],
            ["sandbox_charges.reference"],
            name=op.f("fk_sandbox_callbacks_charge_reference"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_callbacks")),
    )
    _index("sandbox_callbacks", "charge_reference")
    _index("sandbox_callbacks", "due_at", where="deliveries_left > 0")


def _index(table: str, *columns: str, where: str | None = None) -> None:
    op.create_index(
        op.f(f"ix_{table}_{'_'.join(columns)}"),
        table,
        list(columns),
        postgresql_where=sa.text(where) if where else None,
    )
