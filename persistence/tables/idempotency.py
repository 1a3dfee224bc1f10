"""Answers already given, by operation, actor or cart, and key."""

from sqlalchemy import Column, LargeBinary, Table, Text

from persistence.tables.base import JSON, metadata, moment

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("response", JSON),
    moment("created_at"),
)
