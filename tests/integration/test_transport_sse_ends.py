"""How event streams end: their client leaves, stops reading or loses its rights, or the server goes."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from api.live import LiveViewer
from persistence.database import Database
from realtime.feed import Feed
from realtime.operations import Delivery, GraphQL, OperationRequest, Single, Source, Start
from services import apps
from services.access import ANONYMOUS, Permission
from tests.asgi_servers import HYPERCORN
from tests.factories import bearer, make_context
from tests.live import live
from tests.sockets import graphql
from tests.streams import COMPLETE, Streaming, streaming
from tests.waiting import until

CARTS = "subscription ($after: String) { cartEvents(after: $after) { cursor } }"
ALL = ["fast path", "plain uvicorn", HYPERCORN]


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[Feed]:
    async with live(database) as feed:
        yield feed


@pytest.fixture(params=ALL)
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def counting(handed: GraphQL, *, conflated: bool = False, last: int = 10**9, size: int = 20_000) -> GraphQL:
    """Replace what runs by numbers from a cursor on, as fast as they can be taken."""

    async def run(start: Start) -> AsyncGenerator[Delivery]:
        for number in range(int(start.after or "0", 16) + 1, last + 1):
            answer = {"data": {"number": number, "ballast": "x" * size}}
            cursor = None if conflated else f"{number:048x}"
            yield Delivery(answer, cursor, "slot")
            await asyncio.sleep(0)
        await asyncio.Event().wait()

    def plan(request: OperationRequest, viewer: Any, request_id: str) -> Source:
        return Source(run, conflated=conflated)

    return replace(handed, plan=plan)


def flooding(handed: GraphQL) -> GraphQL:
    """Replace what runs by a live feed, which waits for nobody."""
    counted = counting(handed)

    def plan(request: OperationRequest, viewer: Any, request_id: str) -> Source:
        source = counted.plan(request, viewer, request_id)
        assert isinstance(source, Source)

        async def run(start: Start) -> AsyncGenerator[Delivery]:
            if start.caught_up is not None:
                start.caught_up(start.after or "")
            async for delivery in source.run(start):
                yield delivery

        return replace(source, run=run)

    return replace(handed, plan=plan)


async def test_a_client_that_leaves_leaves_nothing_behind(database: Database, feed: Feed, how: str) -> None:
    authorization = await bearer(database, Permission.CARTS_READ)
    async with streaming(graphql(database, feed), database, feed, how, heartbeat=0.1) as server:
        async with server.ask("{ __typename }") as reader:
            await reader.rest()
        await until(lambda: not len(server.registry))
        before = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
        async with server.ask(CARTS, authorization) as reader:
            await reader.comment()
            assert (len(server.registry), server.hub.live_streams) == (1, 1)
        await until(lambda: not len(server.registry))
        assert server.hub.live_streams == 0
        names = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
        assert {name for name in names - before if "EventStream" in name or "Stream." in name} == set()


async def test_a_client_that_asked_for_more_before_it_left_leaves_nothing_behind(
    database: Database, feed: Feed
) -> None:
    async with streaming(graphql(database, feed), database, feed, "fast path", heartbeat=0.1) as server:
        authorization = await bearer(database, Permission.CARTS_READ)
        reader, writer = await asyncio.open_connection(*server.address)
        fields = f"Host: here\r\nAuthorization: {authorization}\r\nAccept: text/event-stream\r\n\r\n"
        request = f"GET /graphql?query=subscription%7BcartEvents%7Bcursor%7D%7D HTTP/1.1\r\n{fields}"
        writer.write(request.encode() * 2)
        await reader.readuntil(b":\n\n")
        assert len(server.registry) == 1
        writer.close()
        await until(lambda: not len(server.registry))
        assert server.hub.live_streams == 0


async def test_who_falls_behind_resumes_where_it_was(database: Database, feed: Feed, how: str) -> None:
    handed = flooding(graphql(database, feed))
    seen: list[int] = []
    last_id = None
    async with streaming(handed, database, feed, how, small_buffers=True) as server:
        for _ in range(3):
            async with server.ask("{ any }", None, last_id) as reader:
                await until(lambda: not len(server.registry))
                events = await reader.rest()
            assert COMPLETE not in events
            seen += [event.data["data"]["number"] for event in events]
            last_id = reader.last_id
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) >= 3


async def test_who_takes_nothing_for_too_long_is_cut_off(database: Database, feed: Feed, how: str) -> None:
    # Less than may wait, so that only time tells.
    handed = counting(graphql(database, feed), last=40)
    async with (
        streaming(handed, database, feed, how, small_buffers=True, stalled=0.5) as server,
        server.ask("{ any }") as reader,
    ):
        await until(lambda: not len(server.registry))
        assert COMPLETE not in await reader.rest()


async def test_a_slow_reader_of_the_past_gets_all_of_it(database: Database, feed: Feed, how: str) -> None:
    # So long that many of them together are more than may wait for a reader of what is live.
    handed = counting(graphql(database, feed), last=300, size=100_000)
    async with (
        streaming(handed, database, feed, how) as server,
        server.ask("{ any }") as reader,
    ):
        for number in range(1, 301):
            assert (await reader.data())["number"] == number
            if number % 50 == 0:
                await asyncio.sleep(0.3)


async def test_who_stops_reading_a_feed_that_conflates_gets_the_newest_value_later(
    database: Database, feed: Feed, how: str
) -> None:
    handed = counting(graphql(database, feed), conflated=True, last=2_000)
    async with (
        streaming(handed, database, feed, how, small_buffers=True, stalled=0.5) as server,
        server.ask("{ any }") as reader,
    ):
        await asyncio.sleep(2)
        assert len(server.registry) == 1
        seen = [(await reader.data())["number"]]
        while seen[-1] < 2_000:
            seen.append((await reader.data())["number"])
        assert seen == sorted(set(seen))
        assert len(seen) < 2_000


async def test_who_never_comes_back_to_a_feed_that_conflates_is_cut_off(
    database: Database, feed: Feed, how: str
) -> None:
    handed = counting(graphql(database, feed), conflated=True)
    async with (
        streaming(handed, database, feed, how, small_buffers=True, heartbeat=0.1) as server,
        server.ask("{ any }"),
    ):
        assert len(server.registry) == 1
        await until(lambda: not len(server.registry))


async def test_revoked_credentials_end_the_stream(database: Database, feed: Feed, how: str) -> None:
    handed = graphql(database, feed)
    async with streaming(handed, database, feed, how, recheck=0.1, heartbeat=0.1) as server:
        authorization = await bearer(database, Permission.CARTS_READ)
        async with server.ask(CARTS, authorization) as reader:
            await reader.comment()
            context = make_context(database)
            (app,) = await apps.list_all(context)
            await apps.revoke(context, app.id)
            assert await reader.rest() == []
        async with server.ask(CARTS, authorization) as reader:
            assert reader.status == 401


async def test_expired_credentials_end_the_stream(database: Database, feed: Feed) -> None:
    async def authenticate(credentials: str | None, scope: Any) -> LiveViewer:
        return LiveViewer(ANONYMOUS, "here", expires_at=time.time() + 0.2)

    handed = counting(replace(graphql(database, feed), authenticate=authenticate), last=1)
    async with streaming(handed, database, feed, "fast path") as server, server.ask("{ any }") as reader:
        await reader.data()
        assert await reader.rest() == []


async def test_a_restart_ends_every_stream(database: Database, feed: Feed) -> None:
    authorization = await bearer(database, Permission.CARTS_READ)
    handed = graphql(database, feed)
    async with (
        streaming(handed, database, feed, "fast path", heartbeat=0.1) as server,
        server.ask(CARTS, authorization) as one,
        server.get(CARTS, authorization) as other,
    ):
        await one.comment()
        await other.comment()
        started = time.monotonic()
        stopping = asyncio.create_task(server.stop())
        assert await one.rest() == await other.rest() == []
        await stopping
        assert time.monotonic() - started < 3


class Gate:
    """Lets a mutation wait for the test, as for a slow payment provider."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def run(self) -> dict[str, Any]:
        self.reached.set()
        await self.open.wait()
        return {"data": {"done": "x" * 500_000}}

    def guarding(self, handed: GraphQL) -> GraphQL:
        return replace(handed, plan=lambda request, viewer, request_id: Single(self.run, changes=True))


