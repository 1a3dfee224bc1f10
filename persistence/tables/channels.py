"""Sales channels and the locations that serve each, in order of preference."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    Table,
    Text,
    Uuid,
)

from domain.channels import CapturePolicy
from domain.taxes import TaxRounding, TaxSource
from persistence.tables.base import currency_code, key, metadata, moment, one_of, text_column

channels = Table(
    "channels",
    metadata,
    key(),
    Column("slug", Text, nullable=False, unique=True),
    text_column("name"),
    text_column("currency"),
    Column("locale", Text, nullable=False, server_default="en"),
    # Serve from every location, those created later too, when no list was given.
    Column("serves_all_locations", Boolean, nullable=False, server_default="false"),
    # Orders of this total (minor units) or more wait for a person; null: none does.
    Column("review_from_minor", BigInteger),
    Column("capture_policy", Text, nullable=False, server_default="AT_SHIPMENT"),
    Column("prices_include_tax", Boolean, nullable=False, server_default="false"),
    Column("tax_rounding", Text, nullable=False, server_default=TaxRounding.LINE.value),
    Column("tax_source", Text, nullable=False, server_default=TaxSource.RATES.value),
    # Whether orders whose money has not come wait for it.
    Column("hold_unpaid", Boolean, nullable=False, server_default="false"),
    # How many days after an order is placed what is billed is due; null: it has no date.
    Column("payment_terms_days", Integer),
    # What messages to customers need: where they follow their order, who reads their answers, in which
    # zone (IANA) dates are told, and which kinds are not sent.
    Column("storefront_url", Text),
    Column("reply_to", Text),
    Column("time_zone", Text, nullable=False, server_default="UTC"),
    Column("muted_notifications", ARRAY(Text), nullable=False, server_default="{}"),
    Column("version", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    moment("archived_at", optional=True),
    CheckConstraint("slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'", name="slug"),
    currency_code(),
    CheckConstraint("review_from_minor >= 0", name="review_from"),
    CheckConstraint("payment_terms_days BETWEEN 0 AND 365", name="payment_terms"),
    one_of("capture_policy", CapturePolicy),
    one_of("tax_rounding", TaxRounding),
    one_of("tax_source", TaxSource),
)

channel_locations = Table(
    "channel_locations",
    metadata,
    Column("channel_id", Uuid, ForeignKey("channels.id"), primary_key=True),
    Column("location_id", Uuid, ForeignKey("locations.id"), primary_key=True, index=True),
    Column("rank", Integer, nullable=False),
)
