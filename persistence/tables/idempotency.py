"""Answers already given, by operation, actor or cart, and key."""

from sqlalchemy import Column, Index, LargeBinary, Table, Text

from persistence.tables.base import JSON, metadata, moment

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("response", JSON),
    # When the answer was stored: what a key's age is counted from. A job removes the old ones.
    moment("created_at"),
    Index("ix_idempotency_keys_created_at", "created_at"),
)
