"""How returns are sent: their parcels with labels, what channels say of them, and what came unexpected."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
)

from domain.carrier_ports import LabelFormat
from domain.return_parcels import ParcelSource
from domain.shipments import LabelState, ShipmentStatus
from persistence.tables.base import key, metadata, moment, one_of, text_column

return_parcels = Table(
    "return_parcels",
    metadata,
    key(),
    Column("return_id", Uuid, ForeignKey("returns.id"), nullable=False),
    text_column("source"),
    text_column("status"),
    Column("location_id", Uuid, ForeignKey("locations.id")),
    text_column("provider", optional=True),
    text_column("carrier", optional=True),
    text_column("service_code", optional=True),
    # The carrier's own name of it.
    text_column("provider_reference", optional=True),
    text_column("tracking_number", optional=True),
    text_column("tracking_url", optional=True),
    text_column("drop_off_code", optional=True),
    text_column("label_state"),
    Column("label_generation", Integer, nullable=False, server_default="1"),
    Column("label_attempts", Integer, nullable=False, server_default="0"),
    moment("label_requested_at", optional=True),
    moment("label_next_attempt_at", optional=True),
    # When the carrier did not take back the label of a return that was given up.
    moment("label_kept_at", optional=True),
    text_column("label_error_code", optional=True),
    text_column("label_error", optional=True),
    Column("label_price_minor", BigInteger),
    text_column("label_currency", optional=True),
    Column("document_id", Uuid, unique=True),
    text_column("document_format", optional=True),
    Column("document", LargeBinary),
    moment("estimated_at", optional=True),
    moment("delivered_at", optional=True),
    moment("told_at", optional=True),
    text_column("position", optional=True),
    moment("next_poll_at", optional=True),
    # When the customer was first told how it is sent, or that its label takes longer.
    moment("announced_at", optional=True),
    moment("created_at"),
    Index(
        "uq_return_parcels_return_id_source",
        "return_id",
        "source",
        unique=True,
        postgresql_where="source <> 'FORMER'",
    ),
    Index("ix_return_parcels_provider_reference", "provider", "provider_reference"),
    Index("ix_return_parcels_tracking_number", "tracking_number"),
    Index(
        "ix_return_parcels_label",
        "label_next_attempt_at",
        "id",
        postgresql_where="label_state IN ('REQUESTED', 'FAILED')",
    ),
    # What may have to go back to its carrier.
    Index(
        "ix_return_parcels_unused",
        "return_id",
        postgresql_where="label_state = 'PURCHASED' AND status = 'LABEL_CREATED' AND label_kept_at IS NULL",
    ),
    one_of("source", ParcelSource),
    one_of("status", ShipmentStatus),
    one_of("label_state", LabelState),
    one_of("document_format", LabelFormat),
    CheckConstraint("(document IS NULL) = (document_id IS NULL)", name="document"),
)

return_shipping = Table(
    "return_shipping",
    metadata,
    key(),
    Column("channel_id", Uuid, ForeignKey("channels.id")),
    Column("location_id", Uuid, ForeignKey("locations.id")),
    text_column("provider", optional=True),
    text_column("service_code", optional=True),
    text_column("instructions", optional=True),
    Column("remind_days", Integer, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Index("uq_return_shipping_channel_id", "channel_id", unique=True, postgresql_nulls_not_distinct=True),
    CheckConstraint("remind_days >= 0", name="remind_days"),
)

# Append-only: units in a return's parcel that nobody expected.
return_surplus = Table(
    "return_surplus",
    metadata,
    key(),
    Column("return_id", Uuid, ForeignKey("returns.id"), nullable=False, index=True),
    Column("variant_id", Uuid, ForeignKey("variants.id")),
    Column("location_id", Uuid, ForeignKey("locations.id"), nullable=False),
    text_column("sku"),
    Column("quantity", Integer, nullable=False),
    # Whether it is stock of ours, which is in quality control now.
    Column("is_ours", Boolean, nullable=False),
    Column("note", Text),
    text_column("created_by"),
    moment("created_at"),
    CheckConstraint("quantity > 0", name="quantity"),
)
