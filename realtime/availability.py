"""Availability as it changes: the newest value of each SKU, never a queue of old ones."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing

import structlog

from domain.availability import Availability
from persistence.outages import is_outage
from realtime.cursors import FeedError
from realtime.events import FeedEvent
from realtime.feed import READ_PATIENCE_SECONDS, READ_PAUSE_SECONDS, Feed
from realtime.readers import Latest

log = structlog.get_logger(__name__)

Read = Callable[[Sequence[str]], Awaitable[Sequence[Availability]]]
"""Reads what SKUs have now, in one statement; those that are gone are left out."""


async def follow(feed: Feed, skus: Sequence[str], read: Read) -> AsyncGenerator[Availability]:
    """Yield what every SKU has now, then each new value; no value twice in a row.

    However slow the reader, it gets the newest value: what changed since it was read is read again
    before it is handed over, all changed SKUs in one statement. Values missed by the feed itself
    (it had to begin again elsewhere) are read afresh, and an outage of the database is waited out.
    """
    wanted = frozenset(skus)
    told: dict[str, int] = {}

    def sku_of(event: FeedEvent) -> str | None:
        sku = event.payload.get("sku")
        return sku if sku in wanted else None

    while True:
        # Follow first, read then: no change can slip between.
        async with feed.latest(sku_of, aggregate="stock") as changes:
            try:
                async with aclosing(_values(changes, skus, read)) as values:
                    async for value in values:
                        if told.get(value.sku) != value.available:
                            told[value.sku] = value.available
                            yield value
            except FeedError as error:
                log.info("availability_read_afresh", reason=error.code)
            else:
                return


async def _values(changes: Latest, skus: Sequence[str], read: Read) -> AsyncGenerator[Availability]:
    ready: dict[str, Availability] = {}
    dirty = dict.fromkeys(skus)
    while True:
        dirty |= dict.fromkeys(_skus(changes.take_waiting()))
        upcoming = next(iter(ready), None)
        if dirty and (upcoming is None or upcoming in dirty):
            ready |= {value.sku: value for value in await _patiently(read, list(dirty))}
            dirty.clear()
        elif upcoming is not None:
            yield ready.pop(upcoming)
        else:
            try:
                dirty |= dict.fromkeys(_skus([await anext(changes)]))
            except StopAsyncIteration:
                return


def _skus(events: Sequence[FeedEvent]) -> list[str]:
    return [str(event.payload["sku"]) for event in events]


async def _patiently(read: Read, skus: Sequence[str]) -> Sequence[Availability]:
    """Read for a follower that must not end because the database restarts."""
    deadline = asyncio.get_running_loop().time() + READ_PATIENCE_SECONDS
    while True:
        try:
            return await read(skus)
        except Exception as error:
            if not is_outage(error) or asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(READ_PAUSE_SECONDS)
