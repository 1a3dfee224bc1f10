"""Boxes that the shop packs its parcels into."""

from sqlalchemy import CheckConstraint, Column, Integer, Table, Text

from persistence.tables.base import key, metadata, moment

boxes = Table(
    "boxes",
    metadata,
    key(),
    Column("name", Text, nullable=False),
    # Inner measures.
    Column("length_mm", Integer, nullable=False),
    Column("width_mm", Integer, nullable=False),
    Column("height_mm", Integer, nullable=False),
    Column("own_weight_grams", Integer, nullable=False, server_default="0"),
    # What it may weigh full; null: anything.
    Column("max_weight_grams", Integer),
    Column("version", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    moment("archived_at", optional=True),
    CheckConstraint("length_mm > 0 AND width_mm > 0 AND height_mm > 0", name="measures"),
    CheckConstraint("own_weight_grams >= 0 AND max_weight_grams > own_weight_grams", name="weights"),
)
