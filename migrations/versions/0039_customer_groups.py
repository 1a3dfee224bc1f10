"""Delivery that is free for customer groups, carriers' own manifests, and stores' fees and hours.

Revision ID: 0039
Revises: 0036
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0039"
down_revision = "0036"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB()


def upgrade() -> None:
    """Add the columns."""
    op.add_column("carts", sa.Column("customer_group", sa.Text()))
    op.add_column("delivery_rates", sa.Column("free_for_groups", _JSON, nullable=False, server_default="[]"))


def downgrade() -> None:
    """Take them away: delivery is as free as it is for everybody."""
    op.drop_column("delivery_rates", "free_for_groups")
    op.drop_column("carts", "customer_group")
