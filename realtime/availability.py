"""Availability as it changes: the newest value of each SKU, never a queue of old ones."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Sequence
from contextlib import aclosing
from functools import partial
from uuid import UUID

import structlog

from domain.availability import Availability
from realtime.cursors import FeedError
from realtime.events import FeedEvent, Keys
from realtime.feed import Feed
from realtime.patience import patiently
from realtime.readers import Latest

log = structlog.get_logger(__name__)

Read = Callable[[Sequence[str]], Awaitable[Sequence[Availability]]]
"""Reads what SKUs have now."""

_BY_SKU = ("stock", "catalog")


async def follow(
    feed: Feed, channel_id: UUID, skus: Sequence[str], read: Read
) -> AsyncGenerator[Availability]:
    """Yield what every SKU has now, then each new value; no value twice in a row.

    However slow the reader, it gets the newest value: what changed since it was read is read again
    before it is handed over, all changed SKUs in one statement. A change of the channel, or of a
    location, may change every value. Values missed by the feed itself (it had to begin again
    elsewhere) are read afresh, and an outage of the database is waited out.
    """
    wanted = frozenset(skus)
    told: dict[str, int] = {}
    keys: list[Hashable] = [(stream, sku) for stream in _BY_SKU for sku in skus]

    def concerned(event: FeedEvent) -> frozenset[str]:
        return wanted.intersection(event.topics) if event.aggregate in _BY_SKU else wanted

    while True:
        # Follow first, read then: no change can slip between.
        async with feed.latest(concerned, Keys([*keys, channel_id, "location"])) as changes:
            try:
                async with aclosing(_values(changes, skus, read, concerned)) as values:
                    async for value in values:
                        if told.get(value.sku) != value.available:
                            told[value.sku] = value.available
                            yield value
            except FeedError as error:
                log.info("availability_read_afresh", reason=error.code)
            else:
                return


async def _values(
    changes: Latest, skus: Sequence[str], read: Read, concerned: Callable[[FeedEvent], frozenset[str]]
) -> AsyncGenerator[Availability]:
    ready: dict[str, Availability] = {}
    dirty = set(skus)
    while True:
        for event in changes.take_waiting():
            dirty |= concerned(event)
        upcoming = next(iter(ready), None)
        if dirty and (upcoming is None or upcoming in dirty):
            ready |= {
                value.sku: value
                for value in await patiently(partial(read, [sku for sku in skus if sku in dirty]))
            }
            dirty.clear()
        elif upcoming is not None:
            yield ready.pop(upcoming)
        else:
            try:
                dirty |= concerned(await anext(changes))
            except StopAsyncIteration:
                return
