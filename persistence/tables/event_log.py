"""The outbox services append to, the stamped feed everybody reads, and who has read how far."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
)

from persistence.tables.base import JSON, metadata, moment, text_column


def event_columns() -> list[Column]:  # type: ignore[type-arg]
    """Return the columns an event has in the outbox and, unchanged, in the feed."""
    return [
        text_column("kind"),
        text_column("aggregate"),
        Column("aggregate_id", Uuid, nullable=False),
        Column("version", Integer, nullable=False),
        Column("channel_id", Uuid),
        Column("payload", JSON, nullable=False),
        text_column("actor"),
        moment("occurred_at"),
    ]


event_outbox = Table(
    "event_outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    *event_columns(),
)

event_feed = Table(
    "event_feed",
    metadata,
    # Dense, in commit order, given by the stamper alone: never a sequence or identity.
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    *event_columns(),
    moment("stamped_at"),
    Index("ix_event_feed_aggregate_id", "aggregate_id", "sequence"),
    Index("ix_event_feed_stamped_at", "stamped_at"),
)

feed_head = Table(
    "feed_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # Named in every cursor: a cursor of another database's feed is recognised by it.
    Column("epoch", Uuid, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    # The highest sequence that retention has removed.
    Column("pruned_sequence", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("id = 1", name="single_row"),
    CheckConstraint("pruned_sequence <= sequence", name="pruned"),
)

feed_consumers = Table(
    "feed_consumers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    moment("updated_at"),
)
