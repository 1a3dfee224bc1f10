"""Places that hold stock."""

from sqlalchemy import CheckConstraint, Column, Integer, Table, Text

from persistence.tables.base import JSON, key, metadata, moment, text_column

locations = Table(
    "locations",
    metadata,
    key(),
    Column("code", Text, nullable=False, unique=True),
    text_column("name"),
    Column("address", JSON),
    Column("version", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    moment("archived_at", optional=True),
    CheckConstraint("code ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$'", name="code"),
)
