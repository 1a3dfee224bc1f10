"""Hands the event feed to its durable consumers: each event once, in order, through any crash."""

import asyncio
from collections.abc import Sequence
from enum import Enum, auto

import structlog
from prometheus_client import Gauge

from persistence import event_feed, feed_consumers
from persistence.database import Database
from realtime.events import FeedEvent
from realtime.feed import Feed
from realtime.supervise import supervise
from worker.consumers import Consumer

log = structlog.get_logger(__name__)

PAGE_SIZE = 200
SECONDS_BETWEEN_TRIES = 1.0
CONSUMER_LAG = Gauge(
    "ordertide_consumer_lag_events", "Events a durable consumer has yet to read", ["consumer"]
)


class _Left(Enum):
    """What is left for a consumer after a step."""

    NOTHING = auto()
    MORE = auto()
    LOCKED = auto()
    """Nobody knows: another process has the consumer, and may die before it has read everything."""


class Dispatcher:
    """Runs consumers side by side. One that fails waits at its event and tries again; others go on."""

    def __init__(
        self, database: Database, feed: Feed, consumers: Sequence[Consumer], *, page_size: int = PAGE_SIZE
    ) -> None:
        """Prepare; `feed` says when there is something new, the cursors in `database` what."""
        self._database = database
        self._feed = feed
        self._consumers = consumers
        self._page_size = page_size

    async def run(self) -> None:
        """Dispatch until canceled."""
        await supervise("consumers", self._register)
        async with asyncio.TaskGroup() as group:
            for consumer in self._consumers:
                group.create_task(self._supervised(consumer), name=consumer.name)
            group.create_task(asyncio.Event().wait())

    async def _supervised(self, consumer: Consumer) -> None:
        await supervise(consumer.name, lambda: self._follow(consumer))

    async def _register(self) -> None:
        async with self._database.transaction() as connection:
            for consumer in self._consumers:
                await feed_consumers.register(connection, consumer.name, from_start=consumer.from_start)
            known = {consumer.name for consumer in self._consumers}
            for name in await feed_consumers.names(connection):
                if name not in known:
                    log.warning("unknown_consumer_keeps_events", consumer=name)

    async def _follow(self, consumer: Consumer) -> None:
        # Followed before the first look, so that nothing arrives unseen in between.
        async with self._feed.latest(lambda event: 0) as news:
            while True:
                left = await self._step(consumer)
                if left is _Left.LOCKED:
                    await asyncio.sleep(SECONDS_BETWEEN_TRIES)
                elif left is _Left.NOTHING:
                    await anext(news)

    async def _step(self, consumer: Consumer) -> _Left:
        """Hand over one page and move the cursor with it."""
        async with self._database.transaction() as connection:
            sequence = await feed_consumers.lock(connection, consumer.name)
            if sequence is None:
                return _Left.LOCKED
            page = await event_feed.read_after(connection, sequence, self._page_size)
            events = [FeedEvent.of(page.head.epoch, row) for row in page.events]
            if wanted := [event for event in events if consumer.wants(event)]:
                await consumer.handle(connection, wanted)
            if events:
                await feed_consumers.advance(connection, consumer.name, events[-1].sequence)
        reached = events[-1].sequence if events else sequence
        CONSUMER_LAG.labels(consumer.name).set(page.head.sequence - reached)
        return _Left.NOTHING if page.complete else _Left.MORE
