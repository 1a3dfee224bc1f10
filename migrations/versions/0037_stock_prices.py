"""Prices of scarce stock, learned from a channel's orders, and new orders held back for a batch.

Revision ID: 0037
Revises: 0036
"""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; channels charge no prices and hold nothing back until they say so."""
    op.add_column(
        "channel_routing", sa.Column("stock_prices", sa.Boolean(), nullable=False, server_default="false")
    )
    op.add_column(
        "channel_routing", sa.Column("hold_back_minutes", sa.Integer(), nullable=False, server_default="0")
    )
    op.create_check_constraint(
        op.f("ck_channel_routing_hold_back_minutes"), "channel_routing", "hold_back_minutes BETWEEN 0 AND 240"
    )
    op.create_index(
        "ix_order_holds_routing_batch",
        "order_holds",
        ["order_id"],
        postgresql_where=sa.text("code = 'ROUTING_BATCH' AND released_at IS NULL"),
    )
    op.create_table(
        "stock_prices",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("variant_id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("price_minor", sa.Double(), nullable=False),
        sa.Column("learned_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("price_minor > 0", name=op.f("ck_stock_prices_price_minor")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_stock_prices_channel_id")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_stock_prices_location_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["variants.id"], name=op.f("fk_stock_prices_variant_id")),
        sa.PrimaryKeyConstraint("channel_id", "variant_id", "location_id", name=op.f("pk_stock_prices")),
    )
    op.create_index(op.f("ix_stock_prices_location_id"), "stock_prices", ["location_id"])
    op.create_index(op.f("ix_stock_prices_variant_id"), "stock_prices", ["variant_id"])
    op.create_table(
        "stock_price_runs",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("after_id", sa.Uuid()),
        sa.Column("variants", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("prices", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_stock_price_runs_channel_id")),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_stock_price_runs")),
    )


def downgrade() -> None:
    """Take them away; what is on hold for a batch stays so until somebody releases it."""
    op.drop_table("stock_price_runs")
    op.drop_table("stock_prices")
    op.drop_index("ix_order_holds_routing_batch", "order_holds")
    op.drop_constraint(op.f("ck_channel_routing_hold_back_minutes"), "channel_routing", type_="check")
    op.drop_column("channel_routing", "hold_back_minutes")
    op.drop_column("channel_routing", "stock_prices")
