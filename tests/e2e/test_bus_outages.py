"""Servers whose bus is killed under load: nothing is missed meanwhile, and afterwards wake-ups work again.

One server stamps and tells, the other only hears: what reaches its followers sooner than its poll of the
table each second, the bus has brought.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from domain.kernel.events import Event
from persistence import event_log
from persistence.database import Database
from tests.feeds import cart_cursors, first_cursor, opened
from tests.followers import SHARED, Follower
from tests.redis_server import Redis, running_redis
from tests.server import Server, app_token, metric, running_server
from tests.waiting import beside, until

OUTAGES = 3
EVENTS_A_SECOND = 50
PROBES, FEW_PROBES = 11, 5
POLL_SECONDS = 1.0
WOKEN_SECONDS = 0.3
"""What is woken has an event by then, most of the time; half of what only polls has not."""
_LISTENERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'ordertide bus'"""


class Told(Follower):
    """Remembers when it was told of each version."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at: dict[int, float] = {}

    def _take(self, message: Any) -> None:
        super()._take(message)
        if message["type"] == "next":
            self.at.setdefault(message["payload"]["data"]["cartEvents"]["version"], time.monotonic())


class Load:
    """Commits events, each with a version of its own."""

    def __init__(self, database: Database) -> None:
        self.version = 0
        self._database = database

    async def commit(self) -> int:
        self.version += 1
        version = self.version
        async with self._database.transaction() as connection:
            event = Event("Made", "cart", uuid4(), version, datetime.now(UTC))
            await event_log.append(connection, "test", [event])
        return version

    async def go_on(self) -> None:
        while True:
            await asyncio.shield(self.commit())
            await asyncio.sleep(1 / EVENTS_A_SECOND)

    async def delay(self, follower: Told, probes: int = PROBES) -> float:
        """Return how long half of some events, one at a time, took at most to reach a follower."""
        delays = []
        for _ in range(probes):
            began = time.monotonic()
            version = await self.commit()
            await until(lambda version=version: version in follower.at, 10)  # type: ignore[misc]
            delays.append(follower.at[version] - began)
            await asyncio.sleep(0.05)
        return statistics.median(delays)


@asynccontextmanager
async def two_servers(url: str, folder: Path, bus_url: str) -> AsyncIterator[tuple[Server, Server]]:
    """Run one that does everything and one that only answers."""
    token = await app_token(url)
    with (
        running_server(url, token, folder, bus_url=bus_url) as telling,
        running_server(url, token, folder, "--role", "api", bus_url=bus_url) as hearing,
    ):
        yield telling, hearing


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["postgres", "redis"])
async def test_a_bus_that_dies_under_load_costs_nothing_and_wakes_again(
    fresh_database_url: str, tmp_path: Path, backend: str
) -> None:
    async with AsyncExitStack() as stack:
        if backend == "redis":
            redis = await stack.enter_async_context(running_redis(tmp_path))
            bus_url, outage = redis.url, lambda: restart(redis)
        else:
            bus_url, outage = "postgres://", lambda: end_listeners(fresh_database_url)
        database = await stack.enter_async_context(opened(fresh_database_url))
        servers = await stack.enter_async_context(two_servers(fresh_database_url, tmp_path, bus_url))
        load = Load(database)
        followers = await following(database, servers)
        hearer = followers[1]
        before = await load.delay(hearer)
        async with beside(load.go_on()):
            await under_load(servers[1], outage)
        after = await load.delay(hearer)
        feed = await cart_cursors(database)
        await until(lambda: all(len(one.seen) >= len(feed) for one in followers), 20)

    print(f"{backend}: woken after {before * 1000:.0f} ms, after {OUTAGES} outages {after * 1000:.0f} ms")
    assert max(before, after) < WOKEN_SECONDS
    assert all(one.seen == feed for one in followers)


async def test_without_a_bus_between_processes_the_poll_finds_everything(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with (
        opened(fresh_database_url) as database,
        two_servers(fresh_database_url, tmp_path, "memory://") as servers,
    ):
        load = Load(database)
        followers = await following(database, servers)
        delay = await load.delay(followers[1], FEW_PROBES)
        feed = await cart_cursors(database)
        await until(lambda: all(len(one.seen) >= len(feed) for one in followers), 20)

    assert delay < POLL_SECONDS + WOKEN_SECONDS
    assert all(one.seen == feed for one in followers)


async def following(database: Database, servers: tuple[Server, Server]) -> list[Told]:
    """Return followers that stay, one on each server."""
    start = await first_cursor(database)
    followers = [Told(list, server.token, SHARED, start) for server in servers]
    for server, one in zip(servers, followers, strict=True):
        await one.connect(server.url)
    return followers


async def under_load(hearing: Server, outage: Callable[[], Awaitable[None]]) -> None:
    """Let the bus die some times, each time once wake-ups are heard again."""
    for _ in range(OUTAGES):
        await asyncio.sleep(0.5)
        await outage()
        await until(lambda: metric(hearing, "ordertide_bus_connected") == 1, 20)
        heard = metric(hearing, "ordertide_bus_wake_ups_total")
        await until(lambda heard=heard: metric(hearing, "ordertide_bus_wake_ups_total") > heard + 5, 20)  # type: ignore[misc]


async def restart(redis: Redis) -> None:
    await redis.kill()
    await asyncio.sleep(1)
    await redis.start()


async def end_listeners(url: str) -> None:
    connection = await asyncpg.connect(url)
    ended = await connection.fetch(_LISTENERS)
    await connection.close()
    assert ended
