"""Fulfillment orders: what one location has to send of an order."""

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

from domain.fulfillment import DeliveryMethod, FulfillmentOrderStatus, FulfillmentWork
from persistence.tables.base import key, metadata, moment, one_of, text_column

fulfillment_orders = Table(
    "fulfillment_orders",
    metadata,
    key(),
    Column("order_id", Uuid, ForeignKey("orders.id"), nullable=False, index=True),
    Column("location_id", Uuid, ForeignKey("locations.id"), nullable=False, index=True),
    text_column("status"),
    Column("delivery_method", Text, nullable=False, server_default=DeliveryMethod.SHIPPING.value),
    Column("work", Text, nullable=False, server_default=FulfillmentWork.ALLOCATED.value),
    # When a SCHEDULED one opens; null where it waits for stock instead.
    moment("scheduled_for", optional=True),
    # What the customer was told of the arrival.
    moment("promised_from", optional=True),
    moment("promised_until", optional=True),
    Column("routing_decision_id", Uuid, ForeignKey("routing_decisions.id")),
    Column("version", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    one_of("status", FulfillmentOrderStatus),
    one_of("delivery_method", DeliveryMethod),
    one_of("work", FulfillmentWork),
    # How much of a day's capacity is taken.
    Index(None, "location_id", "created_at"),
    # What a location has to do, the oldest first.
    Index(
        "ix_fulfillment_orders_open",
        "location_id",
        "created_at",
        "id",
        postgresql_where="status IN ('SCHEDULED', 'OPEN', 'IN_PROGRESS', 'ON_HOLD')",
    ),
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
        "order_line_id",
        postgresql_where="quantity_short > 0",
    ),
)
