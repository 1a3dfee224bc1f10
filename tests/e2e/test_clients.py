"""Conformance: the live endpoint as the client libraries that people use meet it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from gql import Client as GqlClient
from gql import GraphQLRequest, gql
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError
from gql.transport.websockets import WebsocketsTransport

from tests.factories import make_channel
from tests.feeds import first_cursor, opened
from tests.node import PROGRAMS, Node
from tests.postgres import TestServer
from tests.programs import Program
from tests.server import Server, app_token, running_server


@dataclass(frozen=True)
class Start:
    """How a server is started: every client has to find the same, whichever way."""

    arguments: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


STARTS = {
    "fast path": Start(),
    "portable path": Start(settings={"live_fast_path": "false"}),
}


@dataclass(frozen=True)
class Live:
    """A running server with one channel, and what a client has to know."""

    server: Server
    channel: str
    start: str
    stack: ExitStack
    folder: Path

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.server.port}/graphql"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LIVE_URL": self.url,
            "LIVE_TOKEN": self.server.token,
            "LIVE_AFTER": self.start,
            "LIVE_CHANNEL": self.channel,
        }

    def run(self, node: Node, program: str, *arguments: str) -> Program:
        """Start a program, which ends with the server at the latest."""
        running = node.run(PROGRAMS / program, *arguments, folder=self.folder, **self.environment)
        return self.stack.enter_context(running)


@pytest.fixture(scope="module", params=list(STARTS.values()), ids=list(STARTS))
async def live(
    request: pytest.FixtureRequest, postgres: TestServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Live]:
    how: Start = request.param
    folder = tmp_path_factory.mktemp("live")
    url = await postgres.clone()
    async with opened(url) as database:
        channel = (await make_channel(database)).slug
        start = await first_cursor(database)
    with (
        running_server(url, await app_token(url), folder, *how.arguments, **how.settings) as server,
        ExitStack() as stack,
    ):
        yield Live(server, channel, start, stack, folder)
    await postgres.drop(url)


@pytest.fixture(scope="module")
def silent(live: Live, node: Node) -> Program:
    """Who says nothing: started first, since the server has ten seconds of patience."""
    return live.run(node, "close-codes.mjs", "silence")


@pytest.mark.parametrize("library", ["graphql-ws", "apollo", "urql", "graphql-sse"])
@pytest.mark.usefixtures("silent")
def test_a_library_of_the_web_asks_changes_and_follows(live: Live, node: Node, library: str) -> None:
    printed = live.run(node, "conformance.mjs", library).finish()
    steps: dict[str, Any] = {name: value for line in printed for name, value in line.items()}

    assert steps["query"] == [{"slug": live.channel}]
    assert steps["replayed"] == {"kind": "CartCreated", "cart": steps["mutation"]}
    assert steps["live"] == {"kind": "CartCreated", "cart": steps["expected"]}
    assert steps["heardAfterLeaving"] is False
    assert steps["invalid"] == ["BAD_USER_INPUT"]
    assert steps["badCursor"] == ["BAD_USER_INPUT"]
    assert steps["queryRefused"] == ["BAD_USER_INPUT"]
    assert "unexpected" not in steps


CLOSES = {
    "not-json": 4400,
    "unknown-type": 4400,
    "subscribe-without-query": 4400,
    "subscribe-before-init": 4401,
    "bad-token": 4403,
    "no-subprotocol": 4406,
    "another-subprotocol": 4406,
    "same-id-twice": 4409,
    "second-init": 4429,
    "too-long": 1009,
}


@pytest.mark.usefixtures("silent")
def test_who_breaks_the_protocol_is_told_how(live: Live, node: Node) -> None:
    printed = live.run(node, "close-codes.mjs", *CLOSES).finish()

    assert {line["case"]: line["code"] for line in printed} == CLOSES


def gql_transport(live: Live, token: str) -> WebsocketsTransport:
    return WebsocketsTransport(
        url=live.url,
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        init_payload={"authorization": f"Bearer {token}"},
    )


def request(document: str, **variables: Any) -> GraphQLRequest:
    return GraphQLRequest(document, variable_values=variables)


FOLLOW = "subscription ($after: String) { cartEvents(after: $after) { kind cart { id } } }"
CREATE = "mutation ($channel: String!) { cartCreate(input: { channel: $channel }) { cart { id } } }"


@pytest.mark.usefixtures("silent")
async def test_gql_of_python_asks_changes_and_follows(live: Live) -> None:
    async with GqlClient(transport=gql_transport(live, live.server.token)) as session:
        assert await session.execute(gql("{ channels { slug } }")) == {"channels": [{"slug": live.channel}]}
        made = (await session.execute(request(CREATE, channel=live.channel)))["cartCreate"]["cart"]
        async for result in session.subscribe(request(FOLLOW, after=live.start)):
            if result["cartEvents"]["cart"] == made:
                assert result["cartEvents"]["kind"] == "CartCreated"
                break
        with pytest.raises(TransportQueryError, match="nope"):
            await session.execute(gql("{ nope }"))
        with pytest.raises(TransportQueryError, match="nope"):
            await anext(session.subscribe(gql("subscription { nope }")))


@pytest.mark.usefixtures("silent")
async def test_gql_of_python_is_told_that_its_token_is_not_good(live: Live) -> None:
    transport = gql_transport(live, "nobody")
    with pytest.raises(TransportConnectionFailed) as refused:
        async with asyncio.timeout(10), GqlClient(transport=transport):
            pass
    cause: Any = refused.value.__cause__
    assert cause.rcvd.code == 4403


def test_who_says_nothing_is_sent_away_in_the_end(silent: Program) -> None:
    (close,) = silent.finish()

    assert (close["code"], close["reason"]) == (4408, "Connection initialisation timeout")
