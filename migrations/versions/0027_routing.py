"""Routing: what a channel pays for parcels, where postal codes are, what was decided, what nobody can send.

Revision ID: 0027
Revises: 0026
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_REROUTE = "stock_reroute(uuid[], uuid[], int[], uuid, text, timestamptz)"

SQL = Path(__file__).parents[1] / "sql"
_AMOUNTS = (
    "split_penalty_minor", "parcel_minor", "kilogram_minor", "hundred_km_minor",
    "kilogram_hundred_km_minor", "late_day_minor",
)  # fmt: skip


def upgrade() -> None:
    """Add the tables and the function; channels keep choosing by their order of locations."""
    _settings()
    op.create_table(
        "postal_places",
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("latitude", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=False),
        sa.CheckConstraint("country ~ '^[A-Z]{2}$'", name=op.f("ck_postal_places_country")),
        sa.CheckConstraint(
            "latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180",
            name=op.f("ck_postal_places_coordinates"),
        ),
        sa.PrimaryKeyConstraint("country", "prefix", name=op.f("pk_postal_places")),
    )
    _decisions()
    op.create_table(
        "unfillable_orders",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_unfillable_orders_order_id")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_unfillable_orders")),
    )
    op.create_index("ix_unfillable_orders_since", "unfillable_orders", ["since", "order_id"])
    op.add_column("fulfillment_orders", sa.Column("routing_decision_id", sa.Uuid()))
    op.create_foreign_key(
        op.f("fk_fulfillment_orders_routing_decision_id"),
        "fulfillment_orders",
        "routing_decisions",
        ["routing_decision_id"],
        ["id"],
    )
    # How much of a day's capacity is taken.
    op.create_index(
        op.f("ix_fulfillment_orders_location_id_created_at"),
        "fulfillment_orders",
        ["location_id", "created_at"],
    )
    op.execute((SQL / "0027_stock_reroute.sql").read_text(encoding="utf-8"))
    # As for every function of stock: a plan made while tables are small must not be kept.
    for setting in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
        op.execute(f"ALTER FUNCTION {_REROUTE} SET {setting} = off")


def downgrade() -> None:
    """Take them away, with what they hold; parts of orders stay where they are."""
    op.execute(f"DROP FUNCTION {_REROUTE}")
    op.drop_index(op.f("ix_fulfillment_orders_location_id_created_at"), "fulfillment_orders")
    op.drop_constraint(
        op.f("fk_fulfillment_orders_routing_decision_id"), "fulfillment_orders", type_="foreignkey"
    )
    op.drop_column("fulfillment_orders", "routing_decision_id")
    for table in (
        "unfillable_orders", "routing_decisions", "postal_places", "channel_location_routing",
        "channel_routing",
    ):  # fmt: skip
        op.drop_table(table)


def _settings() -> None:
    op.create_table(
        "channel_routing",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in _AMOUNTS),
        sa.Column("batches", sa.Boolean(), nullable=False, server_default="false"),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.CheckConstraint(
            "strategy IN ('cheapest', 'priority', 'nearest', 'fewest_parcels')",
            name=op.f("ck_channel_routing_strategy"),
        ),
        sa.CheckConstraint(
            " AND ".join(f"{name} >= 0" for name in _AMOUNTS), name=op.f("ck_channel_routing_amounts")
        ),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_channel_routing_channel_id")),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_channel_routing")),
    )
    op.create_table(
        "channel_location_routing",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("parcel_minor", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("unit_minor", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("priority", sa.Integer()),
        sa.Column("countries", postgresql.ARRAY(sa.Text())),
        sa.CheckConstraint(
            "parcel_minor >= 0 AND unit_minor >= 0", name=op.f("ck_channel_location_routing_amounts")
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("fk_channel_location_routing_channel_id")
        ),
        sa.ForeignKeyConstraint(
            ["location_id"], ["locations.id"], name=op.f("fk_channel_location_routing_location_id")
        ),
        sa.PrimaryKeyConstraint("channel_id", "location_id", name=op.f("pk_channel_location_routing")),
    )
    op.create_index(
        op.f("ix_channel_location_routing_location_id"), "channel_location_routing", ["location_id"]
    )


def _decisions() -> None:
    op.create_table(
        "routing_decisions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("strategy", "reason", "method", "currency")
        ),
        *(sa.Column(name, sa.Double(), nullable=False) for name in ("cost", "price", "bound")),
        sa.Column("proven", sa.Boolean(), nullable=False),
        sa.Column("split_penalty", sa.Double(), nullable=False),
        sa.Column("sites", postgresql.JSONB(), nullable=False),
        sa.Column("short", postgresql.JSONB(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_routing_decisions_currency")),
        sa.CheckConstraint(
            "reason IN ('PLACED', 'REROUTED', 'REJECTED', 'SHORT', 'BATCHED')",
            name=op.f("ck_routing_decisions_reason"),
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_routing_decisions_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routing_decisions")),
    )
    op.create_index(op.f("ix_routing_decisions_order_id"), "routing_decisions", ["order_id"])
