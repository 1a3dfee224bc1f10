"""Event streams of real servers: EventSource through a server's death, revocation, SIGTERM."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from persistence.database import Database
from services import apps
from tests.factories import Shop, make_context, make_shop
from tests.feeds import cart_cursors, first_cursor, opened
from tests.node import PROGRAMS, Node
from tests.processes import wait_until
from tests.programs import Program
from tests.server import Server, app_token, free_port, running_server
from tests.waiting import until

_LEFT_SECONDS = 60
"""How long whoever leaves a stream may read on: the next line, or ping, lets them."""
CARTS = "subscription ($after: String) { cartEvents(after: $after) { cursor kind } }"
STOCK = """subscription ($channel: String!, $sku: String!) {
    inventoryChanged(channel: $channel, skus: [$sku]) { available } }"""
CREATE = """mutation ($channel: String!, $sku: String!) {
    cartCreate(input: { channel: $channel, lines: [{ variant: { sku: $sku }, quantity: 1 }] }) {
        userErrors { message } } }"""


@dataclass(frozen=True)
class World:
    """A database with a shop, and how to serve it."""

    url: str
    database: Database
    shop: Shop
    token: str
    start: str
    folder: Path

    def write(self, server: Server) -> None:
        for _ in range(3):
            answer = server.graphql(CREATE, channel=self.shop.channel.slug, sku=self.shop.variant.sku)
            assert answer["data"]["cartCreate"]["userErrors"] == []


@pytest.fixture
async def world(fresh_database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with opened(fresh_database_url) as database:
        yield World(
            fresh_database_url,
            database,
            await make_shop(database, stock=1_000),
            await app_token(fresh_database_url),
            await first_cursor(database),
            tmp_path,
        )


def event_source(world: World, node: Node, port: int, query: str, token: str, **variables: Any) -> Any:
    return node.run(
        PROGRAMS / "event-source.mjs",
        query,
        json.dumps(variables),
        folder=world.folder,
        LIVE_URL=f"ws://127.0.0.1:{port}/graphql",
        LIVE_TOKEN=token,
    )


def events(program: Program) -> list[Any]:
    return [line for line in program.printed() if "event" in line]


def wait_for_events(program: Program, count: int) -> None:
    wait_until(
        lambda: len(events(program)) >= count,
        f"{program.printed()} {program.complaints()}",
        seconds=30,
    )


async def test_event_source_resumes_by_itself_when_its_server_was_killed(world: World, node: Node) -> None:
    port = free_port()
    with event_source(world, node, port, CARTS, world.token, after=world.start) as program:
        with running_server(world.url, world.token, world.folder, port=str(port)) as server:
            world.write(server)
            wait_for_events(program, len(await cart_cursors(world.database)))
            # Nobody may have seen these when the server goes.
            world.write(server)
            server.kill()
        with running_server(world.url, world.token, world.folder, port=str(port)) as server:
            world.write(server)
            feed = await cart_cursors(world.database)
            wait_for_events(program, len(feed))
        seen = events(program)
    assert len(feed) == 18
    assert [event["event"]["data"]["cartEvents"]["cursor"] for event in seen] == feed
    assert [event["id"] for event in seen] == feed


async def test_event_source_shows_anyone_the_stock_and_gives_up_where_it_should(
    world: World, node: Node
) -> None:
    asked = {"channel": world.shop.channel.slug, "sku": world.shop.variant.sku}
    with running_server(world.url, world.token, world.folder) as server:
        with event_source(world, node, server.port, STOCK, "", **asked) as program:
            wait_for_events(program, 1)
            world.write(server)
            wait_until(
                lambda: events(program)[-1]["event"]["data"]["inventoryChanged"]["available"] == 997,
                "the stock is not shown",
            )
            assert {event["id"] for event in events(program)} == {""}
        with event_source(world, node, server.port, "{ nope }", "") as program:
            told, end = program.wait_for(3)[1:]
            assert told["event"]["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
            assert end == {"complete": True}
        with event_source(world, node, server.port, CARTS, "nobody") as program:
            assert program.wait_for(1) == [{"failed": 401}]


@contextmanager
def following(server: Server, token: str, last_event_id: str) -> Iterator["Followed"]:
    """Follow carts on a thread until the stream ends or the block does."""
    followed = Followed()
    with httpx.Client(base_url=server.url, timeout=30) as client:
        thread = threading.Thread(target=followed.read, args=(client, token, last_event_id))
        thread.start()
        try:
            yield followed
        finally:
            followed.left = True
            thread.join(_LEFT_SECONDS)
            assert not thread.is_alive(), "the stream keeps its reader"


class Followed:
    """What a stream has shown."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.complete = False
        self.ended_at: float | None = None
        self.left = False

    def read(self, client: httpx.Client, token: str, last_event_id: str) -> None:
        headers = {
            "accept": "text/event-stream",
            "authorization": f"Bearer {token}",
            "last-event-id": last_event_id,
        }
        with client.stream("POST", "/graphql", json={"query": CARTS}, headers=headers) as response:
            for line in response.iter_lines():
                if line.startswith("id: "):
                    self.ids.append(line.removeprefix("id: "))
                self.complete |= line == "event: complete"
                if self.left:
                    return
        self.ended_at = time.monotonic()


async def test_a_revoked_app_is_shown_nothing_more_at_once(world: World) -> None:
    token = await app_token(world.url, "carts.read")
    with (
        running_server(world.url, world.token, world.folder, live_fast_path="false") as server,
        following(server, token, world.start) as followed,
    ):
        world.write(server)
        await until(lambda: len(followed.ids) == 6)
        context = make_context(world.database)
        (app,) = [app for app in await apps.list_all(context) if list(app.permissions) == ["carts.read"]]
        revoked_at = time.monotonic()
        await apps.revoke(context, app.id)
        world.write(server)
        await until(lambda: followed.ended_at is not None)
    assert followed.ended_at is not None
    assert followed.ended_at - revoked_at < 5
    assert (len(followed.ids), followed.complete) == (6, False)


async def test_sigterm_ends_streams_and_the_process_and_they_resume_on_the_next(world: World) -> None:
    with (
        running_server(world.url, world.token, world.folder) as server,
        following(server, world.token, world.start) as one,
        following(server, world.token, world.start) as other,
    ):
        world.write(server)
        await until(lambda: len(one.ids) == len(other.ids) == 6)
        started = time.monotonic()
        assert await asyncio.to_thread(server.stop) == 0
        assert time.monotonic() - started < 10
        await until(lambda: None not in {one.ended_at, other.ended_at})
    assert not one.complete
    assert not other.complete
    with (
        running_server(world.url, world.token, world.folder) as server,
        following(server, world.token, one.ids[-1]) as next_one,
    ):
        world.write(server)
        await until(lambda: len(next_one.ids) == 6)
        await asyncio.to_thread(server.stop)
    assert one.ids + next_one.ids == await cart_cursors(world.database)
