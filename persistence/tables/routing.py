"""What routing goes by, what it decided, and what it could not place."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
)

from domain.routing_settings import RoutingReason
from persistence.tables.base import JSON, currency_code, key, metadata, moment, one_of, text_column

channel_routing = Table(
    "channel_routing",
    metadata,
    Column("channel_id", Uuid, ForeignKey("channels.id"), primary_key=True),
    text_column("strategy"),
    # All amounts in minor units of the channel's currency.
    Column("split_penalty_minor", BigInteger, nullable=False, server_default="0"),
    Column("parcel_minor", BigInteger, nullable=False, server_default="0"),
    Column("kilogram_minor", BigInteger, nullable=False, server_default="0"),
    Column("hundred_km_minor", BigInteger, nullable=False, server_default="0"),
    Column("kilogram_hundred_km_minor", BigInteger, nullable=False, server_default="0"),
    Column("late_day_minor", BigInteger, nullable=False, server_default="0"),
    # Whether new orders are decided anew together before anybody works on them.
    Column("batches", Boolean, nullable=False, server_default="false"),
    # Whether what is learned of scarce stock weighs in decisions.
    Column("stock_prices", Boolean, nullable=False, server_default="false"),
    # How long new orders wait at most to be decided together before anybody may work on them; 0: not at all.
    Column("hold_back_minutes", Integer, nullable=False, server_default="0"),
    Column("version", Integer, nullable=False, server_default="1"),
    CheckConstraint("strategy IN ('cheapest', 'priority', 'nearest', 'fewest_parcels')", name="strategy"),
    CheckConstraint(
        "split_penalty_minor >= 0 AND parcel_minor >= 0 AND kilogram_minor >= 0 AND hundred_km_minor >= 0"
        " AND kilogram_hundred_km_minor >= 0 AND late_day_minor >= 0",
        name="amounts",
    ),
    CheckConstraint("hold_back_minutes BETWEEN 0 AND 240", name="hold_back_minutes"),
)

channel_location_routing = Table(
    "channel_location_routing",
    metadata,
    Column("channel_id", Uuid, ForeignKey("channels.id"), primary_key=True),
    Column("location_id", Uuid, ForeignKey("locations.id"), primary_key=True, index=True),
    Column("parcel_minor", BigInteger, nullable=False, server_default="0"),
    Column("unit_minor", BigInteger, nullable=False, server_default="0"),
    # The smallest goes first; null: the channel's own order of locations.
    Column("priority", Integer),
    # Countries it sends to; null: every country.
    Column("countries", ARRAY(Text)),
    CheckConstraint("parcel_minor >= 0 AND unit_minor >= 0", name="amounts"),
)
"""What a location costs a channel."""

postal_places = Table(
    "postal_places",
    metadata,
    Column("country", Text, primary_key=True),
    # The beginning of postal codes, without spaces and hyphens; '' is the whole country.
    Column("prefix", Text, primary_key=True),
    Column("latitude", Double, nullable=False),
    Column("longitude", Double, nullable=False),
    CheckConstraint("country ~ '^[A-Z]{2}$'", name="country"),
    CheckConstraint("latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180", name="coordinates"),
)
"""Where postal codes are, about; imported by the shop."""

routing_decisions = Table(
    "routing_decisions",
    metadata,
    key(),
    Column("order_id", Uuid, ForeignKey("orders.id"), nullable=False, index=True),
    text_column("strategy"),
    text_column("reason"),
    text_column("method"),
    text_column("currency"),
    # In minor units, and parts of them: costs by weight and distance are no whole cents.
    Column("cost", Double, nullable=False),
    Column("price", Double, nullable=False),
    Column("bound", Double, nullable=False),
    Column("proven", Boolean, nullable=False),
    Column("split_penalty", Double, nullable=False),
    # Of each location: what it sends at which cost, or why it does not.
    Column("sites", JSON, nullable=False),
    # Units that no location had, by SKU.
    Column("short", JSON, nullable=False),
    moment("decided_at"),
    currency_code(),
    one_of("reason", RoutingReason),
)

unfillable_orders = Table(
    "unfillable_orders",
    metadata,
    Column("order_id", Uuid, ForeignKey("orders.id"), primary_key=True),
    Column("reasons", JSON, nullable=False),
    moment("since"),
    moment("tried_at"),
    Index("ix_unfillable_orders_since", "since", "order_id"),
)
"""Orders of which units have to be sent that no location can send now."""

stock_prices = Table(
    "stock_prices",
    metadata,
    Column("channel_id", Uuid, ForeignKey("channels.id"), primary_key=True),
    Column("variant_id", Uuid, ForeignKey("variants.id"), primary_key=True, index=True),
    Column("location_id", Uuid, ForeignKey("locations.id"), primary_key=True, index=True),
    # In minor units of the channel's currency, and parts of them.
    Column("price_minor", Double, nullable=False),
    moment("learned_at"),
    CheckConstraint("price_minor > 0", name="price_minor"),
)
"""What taking a unit of scarce stock is expected to cost a channel's later orders; no row: nothing."""

stock_price_runs = Table(
    "stock_price_runs",
    metadata,
    Column("channel_id", Uuid, ForeignKey("channels.id"), primary_key=True),
    moment("started_at"),
    # The last variant that is done with: a run that was broken off goes on behind it.
    Column("after_id", Uuid),
    Column("variants", Integer, nullable=False, server_default="0"),
    Column("prices", Integer, nullable=False, server_default="0"),
    Column("finished_at", DateTime(timezone=True)),
)
"""How far learning a channel's stock prices has come, the last time."""
