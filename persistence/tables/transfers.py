"""Transfers: stock on its way from one location to another."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from domain.transfers import TransferStatus
from persistence.tables.base import key, metadata, moment, one_of, text_column

transfer_numbers = Sequence("transfer_numbers", start=1001, metadata=metadata)

transfers = Table(
    "transfers",
    metadata,
    key(),
    Column("number", Text, nullable=False, unique=True),
    Column("source_id", Uuid, ForeignKey("locations.id"), nullable=False),
    Column("destination_id", Uuid, ForeignKey("locations.id"), nullable=False),
    text_column("status"),
    Column("note", Text),
    moment("expected_at", optional=True),
    moment("created_at"),
    moment("shipped_at", optional=True),
    moment("closed_at", optional=True),
    Column("version", Integer, nullable=False, server_default="1"),
    one_of("status", TransferStatus),
    CheckConstraint("source_id <> destination_id", name="elsewhere"),
    # Lists, the newest first; of one location, both what leaves and what comes.
    Index("ix_transfers_created_at", "created_at", "id"),
    Index("ix_transfers_source_id", "source_id", "created_at", "id"),
    Index("ix_transfers_destination_id", "destination_id", "created_at", "id"),
)

transfer_lines = Table(
    "transfer_lines",
    metadata,
    key(),
    Column("transfer_id", Uuid, ForeignKey("transfers.id"), nullable=False),
    Column("variant_id", Uuid, ForeignKey("variants.id"), nullable=False, index=True),
    text_column("sku"),
    Column("quantity", Integer, nullable=False),
    Column("quantity_shipped", Integer, nullable=False, server_default="0"),
    Column("quantity_received", Integer, nullable=False, server_default="0"),
    Column("quantity_lost", Integer, nullable=False, server_default="0"),
    UniqueConstraint("transfer_id", "variant_id"),
    CheckConstraint("quantity > 0", name="quantity"),
    CheckConstraint("quantity_shipped BETWEEN 0 AND quantity", name="quantity_shipped"),
    CheckConstraint("quantity_received >= 0 AND quantity_lost >= 0", name="arrived"),
    CheckConstraint("quantity_received + quantity_lost <= quantity_shipped", name="no_more_than_left"),
)
