"""A server that is told to stop while many follow: what was asked is answered, everybody goes on elsewhere.

ORDERTIDE_TEST_SUBSCRIBERS changes how many follow.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from domain.kernel.events import Event
from persistence import event_log
from persistence.database import Database
from tests.feeds import cart_cursors, first_cursor, opened
from tests.followers import DIFFERING, SHARED, WIDE, Follower
from tests.server import Server, app_token, running_server
from tests.waiting import beside, until
from tests.wire import Wire

SUBSCRIBERS = int(os.environ.get("ORDERTIDE_TEST_SUBSCRIBERS", "1000"))
STALLED = 20
"""How many read nothing any more, so that a farewell does not reach them."""
EVENTS_A_SECOND = 20
SECONDS_TO_BE_GONE = 10
BUSY_SECONDS = 1.5
"""How long what is under way when the server is told to stop still takes."""
RESTART = 1012
ASK = "{ channels { slug } }"
CHANGE = """mutation ($slug: String!) {
    channelCreate(input: { slug: $slug, name: "x", currency: "EUR" }) { channel { slug } } }"""


class Client(Follower):
    """Follows on one server until it is sent away, then on the other."""

    left_at = 0.0

    async def follow_on(self, first: Server, second: Server) -> Wire:
        wire = await self.connect(first.url)
        self.codes.append(await wire.ended)
        self.left_at = time.monotonic()
        return await self.connect(second.url)


class Busy:
    """Requests that are under way: a query and a change, each on a websocket and over HTTP."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.messages: list[Any] = []
        self.code: int | None = None
        self.answers: list[httpx.Response] = []

    async def on_websocket(self) -> None:
        wire = await Wire.open(self._server.url, self._server.token, self.messages.append)
        wire.subscribe("asked", ASK)
        wire.subscribe("changed", CHANGE, slug="by-websocket")
        self.code = await wire.ended

    async def over_http(self, query: str, **variables: Any) -> None:
        async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
            body = {"query": query, "variables": variables}
            url = f"{self._server.url}/graphql"
            self.answers.append(await http.post(url, json=body, headers=self._server.headers()))

    def check(self) -> None:
        """Everything was answered, and nothing else was said."""
        told = {(one["type"], one.get("id")) for one in self.messages} - {("connection_ack", None)}
        assert told == {(kind, name) for kind in ("next", "complete") for name in ("asked", "changed")}
        by_id = {one["id"]: one["payload"] for one in self.messages if one["type"] == "next"}
        assert by_id["changed"]["data"] == {"channelCreate": {"channel": {"slug": "by-websocket"}}}
        assert isinstance(by_id["asked"]["data"]["channels"], list)
        assert self.code == RESTART
        changed, asked = sorted((one.json()["data"] for one in self.answers), key=len, reverse=True)
        assert {*changed, *asked} == {"channelCreate", "channels"}


@pytest.mark.slow
async def test_everybody_is_answered_sent_away_and_goes_on_elsewhere(
    fresh_database_url: str, tmp_path: Path
) -> None:
    token = await app_token(fresh_database_url)
    bounds = {"connections_per_viewer": "5000", "connections_per_address": "5000"}
    async with opened(fresh_database_url) as database:
        with (
            running_server(fresh_database_url, token, tmp_path, **bounds) as first,
            running_server(fresh_database_url, token, tmp_path, **bounds) as second,
        ):
            start = await first_cursor(database)
            clients = [
                Client(list, token, DIFFERING[0] if number % 3 == 0 else SHARED, start)
                for number in range(SUBSCRIBERS)
            ]
            busy = Busy(first)
            deaf = [await one_who_does_not_read(first, query) for query in (SHARED, WIDE) * (STALLED // 2)]
            async with committing(database):
                following = [asyncio.create_task(one.follow_on(first, second)) for one in clients]
                await until(lambda: all(one.seen for one in clients), 60)
                seconds, told_at = await stop_while_busy(first, busy, fresh_database_url)
                wires = await asyncio.gather(*following)
            feed = await cart_cursors(database)
            await until(lambda: all(len(one.seen) >= len(feed) for one in clients), 30)
            for wire in (*wires, *deaf):
                wire.vanish()

    left = sorted(one.left_at - told_at for one in clients)
    print(f"gone after {seconds:.1f} s, sent away from {left[0]:.2f} to {left[-1]:.2f} s, {len(feed)} events")
    assert Counter(code for one in clients for code in one.codes) == {RESTART: SUBSCRIBERS}
    assert left[-1] - left[0] > 0.2, "they come back in batches, not all at once"
    assert seconds < SECONDS_TO_BE_GONE
    busy.check()
    for client in clients:
        assert client.seen == feed
        assert client.problems == []


async def stop_while_busy(server: Server, busy: Busy, database_url: str) -> tuple[float, float]:
    """Tell a server to stop while it answers; returns how long it took to be gone, and when it was told."""
    connection = await asyncpg.connect(database_url)
    async with asyncio.TaskGroup() as group, connection.transaction():
        await connection.execute("LOCK TABLE channels IN ACCESS EXCLUSIVE MODE")
        group.create_task(busy.on_websocket())
        group.create_task(busy.over_http(ASK))
        group.create_task(busy.over_http(CHANGE, slug="over-http"))
        await waiting_for_lock(connection, 4)
        told_at = time.monotonic()
        server.process.terminate()
        await asyncio.sleep(BUSY_SECONDS)
    await connection.close()
    assert await asyncio.to_thread(server.process.wait, 30) == 0
    return time.monotonic() - told_at, told_at


async def one_who_does_not_read(server: Server, query: str) -> Wire:
    wire = await Wire.open(server.url, server.token, lambda _: None, small_buffers=True)
    wire.subscribe("1", query)
    wire.stall()
    return wire


async def waiting_for_lock(connection: asyncpg.Connection, statements: int) -> None:
    """Wait until so many statements wait for what `connection` has locked."""
    async with asyncio.timeout(20):
        while True:
            found = await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if found >= statements:
                return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def committing(database: Database) -> AsyncIterator[None]:
    """Commit events of carts, so many a second."""

    async def commit(version: int) -> None:
        event = Event("Made", "cart", uuid4(), version, datetime.now(UTC))
        async with database.transaction() as connection:
            await event_log.append(connection, "test", [event])

    async def go_on() -> None:
        for version in count(1):
            await commit(version)
            await asyncio.sleep(1 / EVENTS_A_SECOND)

    async with beside(go_on()):
        yield
