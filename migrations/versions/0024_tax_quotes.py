"""Taxes can come from a company's own tax service.

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add where a channel's taxes come from, and what was said of a cart's."""
    op.add_column("channels", sa.Column("tax_source", sa.Text(), server_default="RATES", nullable=False))
    op.create_check_constraint(
        op.f("ck_channels_tax_source"), "channels", "tax_source IN ('RATES', 'SERVICE')"
    )
    op.add_column("carts", sa.Column("tax_quote", postgresql.JSONB(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Take them away."""
    op.drop_column("carts", "tax_quote")
    op.drop_column("channels", "tax_source")
