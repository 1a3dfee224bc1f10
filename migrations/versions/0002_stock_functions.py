"""Stock functions and the feed's head row.

Revision ID: 0002
Revises: 0001
"""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FUNCTIONS = (
    "stock_commit_holds",
    "stock_expire_holds",
    "stock_available",
    "stock_hold",
    "stock_move",
    "stock_apply",
)


def upgrade() -> None:
    """Create the functions in dependency order and start the feed at sequence 0."""
    source = Path(__file__).parents[1] / "sql" / "0002_stock_functions.sql"
    # One function a statement: the driver prepares each and takes no scripts.
    for function in source.read_text(encoding="utf-8").split("$$;\n")[:-1]:
        op.get_bind().exec_driver_sql(f"{function}$$")
    op.execute("INSERT INTO feed_head (id, epoch, sequence) VALUES (1, gen_random_uuid(), 0)")


def downgrade() -> None:
    """Drop the functions."""
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DELETE FROM feed_head")
