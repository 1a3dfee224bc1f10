"""Waves, what is picked in each, and the bins that goods lie in."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    Uuid,
)

from domain.waves import WaveStatus
from persistence.tables.base import key, metadata, moment, one_of, text_column

bins = Table(
    "bins",
    metadata,
    key(),
    Column("location_id", Uuid, ForeignKey("locations.id"), nullable=False),
    text_column("code"),
    text_column("zone"),
    # Where it is on the way through its zone.
    Column("position", Integer, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    UniqueConstraint("location_id", "code"),
)

variant_bins = Table(
    "variant_bins",
    metadata,
    Column("variant_id", Uuid, ForeignKey("variants.id"), primary_key=True),
    Column("bin_id", Uuid, ForeignKey("bins.id"), primary_key=True, index=True),
    Column("preferred", Boolean, nullable=False, server_default="false"),
)

waves = Table(
    "waves",
    metadata,
    key(),
    Column("location_id", Uuid, ForeignKey("locations.id"), nullable=False),
    text_column("status"),
    Column("version", Integer, nullable=False, server_default="1"),
    text_column("created_by"),
    moment("created_at"),
    moment("ended_at", optional=True),
    one_of("status", WaveStatus),
    CheckConstraint("(status = 'OPEN') = (ended_at IS NULL)", name="ended"),
    Index("ix_waves_location_id", "location_id", "created_at", "id"),
)

wave_picks = Table(
    "wave_picks",
    metadata,
    key(),
    Column("wave_id", Uuid, ForeignKey("waves.id"), nullable=False),
    Column("fulfillment_order_id", Uuid, ForeignKey("fulfillment_orders.id"), nullable=False, index=True),
    # No foreign key: the line goes when all of its units are given up.
    Column("fulfillment_order_line_id", Uuid, nullable=False),
    Column("variant_id", Uuid, ForeignKey("variants.id"), nullable=False),
    text_column("sku"),
    Column("tote", Integer, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("quantity_picked", Integer, nullable=False, server_default="0"),
    Column("quantity_short", Integer, nullable=False, server_default="0"),
    UniqueConstraint("wave_id", "fulfillment_order_line_id"),
    CheckConstraint("quantity > 0", name="quantity"),
    CheckConstraint("quantity_picked >= 0 AND quantity_short >= 0", name="counts"),
    CheckConstraint("quantity_picked + quantity_short <= quantity", name="picked"),
)
