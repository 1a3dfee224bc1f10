"""Renewing holds in place, the sweep's mark on carts, and the stock functions anew.

Revision ID: 0003
Revises: 0002
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

HELD = sa.text("status = 'HELD'")
OLD_APPLY = "stock_apply(uuid[], uuid[], text[], text[], int[], text[], text, uuid, text, timestamptz)"
NEW_APPLY = "stock_apply(uuid[], uuid[], text[], text[], int[], text[], text, uuid[], text, timestamptz)"


def upgrade() -> None:
    """Add the mark, drop the index that made renewals dear, and replace the functions."""
    op.add_column("carts", sa.Column("holds_due_at", sa.DateTime(timezone=True)))
    op.execute(
        "UPDATE carts c SET holds_due_at = "
        "(SELECT min(expires_at) FROM holds h WHERE h.cart_id = c.id AND h.status = 'HELD')"
    )
    op.create_index(
        "ix_carts_holds_due_at",
        "carts",
        ["holds_due_at"],
        postgresql_where=sa.text(
            "holds_due_at IS NOT NULL AND status IN ('ACTIVE', 'CHECKOUT', 'ABANDONED')"
        ),
    )
    op.drop_index("ix_holds_expires_at", "holds")
    op.drop_index("ix_holds_cart_id", "holds")
    op.create_index("ix_holds_cart_id", "holds", ["cart_id"], postgresql_where=HELD)
    op.drop_index("ix_holds_variant_id", "holds")
    op.create_index("ix_holds_variant_id", "holds", ["variant_id", "location_id"], postgresql_where=HELD)
    op.drop_constraint("fk_holds_variant_id", "holds", type_="foreignkey")
    op.drop_constraint("fk_holds_location_id", "holds", type_="foreignkey")
    op.create_foreign_key(
        "fk_holds_level",
        "holds",
        "stock_levels",
        ["variant_id", "location_id"],
        ["variant_id", "location_id"],
    )
    op.execute("ALTER TABLE holds SET (fillfactor = 70)")
    _run_sql("0003_stock_functions.sql")
    op.execute(f"DROP FUNCTION {OLD_APPLY}")


def downgrade() -> None:
    """Bring back the functions and indexes of revision 0002."""
    op.execute(f"DROP FUNCTION {NEW_APPLY}")
    _run_sql("0002_stock_functions.sql", replace=True)
    op.execute("ALTER TABLE holds RESET (fillfactor)")
    op.drop_constraint("fk_holds_level", "holds", type_="foreignkey")
    op.create_foreign_key("fk_holds_variant_id", "holds", "variants", ["variant_id"], ["id"])
    op.create_foreign_key("fk_holds_location_id", "holds", "locations", ["location_id"], ["id"])
    op.drop_index("ix_holds_variant_id", "holds")
    op.create_index("ix_holds_variant_id", "holds", ["variant_id"])
    op.drop_index("ix_holds_cart_id", "holds")
    op.create_index("ix_holds_cart_id", "holds", ["cart_id"])
    op.create_index("ix_holds_expires_at", "holds", ["expires_at"], postgresql_where=HELD)
    op.drop_index("ix_carts_holds_due_at", "carts")
    op.drop_column("carts", "holds_due_at")


def _run_sql(name: str, *, replace: bool = False) -> None:
    source = (Path(__file__).parents[1] / "sql" / name).read_text(encoding="utf-8")
    if replace:
        source = source.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    # One function a statement: the driver prepares each and takes no scripts.
    for function in source.split("$$;\n")[:-1]:
        op.get_bind().exec_driver_sql(f"{function}$$")
