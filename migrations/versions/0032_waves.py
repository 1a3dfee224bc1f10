"""Bins, waves what is picked in them, parcels being packed, and manifests.

Revision ID: 0032
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; no location has bins before somebody names some."""
    op.create_table(
        "bins",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_bins_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bins")),
        sa.UniqueConstraint("location_id", "code", name=op.f("uq_bins_location_id_code")),
    )
    op.create_table(
        "variant_bins",
        sa.Column("variant_id", sa.Uuid(), nullable=False),
        sa.Column("bin_id", sa.Uuid(), nullable=False),
        sa.Column("preferred", sa.Boolean(), nullable=False, server_default="false"),
        sa.ForeignKeyConstraint(["variant_id"], ["variants.id"], name=op.f("fk_variant_bins_variant_id")),
        sa.ForeignKeyConstraint(["bin_id"], ["bins.id"], name=op.f("fk_variant_bins_bin_id")),
        sa.PrimaryKeyConstraint("variant_id", "bin_id", name=op.f("pk_variant_bins")),
    )
    op.create_index(op.f("ix_variant_bins_bin_id"), "variant_bins", ["bin_id"])
    op.create_table(
        "waves",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("status IN ('OPEN', 'PICKED', 'CANCELED')", name=op.f("ck_waves_status")),
        sa.CheckConstraint("(status = 'OPEN') = (ended_at IS NULL)", name=op.f("ck_waves_ended")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_waves_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waves")),
    )
    op.create_index("ix_waves_location_id", "waves", ["location_id", "created_at", "id"])
    _picks()
    _parcels()
    _manifests()


def downgrade() -> None:
    """Take them away, with what they hold."""
    for table in (
        "manifest_shipments",
        "manifests",
        "open_parcels",
        "wave_picks",
        "waves",
        "variant_bins",
        "bins",
    ):
        op.drop_table(table)


def _picks() -> None:
    op.create_table(
        "wave_picks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("wave_id", sa.Uuid(), nullable=False),
        sa.Column("fulfillment_order_id", sa.Uuid(), nullable=False),
        sa.Column("fulfillment_order_line_id", sa.Uuid(), nullable=False),
        sa.Column("variant_id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("tote", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("quantity_picked", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("quantity_short", sa.Integer(), nullable=False, server_default="0"),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_wave_picks_quantity")),
        sa.CheckConstraint("quantity_picked >= 0 AND quantity_short >= 0", name=op.f("ck_wave_picks_counts")),
        sa.CheckConstraint("quantity_picked + quantity_short <= quantity", name=op.f("ck_wave_picks_picked")),
        sa.ForeignKeyConstraint(["wave_id"], ["waves.id"], name=op.f("fk_wave_picks_wave_id")),
        sa.ForeignKeyConstraint(
            ["fulfillment_order_id"],
            ["fulfillment_orders.id"],
            name=op.f("fk_wave_picks_fulfillment_order_id"),
        ),
        sa.ForeignKeyConstraint(["variant_id"], ["variants.id"], name=op.f("fk_wave_picks_variant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wave_picks")),
        sa.UniqueConstraint(
            "wave_id",
            "fulfillment_order_line_id",
            name=op.f("uq_wave_picks_wave_id_fulfillment_order_line_id"),
        ),
    )
    op.create_index(op.f("ix_wave_picks_fulfillment_order_id"), "wave_picks", ["fulfillment_order_id"])


def _parcels() -> None:
    op.create_table(
        "open_parcels",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("fulfillment_order_id", sa.Uuid(), nullable=False),
        sa.Column("lines", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("shipment_id", sa.Uuid()),
        sa.CheckConstraint("shipment_id IS NULL OR ended_at IS NOT NULL", name=op.f("ck_open_parcels_ended")),
        sa.ForeignKeyConstraint(
            ["fulfillment_order_id"],
            ["fulfillment_orders.id"],
            name=op.f("fk_open_parcels_fulfillment_order_id"),
        ),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipments.id"], name=op.f("fk_open_parcels_shipment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_open_parcels")),
    )
    op.create_index(op.f("ix_open_parcels_shipment_id"), "open_parcels", ["shipment_id"])
    op.create_index(
        "ix_open_parcels_open",
        "open_parcels",
        ["fulfillment_order_id"],
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def _manifests() -> None:
    op.create_table(
        "manifests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("closing", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text()),
        sa.Column("message", sa.Text()),
        sa.CheckConstraint("status IN ('OPEN', 'CLOSED')", name=op.f("ck_manifests_status")),
        sa.CheckConstraint(
            "closing IN ('NONE', 'REQUESTED', 'DONE', 'FAILED')", name=op.f("ck_manifests_closing")
        ),
        sa.CheckConstraint("(status = 'CLOSED') = (closed_at IS NOT NULL)", name=op.f("ck_manifests_closed")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_manifests_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_manifests")),
    )
    op.create_index(op.f("ix_manifests_location_id"), "manifests", ["location_id"])
    op.create_index(
        "ix_manifests_requested", "manifests", ["id"], postgresql_where=sa.text("closing = 'REQUESTED'")
    )
    op.create_table(
        "manifest_shipments",
        sa.Column("manifest_id", sa.Uuid(), nullable=False),
        sa.Column("shipment_id", sa.Uuid(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifests.id"], name=op.f("fk_manifest_shipments_manifest_id")
        ),
        sa.ForeignKeyConstraint(
            ["shipment_id"], ["shipments.id"], name=op.f("fk_manifest_shipments_shipment_id")
        ),
        sa.PrimaryKeyConstraint("manifest_id", "shipment_id", name=op.f("pk_manifest_shipments")),
    )
    op.create_index(
        "uq_manifest_shipments_shipment_id",
        "manifest_shipments",
        ["shipment_id"],
        unique=True,
        postgresql_where=sa.text("error IS NULL"),
    )
