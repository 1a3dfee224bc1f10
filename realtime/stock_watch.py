"""Stock of one location as it changes: each level as its event tells it, read only to begin with."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Sequence
from contextlib import aclosing
from uuid import UUID

import structlog

from domain.inventory import StockLevel
from domain.stock_watch import Watched, level_told
from realtime.cursors import FeedError
from realtime.events import FeedEvent, Keys, at_place
from realtime.feed import Feed
from realtime.patience import patiently
from realtime.readers import Latest

log = structlog.get_logger(__name__)

Read = Callable[[], Awaitable[Watched]]
"""Reads the location, and its levels of the SKUs that are watched."""


async def follow(
    feed: Feed, location_id: UUID, skus: Sequence[str] | None, read: Read
) -> AsyncGenerator[StockLevel]:
    """Yield the level of every SKU, then the newest each time one changes; without SKUs only changes.

    However slow the reader, it gets the newest level of each SKU. A change of the location itself shows
    every SKU again. Where the feed has missed events, SKUs are read afresh; who follows a whole location
    is told so (Discontinued), because nobody knows what changed there.
    """
    place = str(location_id)

    def about(event: FeedEvent) -> Hashable | None:
        if event.aggregate_id == location_id:
            return location_id
        return event.payload["sku"] if event.payload["locationId"] == place else None

    by_sku: list[Hashable] = [("stock", sku) for sku in skus or ()]
    keys = [location_id, *(by_sku if skus is not None else [at_place("stock", place)])]
    told: dict[str, int] = {}
    while True:
        # Follow first, read then: no change can slip between.
        async with feed.latest(about, Keys(keys)) as changes:
            try:
                async with aclosing(_levels(changes, location_id, read, told)) as levels:
                    async for level in levels:
                        yield level
            except FeedError as error:
                if skus is None:
                    raise
                log.info("stock_read_afresh", reason=error.code)
            else:
                return


async def _levels(
    changes: Latest, location_id: UUID, read: Read, told: dict[str, int]
) -> AsyncGenerator[StockLevel]:
    """`told` has the version of each level read: events that it shows already are old."""
    watched = await patiently(read)
    for version, level in watched.levels:
        if told.get(level.sku) != version:
            told[level.sku] = version
            yield level
    async for event in changes:
        if event.aggregate_id == location_id:
            watched = await patiently(read)
            for version, level in watched.levels:
                told[level.sku] = version
                yield level
        elif told.get(event.payload["sku"], 0) < event.version:
            level = level_told(event.aggregate_id, event.payload, watched.location)
            if level.sku in watched.skus:
                told[level.sku] = event.version
            yield level
