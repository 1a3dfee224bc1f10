"""Suppliers, whom variants are bought from."""

from sqlalchemy import Column, Integer, Table, Text

from persistence.tables.base import key, metadata, moment, text_column

suppliers = Table(
    "suppliers",
    metadata,
    key(),
    # The shop's own short name of it, which stays taken when it is archived.
    Column("code", Text, nullable=False, unique=True),
    text_column("name"),
    Column("version", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    moment("archived_at", optional=True),
)
