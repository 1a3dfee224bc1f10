"""Returns: what comes back of orders, how it was judged and found, and the rules for it."""

from sqlalchemy import (
    ARRAY,
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

from domain.return_evidence import Check, Decision
from domain.return_policies import LabelPayer, ShippingRefund
from domain.returns import (
    Disposition,
    Grade,
    LineOutcome,
    ReturnCondition,
    ReturnReason,
    ReturnStatus,
    ReturnWish,
)
from persistence.tables.base import JSON, key, metadata, moment, one_of, text_column

return_numbers = Sequence("return_numbers", start=1001, metadata=metadata)

returns = Table(
    "returns",
    metadata,
    key(),
    Column("number", Text, nullable=False, unique=True),
    Column("order_id", Uuid, ForeignKey("orders.id"), nullable=False, index=True),
    # The order's, which never changes, so that lists of one channel are read in their order.
    Column("channel_id", Uuid, ForeignKey("channels.id"), nullable=False),
    text_column("status"),
    text_column("wish"),
    text_column("created_by"),
    Column("email", Text),
    Column("location_id", Uuid, ForeignKey("locations.id")),
    Column("keeps_items", Boolean, nullable=False, server_default="false"),
    Column("verdict", JSON),
    Column("refund_verdict", JSON),
    Column("note", Text),
    Column("refund_minor", BigInteger, nullable=False, server_default="0"),
    Column("shipping_refund_minor", BigInteger, nullable=False, server_default="0"),
    Column("fee_minor", BigInteger, nullable=False, server_default="0"),
    Column("transaction_ids", ARRAY(Uuid), nullable=False, server_default="{}"),
    # The part of the refund that was given as store credit, and what was added to that.
    Column("credit_minor", BigInteger, nullable=False, server_default="0"),
    Column("bonus_minor", BigInteger, nullable=False, server_default="0"),
    # What staff changed of what the rules give back, and why.
    Column("adjustment_minor", BigInteger, nullable=False, server_default="0"),
    Column("adjustment_reason", Text),
    # The order that replaces what comes back.
    Column("exchange_order_id", Uuid, ForeignKey("orders.id"), unique=True),
    # What sends its units back to the customer, repaired.
    Column("fulfillment_order_id", Uuid, ForeignKey("fulfillment_orders.id"), unique=True),
    # Why a provider did not give its money back, until it is asked again.
    Column("refund_failure", Text),
    moment("created_at"),
    moment("expires_at", optional=True),
    moment("decided_at", optional=True),
    moment("received_at", optional=True),
    moment("closed_at", optional=True),
    # Until when no job tries again what went wrong with it.
    moment("put_off_until", optional=True),
    # When the customer was reminded of sending it.
    moment("reminded_at", optional=True),
    Column("version", Integer, nullable=False, server_default="1"),
    one_of("status", ReturnStatus),
    one_of("wish", ReturnWish),
    CheckConstraint("least(refund_minor, shipping_refund_minor, fee_minor) >= 0", name="amounts"),
    CheckConstraint("credit_minor BETWEEN 0 AND refund_minor AND bonus_minor >= 0", name="credit"),
    CheckConstraint("adjustment_minor = 0 OR adjustment_reason IS NOT NULL", name="adjustment"),
    Index("ix_returns_refund_failure", "id", postgresql_where="refund_failure IS NOT NULL"),
    # Work lists, the newest first.
    Index("ix_returns_created_at", "created_at", "id"),
    Index("ix_returns_status", "status", "created_at", "id"),
    Index("ix_returns_channel_id", "channel_id", "created_at", "id"),
    Index("ix_returns_expires_at", "expires_at", "id", postgresql_where="status = 'APPROVED'"),
    # What somebody or something still has to do with: few among many.
    Index("ix_returns_open", "created_at", "id", postgresql_where="closed_at IS NULL"),
    # What may be at the door, expected or not.
    Index(
        "ix_returns_awaited",
        "created_at",
        "id",
        postgresql_where="received_at IS NULL AND status IN ('APPROVED', 'IN_TRANSIT', 'CANCELED')",
    ),
)

return_lines = Table(
    "return_lines",
    metadata,
    key(),
    Column("return_id", Uuid, ForeignKey("returns.id"), nullable=False, index=True),
    # Not a foreign key: an edit may take a line away whose return was declined or given up.
    Column("order_line_id", Uuid, nullable=False, index=True),
    Column("variant_id", Uuid, ForeignKey("variants.id"), index=True),
    text_column("sku"),
    Column("quantity", Integer, nullable=False),
    text_column("reason"),
    Column("condition", Text),
    Column("note", Text),
    Column("photos", ARRAY(Text), nullable=False, server_default="{}"),
    Column("quantity_received", Integer, nullable=False, server_default="0"),
    Column("outcome", Text),
    # What shall come instead, where it is not the same article.
    Column("exchange_variant_id", Uuid, ForeignKey("variants.id"), index=True),
    Column("refund_minor", BigInteger, nullable=False, server_default="0"),
    Index("ix_return_lines_reason", "reason", "return_id"),
    one_of("reason", ReturnReason),
    one_of("condition", ReturnCondition),
    one_of("outcome", LineOutcome),
    CheckConstraint("quantity > 0", name="quantity"),
    CheckConstraint("quantity_received BETWEEN 0 AND quantity", name="quantity_received"),
    CheckConstraint("refund_minor >= 0", name="refund"),
)

# Append-only: how units were found that came back.
return_inspections = Table(
    "return_inspections",
    metadata,
    key(),
    Column("return_line_id", Uuid, ForeignKey("return_lines.id"), nullable=False, index=True),
    Column("quantity", Integer, nullable=False),
    text_column("disposition"),
    text_column("grade"),
    Column("note", Text),
    moment("at"),
    one_of("disposition", Disposition),
    one_of("grade", Grade),
    CheckConstraint("quantity > 0", name="quantity"),
)

return_policies = Table(
    "return_policies",
    metadata,
    key(),
    Column("channel_id", Uuid, ForeignKey("channels.id")),
    Column("tag", Text),
    Column("sku", Text),
    Column("window_days", Integer, nullable=False),
    Column("final_sale", Boolean, nullable=False),
    # Parts in millionths, amounts in minor units of the order's currency.
    Column("restocking_fee", Integer, nullable=False),
    text_column("label_payer"),
    Column("label_fee_minor", BigInteger, nullable=False),
    Column("keep_below_minor", BigInteger, nullable=False),
    Column("auto_refund_most_minor", BigInteger, nullable=False),
    text_column("shipping_refund"),
    Column("credit_bonus", Integer, nullable=False),
    Column("arrive_within_days", Integer, nullable=False),
    Column("grades", JSON, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("exchange_in_advance", Boolean, nullable=False, server_default="false"),
    Column("repair", Boolean, nullable=False, server_default="false"),
    Index(
        "uq_return_policies_scope",
        "channel_id",
        "tag",
        "sku",
        unique=True,
        postgresql_nulls_not_distinct=True,
    ),
    one_of("label_payer", LabelPayer),
    one_of("shipping_refund", ShippingRefund),
    CheckConstraint("tag IS NULL OR sku IS NULL", name="scope"),
)

# What follows from a check of a verdict, where a shop wants other than the default.
return_rules = Table(
    "return_rules",
    metadata,
    Column("code", Text, primary_key=True),
    text_column("decision"),
    one_of("code", Check),
    one_of("decision", Decision),
)

# Proven fraud, never suspicions; the address in small letters.
fraud_flags = Table(
    "fraud_flags",
    metadata,
    key(),
    text_column("email"),
    text_column("note"),
    text_column("created_by"),
    moment("created_at"),
    Index("ix_fraud_flags_email", "email"),
)
