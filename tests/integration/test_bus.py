"""Wake-ups between two processes over each backend, killed and healed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from persistence.database import Database
from realtime.bus import Bus, backend_maker
from tests.outages import Relay
from tests.redis_server import Redis, running_redis

CHANNEL = "ordertide_feed_test"


class Process:
    """One process on the bus, counting how often it was woken."""

    def __init__(self, url: str, direct_url: str = "", pulse_seconds: float = 5.0) -> None:
        self.woken = 0
        self.bus = Bus(backend_maker(url, direct_url), CHANNEL, self._wake, pulse_seconds=pulse_seconds)

    def _wake(self) -> None:
        self.woken += 1

    async def is_woken_by(self, other: "Process") -> None:
        """Wait until a wake-up of `other` gets here; the sender repeats itself as stampers do."""
        before = self.woken
        async with asyncio.timeout(8):
            while True:
                other.bus.wake()
                await asyncio.sleep(0.02)
                if self.woken > before:
                    return


@asynccontextmanager
async def running(*processes: Process) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(process.bus.run()) for process in processes]
    try:
        for process in processes:
            async with asyncio.timeout(5):
                await process.bus.connected.wait()
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def disconnected(process: Process) -> None:
    async with asyncio.timeout(8):
        while True:
            if not process.bus.connected.is_set():
                return
            await asyncio.sleep(0.005)


@pytest.fixture
def direct_url(database: Database) -> str:
    return database.url.set(drivername="postgresql").render_as_string(hide_password=False)


async def kill_listeners(direct_url: str) -> int:
    connection = await asyncpg.connect(direct_url)
    try:
        return len(
            await connection.fetch(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'ordertide bus'
                """
            )
        )
    finally:
        await connection.close()


async def test_postgres_carries_wake_ups_and_heals_after_a_kill(direct_url: str) -> None:
    one, two = Process("postgres://", direct_url), Process(direct_url)
    async with running(one, two):
        await two.is_woken_by(one)
        await one.is_woken_by(two)

        assert await kill_listeners(direct_url) == 2
        await disconnected(one)

        await two.is_woken_by(one)
        await one.is_woken_by(two)


async def test_many_wake_ups_are_few_messages_and_none_fails(direct_url: str) -> None:
    one, two = Process("postgres://", direct_url), Process("postgres://", direct_url)
    async with running(one, two):
        before = two.woken
        for _ in range(10_000):
            one.bus.wake()
        await two.is_woken_by(one)

        assert two.woken - before < 10


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[Redis]:
    async with running_redis(tmp_path) as server:
        yield server


async def test_redis_carries_wake_ups_and_heals_after_a_kill(redis: Redis) -> None:
    one, two = Process(redis.url), Process(redis.url)
    async with running(one, two):
        await two.is_woken_by(one)
        await one.is_woken_by(two)

        await redis.kill()
        await disconnected(one)
        await disconnected(two)
        one.bus.wake()
        await redis.start()

        await two.is_woken_by(one)
        await one.is_woken_by(two)


async def test_memory_wakes_its_own_process() -> None:
    one = Process("memory://")
    async with running(one):
        before = one.woken
        one.bus.wake()
        await asyncio.sleep(0.02)

        assert one.woken > before


async def test_a_connection_that_says_nothing_any_more_is_replaced(direct_url: str) -> None:
    async with Relay(direct_url) as relay:
        one = Process("postgres://", relay.url, pulse_seconds=0.1)
        two = Process("postgres://", direct_url)
        async with running(one, two):
            await one.is_woken_by(two)
            relay.swallow()
            await disconnected(one)
            await relay.heal()
            await one.is_woken_by(two)


async def test_redis_that_says_nothing_any_more_is_tried_until_it_does(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.bus.SECONDS_TO_CONNECT", 0.3)
    monkeypatch.setattr("realtime.bus.DEAF_SECONDS", 0.3)
    async with Relay(redis.url) as relay:
        one = Process(relay.url.replace("postgresql", "redis"), pulse_seconds=0.1)
        two = Process(redis.url)
        async with running(one, two):
            await one.is_woken_by(two)
            relay.swallow()
            await disconnected(one)
            # Meanwhile it connects, is accepted, and gets no answer.
            await asyncio.sleep(0.5)
            await relay.heal()
            await one.is_woken_by(two)
