"""A stamper or leader whose connection hangs without a word: others take over, and it comes back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from domain.kernel.events import Event
from persistence import event_feed, event_log, stamping
from persistence.database import Database
from realtime import bus, feed
from realtime.cursors import Cursor
from realtime.feed import Feed
from realtime.metrics import RETRIES
from realtime.stamper import Stamper
from realtime.supervise import supervise
from tests.outages import Relay
from tests.waiting import beside, until
from worker import leader as leadership
from worker.leader import Leader

SECONDS_TO_ANSWER = 0.5


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamping, "_SECONDS_TO_ANSWER", SECONDS_TO_ANSWER)
    monkeypatch.setattr(leadership, "ANSWER_SECONDS", SECONDS_TO_ANSWER)
    monkeypatch.setattr(leadership, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(feed, "SECONDS_TO_ANSWER", SECONDS_TO_ANSWER)
    monkeypatch.setattr(bus, "SECONDS_TO_CONNECT", SECONDS_TO_ANSWER)


@pytest.fixture
async def relay(database: Database) -> AsyncIterator[Relay]:
    async with Relay(database.url.render_as_string(hide_password=False)) as relay:
        yield relay


async def commit(database: Database, count: int = 1) -> None:
    events = [Event("Made", "order", uuid4(), 1, datetime.now(UTC)) for _ in range(count)]
    async with database.transaction() as connection:
        await event_log.append(connection, "test", events)


async def stamped(database: Database, count: int) -> None:
    """Wait until the feed has so many events, numbered without a gap."""
    async with asyncio.timeout(10), database.read() as connection:
        while True:
            page = await event_feed.read_after(connection, 0, 1_000)
            assert [event.sequence for event in page.events] == list(range(1, len(page.events) + 1))
            if len(page.events) == count:
                return
            await asyncio.sleep(0.02)


def stamper(database: Database, url: str | None = None) -> Stamper:
    return Stamper(database, lambda: None, retention_seconds=3_600, direct_url=url)


def retries(part: str) -> float:
    return float(RETRIES.labels(part)._value.get())


async def test_another_stamps_while_the_leaders_connection_hangs(database: Database, relay: Relay) -> None:
    hanging, sound = stamper(database, relay.url), stamper(database)
    async with beside(hanging.run()):
        await commit(database)
        await stamped(database, 1)
        relay.swallow()
        given_up = retries("stamper")
        async with beside(sound.run()):
            await commit(database, 20)
            await stamped(database, 21)
            await until(lambda: retries("stamper") > given_up)
        await relay.heal()
        await commit(database, 20)
        await stamped(database, 41)


async def test_a_stamper_alone_gives_a_connection_up_that_hangs_in_a_batch(
    database: Database, relay: Relay
) -> None:
    async with beside(stamper(database, relay.url).run()):
        await commit(database)
        await stamped(database, 1)
        relay.swallow()
        await commit(database, 3)
        # Now it waits for the answer to a batch that never reached the server.
        await asyncio.sleep(0.2)
        await relay.heal()
        await commit(database, 3)
        await stamped(database, 7)


async def test_followers_of_both_kinds_outlive_connections_that_hang(
    database: Database, relay: Relay
) -> None:
    """One follows live, the other begins to catch up just then."""
    fragile = Database(relay.url)
    own = Feed(fragile, ring_size=2)
    async with beside(stamper(database).run()):
        await commit(database, 5)
        await stamped(database, 5)
        await own.start()
        start = str(Cursor(own.epoch, 0))
        try:
            # So that whoever reads next finds an open connection, which then hangs.
            await asyncio.gather(*(fragile.check() for _ in range(3)))
            async with own.subscribe() as live, own.subscribe(start) as late:
                relay.swallow()
                first = asyncio.ensure_future(anext(late))
                await commit(database)
                await asyncio.sleep(0.2)
                await relay.heal()
                async with asyncio.timeout(10):
                    assert (await anext(live)).sequence == 6
                    assert [(await first).sequence] + [(await anext(late)).sequence for _ in range(5)] == [
                        *range(1, 7)
                    ]
        finally:
            await own.stop()
            await fragile.close()


async def test_who_waits_to_lead_gives_a_connection_up_that_hangs(database: Database, relay: Relay) -> None:
    led: list[str] = []
    direct = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    first, second = leading(direct, "first", led), leading(relay.url, "second", led)
    async with beside(second):
        async with beside(first):
            await until(lambda: len(led) == 1)
            relay.swallow()
            given_up = retries("leader")
            await until(lambda: retries("leader") > given_up)
            await relay.heal()
        await until(lambda: led[-1] == "second")


async def leading(url: str, name: str, led: list[str]) -> None:
    async def work() -> None:
        led.append(name)
        await asyncio.Event().wait()

    await supervise("leader", Leader(url, work).run)
