"""GraphQL over server-sent events as clients meet it: requests, answers, cursors, refusals."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from persistence.database import Database
from realtime.feed import Feed
from realtime.operations import OperationRequest, Single
from services.access import Permission
from tests import cart_flows as flow
from tests.asgi_servers import HYPERCORN
from tests.factories import Shop, bearer, make_shop
from tests.live import live
from tests.sockets import graphql
from tests.streams import COMPLETE, Reader, Streaming, streaming

CARTS = "subscription ($after: String) { cartEvents(after: $after) { cursor kind version cart { id } } }"
CART = "subscription ($token: String!) { cartUpdated(token: $token) { kind } }"
CREATE = "mutation ($channel: String!) { cartCreate(input: { channel: $channel }) { cart { id } } }"
STOCK = """subscription ($channel: String!, $sku: String!) {
    inventoryChanged(channel: $channel, skus: [$sku]) { sku available } }"""


@pytest.fixture
async def shop(database: Database) -> Shop:
    return await make_shop(database, stock=1_000)


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[Feed]:
    async with live(database) as feed:
        yield feed


@pytest.fixture(params=["fast path", "plain uvicorn", HYPERCORN])
async def server(request: pytest.FixtureRequest, database: Database, feed: Feed) -> AsyncIterator[Streaming]:
    async with streaming(graphql(database, feed), database, feed, request.param, heartbeat=0.2) as server:
        yield server


async def cursors(reader: Reader, count: int) -> list[str]:
    """Read events that carry a cursor, which has to be their id too."""
    found = []
    for _ in range(count):
        event = await reader.next()
        assert event is not None
        cursor = event.data["data"]["cartEvents"]["cursor"]
        assert event.id == cursor
        found.append(cursor)
    return found


async def test_a_query_is_answered_and_complete(server: Streaming) -> None:
    async with server.ask("{ __typename }") as reader:
        assert (reader.status, reader.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert await reader.data() == {"__typename": "Query"}
        assert await reader.rest() == [COMPLETE]


async def test_a_mutation_takes_effect_once(server: Streaming, database: Database, shop: Shop) -> None:
    authorization = await bearer(database, Permission.CARTS_READ)
    async with server.ask(CARTS, authorization) as following:
        await following.comment()
        async with server.ask(CREATE, channel=shop.channel.slug) as reader:
            made = (await reader.data())["cartCreate"]["cart"]
            assert await reader.rest() == [COMPLETE]
        event = (await following.data())["cartEvents"]
        assert (event["kind"], event["cart"]) == ("CartCreated", made)
        await following.comment()


async def test_events_have_their_cursor_as_id_and_a_browser_resumes_by_it(
    server: Streaming, database: Database, shop: Shop
) -> None:
    authorization = await bearer(database, Permission.CARTS_READ)
    async with server.ask(CARTS, authorization) as reader:
        await reader.comment()
        await flow.create(database, shop, 1)
        await flow.create(database, shop, 1)
        seen = await cursors(reader, 4)
    await flow.create(database, shop, 1)

    async with server.ask(CARTS, authorization, seen[1]) as reader:
        again = await cursors(reader, 4)
        await flow.create(database, shop, 1)
        again += await cursors(reader, 2)
    # What the document says was true when the page was loaded; the header is newer.
    async with server.ask(CARTS, authorization, again[-2], after=seen[0]) as reader:
        assert await cursors(reader, 1) == again[-1:]
    assert again[:2] == seen[2:]
    assert again == sorted(set(again))
    assert len(set(seen[:2]) | set(again)) == 8


async def test_an_id_that_no_cursor_is_ends_the_stream(
    server: Streaming, database: Database, feed: Feed
) -> None:
    authorization = await bearer(database, Permission.CARTS_READ)
    for cursor, code in (
        ("nonsense", "BAD_USER_INPUT"),
        (f"{feed.epoch.hex}{feed.head + 5:016x}", "BAD_USER_INPUT"),
        (f"{'0' * 32}{0:016x}", "CURSOR_EXPIRED"),
    ):
        async with server.ask(CARTS, authorization, cursor) as reader:
            refusal, end = await reader.rest()
            assert refusal.data["errors"][0]["extensions"]["code"] == code
            assert end == COMPLETE


async def test_values_that_are_conflated_have_no_id_and_begin_with_the_newest(
    server: Streaming, database: Database, shop: Shop
) -> None:
    asked = {"channel": shop.channel.slug, "sku": shop.variant.sku}
    async with server.get(STOCK, **asked) as reader:
        first = await reader.next()
        assert first is not None
        assert first.id is None
        assert first.data["data"]["inventoryChanged"]["available"] == 1_000
        await flow.create(database, shop, 3)
        assert (await reader.data())["inventoryChanged"]["available"] == 997
    async with server.request("GET", None, "whatever", params=_as_fields(STOCK, asked)) as reader:
        assert (await reader.data())["inventoryChanged"]["available"] == 997


def _as_fields(query: str, variables: dict[str, str]) -> dict[str, str]:
    return {"query": query, "variables": httpx.Response(200, json=variables).text}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ nope }", "BAD_USER_INPUT"),
        ("subscription { nope }", "BAD_USER_INPUT"),
        ("{", "BAD_USER_INPUT"),
        (CARTS, "UNAUTHENTICATED"),
    ],
)
async def test_what_cannot_run_is_said_in_the_stream(server: Streaming, query: str, code: str) -> None:
    for ask in (server.ask, server.get):
        async with ask(query) as reader:
            assert reader.status == 200
            refusal, end = await reader.rest()
            assert refusal.name == "next"
            assert refusal.data["errors"][0]["extensions"]["code"] == code
            assert "data" not in refusal.data
            assert end == COMPLETE


@pytest.mark.parametrize(
    ("status", "code", "method", "content"),
    [
        (400, "BAD_USER_INPUT", "POST", {"content": b"{", "headers": {"content-type": "application/json"}}),
        (400, "BAD_USER_INPUT", "POST", {"json": {}}),
        (400, "BAD_USER_INPUT", "GET", {"params": {"variables": "{}"}}),
        (415, "BAD_USER_INPUT", "POST", {"content": b"query"}),
        (405, "BAD_USER_INPUT", "PUT", {"json": {"query": "{ __typename }"}}),
        (401, "UNAUTHENTICATED", "POST", {"json": {"query": "{ __typename }"}}),
        (405, "BAD_USER_INPUT", "GET", {"params": {"query": CREATE, "variables": '{"channel": "a"}'}}),
        (405, "BAD_USER_INPUT", "GET", {"params": {"query": CART, "variables": '{"token": "secret"}'}}),
    ],
)
async def test_what_no_operation_can_be_made_of_is_answered_as_json(
    server: Streaming, status: int, code: str, method: str, content: dict[str, Any]
) -> None:
    authorization = "Bearer nobody" if status == 401 else None
    async with server.request(method, authorization, None, **content) as reader:
        assert reader.status == status
        assert (await reader.json())["errors"][0]["extensions"]["code"] == code
    assert not len(server.registry)


async def test_a_viewer_has_so_many_streams(database: Database, feed: Feed, shop: Shop) -> None:
    asked = {"channel": shop.channel.slug, "sku": shop.variant.sku}
    handed = graphql(database, feed)
    async with streaming(handed, database, feed, "fast path", connections_per_address=2) as server:
        async with (
            server.ask(STOCK, **asked),
            server.ask(STOCK, **asked),
            server.ask(STOCK, **asked) as third,
        ):
            assert third.status == 429
            assert (await third.json())["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
        async with asyncio.timeout(10):
            while len(server.registry):  # noqa: ASYNC110 (nobody tells)
                await asyncio.sleep(0.01)
        async with server.ask(STOCK, **asked) as reader:
            await reader.data()


async def test_a_silent_stream_says_that_it_lives(server: Streaming, database: Database) -> None:
    async with server.ask(CARTS, await bearer(database, Permission.CARTS_READ)) as reader:
        for _ in range(3):
            await reader.comment()


@pytest.mark.parametrize("answer", [ZeroDivisionError(), {"data": 1 << 70}])
async def test_a_defect_is_told_and_ends_the_stream(
    database: Database, feed: Feed, answer: dict[str, Any] | Exception
) -> None:
    async def run() -> dict[str, Any]:
        if isinstance(answer, Exception):
            raise answer
        return answer

    def plan(request: OperationRequest, viewer: Any, request_id: str) -> Single:
        return Single(run, changes=False)

    handed = replace(graphql(database, feed), plan=plan)
    async with streaming(handed, database, feed, "fast path") as server, server.ask("{ any }") as reader:
        told, end = await reader.rest()
        assert told.data["errors"][0]["extensions"]["code"] == "INTERNAL"
        assert end == COMPLETE


async def test_a_defect_before_the_stream_is_answered_as_json(database: Database, feed: Feed) -> None:
    def plan(request: OperationRequest, viewer: Any, request_id: str) -> Single:
        raise ZeroDivisionError

    handed = replace(graphql(database, feed), plan=plan)
    async with streaming(handed, database, feed, "fast path") as server:
        async with server.ask("{ any }") as reader:
            assert reader.status == 500
            assert (await reader.json())["errors"][0]["extensions"]["code"] == "INTERNAL"
        assert not len(server.registry)
