"""Pickups: what waits at a location for its customer to collect it."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, Uuid

from persistence.tables.base import metadata, moment

pickups = Table(
    "pickups",
    metadata,
    # The handle of what waits: one each time that a fulfillment order was made ready.
    Column("shipment_id", Uuid, ForeignKey("shipments.id"), primary_key=True),
    Column("fulfillment_order_id", Uuid, ForeignKey("fulfillment_orders.id"), nullable=False, index=True),
    moment("ready_at"),
    # When staff are told that it still waits; null once nobody is waited for.
    moment("remind_at", optional=True),
    # Codes that were shown and are not its own.
    Column("wrong_codes", Integer, nullable=False, server_default="0"),
    CheckConstraint("wrong_codes >= 0", name="wrong_codes"),
    Index("ix_pickups_remind_at", "remind_at", postgresql_where="remind_at IS NOT NULL"),
)
