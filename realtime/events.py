"""An event as subscribers and consumers read it, and the choice of which ones a reader wants."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from persistence.event_feed import StampedEvent
from realtime.cursors import Cursor


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One event of the feed; made once a process and shared by every reader."""

    sequence: int
    cursor: str
    kind: str
    aggregate: str
    aggregate_id: UUID
    version: int
    channel_id: UUID | None
    payload: Mapping[str, Any]
    occurred_at: datetime

    @classmethod
    def of(cls, epoch: UUID, row: StampedEvent) -> "FeedEvent":
        """Return a row of the feed of `epoch` as an event, its cursor written out."""
        return cls(
            row.sequence,
            str(Cursor(epoch, row.sequence)),
            row.kind,
            row.aggregate,
            row.aggregate_id,
            row.version,
            row.channel_id,
            row.payload,
            row.occurred_at,
        )


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events a reader wants: of one stream, of one aggregate, by any test; all by default.

    `wants` must be quick and must not wait: it runs between an event and its other readers.
    """

    aggregate: str | None = None
    aggregate_id: UUID | None = None
    wants: Callable[[FeedEvent], bool] | None = None

    @property
    def key(self) -> Hashable:
        """Under what the ring finds the reader: the narrowest thing known of its events."""
        return self.aggregate_id or self.aggregate

    def matches(self, event: FeedEvent) -> bool:
        """Say whether the reader wants this event."""
        return (
            (self.aggregate is None or event.aggregate == self.aggregate)
            and (self.aggregate_id is None or event.aggregate_id == self.aggregate_id)
            and (self.wants is None or self.wants(event))
        )
