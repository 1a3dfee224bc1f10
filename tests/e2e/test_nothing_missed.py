"""Nothing missed: servers, bus and PostgreSQL that are killed, writers over HTTP, followers that come and go.

ORDERTIDE_TEST_RECONNECTS changes how often followers reconnect in all.
"""

import asyncio
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from persistence.embedded import EmbeddedServer
from tests.factories import Shop, make_shop
from tests.feeds import cart_feed, first_cursor, opened
from tests.fleet import Fleet
from tests.followers import DIFFERING, ONE_CART, SHARED, Follower, Stays, Writer
from tests.processes import postmaster_of, wait_until
from tests.redis_server import Redis, running_redis
from tests.server import app_token
from tests.waiting import until

SERVERS, WRITERS, FOLLOWERS = 3, 8, 60
RECONNECTS = int(os.environ.get("ORDERTIDE_TEST_RECONNECTS", "1000"))
STAYS = Stays(stay=(0.1, 2.5), away=(0, 0.3))
SECONDS_BETWEEN_DEATHS = 1.5
_STAMPERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ordertide stamper'"""


@dataclass
class Place:
    """Servers that share the embedded PostgreSQL of one home, made durable as in real use, and a Redis."""

    home: Path
    fleet: Fleet
    redis: Redis
    database_url: str

    async def kill_a_server(self) -> None:
        await asyncio.to_thread(self.fleet.kill, self.fleet.servers[0])

    async def kill_the_stamping_server(self) -> None:
        await asyncio.to_thread(self.fleet.kill_the_stamping_one)

    async def cut_the_stampers_off(self) -> None:
        connection = await asyncpg.connect(self.database_url)
        await connection.fetch(_STAMPERS)
        await connection.close()

    async def restart_the_bus(self) -> None:
        await self.redis.kill()
        await asyncio.sleep(1)
        await self.redis.start()

    async def restart_postgres(self) -> None:
        await asyncio.to_thread(self._end_postgres, signal.SIGINT)

    async def kill_postgres(self) -> None:
        await asyncio.to_thread(self._end_postgres, signal.SIGKILL)

    def _end_postgres(self, how: signal.Signals) -> None:
        postmaster = postmaster_of(self.home)
        os.kill(postmaster, how)
        wait_until(
            lambda: postmaster_of(self.home) not in {0, postmaster}, "no PostgreSQL comes back", seconds=60
        )
        wait_until(self._ready, "a server does not find its database again", seconds=60)

    def _ready(self) -> bool:
        return all(httpx.get(f"{url}/readyz").status_code == httpx.codes.OK for url in self.fleet.urls)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    home = Path(tempfile.mkdtemp(prefix="ordertide-home-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, home)
        postgres = stack.enter_context(await asyncio.to_thread(EmbeddedServer.acquire, home))
        async with running_redis(home) as redis:
            settings = {"home": str(home), "bus_url": redis.url, "log_level": "warning"}
            fleet = Fleet("", "", home, SERVERS, settings)
            with fleet.running():
                fleet.token = await app_token(postgres.url)
                yield Place(home, fleet, redis, postgres.url)


async def writers_of(place: Place, shop: Shop) -> list[Writer]:
    """Return shoppers who have their lasting cart."""
    writers = [Writer(lambda: place.fleet.urls, shop, seed) for seed in range(WRITERS)]
    async with httpx.AsyncClient(trust_env=False) as http:
        for writer in writers:
            writer.lasting = await writer.create(http, f"{place.fleet.urls[0]}/graphql")
    return writers


def followers_of(place: Place, start: str, writers: list[Writer]) -> list[Follower]:
    """Return followers: half share one subscription, some ask for something else, some watch one cart."""
    followers = []
    for seed in range(FOLLOWERS):
        query, cart, cursor = SHARED, None, start if seed % 12 else None
        if seed % 4 == 1:
            query = DIFFERING[seed // 4 % len(DIFFERING)]
        elif seed % 4 == 3:
            query, cart = ONE_CART, writers[seed // 4 % 4].lasting
        followers.append(
            Follower(lambda: place.fleet.urls, place.fleet.token, query, cursor, cart=cart, seed=seed)
        )
    return followers


@asynccontextmanager
async def running(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        for one in work:
            group.create_task(one)
        yield


@pytest.mark.slow
async def test_followers_see_exactly_the_feed_whatever_is_killed(place: Place) -> None:
    async with opened(place.database_url) as database:
        shop = await make_shop(database, stock=1_000_000)
        start = await first_cursor(database)
    writers = await writers_of(place, shop)
    followers = followers_of(place, start, writers)
    written, read = asyncio.Event(), asyncio.Event()
    deaths: tuple[Callable[[], Coroutine[Any, Any, None]], ...] = (
        place.kill_a_server,
        place.restart_the_bus,
        place.cut_the_stampers_off,
        place.restart_postgres,
        place.kill_the_stamping_server,
        place.kill_postgres,
        place.kill_a_server,
        place.restart_the_bus,
    )
    async with running(*(one.follow(read, STAYS) for one in followers)):
        async with running(*(one.run(written) for one in writers)):
            for death in deaths:
                await asyncio.sleep(SECONDS_BETWEEN_DEATHS)
                await death()
            await until(lambda: sum(one.connects for one in followers) >= RECONNECTS + FOLLOWERS, 600)
            written.set()
        async with opened(place.database_url) as database:
            feed = await cart_feed(database)
        ends = [(one, expected[-1]) for one in followers if (expected := one.expected(feed))]
        # Who is not there by then is told of below.
        with suppress(TimeoutError):
            await until(lambda: all(one.seen and one.seen[-1] >= end for one, end in ends), 30)
        read.set()

    connects = sum(one.connects for one in followers)
    print(connects, len(feed), Counter(code for one in followers for code in one.codes))
    assert len(feed) > 500
    for follower in followers:
        expected = follower.expected(feed)
        if follower.cart is None and follower.seed % 12 == 0:
            # It began at some moment: from then on it has everything.
            expected = expected[expected.index(follower.seen[0]) :]
        assert follower.seen == expected
        assert follower.problems == []
