"""Backorders: whether a variant is sold beyond its stock, how many units at most, and from when.

Revision ID: 0028
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; nothing is sold beyond its stock until staff say so."""
    op.add_column("variants", sa.Column("backorder", sa.Boolean(), nullable=False, server_default="false"))
    op.add_column("variants", sa.Column("backorder_limit", sa.Integer()))
    op.add_column("variants", sa.Column("available_from", sa.DateTime(timezone=True)))
    op.create_check_constraint(op.f("ck_variants_backorder_limit"), "variants", "backorder_limit > 0")


def downgrade() -> None:
    """Take them away."""
    op.drop_constraint(op.f("ck_variants_backorder_limit"), "variants", type_="check")
    op.drop_column("variants", "available_from")
    op.drop_column("variants", "backorder_limit")
    op.drop_column("variants", "backorder")
