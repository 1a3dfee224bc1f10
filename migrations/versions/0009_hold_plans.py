"""One index for each way holds are looked up, so that no plan depends on how many there were once.

Revision ID: 0009
Revises: 0008
"""

from itertools import product
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"
LOCKING = (
    "stock_hold(uuid, uuid, uuid[], uuid[], int[], timestamptz, interval, text, timestamptz)",
    "stock_commit_holds(uuid, uuid, text, timestamptz)",
    "stock_expire_holds(int, text, timestamptz)",
    "stock_move(uuid[], uuid[], text[], text[], int[], text[], text, uuid, text, timestamptz)",
    "stock_change(uuid, text, text, text, text, int, text, int, text, text, uuid, text, timestamptz)",
)
"""Functions that are called while others wait."""
SETTINGS = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")
"""Ways of joining that read a whole table: cheap while it is small, and then kept when it is not."""


def upgrade() -> None:
    """Give each index a predicate of its own, and stock_hold the one of its lookup."""
    _indexes(line="ended_at IS NULL", variant="status = 'HELD' AND ended_at IS NULL")
    op.get_bind().exec_driver_sql((SQL / "0009_stock_hold.sql").read_text(encoding="utf-8"))
    for function, setting in product(LOCKING, SETTINGS):
        op.execute(f"ALTER FUNCTION {function} SET {setting} = off")


def downgrade() -> None:
    """Bring back the predicates and the function of revision 0003."""
    for function, setting in product(LOCKING, SETTINGS):
        op.execute(f"ALTER FUNCTION {function} RESET {setting}")
    older = (SQL / "0003_stock_functions.sql").read_text(encoding="utf-8").split("$$;\n")
    op.get_bind().exec_driver_sql(next(one for one in older if "FUNCTION stock_hold(" in one) + "$$")
    _indexes(line="status = 'HELD'", variant="status = 'HELD'")


def _indexes(*, line: str, variant: str) -> None:
    op.drop_index("uq_holds_cart_line_id_location_id", "holds")
    op.create_index(
        "uq_holds_cart_line_id_location_id",
        "holds",
        ["cart_line_id", "location_id"],
        unique=True,
        postgresql_where=sa.text(line),
    )
    op.drop_index("ix_holds_variant_id", "holds")
    op.create_index(
        "ix_holds_variant_id", "holds", ["variant_id", "location_id"], postgresql_where=sa.text(variant)
    )
