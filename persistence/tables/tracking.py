"""What was told of parcels: by carriers, each event once, and by staff."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    Uuid,
)

from domain.carrier_events import SetAsideReason
from domain.shipments import ShipmentStatus
from domain.tracking import FactState
from persistence.tables.base import key, metadata, moment, one_of, text_column

tracking_events = Table(
    "tracking_events",
    metadata,
    key(),
    text_column("provider"),
    # The provider's name of the event, and how it names the parcel.
    text_column("event_id"),
    text_column("reference", optional=True),
    text_column("tracking_number", optional=True),
    # The parcel of ours, once it is found.
    Column("shipment_id", Uuid, ForeignKey("shipments.id")),
    # Or the one that brings something back.
    Column("return_parcel_id", Uuid, ForeignKey("return_parcels.id")),
    text_column("status"),
    text_column("code", optional=True),
    text_column("description", optional=True),
    text_column("place", optional=True),
    moment("occurred_at"),
    moment("estimated_at", optional=True),
    moment("received_at"),
    text_column("state"),
    # Why it was set aside, and what was wrong.
    text_column("reason", optional=True),
    text_column("error", optional=True),
    Column("attempts", Integer, nullable=False, server_default="0"),
    moment("next_attempt_at"),
    # How often applying it failed by an error of our own.
    Column("failures", Integer, nullable=False, server_default="0"),
    # What staff wrote who dismissed it.
    text_column("note", optional=True),
    moment("dismissed_at", optional=True),
    UniqueConstraint("provider", "event_id"),
    Index(
        "ix_tracking_events_next_attempt_at", "next_attempt_at", "id", postgresql_where="state = 'RECEIVED'"
    ),
    Index("ix_tracking_events_shipment_id", "shipment_id", "occurred_at"),
    Index("ix_tracking_events_set_aside", "received_at", "id", postgresql_where="state = 'SET_ASIDE'"),
    one_of("status", ShipmentStatus),
    one_of("state", FactState),
    CheckConstraint("reference IS NOT NULL OR tracking_number IS NOT NULL", name="parcel"),
    CheckConstraint("(state IN ('SET_ASIDE', 'DISMISSED')) = (reason IS NOT NULL)", name="reason"),
    one_of("reason", SetAsideReason, name="reasons"),
    CheckConstraint(
        "(state = 'DISMISSED') = (note IS NOT NULL) AND (note IS NULL) = (dismissed_at IS NULL)",
        name="dismissed",
    ),
    Index(
        "ix_tracking_events_return_parcel_id",
        "return_parcel_id",
        "occurred_at",
        postgresql_where="return_parcel_id IS NOT NULL",
    ),
    CheckConstraint(
        "state <> 'APPLIED' OR shipment_id IS NOT NULL OR return_parcel_id IS NOT NULL", name="applied"
    ),
)
