"""Processes of the product without sockets: their live transports as ASGI, their feeds, and what clients see.

async with processes(database, 2) as (one, other), one.connected(authorization) as client:
    client.subscribe("1", DOCUMENT, {"after": cursor})
    message = await client.message()
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from api.auth import Authenticator
from api.live import LiveGraphQL
from api.rate_limit import RateLimiter
from app.live import revocations, sign_outs
from persistence.database import Database
from realtime.feed import Feed
from realtime.hub import Hub
from realtime.messages import SUBPROTOCOL
from realtime.registry import Registry
from realtime.stamper import Stamper
from realtime.transport_ws import WebSocketTransport
from tests.factories import make_environment
from tests.live import ENGINE

PATIENCE_SECONDS = 10.0


class Wire:
    """One websocket, seen from the client."""

    def __init__(self, transport: WebSocketTransport, authorization: str | None = None) -> None:
        """Connect, and say who is there."""
        self.messages: list[Any] = []
        """What the server has sent and nobody has taken yet."""
        self.closed: int | None = None
        """The code that the server closed with."""
        self._news = asyncio.Event()
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope = {
            "type": "websocket",
            "subprotocols": [SUBPROTOCOL],
            "headers": [],
            "client": ("192.0.2.1", 1),
        }
        self._sent.put_nowait({"type": "websocket.connect"})
        payload = {} if authorization is None else {"authorization": authorization}
        self.say(type="connection_init", payload=payload)
        self._serving = asyncio.create_task(transport(scope, self._sent.get, self._receive))

    async def acknowledged(self) -> bool:
        """Say whether the server lets the client in."""
        await self.until(lambda: bool(self.messages) or self.closed is not None)
        return self.closed is None and self.messages.pop(0) == {"type": "connection_ack"}

    def say(self, **message: Any) -> None:
        """Send a message."""
        self._sent.put_nowait({"type": "websocket.receive", "text": orjson.dumps(message).decode()})

    def subscribe(self, operation_id: str, query: str, variables: Mapping[str, Any] | None = None) -> None:
        """Ask to run an operation."""
        self.say(
            type="subscribe", id=operation_id, payload={"query": query, "variables": dict(variables or {})}
        )

    async def message(self) -> Any:
        """Return the next message."""
        await self.has(1)
        return self.messages.pop(0)

    async def has(self, count: int) -> None:
        """Wait until so many messages are there that nobody has taken."""
        await self.until(lambda: len(self.messages) >= count)

    async def end(self) -> int | None:
        """Wait until the server closes, and return its code."""
        await self.until(lambda: self.closed is not None)
        return self.closed

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, looked at after each message."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def leave(self) -> None:
        """Go away, and wait until the server has let go."""
        self._sent.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(self._serving, PATIENCE_SECONDS)

    async def _receive(self, sent: Any) -> None:
        if sent["type"] == "websocket.send":
            assert self.closed is None, "nothing is sent after a close"
            self.messages.append(orjson.loads(sent["text"]))
        elif sent["type"] == "websocket.close":
            self.closed = int(sent["code"])
        self._news.set()


@dataclass(frozen=True, slots=True)
class Process:
    """The parts of one process that tests look at."""

    feed: Feed
    hub: Hub
    registry: Registry
    authenticator: Authenticator
    transport: WebSocketTransport

    @asynccontextmanager
    async def connected(self, authorization: str | None = None) -> AsyncIterator[Wire]:
        """Connect as somebody who is let in."""
        wire = Wire(self.transport, authorization)
        try:
            assert await wire.acknowledged()
            yield wire
        finally:
            await wire.leave()


def wired(database: Database, feed: Feed, limiter: RateLimiter | None = None) -> Process:
    """Wire a process as the product does, over a feed that runs; `registry.watch` is not started."""
    environment = make_environment(database)
    authenticator = Authenticator(environment)
    limiter = limiter or RateLimiter(0, 1)
    handed = LiveGraphQL(ENGINE, environment, authenticator, limiter, feed).handed()
    registry = Registry(handed)
    hub = Hub(feed.reach)
    feed.watch(revocations(authenticator, registry))
    feed.watch(sign_outs(authenticator, registry))
    return Process(feed, hub, registry, authenticator, WebSocketTransport(handed, hub, registry))


@asynccontextmanager
async def processes(database: Database, count: int = 1) -> AsyncIterator[list[Process]]:
    """Run processes of which one stamps, and wakes the others."""
    feeds = [Feed(database) for _ in range(count)]

    def wake() -> None:
        for feed in feeds:
            feed.wake()

    stamper = Stamper(database, wake, retention_seconds=3_600)
    while await stamper.stamp_once():
        pass
    for feed in feeds:
        await feed.start()
    running = [wired(database, feed) for feed in feeds]
    tasks = [asyncio.create_task(one.registry.watch()) for one in running]
    tasks.append(asyncio.create_task(stamper.run()))
    try:
        yield running
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for feed in feeds:
            await feed.stop()
