"""App tokens (hashed) and the audit trail of what staff and apps changed."""

from sqlalchemy import ARRAY, BigInteger, Column, Identity, Index, LargeBinary, Table, Text, Uuid

from persistence.tables.base import JSON, key, metadata, moment, text_column

apps = Table(
    "apps",
    metadata,
    key(),
    text_column("name"),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("permissions", ARRAY(Text), nullable=False),
    moment("created_at"),
    # Whose it is: where two people are needed, what belongs to one person is one.
    text_column("owner", optional=True),
    moment("revoked_at", optional=True),
)

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    text_column("actor"),
    text_column("action"),
    text_column("target_kind"),
    Column("target_id", Uuid, nullable=False),
    Column("before", JSON),
    Column("after", JSON),
    moment("occurred_at"),
    Index("ix_audit_entries_target_id", "target_id", "id"),
)
