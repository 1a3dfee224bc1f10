"""Delivery by zone, volume and parcel, boxes to pack into, and what carriers quote for a cart.

Revision ID: 0029
Revises: 0028
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
_RATE_CHECKS = {
    "volume_band": "min_volume_ml >= 0 AND max_volume_ml > min_volume_ml",
    "included_weight": "included_weight_grams >= 0",
    "per_kilogram": "per_kilogram_minor >= 0",
    "free_from": "free_from_minor >= 0",
    "dimensional_divisor": "dimensional_divisor > 0",
    "place": "zone_id IS NULL OR countries IS NULL",
}


def upgrade() -> None:
    """Create the tables; rates that are there apply by their countries, as before."""
    _create_zones()
    _create_boxes()
    _create_services()
    for column in _rate_columns():
        op.add_column("delivery_rates", column)
    op.create_foreign_key(
        op.f("fk_delivery_rates_zone_id"), "delivery_rates", "delivery_zones", ["zone_id"], ["id"]
    )
    for name, check in _RATE_CHECKS.items():
        op.create_check_constraint(op.f(f"ck_delivery_rates_{name}"), "delivery_rates", check)
    op.create_index("ix_delivery_rates_zone_id", "delivery_rates", ["zone_id"])
    op.add_column("carts", sa.Column("delivery_quote_id", sa.Uuid()))
    op.create_table(
        "delivery_quotes",
        sa.Column("cart_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("offers", _JSON, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["cart_id"], ["carts.id"], name=op.f("fk_delivery_quotes_cart_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("cart_id", "provider", name=op.f("pk_delivery_quotes")),
    )
    op.create_index("ix_delivery_quotes_expires_at", "delivery_quotes", ["expires_at"])


def downgrade() -> None:
    """Take it all away; a rate of a zone would apply everywhere, and is archived instead."""
    op.drop_table("delivery_quotes")
    op.drop_column("carts", "delivery_quote_id")
    op.execute(
        "UPDATE delivery_rates SET archived_at = now() WHERE zone_id IS NOT NULL AND archived_at IS NULL"
    )
    op.drop_index("ix_delivery_rates_zone_id", "delivery_rates")
    for name in _RATE_CHECKS:
        op.drop_constraint(op.f(f"ck_delivery_rates_{name}"), "delivery_rates", type_="check")
    op.drop_constraint(op.f("fk_delivery_rates_zone_id"), "delivery_rates", type_="foreignkey")
    for column in reversed(_rate_columns()):
        op.drop_column("delivery_rates", column.name)
    op.drop_table("delivery_services")
    op.drop_table("boxes")
    op.drop_table("delivery_zones")


def _rate_columns() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("zone_id", sa.Uuid()),
        sa.Column("min_volume_ml", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("max_volume_ml", sa.Integer()),
        sa.Column("included_weight_grams", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("per_kilogram_minor", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("free_from_minor", sa.BigInteger()),
        sa.Column("dimensional_divisor", sa.Integer()),
    )


def _create_zones() -> None:
    op.create_table(
        "delivery_zones",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("countries", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("regions", postgresql.ARRAY(sa.Text()), nullable=False, server_default="{}"),
        sa.Column("postcodes", _JSON, nullable=False, server_default="[]"),
        sa.Column("excluded_postcodes", _JSON, nullable=False, server_default="[]"),
        *_last_columns(),
        sa.CheckConstraint("cardinality(countries) > 0", name=op.f("ck_delivery_zones_countries")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_delivery_zones_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_zones")),
    )
    op.create_index("ix_delivery_zones_channel_id", "delivery_zones", ["channel_id"])


def _create_boxes() -> None:
    op.create_table(
        "boxes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("length_mm", sa.Integer(), nullable=False),
        sa.Column("width_mm", sa.Integer(), nullable=False),
        sa.Column("height_mm", sa.Integer(), nullable=False),
        sa.Column("own_weight_grams", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("max_weight_grams", sa.Integer()),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "length_mm > 0 AND width_mm > 0 AND height_mm > 0", name=op.f("ck_boxes_measures")
        ),
        sa.CheckConstraint(
            "own_weight_grams >= 0 AND max_weight_grams > own_weight_grams", name=op.f("ck_boxes_weights")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_boxes")),
    )


def _create_services() -> None:
    op.create_table(
        "delivery_services",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("carrier", sa.Text()),
        sa.Column("markup_ppm", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("markup_minor", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("handling_days", sa.Integer(), nullable=False, server_default="0"),
        *_last_columns(),
        sa.CheckConstraint(
            "markup_ppm >= 0 AND markup_minor >= 0 AND handling_days >= 0",
            name=op.f("ck_delivery_services_markup"),
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("fk_delivery_services_channel_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_services")),
    )
    op.create_index(
        "uq_delivery_services_code",
        "delivery_services",
        ["channel_id", "provider", "code"],
        unique=True,
        postgresql_where=sa.text("archived_at IS NULL"),
    )


def _last_columns() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("position", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True)),
    )
