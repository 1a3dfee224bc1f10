"""Stock functions that leave keys alone, and limits that one shopper cannot get around.

Revision ID: 0013
Revises: 0012
"""

from itertools import product
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
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
SETTINGS = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")
"""What revision 0009 turned off for them: replacing a function forgets its settings."""


def upgrade() -> None:
    """Replace the functions that lock; index the ended holds that a new one may continue."""
    op.create_index(
        "ix_holds_cart_id_variant_id",
        "holds",
        ["cart_id", "variant_id", "ended_at"],
        postgresql_where=sa.text("status IN ('RELEASED', 'EXPIRED')"),
    )
    op.add_column("carts", sa.Column("address_number", sa.BigInteger()))
    op.create_index(
        "ix_carts_address_number",
        "carts",
        ["address_number"],
        postgresql_where=sa.text(
            "address_number IS NOT NULL AND status IN ('ACTIVE', 'CHECKOUT', 'ABANDONED')"
        ),
    )
    _replace("0013_stock_functions.sql")
    _replace("0013_stock_change.sql")
    # Nobody calls it: availability is read with prices and names, by the statements that show it.
    op.execute("DROP FUNCTION stock_available")


def downgrade() -> None:
    """Bring back the functions of revisions 0003, 0005 and 0009."""
    _replace(
        "0003_stock_functions.sql",
        "stock_move",
        "stock_expire_holds",
        "stock_commit_holds",
        "stock_available",
    )
    _replace("0005_stock_change.sql")
    _replace("0009_stock_hold.sql")
    op.drop_index("ix_holds_cart_id_variant_id", "holds")
    op.drop_index("ix_carts_address_number", "carts")
    op.drop_column("carts", "address_number")


def _replace(file: str, *names: str) -> None:
    """Run the functions of a file, those named or all of them."""
    source = (SQL / file).read_text(encoding="utf-8").replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    # One function a statement: the driver prepares each and takes no scripts.
    for function in source.split("$$;\n")[:-1]:
        if not names or any(f"FUNCTION {name}(" in function for name in names):
            op.get_bind().exec_driver_sql(f"{function}$$")
    for function, setting in product(LOCKING, SETTINGS):
        op.execute(f"ALTER FUNCTION {function} SET {setting} = off")
