"""Delivery rates: what a channel offers, to which countries, for which weights and values."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    Table,
    Text,
    Uuid,
)

from persistence.tables.base import JSON, key, metadata, moment, text_column

delivery_rates = Table(
    "delivery_rates",
    metadata,
    key(),
    Column("channel_id", Uuid, ForeignKey("channels.id"), nullable=False, index=True),
    text_column("carrier"),
    text_column("service"),
    # ISO 3166-1 alpha-2; null serves every country.
    Column("countries", ARRAY(Text)),
    # Bands are [min, max): null max is open.
    Column("min_weight_grams", Integer, nullable=False, server_default="0"),
    Column("max_weight_grams", Integer),
    Column("min_value_minor", BigInteger, nullable=False, server_default="0"),
    Column("max_value_minor", BigInteger),
    Column("price_minor", BigInteger, nullable=False),
    Column("min_days", Integer),
    Column("max_days", Integer),
    # The zone it is for instead of countries.
    Column("zone_id", Uuid, ForeignKey("delivery_zones.id"), index=True),
    Column("min_volume_ml", Integer, nullable=False, server_default="0"),
    Column("max_volume_ml", Integer),
    # Each kilogram begun above the weight included costs so much more.
    Column("included_weight_grams", Integer, nullable=False, server_default="0"),
    Column("per_kilogram_minor", BigInteger, nullable=False, server_default="0"),
    # Free from goods of this value after discounts; null: never.
    Column("free_from_minor", BigInteger),
    # Pairs of a customer group and from which value it is free for that one instead.
    Column("free_for_groups", JSON, nullable=False, server_default="[]"),
    # Cubic centimetres that count as a kilogram; null: only weight counts.
    Column("dimensional_divisor", Integer),
    Column("position", Integer, nullable=False, server_default="0"),
    Column("version", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    moment("archived_at", optional=True),
    CheckConstraint("price_minor >= 0", name="price"),
    CheckConstraint("min_weight_grams >= 0 AND max_weight_grams > min_weight_grams", name="weight_band"),
    CheckConstraint("min_value_minor >= 0 AND max_value_minor > min_value_minor", name="value_band"),
    CheckConstraint("min_days >= 0 AND max_days >= coalesce(min_days, 0)", name="days"),
    CheckConstraint("min_volume_ml >= 0 AND max_volume_ml > min_volume_ml", name="volume_band"),
    CheckConstraint("included_weight_grams >= 0", name="included_weight"),
    CheckConstraint("per_kilogram_minor >= 0", name="per_kilogram"),
    CheckConstraint("free_from_minor >= 0", name="free_from"),
    CheckConstraint("dimensional_divisor > 0", name="dimensional_divisor"),
    CheckConstraint("zone_id IS NULL OR countries IS NULL", name="place"),
)
