"""What collecting costs at stores, by channel."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Table, Uuid

from persistence.tables.base import metadata

pickup_fees = Table(
    "pickup_fees",
    metadata,
    Column("channel_id", Uuid, ForeignKey("channels.id"), primary_key=True),
    Column("location_id", Uuid, ForeignKey("locations.id"), primary_key=True, index=True),
    # In minor units of the channel's currency; where there is no row it costs nothing.
    Column("fee_minor", BigInteger, nullable=False),
    CheckConstraint("fee_minor > 0", name="fee"),
)
