"""Which services of carriers a channel offers, and what carriers have quoted for carts."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, Uuid

from persistence.tables.base import JSON, key, metadata, moment

delivery_services = Table(
    "delivery_services",
    metadata,
    key(),
    Column("channel_id", Uuid, ForeignKey("channels.id"), nullable=False),
    # The carrier's port, and its own name of the service.
    Column("provider", Text, nullable=False),
    Column("code", Text, nullable=False),
    # What is shown instead of what the carrier says.
    Column("name", Text),
    Column("carrier", Text),
    # Added to the carrier's price: parts per million of it, and an amount in the channel's currency.
    Column("markup_ppm", Integer, nullable=False, server_default="0"),
    Column("markup_minor", BigInteger, nullable=False, server_default="0"),
    Column("handling_days", Integer, nullable=False, server_default="0"),
    Column("position", Integer, nullable=False, server_default="0"),
    Column("version", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    moment("archived_at", optional=True),
    CheckConstraint("markup_ppm >= 0 AND markup_minor >= 0 AND handling_days >= 0", name="markup"),
    Index(
        "uq_delivery_services_code",
        "channel_id",
        "provider",
        "code",
        unique=True,
        postgresql_where="archived_at IS NULL",
    ),
)

delivery_quotes = Table(
    "delivery_quotes",
    metadata,
    Column("cart_id", Uuid, ForeignKey("carts.id", ondelete="CASCADE"), primary_key=True),
    Column("provider", Text, primary_key=True),
    # Stands for what was asked about: quotes of other goods or another place count no more.
    Column("fingerprint", Text, nullable=False),
    # As domain.delivery_quotes has them; empty: the carrier does not go there.
    Column("offers", JSON, nullable=False),
    moment("asked_at"),
    moment("expires_at"),
    Index("ix_delivery_quotes_expires_at", "expires_at"),
)
