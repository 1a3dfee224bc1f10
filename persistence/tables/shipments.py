"""Shipments: parcels, and what is in each."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    func,
)

from domain.shipments import LabelState, ShipmentStatus
from persistence.tables.base import JSON, key, metadata, moment, one_of, text_column

UNDER_WAY = """status IN ('PRE_TRANSIT', 'IN_TRANSIT', 'OUT_FOR_DELIVERY', 'AVAILABLE_FOR_PICKUP',
 'FAILED_ATTEMPT', 'EXCEPTION')""".replace("\n", "")
"""Parcels that have left and not arrived."""

UNENDED = "status NOT IN ('DELIVERED', 'CANCELED')"
"""Parcels that may need a person."""

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
    Column("location_id", Uuid, ForeignKey("locations.id")),
    # The carrier's port that is asked about it; null: nobody is.
    Column("provider", Text),
    Column("provider_reference", Text),
    Column("label_state", Text, nullable=False, server_default=LabelState.NONE.value),
    # The carrier's own name of the service, and whereto instead of the order's address.
    Column("service_code", Text),
    Column("label_recipient", JSON),
    # Counts what was asked for anew after a refusal: each under a key of its own.
    Column("label_generation", Integer, nullable=False, server_default="1"),
    Column("label_attempts", Integer, nullable=False, server_default="0"),
    moment("label_requested_at", optional=True),
    # When the carrier is asked next; null: at once.
    moment("label_next_attempt_at", optional=True),
    Column("label_price_minor", BigInteger),
    Column("label_currency", Text),
    Column("label_error_code", Text),
    Column("label_error", Text),
    # When the carrier did not take the label of a canceled parcel back.
    moment("label_kept_at", optional=True),
    Column("weight_grams", Integer),
    Column("length_mm", Integer),
    Column("width_mm", Integer),
    Column("height_mm", Integer),
    Column("box", Text),
    # What the customer was told of the arrival, and what the carrier says now.
    moment("promised_from", optional=True),
    moment("promised_until", optional=True),
    moment("estimated_at", optional=True),
    # The last place that was told, when the last happened, and the promise whose delay was told.
    Column("position", Text),
    moment("told_at", optional=True),
    moment("late_told_for", optional=True),
    # When the carrier is asked where it is, if it does not tell before.
    moment("next_poll_at", optional=True),
    Column("token_generation", Integer, nullable=False, server_default="1"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    one_of("status", ShipmentStatus),
    one_of("label_state", LabelState),
    CheckConstraint("weight_grams > 0", name="weight"),
    CheckConstraint("length_mm > 0 AND width_mm > 0 AND height_mm > 0", name="measures"),
    CheckConstraint("label_generation > 0", name="label_generation"),
    CheckConstraint("(label_price_minor IS NULL) = (label_currency IS NULL)", name="label_price"),
    # Labels to be bought, and those to be given back: few among many.
    Index(
        "ix_shipments_label_due",
        "label_next_attempt_at",
        "id",
        postgresql_where="label_state = 'REQUESTED'"
        " OR (label_state = 'PURCHASED' AND status = 'CANCELED' AND label_kept_at IS NULL)",
    ),
    Index("ix_shipments_tracking_number", "tracking_number"),
    # Parcels under way: whom to ask about, and what is late.
    Index("ix_shipments_next_poll_at", "next_poll_at", "id", postgresql_where=UNDER_WAY),
    Index("ix_shipments_promised_until", "promised_until", "id", postgresql_where=UNDER_WAY),
    # What was sent in a span of time, for reports.
    Index("ix_shipments_shipped_at", "shipped_at", postgresql_where="shipped_at IS NOT NULL"),
    Index("ix_shipments_unended", "created_at", "id", postgresql_where=UNENDED),
    Index(
        "uq_shipments_provider",
        "provider",
        "provider_reference",
        unique=True,
        postgresql_where="provider_reference IS NOT NULL",
    ),
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
