"""Refunds without an order, and the limits that each channel sets them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Sequence,
    Table,
    Text,
    Uuid,
)

from domain.unlinked_refunds import RefundPaymentStatus, UnlinkedRefundMethod, UnlinkedRefundStatus
from persistence.tables.base import currency_code, key, metadata, moment, one_of, text_column

unlinked_refund_numbers = Sequence("unlinked_refund_numbers", start=1001, metadata=metadata)

unlinked_refunds = Table(
    "unlinked_refunds",
    metadata,
    key(),
    Column("number", Text, nullable=False, unique=True),
    Column("channel_id", Uuid, ForeignKey("channels.id"), nullable=False),
    text_column("currency"),
    text_column("status"),
    Column("email", Text),
    Column("external_id", Text),
    text_column("reason"),
    text_column("document_reference"),
    # What two ways of writing one reference have in common.
    text_column("document_key"),
    # Whether money was given for the document before.
    Column("document_known", Boolean, nullable=False, server_default="false"),
    # What may be its order, though nobody said so.
    Column("similar_order_id", Uuid, ForeignKey("orders.id")),
    Column("keeps_items", Boolean, nullable=False),
    text_column("created_by"),
    Column("decided_by", Text),
    Column("note", Text),
    Column("location_id", Uuid, ForeignKey("locations.id")),
    Column("method", Text),
    Column("payment_reference", Text),
    Column("stored_value_id", Uuid, ForeignKey("stored_values.id")),
    # What is asked for, of which the limits are; and what was paid in the end.
    Column("total_minor", BigInteger, nullable=False),
    Column("paid_minor", BigInteger, nullable=False, server_default="0"),
    Column("paid_by", Text),
    moment("created_at"),
    moment("decided_at", optional=True),
    moment("paid_at", optional=True),
    Column("version", Integer, nullable=False, server_default="1"),
    one_of("status", UnlinkedRefundStatus),
    one_of("method", UnlinkedRefundMethod),
    currency_code(),
    CheckConstraint("email IS NOT NULL OR external_id IS NOT NULL", name="recipient"),
    CheckConstraint("paid_minor BETWEEN 0 AND total_minor", name="paid"),
    CheckConstraint("(status = 'PAID') = (paid_at IS NOT NULL)", name="paid_at"),
    Index("ix_unlinked_refunds_created_at", "created_at", "id"),
    Index("ix_unlinked_refunds_status", "status", "created_at", "id"),
    # What a channel's limit of 24 hours counts.
    Index("ix_unlinked_refunds_channel_id", "channel_id", "created_at"),
    # One document brings money once, unless somebody says that it is known and why it is more.
    Index(
        "uq_unlinked_refunds_document_key",
        "channel_id",
        "document_key",
        unique=True,
        postgresql_where="NOT document_known AND status NOT IN ('DECLINED', 'CANCELED')",
    ),
)

# Each request to a provider is a row first; a refused one is followed by another, with another key.
unlinked_refund_payments = Table(
    "unlinked_refund_payments",
    metadata,
    key(),
    Column("unlinked_refund_id", Uuid, ForeignKey("unlinked_refunds.id"), nullable=False, index=True),
    text_column("provider"),
    # The provider's own name of a card or account; gone once it is decided.
    text_column("destination", optional=True),
    text_column("status"),
    Column("amount_minor", BigInteger, nullable=False),
    text_column("provider_reference", optional=True),
    text_column("decline_code", optional=True),
    text_column("requested_by"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    moment("requested_at"),
    # When the sweep may ask the provider about it again.
    moment("next_attempt_at"),
    moment("settled_at", optional=True),
    # Whatever else goes wrong: none is asked for while one is open, or after one has paid.
    Index(
        "uq_unlinked_refund_payments_once",
        "unlinked_refund_id",
        unique=True,
        postgresql_where="status IN ('REQUESTED', 'SUCCEEDED')",
    ),
    Index(
        "ix_unlinked_refund_payments_next_attempt_at",
        "next_attempt_at",
        postgresql_where="status = 'REQUESTED'",
    ),
    # As reconciliation looks it up: by its day, and by the provider's name of it.
    Index("ix_unlinked_refund_payments_settled_at", "settled_at", postgresql_where="status = 'SUCCEEDED'"),
    Index(
        "ix_unlinked_refund_payments_provider_reference",
        "provider_reference",
        postgresql_where="status = 'SUCCEEDED'",
    ),
    CheckConstraint("amount_minor > 0", name="amount"),
    CheckConstraint("(status = 'REQUESTED') = (settled_at IS NULL)", name="settled"),
    CheckConstraint("(status = 'REQUESTED') = (destination IS NOT NULL)", name="destination"),
    one_of("status", RefundPaymentStatus),
)

unlinked_refund_lines = Table(
    "unlinked_refund_lines",
    metadata,
    key(),
    Column("unlinked_refund_id", Uuid, ForeignKey("unlinked_refunds.id"), nullable=False, index=True),
    Column("variant_id", Uuid, ForeignKey("variants.id"), index=True),
    text_column("sku"),
    Column("quantity", Integer, nullable=False),
    Column("unit_price_minor", BigInteger, nullable=False),
    Column("tax_minor", BigInteger, nullable=False),
    Column("quantity_received", Integer, nullable=False, server_default="0"),
    Column("quantity_inspected", Integer, nullable=False, server_default="0"),
    Column("quantity_missing", Integer, nullable=False, server_default="0"),
    Column("quantity_accepted", Integer, nullable=False, server_default="0"),
    CheckConstraint("quantity > 0", name="quantity"),
    CheckConstraint("unit_price_minor >= 0 AND tax_minor >= 0", name="amounts"),
    CheckConstraint(
        "quantity_accepted BETWEEN 0 AND quantity_inspected AND quantity_inspected <= quantity_received"
        " AND quantity_received + quantity_missing <= quantity AND quantity_missing >= 0",
        name="counted",
    ),
)

# Found in the books after all: units of these lines were given money for, and come back in no return.
unlinked_refund_links = Table(
    "unlinked_refund_links",
    metadata,
    Column("line_id", Uuid, ForeignKey("unlinked_refund_lines.id"), primary_key=True),
    Column("order_line_id", Uuid, ForeignKey("order_lines.id"), primary_key=True, index=True),
    Column("units", Integer, nullable=False),
    text_column("linked_by"),
    moment("linked_at"),
    CheckConstraint("units > 0", name="units"),
)

unlinked_refund_policies = Table(
    "unlinked_refund_policies",
    metadata,
    key(),
    Column("channel_id", Uuid, ForeignKey("channels.id"), nullable=False, unique=True),
    Column("four_eyes_above_minor", BigInteger, nullable=False),
    Column("most_minor", BigInteger),
    Column("most_per_day_minor", BigInteger),
    Column("alone_per_day_minor", BigInteger),
    Column("version", Integer, nullable=False, server_default="1"),
    CheckConstraint(
        "least(four_eyes_above_minor, coalesce(most_minor, 0), coalesce(most_per_day_minor, 0),"
        " coalesce(alone_per_day_minor, 0)) >= 0",
        name="amounts",
    ),
)
