"""Fulfillment orders (what one location has to send) and shipments (what left)."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from domain.fulfillment import FulfillmentOrderStatus, ShipmentStatus
from persistence.tables.base import key, metadata, moment, one_of, text_column

fulfillment_orders = Table(
    "fulfillment_orders",
    metadata,
    key(),
    Column("order_id", Uuid, ForeignKey("orders.id"), nullable=False, index=True),
    Column("location_id", Uuid, ForeignKey("locations.id"), nullable=False, index=True),
    text_column("status"),
    Column("version", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    one_of("status", FulfillmentOrderStatus),
)

fulfillment_order_lines = Table(
    "fulfillment_order_lines",
    metadata,
    key(),
    Column("fulfillment_order_id", Uuid, ForeignKey("fulfillment_orders.id"), nullable=False),
    Column("order_line_id", Uuid, ForeignKey("order_lines.id"), nullable=False, index=True),
    Column("variant_id", Uuid, ForeignKey("variants.id"), nullable=False),
    text_column("sku"),
    Column("quantity", Integer, nullable=False),
    Column("quantity_shipped", Integer, nullable=False, server_default="0"),
    # Units to be sent that are not committed: they were lost, and wait for stock.
    Column("quantity_short", Integer, nullable=False, server_default="0"),
    UniqueConstraint("fulfillment_order_id", "order_line_id"),
    CheckConstraint("quantity > 0", name="quantity"),
    CheckConstraint("quantity_shipped BETWEEN 0 AND quantity", name="quantity_shipped"),
    CheckConstraint("quantity_short BETWEEN 0 AND quantity - quantity_shipped", name="quantity_short"),
    # Who still waits for units of a variant, and who lacks some.
    Index(
        "ix_fulfillment_order_lines_variant_id",
        "variant_id",
        postgresql_where="quantity_shipped < quantity",
    ),
    Index(
        "ix_fulfillment_order_lines_quantity_short",
        "variant_id",
        postgresql_where="quantity_short > 0",
    ),
)

shipments = Table(
    "shipments",
    metadata,
    key(),
    Column("order_id", Uuid, ForeignKey("orders.id"), nullable=False, index=True),
    Column("fulfillment_order_id", Uuid, ForeignKey("fulfillment_orders.id"), index=True),
    text_column("status"),
    text_column("carrier"),
    Column("service", Text),
    Column("tracking_number", Text),
    Column("tracking_url", Text),
    moment("shipped_at", optional=True),
    moment("delivered_at", optional=True),
    one_of("status", ShipmentStatus),
)

shipment_lines = Table(
    "shipment_lines",
    metadata,
    Column("shipment_id", Uuid, ForeignKey("shipments.id"), primary_key=True),
    Column("order_line_id", Uuid, ForeignKey("order_lines.id"), primary_key=True),
    text_column("sku"),
    Column("quantity", Integer, nullable=False),
    CheckConstraint("quantity > 0", name="quantity"),
)
