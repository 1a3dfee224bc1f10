"""Cycle counts: stock of a location that is counted together."""

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
    text,
)

from domain.cycle_counts import CountLineStatus, CycleCountStatus
from persistence.tables.base import key, metadata, moment, one_of, text_column

cycle_count_numbers = Sequence("cycle_count_numbers", start=1001, metadata=metadata)

cycle_counts = Table(
    "cycle_counts",
    metadata,
    key(),
    Column("number", Text, nullable=False, unique=True),
    Column("location_id", Uuid, ForeignKey("locations.id"), nullable=False),
    text_column("status"),
    Column("tolerance_units", Integer, nullable=False, server_default="0"),
    Column("tolerance_percent", Integer, nullable=False, server_default="0"),
    Column("rejection_reason", Text),
    moment("created_at"),
    moment("submitted_at", optional=True),
    moment("closed_at", optional=True),
    Column("version", Integer, nullable=False, server_default="1"),
    one_of("status", CycleCountStatus),
    CheckConstraint("tolerance_units >= 0", name="tolerance_units"),
    CheckConstraint("tolerance_percent BETWEEN 0 AND 100", name="tolerance_percent"),
    Index("ix_cycle_counts_created_at", "created_at", "id"),
    Index("ix_cycle_counts_location_id", "location_id", "created_at", "id"),
)

cycle_count_lines = Table(
    "cycle_count_lines",
    metadata,
    key(),
    Column("cycle_count_id", Uuid, ForeignKey("cycle_counts.id"), nullable=False),
    Column("location_id", Uuid, ForeignKey("locations.id"), nullable=False),
    Column("variant_id", Uuid, ForeignKey("variants.id"), nullable=False, index=True),
    text_column("sku"),
    text_column("status"),
    Column("expected", Integer),
    Column("counted", Integer),
    Column("recounted", Integer),
    Column("booked", Integer),
    Column("counted_by", Text),
    moment("counted_at", optional=True),
    one_of("status", CountLineStatus),
    UniqueConstraint("cycle_count_id", "variant_id"),
    CheckConstraint("counted >= 0 AND recounted >= 0 AND expected >= 0", name="units"),
    CheckConstraint(
        "status NOT IN ('COUNTED', 'BOOKED') OR (counted IS NOT NULL AND expected IS NOT NULL"
        " AND counted_by IS NOT NULL AND counted_at IS NOT NULL)",
        name="counted",
    ),
    CheckConstraint("(status = 'BOOKED') = (booked IS NOT NULL)", name="booked"),
    # Two counts of the same units would book the same difference twice.
    Index(
        "uq_cycle_count_lines_live",
        "location_id",
        "variant_id",
        unique=True,
        postgresql_where=text("status IN ('PENDING', 'COUNTED')"),
    ),
    # When was it counted last?
    Index("ix_cycle_count_lines_counted", "location_id", "variant_id", "counted_at"),
)
