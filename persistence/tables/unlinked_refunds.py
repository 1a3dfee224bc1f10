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

from domain.unlinked_refunds import UnlinkedRefundMethod, UnlinkedRefundStatus
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

unlinked_refund_policies = Table(
    "unlinked_refund_policies",
    metadata,
    key(),
    Column("channel_id", Uuid, ForeignKey("channels.id"), nullable=False, unique=True),
    Column("four_eyes_above_minor", BigInteger, nullable=False),
    Column("most_minor", BigInteger),
    Column("most_per_day_minor", BigInteger),
    Column("version", Integer, nullable=False, server_default="1"),
    CheckConstraint(
        "least(four_eyes_above_minor, coalesce(most_minor, 0), coalesce(most_per_day_minor, 0)) >= 0",
        name="amounts",
    ),
)
