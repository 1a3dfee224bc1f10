"""Edits of placed orders: who changed what they cost, and why."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table, UniqueConstraint, Uuid

from persistence.tables.base import JSON, key, metadata, moment, text_column

order_edits = Table(
    "order_edits",
    metadata,
    key(),
    Column("order_id", Uuid, ForeignKey("orders.id"), nullable=False),
    # The order's version that the edit made.
    Column("version", Integer, nullable=False),
    text_column("actor"),
    text_column("reason"),
    Column("difference_minor", BigInteger, nullable=False),
    Column("totals_before", JSON, nullable=False),
    moment("created_at"),
    UniqueConstraint("order_id", "version"),
)
