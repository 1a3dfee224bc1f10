"""Tax rates: what a channel's goods take in a country, or a region of it, by tax class."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from domain.taxes import STANDARD
from persistence.tables.base import key, metadata, moment, text_column

tax_rates = Table(
    "tax_rates",
    metadata,
    key(),
    Column("channel_id", Uuid, ForeignKey("channels.id"), nullable=False),
    # ISO 3166-1 alpha-2; a region as addresses name it, null: the whole country.
    text_column("country"),
    Column("region", Text),
    Column("tax_class", Text, nullable=False, server_default=STANDARD),
    text_column("name"),
    Column("percent", Numeric(7, 4), nullable=False),
    moment("valid_from", optional=True),
    moment("valid_until", optional=True),
    Column("applies_to_shipping", Boolean, nullable=False, server_default="false"),
    Column("version", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    UniqueConstraint(
        "channel_id",
        "country",
        "region",
        "tax_class",
        "name",
        "valid_from",
        postgresql_nulls_not_distinct=True,
    ),
    CheckConstraint("percent BETWEEN 0 AND 100", name="percent"),
    CheckConstraint("country ~ '^[A-Z]{2}$'", name="country"),
    CheckConstraint("tax_class ~ '^[a-z0-9][a-z0-9_-]{0,39}$'", name="tax_class"),
    CheckConstraint(f"NOT applies_to_shipping OR tax_class = '{STANDARD}'", name="shipping"),
    CheckConstraint("valid_until > valid_from", name="valid"),
)
