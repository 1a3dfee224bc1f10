"""Readers that stop reading: what they cost the server, what the others get, and how they come back.

ORDERTIDE_TEST_STALLED changes how many stop on the fast path, of five times as many; on the portable one it
is a fifth of that.
"""

import asyncio
import os
import re
import resource
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from domain.kernel.events import Event
from persistence import event_log
from persistence.database import Database
from tests.factories import Shop, give_stock, make_shop
from tests.feeds import cart_cursors, first_cursor, opened
from tests.followers import WIDE, Follower
from tests.server import Server, app_token, running_server
from tests.waiting import beside, until
from tests.wire import ABNORMAL, Wire, allow_connections

STALLED = int(os.environ.get("ORDERTIDE_TEST_STALLED", "200"))
SHARE = 5
"""One of so many readers stops."""
GROWTH_MB = 50
EVENTS_A_SECOND = 10
WARM_SECONDS, LONGEST_STALL_SECONDS = 2.0, 40.0
RESUME = 4513

NARROW = "subscription ($after: String) { cartEvents(after: $after) { cursor version } }"
_WIDE_SKU = " ".join(f"the_sku_of_the_value_{number}: sku" for number in range(200))
NEWEST = f"""subscription ($channel: String!, $skus: [String!]!) {{
    inventoryChanged(channel: $channel, skus: $skus) {{ available {_WIDE_SKU} }} }}"""


@dataclass
class Watcher:
    """Cares for the newest value only."""

    values: list[int] = field(default_factory=list)
    problems: list[Any] = field(default_factory=list)
    wire: Wire | None = None

    async def connect(self, server: Server, shop: Shop, **options: Any) -> None:
        self.wire = await Wire.open(server.url, server.token, self._take, **options)
        self.wire.subscribe("1", NEWEST, channel=shop.channel.slug, skus=[shop.variant.sku])

    def _take(self, message: Any) -> None:
        if message["type"] == "next":
            self.values.append(message["payload"]["data"]["inventoryChanged"]["available"])
        elif message["type"] != "connection_ack":
            self.problems.append(message)


