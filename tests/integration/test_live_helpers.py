"""Our helpers for clients, in Python and TypeScript: what they resume from, and what they raise."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest
from prometheus_client import REGISTRY

from clients.python import ordertide_live
from clients.python.ordertide_live import LiveClient, LiveError, ProtocolBroken
from persistence.database import Database
from realtime.feed import Feed
from services import apps
from services.access import SYSTEM, Permission
from tests import cart_flows as flow
from tests.factories import Shop, bearer, make_context, make_shop
from tests.feeds import cart_cursors, first_cursor
from tests.live import live
from tests.node import PROGRAMS, Node
from tests.programs import Program
from tests.sockets import Served, graphql, served

CARTS = "subscription ($after: String) { cartEvents(after: $after) { cursor kind } }"
OTHER_NAMES = "subscription ($since: String) { carts: cartEvents(after: $since) { at: cursor } }"
STOCK = """subscription ($channel: String!, $sku: String!) {
    inventoryChanged(channel: $channel, skus: [$sku]) { sku } }"""


class Following(Protocol):
    """A helper that follows: what it saw so far."""

    async def seen(self, count: int) -> list[str]:
        """Return the cursors of the first `count` events, once there are so many."""
        ...

    async def outcome(self) -> tuple[str, str]:
        """Return the name and code of the error that ended it."""
        ...


class PythonFollowing:
    """The Python helper, in this process."""

    def __init__(self, url: str, token: str, document: str, options: dict[str, Any]) -> None:
        self._pause_seconds = options.pop("pauseMs", 0) / 1000
        self._cursors: list[str] = []
        client = LiveClient(url, token, shortest_wait=0.1, longest_wait=1.0, proxy=None)
        names = {"cursorPath": "cursor_path", "afterVariable": "after_variable"}
        options = {names.get(name, name): value for name, value in options.items()}
        self._events = client.follow(document, **options)
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async with aclosing(self._events) as events:
            async for event in events:
                assert event.cursor is not None
                self._cursors.append(event.cursor)
                await asyncio.sleep(self._pause_seconds)

    async def seen(self, count: int) -> list[str]:
        async with asyncio.timeout(20):
            while True:
                if self.task.done():
                    self.task.result()
                if len(self._cursors) >= count:
                    return self._cursors
                await asyncio.sleep(0.02)

    async def outcome(self) -> tuple[str, str]:
        with pytest.raises(LiveError) as raised:
            await asyncio.wait_for(self.task, 20)
        return type(raised.value).__name__, raised.value.code


class TypeScriptFollowing:
    """The TypeScript helper, in Node."""

    def __init__(self, program: Program) -> None:
        self._program = program

    async def seen(self, count: int) -> list[str]:
        printed = await asyncio.to_thread(self._program.wait_for, count)
        return [event["cursor"] for event in printed]

    async def outcome(self) -> tuple[str, str]:
        printed = await asyncio.to_thread(self._program.finish)
        return printed[-1]["error"], printed[-1]["code"]


Start = Callable[..., Awaitable[Following]]


@pytest.fixture(params=["python", "typescript"])
async def follow(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Start]:
    """Start either helper: follow(server, token, document, **options)."""
    tasks: list[asyncio.Task[None]] = []
    programs: list[AbstractContextManager[Program]] = []

    async def start(server: Served, token: str, document: str = CARTS, **options: Any) -> Following:
        if request.param == "python":
            following = PythonFollowing(server.url, token, document, options)
            tasks.append(following.task)
            return following
        node: Node = request.getfixturevalue("node")
        environment = {
            "LIVE_URL": server.url,
            "LIVE_TOKEN": token,
            "LIVE_DOCUMENT": document,
            "LIVE_OPTIONS": json.dumps(options),
        }
        programs.append(node.run(PROGRAMS / "follow.mjs", folder=tmp_path, **environment))
        return TypeScriptFollowing(programs[-1].__enter__())

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for program in programs:
        program.__exit__(None, None, None)


@pytest.fixture
async def shop(database: Database) -> Shop:
    return await make_shop(database, stock=1_000)


async def app_token(database: Database, *permissions: Permission) -> str:
    return (await bearer(database, *permissions)).removeprefix("Bearer ")


def closes(code: str) -> float:
    """Return how often servers of this process closed with that code."""
    return REGISTRY.get_sample_value("ordertide_live_closed_total", {"code": code}) or 0.0


@asynccontextmanager
async def serving(database: Database, **limits: Any) -> AsyncIterator[Served]:
    async with live(database) as feed, served(graphql(database, feed), feed, **limits) as server:
        yield server


async def test_every_event_comes_once_and_in_order_though_the_follower_falls_behind(
    database: Database, shop: Shop, follow: Start
) -> None:
    token = await app_token(database, Permission.CARTS_READ)

    async def make_carts(count: int) -> None:
        for _ in range(count):
            await flow.create(database, shop, 1)

    async with live(database) as feed, served(graphql(database, feed), feed) as server:
        # It is slower than the events come, so that some wait in it when the connection ends.
        following = await follow(server, token, after=await first_cursor(database), pauseMs=20)
        await make_carts(12)
        await following.seen(4)
        # The server has to send its followers away: it closes, and the helper comes back.
        closed = closes("4513")
        lose_events(feed)
        await make_carts(10)
        written = await cart_cursors(database)
        assert await following.seen(len(written)) == written
        assert closes("4513") > closed
        # Another burst, to see that it goes on where the first left off.
        await make_carts(10)
        written = await cart_cursors(database)
        assert await following.seen(len(written)) == written


def lose_events(feed: Feed) -> None:
    """Let the process begin anew at the head, as after events it has missed."""
    ring = feed._started
    ring.reset(ring.epoch, ring.head, ring.pruned)


async def test_who_is_sent_away_comes_back_and_goes_on(database: Database, shop: Shop, follow: Start) -> None:
    looks = itertools.count(1)

    async with live(database) as feed:
        handed = graphql(database, feed)

        async def authenticate_again(credentials: str | None, scope: Any) -> Any:
            viewer: Any = await handed.authenticate_again(credentials, scope)
            # At the first look at an open connection, somebody else as it were.
            return replace(viewer, actor=SYSTEM) if next(looks) == 1 else viewer

        handed_on = replace(handed, authenticate_again=authenticate_again)
        async with served(handed_on, feed, recheck=1.0) as server:
            closed = closes("1012")
            token = await app_token(database, Permission.CARTS_READ)
            following = await follow(server, token, after=await first_cursor(database))
            await flow.create(database, shop, 1)
            await following.seen(2)
            async with asyncio.timeout(10):
                while True:
                    if closes("1012") > closed:
                        break
                    await asyncio.sleep(0.05)
            await flow.create(database, shop, 1)
            written = await cart_cursors(database)
            assert await following.seen(len(written)) == written


async def test_the_cursor_and_its_variable_may_have_other_names(
    database: Database, shop: Shop, follow: Start
) -> None:
    token = await app_token(database, Permission.CARTS_READ)
    await flow.create(database, shop, 1)
    async with serving(database) as server:
        written = await cart_cursors(database)
        following = await follow(
            server, token, OTHER_NAMES, after=written[0], cursorPath="carts.at", afterVariable="since"
        )
        assert await following.seen(len(written) - 1) == written[1:]


@pytest.mark.parametrize(
    ("after", "name", "code"),
    [
        ("nonsense", "BadUserInput", "BAD_USER_INPUT"),
        (f"{'0' * 48}", "CursorExpired", "CURSOR_EXPIRED"),
    ],
)
async def test_a_cursor_that_is_no_good_is_an_error_of_its_own(
    database: Database, follow: Start, after: str, name: str, code: str
) -> None:
    async with serving(database) as server:
        following = await follow(server, await app_token(database, Permission.CARTS_READ), after=after)
        assert await following.outcome() == (name, code)


async def test_who_may_not_is_told_so(database: Database, follow: Start) -> None:
    async with serving(database) as server:
        lacking = await follow(server, await app_token(database, Permission.ORDERS_READ))
        nobody = await follow(server, "")
        wrong = await follow(server, "ordertide_app_nobody")

        assert await lacking.outcome() == ("Forbidden", "FORBIDDEN")
        assert await nobody.outcome() == ("Unauthenticated", "UNAUTHENTICATED")
        assert await wrong.outcome() == ("Forbidden", "4403")


async def test_a_token_that_is_revoked_meanwhile_is_an_error(
    database: Database, shop: Shop, follow: Start
) -> None:
    async with serving(database, recheck=0.1) as server:
        token = await app_token(database, Permission.CARTS_READ)
        following = await follow(server, token, after=await first_cursor(database))
        await flow.create(database, shop, 1)
        await following.seen(2)
        context = make_context(database)
        (app,) = await apps.list_all(context)
        await apps.revoke(context, app.id)
        assert await following.outcome() == ("Forbidden", "4403")


async def test_too_many_connections_are_not_tried_again(database: Database, follow: Start) -> None:
    async with serving(database, connections_per_address=1) as server, server.ready():
        following = await follow(server, "")
        assert await following.outcome() == ("TooMany", "4429")


async def test_python_says_at_once_that_a_document_cannot_resume() -> None:
    client = LiveClient("ws://127.0.0.1:1/graphql")
    with pytest.raises(ValueError, match=r"takes no \$after"):
        client.follow("subscription { cartEvents { cursor } }")
    with pytest.raises(ValueError, match=r"takes no \$after"):
        client.follow("subscription ($afterwards: String) { cartEvents(after: $afterwards) { cursor } }")


async def test_python_says_that_no_cursor_is_selected(database: Database, shop: Shop) -> None:
    async with serving(database) as server:
        client = LiveClient(server.url, await app_token(database, Permission.CARTS_READ), proxy=None)
        document = "subscription ($after: String) { cartEvents(after: $after) { kind } }"
        await flow.create(database, shop, 1)
        with pytest.raises(ValueError, match="no cursor at cartEvents"):
            await anext(client.follow(document, after=await first_cursor(database)))


async def test_python_asks_for_a_token_before_every_connection(database: Database) -> None:
    asked = 0

    async def token() -> str:
        nonlocal asked
        asked += 1
        return "ordertide_app_nobody"

    async with serving(database) as server:
        client = LiveClient(server.url, token, proxy=None)
        for _ in range(2):
            with pytest.raises(ordertide_live.Forbidden):
                await anext(client.follow(CARTS))
    assert asked == 2


async def test_python_follows_what_has_no_cursor_and_ends_where_the_server_does(
    database: Database, shop: Shop
) -> None:
    async with serving(database) as server:
        client = LiveClient(server.url, proxy=None)
        names = {"channel": shop.channel.slug, "sku": shop.variant.sku}
        event = await anext(client.follow(STOCK, names, resume=False))
        assert (event.data, event.cursor) == ({"inventoryChanged": {"sku": shop.variant.sku}}, None)
        assert [one.data async for one in client.follow("{ __typename }", resume=False)] == [
            {"__typename": "Query"}
        ]


async def test_python_does_not_try_an_address_without_a_websocket_for_ever() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        client = LiveClient(f"ws://127.0.0.1:{port}/graphql", proxy=None)
        with pytest.raises(ProtocolBroken, match="404"):
            await anext(client.follow(CARTS))
