"""Claims of parcels, and what carriers answer for."""

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

from domain.claims import ClaimKind, ClaimOutcome, ClaimStatus
from persistence.tables.base import JSON, currency_code, key, metadata, moment, one_of, text_column

claim_numbers = Sequence("claim_numbers", start=1001, metadata=metadata)

claims = Table(
    "claims",
    metadata,
    key(),
    Column("number", Text, nullable=False, unique=True),
    Column("order_id", Uuid, ForeignKey("orders.id"), nullable=False, index=True),
    Column("shipment_id", Uuid, ForeignKey("shipments.id"), nullable=False, index=True),
    text_column("kind"),
    text_column("status"),
    text_column("wish"),
    Column("outcome", Text),
    text_column("created_by"),
    Column("description", Text),
    Column("photos", ARRAY(Text), nullable=False, server_default="{}"),
    Column("verdict", JSON),
    Column("note", Text),
    Column("fulfillment_order_id", Uuid, ForeignKey("fulfillment_orders.id"), index=True),
    Column("return_id", Uuid, ForeignKey("returns.id"), index=True),
    moment("created_at"),
    moment("decided_at", optional=True),
    Column("version", Integer, nullable=False, server_default="1"),
    # When a person had seen to a parcel that was claimed as lost and arrived after all.
    moment("arrival_dismissed_at", optional=True),
    # Until when no job tries again what went wrong with it.
    moment("put_off_until", optional=True),
    one_of("kind", ClaimKind),
    one_of("status", ClaimStatus),
    one_of("wish", ClaimOutcome),
    one_of("outcome", ClaimOutcome),
    CheckConstraint("(outcome IS NOT NULL) = (status = 'APPROVED')", name="approved"),
    Index("ix_claims_created_at", "created_at", "id"),
    Index("ix_claims_status", "status", "created_at", "id"),
    Index(
        "ix_claims_lost",
        "created_at",
        "id",
        postgresql_where="kind = 'LOST_IN_TRANSIT' AND status IN ('REQUESTED', 'APPROVED')"
        " AND arrival_dismissed_at IS NULL",
    ),
)

claim_lines = Table(
    "claim_lines",
    metadata,
    key(),
    Column("claim_id", Uuid, ForeignKey("claims.id"), nullable=False, index=True),
    Column("order_line_id", Uuid, ForeignKey("order_lines.id"), nullable=False, index=True),
    text_column("sku"),
    Column("quantity", Integer, nullable=False),
    CheckConstraint("quantity > 0", name="quantity"),
)

claim_policies = Table(
    "claim_policies",
    metadata,
    key(),
    Column("channel_id", Uuid, ForeignKey("channels.id")),
    Column("kind", Text),
    # In minor units of the channel's currency; NULL: what the return policies say.
    Column("approve_most_minor", BigInteger),
    Column("silent_days", Integer, nullable=False),
    Column("report_within_days", Integer, nullable=False),
    Column("most_by_itself", Integer, nullable=False),
    Column("needs_photos", Boolean, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    one_of("kind", ClaimKind),
    CheckConstraint("approve_most_minor IS NULL OR channel_id IS NOT NULL", name="currency"),
    CheckConstraint("approve_most_minor >= 0", name="approve_most"),
    CheckConstraint("silent_days > 0 AND report_within_days >= 0 AND most_by_itself >= 0", name="limits"),
    Index("uq_claim_policies_scope", "channel_id", "kind", unique=True, postgresql_nulls_not_distinct=True),
)

carrier_claims = Table(
    "carrier_claims",
    metadata,
    Column("claim_id", Uuid, ForeignKey("claims.id"), primary_key=True),
    text_column("carrier"),
    text_column("currency"),
    Column("amount_minor", BigInteger, nullable=False),
    Column("reference", Text),
    Column("paid_minor", BigInteger),
    moment("charged_at"),
    moment("settled_at", optional=True),
    currency_code(),
    CheckConstraint("amount_minor > 0", name="amount"),
    CheckConstraint("paid_minor BETWEEN 0 AND amount_minor", name="paid"),
    CheckConstraint("(paid_minor IS NULL) = (settled_at IS NULL)", name="settled"),
    Index("ix_carrier_claims_charged_at", "charged_at", "carrier"),
)
