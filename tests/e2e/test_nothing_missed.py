"""Nothing missed: real servers that are killed, writers over HTTP, subscribers that come and go.

ORDERTIDE_TEST_RECONNECTS raises how often subscribers reconnect in all (500 is the promise).
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import httpx
import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from persistence import event_feed
from persistence.database import Database
from realtime.cursors import Cursor
from realtime.messages import SUBPROTOCOL
from tests.factories import Shop, make_shop
from tests.server import Server, app_token, running_server

WRITERS, SUBSCRIBERS, KILLS = 8, 30, 2
RECONNECTS = int(os.environ.get("ORDERTIDE_TEST_RECONNECTS", "150"))
FOLLOW = "subscription ($after: String!) { cartEvents(after: $after) { cursor kind version } }"
CREATE = """mutation ($channel: String!, $sku: String!) {
    cartCreate(input: { channel: $channel, lines: [{ variant: { sku: $sku }, quantity: 1 }] }) {
        cartToken userErrors { message } } }"""
ADD = """mutation ($token: String!, $sku: String!) {
    cartLineAdd(input: { cartToken: $token, variant: { sku: $sku }, quantity: 1 }) {
        userErrors { message } } }"""


class Fleet:
    """Two server processes on one database; a killed one is replaced."""

    def __init__(self, database_url: str, token: str, folder: Path) -> None:
        self.token = token
        self._start: Callable[[], AbstractContextManager[Server]] = lambda: running_server(
            database_url, token, folder
        )
        self._servers: list[tuple[Server, ExitStack]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        for _ in range(2):
            self._add()
        try:
            yield
        finally:
            for _, stack in self._servers:
                stack.close()

    @property
    def urls(self) -> list[str]:
        return [server.url for server, _ in self._servers]

    def kill_one(self) -> None:
        server, stack = self._servers.pop(0)
        server.kill()
        stack.close()
        self._add()

    def _add(self) -> None:
        stack = ExitStack()
        self._servers.append((stack.enter_context(self._start()), stack))


class Subscriber:
    """Follows cart events, leaves at random, and resumes on either server with its last cursor."""

    def __init__(self, fleet: Fleet, start: str, seed: int) -> None:
        self.fleet = fleet
        self.cursor = start
        self.dice = random.Random(seed)
        self.seen: list[str] = []
        self.connects = 0

    async def follow(self, done: asyncio.Event) -> None:
        while not done.is_set():
            # A server that is not there, or is killed while we read, is what this is about.
            with suppress(OSError, WebSocketException, TimeoutError):
                async with asyncio.timeout(self.dice.uniform(0.5, 5)):
                    await self._read()
            await asyncio.sleep(self.dice.uniform(0, 0.3))

    async def _read(self) -> None:
        url = self.dice.choice(self.fleet.urls).replace("http", "ws", 1) + "/graphql"
        async with connect(url, subprotocols=[Subprotocol(SUBPROTOCOL)], proxy=None) as socket:
            await send(
                socket, type="connection_init", payload={"authorization": f"Bearer {self.fleet.token}"}
            )
            await send(
                socket,
                type="subscribe",
                id="1",
                payload={"query": FOLLOW, "variables": {"after": self.cursor}},
            )
            self.connects += 1
            async for raw in socket:
                message = orjson.loads(raw)
                if message["type"] == "next":
                    event = message["payload"]["data"]["cartEvents"]
                    self.seen.append(event["cursor"])
                    self.cursor = event["cursor"]
                else:
                    assert message["type"] == "connection_ack", message


async def send(socket: ClientConnection, **message: object) -> None:
    await socket.send(orjson.dumps(message).decode())


async def write(fleet: Fleet, shop: Shop, seed: int, done: asyncio.Event) -> None:
    """Make carts and add to them, whichever server answers."""
    dice = random.Random(seed)
    names = {"channel": shop.channel.slug, "sku": shop.variant.sku}
    async with httpx.AsyncClient(timeout=10) as http:
        while not done.is_set():
            with suppress(httpx.HTTPError):
                url = f"{dice.choice(fleet.urls)}/graphql"
                made = await http.post(url, json={"query": CREATE, "variables": names})
                token = made.json()["data"]["cartCreate"]["cartToken"]
                variables = {"token": token, "sku": shop.variant.sku}
                for _ in range(dice.randint(0, 3)):
                    await http.post(url, json={"query": ADD, "variables": variables})
            await asyncio.sleep(dice.uniform(0.2, 1.0))


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url, pool_size=2)
    try:
        yield database
    finally:
        await database.close()


async def cart_cursors(database: Database) -> list[str]:
    """Return the cursor of every cart event of the feed."""
    found: list[str] = []
    position = 0
    async with database.read() as connection:
        while True:
            page = await event_feed.read_after(connection, position, 1000, aggregate="cart")
            found += [str(Cursor(page.head.epoch, event.sequence)) for event in page.events]
            waiting = (await event_feed.read_backlog(connection, limit=1)).depth
            if page.complete and not waiting:
                return found
            position = page.events[-1].sequence if page.events else position
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_subscribers_of_killed_servers_see_exactly_the_feed(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with opened(fresh_database_url) as database:
        shop = await make_shop(database, stock=100_000)
        async with database.read() as connection:
            start = str(Cursor((await event_feed.read_head(connection)).epoch, 0))
        fleet = Fleet(fresh_database_url, await app_token(fresh_database_url), tmp_path)
        with fleet.running():
            subscribers = [Subscriber(fleet, start, seed) for seed in range(SUBSCRIBERS)]
            written, read = asyncio.Event(), asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for subscriber in subscribers:
                    group.create_task(subscriber.follow(read))
                writers = [
                    asyncio.ensure_future(write(fleet, shop, seed, written)) for seed in range(WRITERS)
                ]
                for _ in range(KILLS):
                    await asyncio.sleep(3)
                    await asyncio.to_thread(fleet.kill_one)
                await until(lambda: sum(one.connects for one in subscribers) >= RECONNECTS)
                written.set()
                await asyncio.gather(*writers)
                feed = await cart_cursors(database)
                await until(lambda: all(len(one.seen) >= len(feed) for one in subscribers))
                read.set()

    assert len(feed) > 100
    for subscriber in subscribers:
        assert subscriber.seen == feed


async def until(holds: Callable[[], bool], seconds: float = 180) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if holds():
                return
            await asyncio.sleep(0.05)
