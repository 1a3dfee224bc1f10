"""Nothing missed: writers, stampers, feeds and subscribers on real PostgreSQL, with kills."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from domain.kernel.events import Event
from persistence import event_feed, event_log
from persistence.database import Database
from realtime.cursors import Cursor, CursorExpired, Discontinued, InvalidCursor
from realtime.events import FeedEvent
from realtime.feed import Feed
from realtime.stamper import Stamper
from tests.outages import through_relay
from tests.waiting import beside

WRITERS, SUBSCRIBERS, AGGREGATES = 8, 30, 12


class Rollback(Exception):
    """What makes a writer's transaction end badly."""


def made(aggregate_id: UUID, version: int = 1, stream: str = "order") -> Event:
    return Event("Made", stream, aggregate_id, version, datetime.now(UTC))


async def commit(database: Database, *events: Event) -> None:
    async with database.transaction() as connection:
        await event_log.append(connection, "test", events)


def stamper(database: Database, *wakes: Feed, retention_seconds: float = 3600) -> Stamper:
    def wake() -> None:
        for feed in wakes:
            feed.wake()

    return Stamper(database, wake, retention_seconds=retention_seconds, batch=200)


async def stamp_all(database: Database, *wakes: Feed) -> None:
    one = stamper(database, *wakes)
    while await one.stamp_once():
        pass
    one.close()


@asynccontextmanager
async def running(*feeds: Feed) -> AsyncIterator[None]:
    for feed in feeds:
        await feed.start()
    try:
        yield
    finally:
        for feed in feeds:
            await feed.stop()


async def stamping(*stampers: Stamper) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one.run()) for one in stampers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def whole_feed(database: Database) -> list[event_feed.StampedEvent]:
    events: list[event_feed.StampedEvent] = []
    async with database.read() as connection:
        while True:
            after = events[-1].sequence if events else 0
            page = await event_feed.read_after(connection, after, 1000)
            events += page.events
            if page.complete:
                return events


async def take(events: AsyncIterator[FeedEvent], count: int) -> list[int]:
    async with asyncio.timeout(5):
        return [(await anext(events)).sequence for _ in range(count)]


class Writers:
    """Writers whose transactions overlap, commit late, or roll back; they know what they committed."""

    def __init__(self, database: Database, rounds: int) -> None:
        self.database = database
        self.rounds = rounds
        self.aggregates = [uuid4() for _ in range(AGGREGATES)]
        self.committed: dict[UUID, list[int]] = defaultdict(list)
        self._versions: dict[UUID, int] = defaultdict(int)

    async def run(self) -> None:
        await asyncio.gather(*(self._write(random.Random(seed)) for seed in range(WRITERS)))

    async def _write(self, dice: random.Random) -> None:
        for _ in range(self.rounds):
            aggregate = dice.choice(self.aggregates)
            with suppress(Rollback):
                await self._change(aggregate, dice)

    async def _change(self, aggregate: UUID, dice: random.Random) -> None:
        async with self.database.transaction() as connection:
            # Stands for the lock on the aggregate's row: ids are drawn while it is held.
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtext(:id))"), {"id": str(aggregate)}
            )
            version = self._versions[aggregate]
            events = [made(aggregate, version + n) for n in range(1, dice.randint(2, 4))]
            await event_log.append(connection, "test", events)
            await asyncio.sleep(dice.choice((0, 0, 0.001, 0.01, 0.03)))
            if dice.random() < 0.1:
                raise Rollback
            self._versions[aggregate] = version + len(events)
            self.committed[aggregate] += [event.version for event in events]

    def check(self, feed: list[event_feed.StampedEvent]) -> None:
        """The feed is dense, and has what was committed, once, in each aggregate's own order."""
        assert [event.sequence for event in feed] == list(range(1, len(feed) + 1))
        stamped: dict[UUID, list[int]] = defaultdict(list)
        for event in feed:
            stamped[event.aggregate_id].append(event.version)
        assert stamped == self.committed


async def test_two_stampers_one_killed_lose_nothing(database: Database) -> None:
    writers = Writers(database, rounds=40)
    rival = Database(database.url.render_as_string(hide_password=False), pool_size=2)
    async with beside(stamper(database).run(), stamper(rival).run()):
        killing = asyncio.create_task(kill_stampers(database))
        await writers.run()
        # Who has nothing to stamp is never in the middle of a batch.
        while not killing.done():
            await writers.run()
        killed = await killing
        await drained(database)
    await rival.close()

    assert killed >= 3
    writers.check(await whole_feed(database))


