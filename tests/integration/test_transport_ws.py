"""graphql-transport-ws as clients meet it: the protocol's messages, closes and limits."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from gql import Client as GqlClient
from gql import gql
from gql.transport.websockets import WebsocketsTransport
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from api import execution
from api.live import LiveViewer
from persistence.database import Database
from realtime.feed import Feed
from realtime.operations import Delivery, GraphQL, Source, Start
from services import apps
from services.access import ANONYMOUS, Permission
from tests import cart_flows as flow
from tests.asgi_servers import HYPERCORN
from tests.factories import Shop, bearer, make_context, make_shop
from tests.live import live
from tests.outages import through_relay
from tests.sockets import Client, Served, graphql, served
from tests.waiting import until

CARTS = "subscription ($after: String) { cartEvents(after: $after) { cursor kind cart { id } } }"
INIT = {"type": "connection_init"}


@pytest.fixture
async def shop(database: Database) -> Shop:
    return await make_shop(database, stock=1_000)


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[Feed]:
    async with live(database) as feed:
        yield feed


@pytest.fixture(params=["fast path", "portable path", HYPERCORN])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def server(database: Database, feed: Feed, how: str) -> AsyncIterator[Served]:
    async with served(
        graphql(database, feed), feed, how=how, init_timeout=0.3, recheck=0.1, operations=3
    ) as server:
        yield server


async def test_a_real_client_queries_changes_and_follows(
    server: Served, database: Database, shop: Shop
) -> None:
    transport = WebsocketsTransport(
        url=server.url,
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        init_payload={"authorization": await bearer(database, Permission.CARTS_READ)},
    )
    async with GqlClient(transport=transport) as session:
        assert await session.execute(gql("{ __typename }")) == {"__typename": "Query"}
        following = session.subscribe(gql(CARTS))
        first = asyncio.create_task(anext(following))
        await asyncio.sleep(0.2)
        made = await session.execute(
            gql(f'mutation {{ cartCreate(input: {{channel: "{shop.channel.slug}"}}) {{ cart {{ id }} }} }}')
        )
        event = (await asyncio.wait_for(first, 10))["cartEvents"]
        assert (event["kind"], event["cart"]) == ("CartCreated", made["cartCreate"]["cart"])
        await following.aclose()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (["not json"], 4400),
        (["[]"], 4400),
        (["null"], 4400),
        ([b"\x00"], 4400),
        ([{"type": "bogus"}], 4400),
        ([{"type": "connection_init", "payload": []}], 4400),
        ([{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}}], 4401),
        ([INIT, INIT], 4429),
        ([INIT, {"type": "subscribe", "id": "1", "payload": {}}], 4400),
        ([INIT, {"type": "subscribe", "id": "", "payload": {"query": "{ a }"}}], 4400),
        ([INIT, {"type": "subscribe", "id": 1, "payload": {"query": "{ a }"}}], 4400),
        ([INIT, {"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": []}}], 4400),
        ([{"type": "connection_init", "payload": {"authorization": "Bearer nobody"}}], 4403),
        ([{"type": "connection_init", "payload": {"authorization": 7}}], 4403),
        ([INIT, "x" * 70_000], 1009),
        ([], 4408),
    ],
)
async def test_who_breaks_the_protocol_is_told_how(server: Served, sent: list[Any], code: int) -> None:
    async with server.client() as client:
        for message in sent:
            if isinstance(message, dict):
                await client.send(**message)
            else:
                await client.connection.send(message)
        assert (await client.closed())[0] == code


async def test_another_subprotocol_or_none_is_refused(server: Served) -> None:
    async with server.client("graphql-ws") as client:
        assert (await client.closed())[0] == 4406
    async with connect(server.url, proxy=None) as connection:
        await connection.wait_closed()
        assert connection.close_code == 4406


async def test_one_id_runs_once_at_a_time(server: Served, database: Database) -> None:
    async with server.ready(authorization=await bearer(database, Permission.CARTS_READ)) as client:
        for _ in range(3):
            await client.subscribe("again", "{ __typename }")
            assert (await client.receive())["payload"]["data"] == {"__typename": "Query"}
            assert await client.receive() == {"id": "again", "type": "complete"}
        await client.subscribe("again", CARTS)
        await client.send(type="complete", id="again")
        await client.subscribe("again", CARTS)
        await client.subscribe("again", CARTS)
        assert (await client.closed())[0] == 4409


async def test_what_cannot_run_is_an_error_and_the_connection_stays(server: Served) -> None:
    async with server.ready() as client:
        for query, code in (
            ("subscription { nope }", "BAD_USER_INPUT"),
            ("{", "BAD_USER_INPUT"),
            (CARTS, "UNAUTHENTICATED"),
        ):
            await client.subscribe("1", query)
            message = await client.receive()
            assert (message["id"], message["type"]) == ("1", "error")
            assert message["payload"][0]["extensions"]["code"] == code
        await client.send(type="ping", payload={"n": 1})
        assert await client.receive() == {"type": "pong", "payload": {"n": 1}}


async def test_a_bad_cursor_ends_the_subscription_as_the_contract_says(
    server: Served, database: Database, feed: Feed
) -> None:
    async with server.ready(authorization=await bearer(database, Permission.CARTS_READ)) as client:
        for after, code in (
            ("nonsense", "BAD_USER_INPUT"),
            (f"{feed.epoch.hex}{feed.head + 5:016x}", "BAD_USER_INPUT"),
            (f"{'0' * 32}{0:016x}", "CURSOR_EXPIRED"),
        ):
            await client.subscribe("1", CARTS, after=after)
            message = await client.receive()
            assert message["type"] == "error"
            assert message["payload"][0]["extensions"]["code"] == code


async def test_a_connection_runs_so_many_operations(server: Served, database: Database) -> None:
    async with server.ready(authorization=await bearer(database, Permission.CARTS_READ)) as client:
        for number in range(3):
            await client.subscribe(str(number), CARTS)
        await client.subscribe("one too many", CARTS)
        message = await client.receive()
        assert message["id"] == "one too many"
        assert message["payload"][0]["extensions"]["code"] == "RATE_LIMITED"


async def test_an_address_has_so_many_connections(database: Database, feed: Feed) -> None:
    async with served(graphql(database, feed), feed, connections_per_address=2) as server:
        async with server.ready(), server.ready(), server.client() as third:
            await third.send(**INIT)
            assert (await third.closed())[0] == 4429
        async with server.ready():
            pass


async def test_an_app_has_so_many_connections(database: Database, feed: Feed) -> None:
    authorization = await bearer(database, Permission.CARTS_READ)
    async with (
        served(graphql(database, feed), feed, connections_per_viewer=1) as server,
        server.ready(authorization=authorization),
        server.ready(),
        server.client() as second,
    ):
        await second.send(type="connection_init", payload={"authorization": authorization})
        assert (await second.closed())[0] == 4429


async def test_pages_of_other_origins_may_not_connect(database: Database, feed: Feed) -> None:
    async with served(graphql(database, feed), feed, origins=["https://shop.example"]) as server:
        with pytest.raises(InvalidStatus, match="403"):
            await connect(server.url, origin=Origin("https://elsewhere.example"), proxy=None)
        for origin in ("https://shop.example", None):
            async with server.client(origin=origin and Origin(origin)) as client:
                await client.send(**INIT)
                assert await client.receive() == {"type": "connection_ack"}


async def test_revoked_credentials_end_the_connection(server: Served, database: Database) -> None:
    async with server.ready(authorization=await bearer(database, Permission.CARTS_READ)) as client:
        await client.subscribe("1", CARTS)
        context = make_context(database)
        (app,) = await apps.list_all(context)
        await apps.revoke(context, app.id)
        assert (await client.closed())[0] == 4403


async def test_expired_credentials_end_the_connection(database: Database, feed: Feed) -> None:
    async def authenticate(credentials: str | None, scope: Any) -> LiveViewer:
        return LiveViewer(ANONYMOUS, "here", expires_at=time.time() + 0.2)

    handed = replace(graphql(database, feed), authenticate=authenticate)
    async with served(handed, feed) as server, server.ready() as client:
        assert (await client.closed())[0] == 4403


async def next_cursor(client: Client) -> str:
    return str((await client.receive())["payload"]["data"]["cartEvents"]["cursor"])


def answering(handed: GraphQL, answers: Iterable[Delivery], *, conflated: bool = False) -> GraphQL:
    """Replace what runs by a stream of answers, as fast as they can be made."""

    async def run(start: Start) -> AsyncGenerator[Delivery]:
        if start.caught_up is not None:
            start.caught_up("")
        for answer in answers:
            yield answer
            await asyncio.sleep(0)
        await asyncio.Event().wait()

    return replace(handed, plan=lambda request, viewer, request_id: Source(run, conflated=conflated))


def flood(count: int) -> Iterator[Delivery]:
    for number in range(count):
        yield Delivery({"data": {"number": number, "flood": "x" * 20_000}}, f"{number:048x}", "slot")


async def test_who_falls_behind_on_what_may_not_be_dropped_must_resume(
    database: Database, feed: Feed, how: str
) -> None:
    handed = answering(graphql(database, feed), flood(10**6))
    async with (
        served(handed, feed, how=how) as server,
        server.client(max_queue=1, max_size=None) as client,
    ):
        await client.send(**INIT)
        await client.subscribe("1", "{ any }")
        await until(lambda: not len(server.registry))
        assert (await client.closed())[0] in {1006, 4513}


async def test_who_takes_nothing_for_too_long_is_cut_off(database: Database, feed: Feed, how: str) -> None:
    # Less than may wait, so that only time tells.
    handed = answering(graphql(database, feed), flood(30))
    async with (
        served(handed, feed, how=how, stalled=0.5, small_buffers=True) as server,
        server.client(max_queue=1, max_size=None) as client,
    ):
        await client.send(**INIT)
        await client.subscribe("1", "{ any }")
        await until(lambda: not len(server.registry))
        assert (await client.closed())[0] in {1006, 4513}


async def test_who_stops_reading_a_feed_that_conflates_gets_the_newest_value_later(
    database: Database, feed: Feed, how: str
) -> None:
    handed = answering(graphql(database, feed), flood(2_000), conflated=True)
    async with (
        served(handed, feed, how=how, stalled=0.5) as server,
        server.client(max_queue=1, max_size=None) as client,
    ):
        await client.send(**INIT)
        await client.subscribe("1", "{ any }")
        await asyncio.sleep(2)
        assert len(server.registry) == 1
        seen = -1
        received = 0
        await client.receive()
        while seen < 1_999:
            number = (await client.receive())["payload"]["data"]["number"]
            assert number > seen
            seen, received = number, received + 1
        assert received < 2_000


@pytest.mark.parametrize("how", ["fast path", "portable path"], indirect=True)
async def test_everybody_is_sent_away_on_a_restart(server: Served, database: Database) -> None:
    authorization = await bearer(database, Permission.CARTS_READ)
    async with server.ready(authorization=authorization) as one, server.ready() as other:
        await one.subscribe("1", CARTS)
        stopping = asyncio.create_task(server.stop())
        assert await one.closed() == (1012, "Service Restart")
        assert await other.closed() == (1012, "Service Restart")
        await asyncio.wait_for(stopping, 5)


async def test_an_outage_that_lasts_sends_followers_away_to_resume(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_OUTAGE_PAUSES_SECONDS", (0.1,))
    authorization = await bearer(database, Permission.CARTS_READ)
    async with through_relay(database) as (fragile, relay), live(fragile) as feed:
        async with (
            served(graphql(fragile, feed), feed) as server,
            server.ready(authorization=authorization) as client,
        ):
            start = feed.reach()[1]
            await flow.create(database, shop, 1)
            await until(lambda: feed.reach()[1] > start)
            relay.cut()
            # The ring has the event; the cart it shows cannot be read.
            await client.subscribe("1", CARTS, after=start)
            assert await client.closed() == (4513, "resume")
        await relay.heal()


async def test_a_subscription_outlives_a_database_outage(database: Database, shop: Shop) -> None:
    authorization = await bearer(database, Permission.CARTS_READ)
    async with (
        through_relay(database) as (fragile, relay),
        live(fragile) as feed,
        served(graphql(fragile, feed), feed) as server,
        server.ready(authorization=authorization) as client,
    ):
        await client.subscribe("1", CARTS)
        await asyncio.sleep(0.2)
        await flow.create(database, shop, 1)
        seen = [await next_cursor(client) for _ in range(2)]
        await client.send(type="complete", id="1")
        relay.cut()
        # The ring still has the second event; what it shows of the cart has to wait.
        await client.subscribe("2", CARTS, after=seen[0])
        await flow.create(database, shop, 1)
        await asyncio.sleep(0.5)
        await relay.heal()
        again = [await next_cursor(client) for _ in range(3)]

    assert again[0] == seen[1]
    assert again == sorted(set(again))
