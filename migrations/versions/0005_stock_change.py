"""Changing a level by hand.

Revision ID: 0005
Revises: 0004
"""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create stock_change."""
    source = Path(__file__).parents[1] / "sql" / "0005_stock_change.sql"
    op.get_bind().exec_driver_sql(source.read_text(encoding="utf-8"))


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP FUNCTION stock_change")
