"""An event as subscribers and consumers read it, and the choice of which ones a reader wants."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
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

    @property
    def topics(self) -> Sequence[str]:
        """The SKUs that the event is about, if it is about any."""
        if (one := self.payload.get("sku")) is not None:
            return (one,)
        return self.payload.get("skus") or ()

    @property
    def keys(self) -> list[Hashable]:
        """Under what the ring looks for readers that may want the event."""
        place = self.payload.get("locationId")
        by_topic = ((self.aggregate, topic) for topic in self.topics)
        by_place = () if place is None else (at_place(self.aggregate, place),)
        return [self.aggregate_id, *by_topic, *by_place, self.aggregate, None]

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


def at_place(aggregate: str, location_id: str) -> Hashable:
    """Return the key of a stream's events at one location."""
    return aggregate, "at", location_id


class Wanted(Protocol):
    """Which events a reader wants."""

    @property
    def keys(self) -> Sequence[Hashable]:
        """Under what the ring finds the reader; an event is offered for each of its keys."""
        ...

    def matches(self, event: FeedEvent) -> bool:
        """Say whether the reader wants an event that it was found for."""
        ...


@dataclass(frozen=True, slots=True)
class Filter:
    """The events of one stream, or of one aggregate; all by default.

    `only` lets fewer through, decided from the event alone: it is asked before the reader wakes up.
    """

    aggregate: str | None = None
    aggregate_id: UUID | None = None
    only: Callable[[FeedEvent], bool] | None = None

    @property
    def keys(self) -> Sequence[Hashable]:
        """The narrowest thing known of the events."""
        return (self.aggregate_id or self.aggregate,)

    def matches(self, event: FeedEvent) -> bool:
        """Say whether the reader wants this event."""
        return (
            (self.aggregate is None or event.aggregate == self.aggregate)
            and (self.aggregate_id is None or event.aggregate_id == self.aggregate_id)
            and (self.only is None or self.only(event))
        )


@dataclass(frozen=True, slots=True)
class Keys:
    """Every event that has one of some keys: (stream, SKU), `at_place`, an aggregate's id, or a stream."""

    keys: Sequence[Hashable]

    def matches(self, event: FeedEvent) -> bool:
        """Say yes: what was found by its key is wanted."""
        return True
