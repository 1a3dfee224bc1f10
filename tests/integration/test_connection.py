"""What a connection owes its client when things go wrong, on every server."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from persistence.database import Database
from realtime.feed import Feed
from realtime.hub import Hub
from realtime.messages import SUBPROTOCOL
from realtime.operations import Delivery, GraphQL, OperationRequest, Single, Source, Start
from realtime.registry import Registry
from realtime.transport_ws import WebSocketTransport
from tests.live import live
from tests.sockets import graphql, served

INIT = {"type": "connection_init"}


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[Feed]:
    async with live(database) as feed:
        yield feed


def answering(handed: GraphQL, answer: Any) -> GraphQL:
    def plan(request: OperationRequest, viewer: Any, request_id: str) -> Single:
        return Single(answer, changes=True)

    return replace(handed, plan=plan)


@pytest.mark.parametrize("value", [None, 1 << 70])
async def test_a_defect_is_told_and_the_connection_stays(
    database: Database, feed: Feed, value: int | None
) -> None:
    async def answer() -> dict[str, Any]:
        if value is None:
            raise ZeroDivisionError
        return {"data": value}

    handed = answering(graphql(database, feed), answer)
    async with served(handed, feed) as server, server.ready() as client:
        for _ in range(2):
            await client.subscribe("1", "{ any }")
            told = await client.receive()
            assert (told["id"], told["type"]) == ("1", "error")
            assert told["payload"][0]["extensions"]["code"] == "INTERNAL"


@pytest.mark.parametrize("how", ["fast path", "portable path"])
async def test_what_is_being_answered_is_answered_before_a_restart(
    database: Database, feed: Feed, how: str
) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def answer() -> dict[str, Any]:
        reached.set()
        await go_on.wait()
        return {"data": {"done": "x" * 500_000}}

    handed = answering(graphql(database, feed), answer)
    async with (
        served(handed, feed, how=how, small_buffers=True) as server,
        server.client(max_queue=1, max_size=None) as client,
    ):
        await client.send(**INIT)
        await client.subscribe("1", "{ any }")
        await reached.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0.2)
        go_on.set()
        await asyncio.sleep(0.2)
        await client.receive()
        assert len((await client.receive())["payload"]["data"]["done"]) == 500_000
        assert (await client.receive())["type"] == "complete"
        assert await client.closed() == (1012, "Service Restart")
        await stopping


class Stuck:
    """An ASGI server whose client takes nothing, and which has no way to cut it off."""

    def __init__(self) -> None:
        self.to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.takes = asyncio.Event()

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send":
            await self.takes.wait()
        self.sent.append(message)

    async def say(self, text: str) -> None:
        await self.to_app.put({"type": "websocket.receive", "text": text})


async def test_what_a_client_has_ended_does_not_wait_for_it(database: Database, feed: Feed) -> None:
    async def run(start: Start) -> AsyncGenerator[Delivery]:
        for slot in range(200):
            yield Delivery({"data": slot}, None, slot)
        await asyncio.Event().wait()

    def plan(request: OperationRequest, viewer: Any, request_id: str) -> Source:
        return Source(run, conflated=True)

    server = Stuck()
    handed = replace(graphql(database, feed), plan=plan)
    registry = Registry(handed)
    scope = {"type": "websocket", "headers": [], "subprotocols": [SUBPROTOCOL], "client": ("here", 1)}
    await server.to_app.put({"type": "websocket.connect"})
    app = WebSocketTransport(handed, Hub(feed.reach), registry)
    serving = asyncio.create_task(app(scope, server.to_app.get, server.send))
    await server.say('{"type":"connection_init"}')
    for number in range(20):
        await server.say(f'{{"type":"subscribe","id":"{number}","payload":{{"query":"any"}}}}')
        await asyncio.sleep(0.02)
        await server.say(f'{{"type":"complete","id":"{number}"}}')
    await asyncio.sleep(0.02)
    (connection,) = registry._connections
    assert len(connection.sender.outbox) == 0  # type: ignore[attr-defined]
    await server.to_app.put({"type": "websocket.disconnect", "code": 1006})
    await asyncio.wait_for(serving, 5)
