"""Delivery zones: the places that rates of a channel are for."""

from sqlalchemy import ARRAY, CheckConstraint, Column, ForeignKey, Integer, Table, Text, Uuid

from persistence.tables.base import JSON, key, metadata, moment

delivery_zones = Table(
    "delivery_zones",
    metadata,
    key(),
    Column("channel_id", Uuid, ForeignKey("channels.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("countries", ARRAY(Text), nullable=False),
    # A country and its region as addresses have it: "US-CA".
    Column("regions", ARRAY(Text), nullable=False, server_default="{}"),
    # Each a country, a beginning, and an end or null: [["DE", "10", null], ["CA", "M1A", "M9Z"]].
    Column("postcodes", JSON, nullable=False, server_default="[]"),
    Column("excluded_postcodes", JSON, nullable=False, server_default="[]"),
    # Where zones overlap the first has the place.
    Column("position", Integer, nullable=False, server_default="0"),
    Column("version", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    moment("archived_at", optional=True),
    CheckConstraint("cardinality(countries) > 0", name="countries"),
)
