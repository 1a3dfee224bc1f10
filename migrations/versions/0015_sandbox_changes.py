"""The sandbox keeps what was captured and refunded; transactions may be chargebacks.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_KIND = "ck_payment_transactions_kind"


def upgrade() -> None:
    """Add the table, and the kind of transaction that nobody here asks for."""
    op.create_table(
        "sandbox_changes",
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("charge_reference", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["charge_reference"],
            ["sandbox_charges.reference"],
            name=op.f("fk_sandbox_changes_charge_reference"),
        ),
        sa.PrimaryKeyConstraint("reference", name=op.f("pk_sandbox_changes")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_sandbox_changes_idempotency_key")),
    )
    op.create_index(op.f("ix_sandbox_changes_charge_reference"), "sandbox_changes", ["charge_reference"])
    _allow("'AUTHORIZATION', 'CAPTURE', 'REFUND', 'VOID', 'CHARGEBACK'")


def downgrade() -> None:
    """Take both away; fails where chargebacks are on record."""
    _allow("'AUTHORIZATION', 'CAPTURE', 'REFUND', 'VOID'")
    op.drop_table("sandbox_changes")


def _allow(kinds: str) -> None:
    op.drop_constraint(op.f(_KIND), "payment_transactions", type_="check")
    op.create_check_constraint(op.f(_KIND), "payment_transactions", f"kind IN ({kinds})")
