"""The feed's table as its readers know it, in memory: rows, a head, a pruned sequence, pages of them."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

from persistence.event_feed import Head, Page, StampedEvent
from realtime.events import FeedEvent, Filter
from realtime.ring import Ring

EPOCH = uuid4()
STREAMS = {"order": uuid4(), "cart": uuid4()}
PAGE = 3


class Table:
    """One feed; rings of several processes may tail it."""

    def __init__(self) -> None:
        """Start with no row."""
        self.rows: list[StampedEvent] = []
        self.pruned = 0

    @property
    def head(self) -> Head:
        """Where the feed stands."""
        return Head(EPOCH, len(self.rows), self.pruned)

    async def page(self, after: int, wanted: Filter) -> Page:
        """Return a page as `event_feed.read_after` does, after giving others a turn."""
        kept = self.rows[max(after, self.pruned) :]
        wants = [row for row in kept if wanted.aggregate in (None, row.aggregate)]
        head = self.head
        await asyncio.sleep(0)
        return Page(head, wants[:PAGE], complete=len(wants) < PAGE)

    def append(self, streams: list[str]) -> None:
        """Stamp one event of each stream named."""
        for stream in streams:
            sequence = len(self.rows) + 1
            self.rows.append(
                StampedEvent(sequence, "Made", stream, STREAMS[stream], 1, None, {}, datetime.now(UTC))
            )

    def tail(self, ring: Ring, count: int) -> None:
        """Let a process read up to `count` new rows."""
        for row in self.rows[ring.head : ring.head + count]:
            ring.append(FeedEvent.of(EPOCH, row))

    def prune(self, rings: list[Ring], keep: int) -> None:
        """Remove what all have read but the newest `keep`."""
        behind = min(ring.head for ring in rings)
        self.pruned = max(self.pruned, min(behind, len(self.rows) - keep))
        for ring in rings:
            ring.pruned = self.pruned

    def sequences(self, aggregate: str | None, after: int, to: int) -> list[int]:
        """Return the exact sequences of a stream between two positions."""
        return [row.sequence for row in self.rows[after:to] if aggregate in (None, row.aggregate)]
