"""The sandbox carrier's own record, as a real carrier would keep it elsewhere."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
)

from domain.shipments import ShipmentStatus
from persistence.tables.base import currency_code, metadata, moment, one_of, text_column

sandbox_parcels = Table(
    "sandbox_parcels",
    metadata,
    Column("reference", Text, primary_key=True),
    Column("idempotency_key", Text, nullable=False, unique=True),
    Column("tracking_number", Text, nullable=False, unique=True),
    text_column("service"),
    text_column("currency"),
    Column("price_minor", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
    moment("estimated_at"),
    moment("created_at"),
    # When the label was given back.
    moment("voided_at", optional=True),
    currency_code(),
    CheckConstraint("price_minor >= 0", name="price"),
)

# What it has told or will tell of each parcel: a journey that runs by itself is planned with the label.
sandbox_parcel_events = Table(
    "sandbox_parcel_events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("parcel_reference", Text, ForeignKey("sandbox_parcels.reference"), nullable=False, index=True),
    text_column("status"),
    text_column("description"),
    text_column("place", optional=True),
    moment("occurred_at"),
    moment("estimated_at", optional=True),
    moment("due_at"),
    Column("deliveries_left", Integer, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # What the last attempt was answered with; NULL where nothing came.
    Column("last_status", Integer),
    one_of("status", ShipmentStatus),
    CheckConstraint("deliveries_left >= 0", name="deliveries_left"),
    Index("ix_sandbox_parcel_events_due_at", "due_at", postgresql_where="deliveries_left > 0"),
)

sandbox_manifests = Table(
    "sandbox_manifests",
    metadata,
    Column("reference", Text, primary_key=True),
    Column("idempotency_key", Text, nullable=False, unique=True),
    Column("parcel_references", ARRAY(Text), nullable=False),
    Column("document", LargeBinary, nullable=False),
    moment("created_at"),
)

# One row at most: how it misbehaves just now.
sandbox_carrier_faults = Table(
    "sandbox_carrier_faults",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    *(
        Column(name, Double, nullable=False, server_default="0")
        for name in ("hang", "error", "duplicate", "late", "shuffle")
    ),
    moment("down_until", optional=True),
    CheckConstraint("id = 1", name="one"),
    CheckConstraint("hang >= 0 AND error >= 0 AND hang + error <= 1", name="requests"),
    CheckConstraint(
        "duplicate BETWEEN 0 AND 1 AND late BETWEEN 0 AND 1 AND shuffle BETWEEN 0 AND 1", name="callbacks"
    ),
)
