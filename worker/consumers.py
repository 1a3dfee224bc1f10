"""Who reacts to what: the durable consumers of the event feed, each with a cursor of its own."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from realtime.events import FeedEvent
from worker import notifications

Handle = Callable[[AsyncConnection, Sequence[FeedEvent]], Awaitable[None]]
"""Reacts to events in the transaction that also moves the cursor: both happen, or neither."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """Reacts to every event of the streams it names (all of them when none), in order.

    `name` is for ever: under it the cursor is kept. A new consumer starts at the newest event, or
    at the oldest one kept if `from_start`. `handle` must not call the outside world: it writes
    what is to be done, and a job does it.
    """

    name: str
    handle: Handle
    streams: frozenset[str] = frozenset()
    from_start: bool = False

    def wants(self, event: FeedEvent) -> bool:
        """Say whether the event is of a stream it reacts to."""
        return not self.streams or event.aggregate in self.streams


CONSUMERS: tuple[Consumer, ...] = (
    Consumer("notifications", notifications.note, frozenset({"order", "unlinked_refund"})),
)
"""Every consumer; webhooks, automation and reports will stand here."""