async def test_what_is_being_answered_is_answered_before_a_restart(database: Database, feed: Feed) -> None:
    gate = Gate()
    async with streaming(
        gate.guarding(graphql(database, feed)), database, feed, "fast path", small_buffers=True
    ) as server:
        async with server.ask("mutation { any }") as reader:
            await gate.reached.wait()
            stopping = asyncio.create_task(server.stop())
            await until(lambda: server.registry.draining)
            gate.open.set()
            await asyncio.sleep(0.2)
            assert len((await reader.data())["done"]) == 500_000
            assert await reader.rest() == [COMPLETE]
        await stopping


async def test_a_stream_that_comes_while_the_server_goes_is_sent_on(database: Database, feed: Feed) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def authenticate(credentials: str | None, scope: Any) -> LiveViewer:
        arrived.set()
        await go_on.wait()
        return LiveViewer(ANONYMOUS, "here")

    handed = counting(replace(graphql(database, feed), authenticate=authenticate), last=0)

    async def ask(server: Streaming) -> list[Any]:
        async with server.ask("{ any }") as reader:
            return await reader.rest()

    async with streaming(handed, database, feed, "fast path") as server:
        asking = asyncio.create_task(ask(server))
        await arrived.wait()
        started = time.monotonic()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0.3)
        go_on.set()
        assert await asking == []
        await stopping
        assert time.monotonic() - started < 3