async def kill_stampers(database: Database) -> int:
    """Terminate whoever is in the middle of a batch, three times."""
    killed = 0
    statement = text(
        """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()
           AND application_name = 'ordertide stamper' AND state <> 'idle' LIMIT 1
        """
    )
    async with asyncio.timeout(60), database.read() as connection:
        while killed < 3:
            killed += len((await connection.execute(statement)).all())
            await asyncio.sleep(0.002)
    return killed


async def drained(database: Database) -> None:
    async def empty() -> bool:
        async with database.read() as connection:
            return (await event_feed.read_backlog(connection, limit=1)).depth == 0

    await eventually(empty)


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.02)


async def test_thirty_subscribers_reconnecting_over_two_processes_see_exactly_the_feed(
    database: Database,
) -> None:
    url = database.url.render_as_string(hide_password=False)
    others = [Database(url, pool_size=4) for _ in range(2)]
    feeds = [Feed(other, ring_size=64, queue_limit=128, page_size=50) for other in others]
    writers = Writers(database, rounds=40)
    async with running(*feeds), beside(stamper(others[0], feeds[0]).run(), stamper(others[1]).run()):
        # The second process is told of nothing: it lives by its safety poll and lags behind.
        start = str(Cursor(feeds[0].epoch, 0))
        done = asyncio.Event()
        clients = [Client(feeds, start, seed) for seed in range(SUBSCRIBERS)]
        following = asyncio.gather(*(client.follow(done) for client in clients))
        await writers.run()
        await drained(database)
        feed = await whole_feed(database)

        async def everybody_is_through() -> bool:
            return all(len(client.seen) >= len(feed) for client in clients)

        await eventually(everybody_is_through)
        done.set()
        await following
    for other in others:
        await other.close()

    writers.check(feed)
    for client in clients:
        assert client.seen == [event.sequence for event in feed]
    assert sum(client.connects for client in clients) >= 100


class Client:
    """Reads a while from one process, goes away, comes back to either with its last cursor."""

    def __init__(self, feeds: list[Feed], start: str, seed: int) -> None:
        self.feeds = feeds
        self.cursor = start
        self.dice = random.Random(seed)
        self.seen: list[int] = []
        self.connects = 0

    async def follow(self, done: asyncio.Event) -> None:
        while not done.is_set():
            self.connects += 1
            with suppress(TimeoutError, Discontinued):
                async with asyncio.timeout(self.dice.uniform(0.02, 0.6)):
                    await self._read(self.dice.randint(1, 200))
            await asyncio.sleep(self.dice.choice((0, 0, 0.01, 0.2)))

    async def _read(self, count: int) -> None:
        async with self.dice.choice(self.feeds).subscribe(self.cursor) as events:
            async for event in events:
                self.seen.append(event.sequence)
                self.cursor = event.cursor
                count -= 1
                if count == 0:
                    return
                if self.dice.random() < 0.02:
                    await asyncio.sleep(self.dice.uniform(0, 0.1))


async def test_subscribing_by_aggregate_pages_only_its_own_then_goes_live(database: Database) -> None:
    mine, other = uuid4(), uuid4()
    feed = Feed(database, ring_size=2, page_size=3)
    await commit(database, *(made(mine if n % 3 == 0 else other, n) for n in range(1, 31)))
    await stamp_all(database)
    async with running(feed), feed.subscribe(str(Cursor(feed.epoch, 5)), aggregate_id=mine) as events:
        assert await take(events, 9) == [6, 9, 12, 15, 18, 21, 24, 27, 30]
        await commit(database, made(other, 31), made(mine, 32))
        await stamp_all(database, feed)
        assert await take(events, 1) == [32]


async def test_without_a_cursor_it_starts_live(database: Database) -> None:
    feed = Feed(database)
    await commit(database, made(uuid4()))
    await stamp_all(database)
    async with running(feed), feed.subscribe(aggregate="order") as events:
        await commit(database, made(uuid4(), stream="cart"), made(uuid4()))
        await stamp_all(database, feed)
        assert await take(events, 1) == [3]


