"""Purchase orders and payment terms: what the buyer calls a payment, and when it is due.

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_OWED = (
    "due_at IS NOT NULL AND overdue_told_at IS NULL AND captured_minor < amount_minor"
    " AND status NOT IN ('VOIDED', 'FAILED')"
)


def upgrade() -> None:
    """Add the columns; what was placed before has no terms."""
    op.add_column("channels", sa.Column("payment_terms_days", sa.Integer()))
    op.create_check_constraint(
        op.f("ck_channels_payment_terms"), "channels", "payment_terms_days BETWEEN 0 AND 365"
    )
    op.add_column("payments", sa.Column("buyer_reference", sa.Text()))
    op.add_column("payments", sa.Column("due_at", sa.DateTime(timezone=True)))
    op.add_column("payments", sa.Column("overdue_told_at", sa.DateTime(timezone=True)))
    op.create_check_constraint(
        op.f("ck_payments_buyer_reference"), "payments", "char_length(buyer_reference) BETWEEN 1 AND 64"
    )
    op.create_index("ix_payments_due_at", "payments", ["due_at"], postgresql_where=sa.text(_OWED))


def downgrade() -> None:
    """Take them away, with what they hold."""
    op.drop_index("ix_payments_due_at", "payments")
    op.drop_constraint(op.f("ck_payments_buyer_reference"), "payments", type_="check")
    op.drop_column("payments", "overdue_told_at")
    op.drop_column("payments", "due_at")
    op.drop_column("payments", "buyer_reference")
    op.drop_constraint(op.f("ck_channels_payment_terms"), "channels", type_="check")
    op.drop_column("channels", "payment_terms_days")
