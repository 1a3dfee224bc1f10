"""Parcels that somebody is filling; closed, each is a shipment."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, Uuid

from persistence.tables.base import JSON, key, metadata, moment, text_column

open_parcels = Table(
    "open_parcels",
    metadata,
    key(),
    Column("fulfillment_order_id", Uuid, ForeignKey("fulfillment_orders.id"), nullable=False),
    # Units by fulfillment order line.
    Column("lines", JSON, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    text_column("created_by"),
    moment("created_at"),
    # When it was closed or emptied; what it became is told by shipment_id.
    moment("ended_at", optional=True),
    Column("shipment_id", Uuid, ForeignKey("shipments.id"), index=True),
    CheckConstraint("shipment_id IS NULL OR ended_at IS NOT NULL", name="ended"),
    Index("ix_open_parcels_open", "fulfillment_order_id", postgresql_where="ended_at IS NULL"),
)