@dataclass
class Crowd:
    """Everybody who is connected; a half of those who will stop care for the newest value only."""

    server: Server
    start: str
    stalled: int
    must: list[Follower] = field(default_factory=list)
    newest: list[Watcher] = field(default_factory=list)
    others: list[Follower] = field(default_factory=list)
    quick: Watcher = field(default_factory=Watcher)
    wires: list[Wire] = field(default_factory=list)

    async def arrive(self, shop: Shop) -> None:
        for number in range(self.stalled * (SHARE - 1)):
            follower = self._follower(WIDE if number % 4 == 0 else NARROW)
            await follower.connect(self.server.url)
            self.others.append(follower)
        for _ in range(self.stalled // 2):
            follower, watcher = self._follower(WIDE), Watcher()
            self.wires.append(await follower.connect(self.server.url, small_buffers=True))
            await watcher.connect(self.server, shop, small_buffers=True)
            self.must.append(follower)
            self.newest.append(watcher)
        await self.quick.connect(self.server, shop)

    async def everybody_has(self, followers: Sequence[Follower], events: int) -> None:
        await until(lambda: all(len(one.seen) >= events for one in followers), 60)

    def _follower(self, query: str) -> Follower:
        return Follower(lambda: [self.server.url], self.server.token, query, self.start)


class Commits:
    """Events of carts and changes of stock, so many a second."""

    def __init__(self, database: Database, shop: Shop) -> None:
        self.count = 0
        self._database = database
        self._shop = shop

    async def both(self) -> None:
        self.count += 1
        event = Event("Made", "cart", uuid4(), self.count, datetime.now(UTC))
        async with self._database.transaction() as connection:
            await event_log.append(connection, "test", [event])
        await give_stock(self._database, self._shop.variant, self._shop.location, 1)

    async def go_on(self) -> None:
        while True:
            # Shielded, so that what was begun is counted and committed.
            await asyncio.shield(self.both())
            await asyncio.sleep(1 / EVENTS_A_SECOND)


class Memory:
    """The most a process has held since it was first looked at."""

    def __init__(self, server: Server) -> None:
        self._process = psutil.Process(server.process.pid)
        self.first_mb = self.most_mb = self.mb()

    def mb(self) -> float:
        return float(self._process.memory_info().rss / 1_048_576)

    def look(self) -> None:
        self.most_mb = max(self.most_mb, self.mb())


@pytest.fixture
def _files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_connections(STALLED * SHARE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.slow
@pytest.mark.usefixtures("_files")
@pytest.mark.parametrize(("fast", "stalled"), [("true", STALLED), ("false", STALLED // 5)])
async def test_who_stops_reading_costs_little_and_comes_back_to_everything(
    fresh_database_url: str, tmp_path: Path, fast: str, stalled: int
) -> None:
    token = await app_token(fresh_database_url)
    bounds = {"connections_per_viewer": "5000", "connections_per_address": "5000"}
    async with opened(fresh_database_url) as database:
        shop = await make_shop(database)
        commits = Commits(database, shop)
        with running_server(fresh_database_url, token, tmp_path, **bounds, live_fast_path=fast) as server:
            crowd = Crowd(server, await first_cursor(database), stalled)
            await crowd.arrive(shop)
            async with beside(commits.go_on()):
                await asyncio.sleep(WARM_SECONDS)
                memory = await stop_reading(crowd)
            await come_back(crowd, commits)
            feed = await cart_cursors(database)
            await crowd.everybody_has([*crowd.others, *crowd.must], len(feed))

    print(fast, f"{memory.first_mb:.0f} MB, at most {memory.most_mb:.0f} MB", commits.count)
    assert memory.most_mb - memory.first_mb < GROWTH_MB
    for follower in (*crowd.others, *crowd.must):
        assert follower.seen == feed
        assert follower.problems == []
    for watcher in (*crowd.newest, crowd.quick):
        assert watcher.problems == []
        assert watcher.values == sorted(set(watcher.values))
        assert watcher.values[-1] == commits.count
    assert max(len(one.values) for one in crowd.newest) < len(crowd.quick.values)


async def stop_reading(crowd: Crowd) -> Memory:
    """Let those who stop do so until all who must get everything are cut off; returns what that took."""
    memory = Memory(crowd.server)
    for wire in (*crowd.wires, *(one.wire for one in crowd.newest if one.wire)):
        wire.stall()
    async with asyncio.timeout(LONGEST_STALL_SECONDS), httpx.AsyncClient(trust_env=False) as http:
        before = len(crowd.others) + len(crowd.must) + len(crowd.newest) + 1
        while await connections(http, crowd.server) > before - len(crowd.must):
            memory.look()
            await asyncio.sleep(0.2)
    return memory


async def connections(http: httpx.AsyncClient, server: Server) -> int:
    """Return how many are connected, as the server counts."""
    found = re.search(
        r"^ordertide_live_connections (\S+)$", (await http.get(f"{server.url}/metrics")).text, re.MULTILINE
    )
    assert found is not None
    return int(float(found[1]))


async def come_back(crowd: Crowd, commits: Commits) -> None:
    """Let everybody read again, and those who were cut off resume with their last cursor."""
    for wire, follower in zip(crowd.wires, crowd.must, strict=True):
        wire.read_again()
        assert await asyncio.wait_for(wire.ended, 10) in {ABNORMAL, RESUME}
        await follower.connect(crowd.server.url)
    await commits.both()
    for watcher in crowd.newest:
        assert watcher.wire is not None
        assert not watcher.wire.ended.done(), "who only wants the newest value is not cut off"
        watcher.wire.read_again()
    await until(lambda: all(one.values[-1:] == [commits.count] for one in crowd.newest), 30)
