"""What fulfilment stands on: what locations can do, how far parts of orders have come, parcels in full.

Revision ID: 0026
Revises: 0025
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_STATUSES = (
    "LABEL_CREATED", "PRE_TRANSIT", "IN_TRANSIT", "OUT_FOR_DELIVERY", "AVAILABLE_FOR_PICKUP", "DELIVERED",
    "FAILED_ATTEMPT", "EXCEPTION", "RETURN_TO_SENDER", "CANCELED",
)  # fmt: skip
_LOCATION_CHECKS = {
    "kind": "kind IN ('WAREHOUSE', 'STORE')",
    "coordinates": "latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180",
    "both_coordinates": "(latitude IS NULL) = (longitude IS NULL)",
    "working_days": "working_days <@ '{1,2,3,4,5,6,7}'::smallint[]",
    "daily_capacity": "daily_capacity > 0",
}
_PART_CHECKS = {
    "delivery_method": "delivery_method IN ('SHIPPING', 'PICKUP')",
    "work": "work IN ('ALLOCATED', 'PICKING', 'PICKED', 'PACKED', 'LABELED')",
}
_SHIPMENT_CHECKS = {
    "label_state": "label_state IN ('NONE', 'REQUESTED', 'PURCHASED', 'FAILED', 'VOIDED')",
    "weight": "weight_grams > 0",
    "measures": "length_mm > 0 AND width_mm > 0 AND height_mm > 0",
}


def upgrade() -> None:
    """Add the columns; what was there before is a warehouse that ships, and a parcel nobody asks about."""
    _add("locations", _locations(), _LOCATION_CHECKS)
    op.create_table(
        "location_closures",
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.ForeignKeyConstraint(
            ["location_id"], ["locations.id"], name=op.f("fk_location_closures_location_id")
        ),
        sa.PrimaryKeyConstraint("location_id", "day", name=op.f("pk_location_closures")),
    )
    op.add_column(
        "variants", sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False, server_default="{}")
    )
    _add("fulfillment_orders", _parts(), _PART_CHECKS)
    op.create_index(
        "ix_fulfillment_orders_open",
        "fulfillment_orders",
        ["location_id", "created_at", "id"],
        postgresql_where=sa.text("status IN ('SCHEDULED', 'OPEN', 'IN_PROGRESS', 'ON_HOLD')"),
    )
    _statuses("LABEL_PENDING", *_STATUSES)
    _add("shipments", _shipments(), _SHIPMENT_CHECKS)
    op.create_foreign_key(op.f("fk_shipments_location_id"), "shipments", "locations", ["location_id"], ["id"])
    op.create_index("ix_shipments_tracking_number", "shipments", ["tracking_number"])
    op.create_index(
        "uq_shipments_provider",
        "shipments",
        ["provider", "provider_reference"],
        unique=True,
        postgresql_where=sa.text("provider_reference IS NOT NULL"),
    )


def downgrade() -> None:
    """Take them away, with what they hold; a parcel without a label counts as one with it."""
    op.drop_index("uq_shipments_provider", "shipments")
    op.drop_index("ix_shipments_tracking_number", "shipments")
    op.drop_constraint(op.f("fk_shipments_location_id"), "shipments", type_="foreignkey")
    _drop("shipments", _shipments(), _SHIPMENT_CHECKS)
    op.execute("UPDATE shipments SET status = 'LABEL_CREATED' WHERE status = 'LABEL_PENDING'")
    _statuses(*_STATUSES)
    op.drop_index("ix_fulfillment_orders_open", "fulfillment_orders")
    _drop("fulfillment_orders", _parts(), _PART_CHECKS)
    op.drop_column("variants", "tags")
    op.drop_table("location_closures")
    _drop("locations", _locations(), _LOCATION_CHECKS)


def _add(table: str, columns: tuple[sa.Column[Any], ...], checks: dict[str, str]) -> None:
    for column in columns:
        op.add_column(table, column)
    for name, check in checks.items():
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, check)


def _drop(table: str, columns: tuple[sa.Column[Any], ...], checks: dict[str, str]) -> None:
    for name in checks:
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
    for column in reversed(columns):
        op.drop_column(table, column.name)


def _statuses(*statuses: str) -> None:
    op.drop_constraint(op.f("ck_shipments_status"), "shipments", type_="check")
    listed = ", ".join(f"'{status}'" for status in statuses)
    op.create_check_constraint(op.f("ck_shipments_status"), "shipments", f"status IN ({listed})")


def _locations() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("kind", sa.Text(), nullable=False, server_default="WAREHOUSE"),
        sa.Column("latitude", sa.Double()),
        sa.Column("longitude", sa.Double()),
        sa.Column("time_zone", sa.Text(), nullable=False, server_default="UTC"),
        sa.Column(
            "working_days", postgresql.ARRAY(sa.SmallInteger()), nullable=False, server_default="{1,2,3,4,5}"
        ),
        sa.Column("holidays", sa.Text()),
        sa.Column("cut_off", sa.Time()),
        sa.Column("daily_capacity", sa.Integer()),
        sa.Column("ships", sa.Boolean(), nullable=False, server_default="true"),
        sa.Column("pickup", sa.Boolean(), nullable=False, server_default="false"),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False, server_default="{}"),
    )


def _parts() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("delivery_method", sa.Text(), nullable=False, server_default="SHIPPING"),
        sa.Column("work", sa.Text(), nullable=False, server_default="ALLOCATED"),
        sa.Column("scheduled_for", sa.DateTime(timezone=True)),
        sa.Column("promised_from", sa.DateTime(timezone=True)),
        sa.Column("promised_until", sa.DateTime(timezone=True)),
    )


def _shipments() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("location_id", sa.Uuid()),
        sa.Column("provider", sa.Text()),
        sa.Column("provider_reference", sa.Text()),
        sa.Column("label_state", sa.Text(), nullable=False, server_default="NONE"),
        sa.Column("weight_grams", sa.Integer()),
        sa.Column("length_mm", sa.Integer()),
        sa.Column("width_mm", sa.Integer()),
        sa.Column("height_mm", sa.Integer()),
        sa.Column("box", sa.Text()),
        sa.Column("promised_from", sa.DateTime(timezone=True)),
        sa.Column("promised_until", sa.DateTime(timezone=True)),
        sa.Column("estimated_at", sa.DateTime(timezone=True)),
        sa.Column("token_generation", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
