"""Places that hold stock."""

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Double,
    ForeignKey,
    Integer,
    SmallInteger,
    Table,
    Text,
    Time,
    Uuid,
)

from domain.locations import LocationKind
from persistence.tables.base import JSON, key, metadata, moment, one_of, text_column

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
    Column("kind", Text, nullable=False, server_default=LocationKind.WAREHOUSE.value),
    Column("latitude", Double),
    Column("longitude", Double),
    # IANA name: cut-off and working days are meant there.
    Column("time_zone", Text, nullable=False, server_default="UTC"),
    # ISO weekdays, 1 is Monday.
    Column("working_days", ARRAY(SmallInteger), nullable=False, server_default="{1,2,3,4,5}"),
    # Public holidays observed: a country, or a country and its subdivision ("DE-BY"); null: none.
    Column("holidays", Text),
    # What is ordered later leaves a working day later; null: no cut-off.
    Column("cut_off", Time),
    # Most fulfillment orders a working day; null: any number.
    Column("daily_capacity", Integer),
    Column("ships", Boolean, nullable=False, server_default="true"),
    Column("pickup", Boolean, nullable=False, server_default="false"),
    # [weekday, opens, closes] each, local times; none: it hands out on its working days.
    Column("opening_hours", JSON, nullable=False, server_default="[]"),
    # Kinds of goods it may handle: a variant's tags must all be among them.
    Column("tags", ARRAY(Text), nullable=False, server_default="{}"),
    one_of("kind", LocationKind),
    CheckConstraint("latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180", name="coordinates"),
    CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name="both_coordinates"),
    CheckConstraint("working_days <@ '{1,2,3,4,5,6,7}'::smallint[]", name="working_days"),
    CheckConstraint("daily_capacity > 0", name="daily_capacity"),
    CheckConstraint("code ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$'", name="code"),
)

location_closures = Table(
    "location_closures",
    metadata,
    Column("location_id", Uuid, ForeignKey("locations.id"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("reason", Text),
)
"""Days on which a location is closed, besides those of its week and its holidays."""
