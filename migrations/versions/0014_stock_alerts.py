"""Stock events that tell what was available before, so that alerts are decided from them alone.

Revision ID: 0014
Revises: 0013
"""

from pathlib import Path

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    """Let StockChanged carry availableBefore; stock_apply has no settings that replacing it could lose."""
    _replace("0014_stock_apply.sql")


def downgrade() -> None:
    """Bring back the function of revision 0003."""
    _replace("0003_stock_functions.sql")


def _replace(file: str) -> None:
    source = (SQL / file).read_text(encoding="utf-8").replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    functions = source.split("$$;\n")
    op.get_bind().exec_driver_sql(next(one for one in functions if "FUNCTION stock_apply(" in one) + "$$")
