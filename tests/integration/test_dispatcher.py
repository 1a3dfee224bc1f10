"""Durable consumers: every event once and in order, whatever fails or is killed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.events import Event
from persistence import event_log, feed_consumers
from persistence.database import Database
from realtime.events import FeedEvent
from realtime.feed import Feed
from tests.live import live
from worker.consumers import CONSUMERS, Consumer
from worker.dispatcher import Dispatcher


@pytest.fixture(autouse=True)
async def _notes(database: Database) -> AsyncIterator[None]:
    """A table for what consumers do, in the same database as their cursors."""
    async with database.engine.begin() as connection:
        await connection.execute(
            text("CREATE TABLE IF NOT EXISTS consumer_notes (consumer text, sequence bigint)")
        )
    yield
    async with database.engine.begin() as connection:
        await connection.execute(text("DROP TABLE consumer_notes"))


async def note(connection: AsyncConnection, name: str, events: Sequence[FeedEvent]) -> None:
    for event in events:
        await connection.execute(
            text("INSERT INTO consumer_notes VALUES (:name, :sequence)"),
            {"name": name, "sequence": event.sequence},
        )


def consumer(name: str, *streams: str, from_start: bool = True) -> Consumer:
    async def handle(connection: AsyncConnection, events: Sequence[FeedEvent]) -> None:
        await note(connection, name, events)

    return Consumer(name, handle, frozenset(streams), from_start)


async def noted(database: Database, name: str) -> list[int]:
    async with database.read() as connection:
        rows = await connection.scalars(
            text("SELECT sequence FROM consumer_notes WHERE consumer = :name ORDER BY ctid"), {"name": name}
        )
        return list(rows)


async def commit(database: Database, *streams: str) -> None:
    events = [Event("Made", stream, uuid4(), 1, datetime.now(UTC)) for stream in streams]
    async with database.transaction() as connection:
        await event_log.append(connection, "test", events)


@asynccontextmanager
async def dispatching(database: Database, feed: Feed, *consumers: Consumer) -> AsyncIterator[None]:
    task = asyncio.create_task(Dispatcher(database, feed, consumers, page_size=3).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def eventually(found: Callable[[], Awaitable[object]], expected: object) -> None:
    async with asyncio.timeout(10):
        while True:
            if await found() == expected:
                return
            await asyncio.sleep(0.02)


async def test_each_consumer_gets_its_streams_in_order_and_goes_on_after_a_restart(
    database: Database,
) -> None:
    everything, orders = consumer("everything"), consumer("orders", "order")
    await commit(database, "order", "cart", "order", "stock", "order")
    async with live(database) as feed:
        async with dispatching(database, feed, everything, orders):
            await eventually(lambda: noted(database, "everything"), [1, 2, 3, 4, 5])
            await eventually(lambda: noted(database, "orders"), [1, 3, 5])
        await commit(database, "cart", "order")
        async with dispatching(database, feed, everything, orders):
            await eventually(lambda: noted(database, "everything"), [1, 2, 3, 4, 5, 6, 7])
            await commit(database, "order")
            await eventually(lambda: noted(database, "orders"), [1, 3, 5, 7, 8])


async def test_a_new_consumer_starts_at_the_newest_event_unless_told_otherwise(database: Database) -> None:
    await commit(database, "order", "order")
    async with live(database) as feed, dispatching(database, feed, consumer("late", from_start=False)):
        async with database.read() as connection:
            await eventually(lambda: connection.scalar(text("SELECT sequence FROM feed_consumers")), 2)
        await commit(database, "order")
        await eventually(lambda: noted(database, "late"), [3])


async def test_one_that_fails_does_nothing_by_halves_and_stops_no_other(database: Database) -> None:
    failures = 3

    async def handle(connection: AsyncConnection, events: Sequence[FeedEvent]) -> None:
        nonlocal failures
        await note(connection, "fragile", events)
        if failures:
            failures -= 1
            raise RuntimeError("not yet")

    await commit(database, "order", "order", "order", "order")
    fragile = Consumer("fragile", handle, from_start=True)
    async with live(database) as feed, dispatching(database, feed, fragile, consumer("sound")):
        await eventually(lambda: noted(database, "sound"), [1, 2, 3, 4])
        await eventually(lambda: noted(database, "fragile"), [1, 2, 3, 4])
    assert failures == 0


async def test_two_dispatchers_share_the_work_without_doing_it_twice(database: Database) -> None:
    await commit(database, *["order"] * 20)
    async with (
        live(database) as feed,
        dispatching(database, feed, consumer("shared")),
        dispatching(database, feed, consumer("shared")),
    ):
        for _ in range(10):
            await commit(database, "order", "cart")
        await eventually(lambda: noted(database, "shared"), list(range(1, 41)))


async def test_what_another_process_had_locked_is_read_without_a_new_event(database: Database) -> None:
    await commit(database, "order")
    one = consumer("handed over")
    async with live(database) as feed:
        async with dispatching(database, feed, one):
            await eventually(lambda: noted(database, one.name), [1])
        async with database.transaction() as other:
            assert await feed_consumers.lock(other, one.name) == 1
            await commit(database, "order")
            # That event is all there will ever be.
            await eventually(lambda: head(feed), 2)
            dispatcher = dispatching(database, feed, one)
            await dispatcher.__aenter__()
            await asyncio.sleep(0.3)
            assert await noted(database, one.name) == [1]
        await eventually(lambda: noted(database, one.name), [1, 2])
        await dispatcher.__aexit__(None, None, None)


async def head(feed: Feed) -> int:
    return feed.head


def test_the_registered_consumers_have_names_of_their_own() -> None:
    names = [each.name for each in CONSUMERS]

    assert len(names) == len(set(names))
