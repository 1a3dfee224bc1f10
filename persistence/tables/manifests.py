"""Manifests, and the parcels on each."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, Uuid

from domain.carrier_ports import LabelFormat
from domain.manifests import CarrierClosing, ManifestStatus
from persistence.tables.base import key, metadata, moment, one_of, text_column

manifests = Table(
    "manifests",
    metadata,
    key(),
    Column("location_id", Uuid, ForeignKey("locations.id"), nullable=False, index=True),
    text_column("carrier"),
    Column("provider", Text),
    text_column("status"),
    Column("version", Integer, nullable=False, server_default="1"),
    text_column("created_by"),
    moment("created_at"),
    moment("closed_at", optional=True),
    text_column("closing"),
    Column("reference", Text),
    Column("message", Text),
    one_of("status", ManifestStatus),
    one_of("closing", CarrierClosing),
    CheckConstraint("(status = 'CLOSED') = (closed_at IS NOT NULL)", name="closed"),
    Index("ix_manifests_created_at", "created_at", "id"),
    # What a carrier has still to be told.
    Index("ix_manifests_requested", "id", postgresql_where="closing = 'REQUESTED'"),
)

manifest_shipments = Table(
    "manifest_shipments",
    metadata,
    Column("manifest_id", Uuid, ForeignKey("manifests.id"), primary_key=True),
    Column("shipment_id", Uuid, ForeignKey("shipments.id"), primary_key=True),
    # Why it could not be handed over: then it may be on another.
    Column("error", Text),
    Index("uq_manifest_shipments_shipment_id", "shipment_id", unique=True, postgresql_where="error IS NULL"),
)

manifest_documents = Table(
    "manifest_documents",
    metadata,
    key(),
    Column("manifest_id", Uuid, ForeignKey("manifests.id"), nullable=False, unique=True),
    text_column("format"),
    Column("bytes", LargeBinary, nullable=False),
    moment("created_at"),
    one_of("format", LabelFormat),
)
"""Carriers' own manifests, as they gave them."""