async def test_a_cursor_ahead_of_this_process_is_waited_for(database: Database) -> None:
    feed = Feed(database)
    async with running(feed):
        await commit(database, *(made(uuid4(), n) for n in range(1, 6)))
        await stamp_all(database)
        async with feed.subscribe(str(Cursor(feed.epoch, 4))) as events:
            assert await take(events, 1) == [5]
            await commit(database, made(uuid4(), 6))
            await stamp_all(database, feed)
            assert await take(events, 1) == [6]


@pytest.mark.parametrize(("beyond", "error"), [(1, InvalidCursor), (10**9, InvalidCursor)])
async def test_a_cursor_from_the_future_is_refused(
    database: Database, beyond: int, error: type[Exception]
) -> None:
    feed = Feed(database)
    await commit(database, made(uuid4()))
    await stamp_all(database)
    async with running(feed), feed.subscribe(str(Cursor(feed.epoch, 1 + beyond))) as events:
        with pytest.raises(error):
            await take(events, 1)


async def test_a_cursor_of_another_feed_has_expired(database: Database) -> None:
    feed = Feed(database)
    async with running(feed), feed.subscribe(str(Cursor(uuid4(), 0))) as events:
        with pytest.raises(CursorExpired) as caught:
            await take(events, 1)
    assert caught.value.code == "CURSOR_EXPIRED"


async def age_feed(database: Database, up_to: int) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            text(
                """
                UPDATE event_feed SET stamped_at = stamped_at - CAST(:age AS interval)
                 WHERE sequence <= :up_to
                """
            ),
            {"age": timedelta(hours=2), "up_to": up_to},
        )


async def test_retention_prunes_but_never_past_a_consumer(database: Database) -> None:
    await commit(database, *(made(uuid4(), n) for n in range(1, 11)))
    await stamp_all(database)
    await age_feed(database, up_to=8)
    async with database.transaction() as connection:
        await connection.execute(text("INSERT INTO feed_consumers VALUES ('slow', 5, now())"))
    one = stamper(database, retention_seconds=3600)

    assert await one.prune_once() == 5
    assert [event.sequence for event in await whole_feed(database)] == [6, 7, 8, 9, 10]

    async with database.transaction() as connection:
        await connection.execute(text("UPDATE feed_consumers SET sequence = 10"))
    assert await one.prune_once() == 3
    assert await one.prune_once() == 0
    async with database.read() as connection:
        head = await event_feed.read_head(connection)
    assert (head.sequence, head.pruned_sequence) == (10, 8)


async def test_a_cursor_past_retention_has_expired_and_the_oldest_kept_has_not(database: Database) -> None:
    await commit(database, *(made(uuid4(), n) for n in range(1, 11)))
    await stamp_all(database)
    await age_feed(database, up_to=6)
    await stamper(database).prune_once()
    feed = Feed(database)
    async with running(feed):
        async with feed.subscribe(str(Cursor(feed.epoch, 5))) as events:
            with pytest.raises(CursorExpired):
                await take(events, 1)
        async with feed.subscribe(str(Cursor(feed.epoch, 6))) as events:
            assert await take(events, 4) == [7, 8, 9, 10]


async def test_a_stamper_that_does_not_lead_waits_its_turn(database: Database) -> None:
    await commit(database, made(uuid4()))
    one = stamper(database)
    async with database.transaction() as connection:
        assert await event_feed.lock_head(connection) == 0
        assert await one.stamp_once() == 0
        assert await one.prune_once() is None
    assert await one.stamp_once() == 1
    one.close()


async def test_a_poke_stamps_at_once(database: Database) -> None:
    feed = Feed(database)
    one = stamper(database, feed)
    async with running(feed), beside(one.run()), feed.subscribe() as events:
        await asyncio.sleep(0.4)
        await commit(database, made(uuid4()))
        one.poke()
        started = asyncio.get_running_loop().time()
        assert await take(events, 1) == [1]
        assert asyncio.get_running_loop().time() - started < 0.09


async def test_feed_and_stamper_outlive_a_database_outage(database: Database) -> None:
    async with through_relay(database) as (fragile, relay):
        feed = Feed(fragile)
        async with running(feed), beside(stamper(fragile, feed).run()), feed.subscribe() as events:
            await commit(database, made(uuid4()))
            assert await take(events, 1) == [1]
            relay.cut()
            await commit(database, made(uuid4()))
            await asyncio.sleep(0.5)
            await relay.heal()
            assert await take(events, 1) == [2]
