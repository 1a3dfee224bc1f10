"""Holds of fulfillment orders; one that lacks units is on hold without a row here."""

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, Table, Text, Uuid

from domain.fulfillment import HoldKind
from persistence.tables.base import key, metadata, moment, one_of, text_column

order_holds = Table(
    "order_holds",
    metadata,
    key(),
    Column("order_id", Uuid, ForeignKey("orders.id"), nullable=False, index=True),
    Column("fulfillment_order_id", Uuid, ForeignKey("fulfillment_orders.id"), nullable=False),
    text_column("kind"),
    # Ends with the order's review.
    Column("of_review", Boolean, nullable=False),
    # What put it there, if no person did: a rule's kind, or UNPAID.
    Column("code", Text),
    Column("note", Text),
    text_column("created_by"),
    moment("created_at"),
    Column("released_by", Text),
    Column("release_note", Text),
    moment("released_at", optional=True),
    Index(
        "ix_order_holds_fulfillment_order_id",
        "fulfillment_order_id",
        postgresql_where="released_at IS NULL",
    ),
    # Those that end by themselves when the money comes.
    Index("ix_order_holds_unpaid", "order_id", postgresql_where="code = 'UNPAID' AND released_at IS NULL"),
    # Those that end with the next batch of routing.
    Index(
        "ix_order_holds_routing_batch",
        "order_id",
        postgresql_where="code = 'ROUTING_BATCH' AND released_at IS NULL",
    ),
    one_of("kind", HoldKind),
    CheckConstraint("kind <> 'INVENTORY_OUT_OF_STOCK'", name="out_of_stock"),
    CheckConstraint("(released_at IS NULL) = (released_by IS NULL)", name="released"),
)
