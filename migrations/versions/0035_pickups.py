"""Carts that are collected at a store, and what waits there to be collected.

Revision ID: 0035
Revises: 0034
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"
HOLD = "stock_hold(uuid, uuid, uuid[], uuid[], int[], timestamptz, interval, text, timestamptz)"
SETTINGS = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")
"""What revision 0009 turned off for it: replacing a function forgets its settings."""


def upgrade() -> None:
    """Add where a cart is collected and the table, and let carts hold stock only where they get it from."""
    op.add_column("carts", sa.Column("pickup_location_id", sa.Uuid()))
    op.add_column("carts", sa.Column("pickup_contact", sa.Text()))
    op.create_foreign_key(
        op.f("fk_carts_pickup_location_id"), "carts", "locations", ["pickup_location_id"], ["id"]
    )
    op.create_check_constraint(
        op.f("ck_carts_pickup"), "carts", "pickup_location_id IS NOT NULL OR pickup_contact IS NULL"
    )
    op.create_table(
        "pickups",
        sa.Column("shipment_id", sa.Uuid(), nullable=False),
        sa.Column("fulfillment_order_id", sa.Uuid(), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("remind_at", sa.DateTime(timezone=True)),
        sa.Column("wrong_codes", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("wrong_codes >= 0", name=op.f("ck_pickups_wrong_codes")),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.id"], name=op.f("fk_pickups_shipment_id")),
        sa.ForeignKeyConstraint(
            ["fulfillment_order_id"],
            ["fulfillment_orders.id"],
            name=op.f("fk_pickups_fulfillment_order_id"),
        ),
        sa.PrimaryKeyConstraint("shipment_id", name=op.f("pk_pickups")),
    )
    op.create_index("ix_pickups_fulfillment_order_id", "pickups", ["fulfillment_order_id"])
    op.create_index(
        "ix_pickups_remind_at", "pickups", ["remind_at"], postgresql_where=sa.text("remind_at IS NOT NULL")
    )
    _replace("0035_stock_hold.sql")


def downgrade() -> None:
    """Take it away; what is collected is sent to the address the cart has, or waits for one."""
    _replace("0013_stock_functions.sql")
    op.drop_table("pickups")
    op.drop_constraint(op.f("ck_carts_pickup"), "carts", type_="check")
    op.drop_constraint(op.f("fk_carts_pickup_location_id"), "carts", type_="foreignkey")
    op.drop_column("carts", "pickup_contact")
    op.drop_column("carts", "pickup_location_id")


def _replace(file: str) -> None:
    functions = (SQL / file).read_text(encoding="utf-8").split("$$;\n")
    op.get_bind().exec_driver_sql(next(one for one in functions if "FUNCTION stock_hold(" in one) + "$$")
    for setting in SETTINGS:
        op.execute(f"ALTER FUNCTION {HOLD} SET {setting} = off")
