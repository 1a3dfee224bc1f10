"""Server-sent events on real servers in this process, and a client that reads them by hand."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from api.auth import Authenticator
from api.http import GraphQLHttp
from api.rate_limit import RateLimiter
from persistence.database import Database
from realtime.feed import Feed
from realtime.hub import Hub
from realtime.operations import GraphQL
from realtime.registry import ConnectionLimits, Registry
from realtime.transport_sse import EventStreams
from tests.asgi_servers import PATIENCE_SECONDS, Running, running
from tests.factories import make_environment
from tests.live import ENGINE

EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True)
class Event:
    """One event of a stream."""

    name: str
    id: str | None
    data: Any


COMPLETE = Event("complete", None, None)


class Reader:
    """Reads an open response."""

    def __init__(self, response: httpx.Response) -> None:
        """Start before its first line."""
        self.status = response.status_code
        self.headers = response.headers
        self.comments = 0
        self.last_id: str | None = None
        self._response = response
        self._lines = response.aiter_lines()

    async def next(self) -> Event | None:
        """Return the next event, None when the stream has ended."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._read()

    async def data(self) -> Any:
        """Return the data of the next event, which is a result."""
        event = await self.next()
        assert event is not None
        assert event.name == "next"
        assert "errors" not in event.data, event.data
        return event.data["data"]

    async def rest(self) -> list[Event]:
        """Read until the stream ends, however that is."""
        found = []
        try:
            while (event := await self.next()) is not None:
                found.append(event)
        except httpx.TransportError:
            pass
        return found

    async def comment(self) -> None:
        """Wait for a comment; nothing else may come."""
        seen = self.comments
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for line in self._lines:
                assert not line or line.startswith((":", "retry:")), line
                self.comments += line.startswith(":")
                if self.comments > seen:
                    return
        raise AssertionError("the stream has ended")

    async def json(self) -> Any:
        """Return the body of an answer that is no stream."""
        assert self.headers["content-type"].startswith("application/json")
        return orjson.loads(await self._response.aread())

    async def _read(self) -> Event | None:
        fields: dict[str, str] = {}
        async for line in self._lines:
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments += 1
            elif line:
                fields[name] = value
            elif "event" in fields:
                self.last_id = fields.get("id", self.last_id)
                data = fields["data"]
                return Event(fields["event"], fields.get("id"), orjson.loads(data) if data else None)
        return None


class Streaming:
    """A server that runs."""

    def __init__(self, server: Running, registry: Registry, hub: Hub, *, small_buffers: bool) -> None:
        """Remember what `streaming` started."""
        self.address = server.address
        self.stop = server.stop
        self.registry = registry
        self.hub = hub
        options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)] if small_buffers else None
        self._transport = httpx.AsyncHTTPTransport(socket_options=options)
        self.http = httpx.AsyncClient(
            base_url=f"http://{self.address[0]}:{self.address[1]}", timeout=30, transport=self._transport
        )

    @asynccontextmanager
    async def ask(
        self, query: str, authorization: str | None = None, last_event_id: str | None = None, **variables: Any
    ) -> AsyncIterator[Reader]:
        """Ask by POST."""
        body = {"query": query, "variables": variables}
        async with self.request("POST", authorization, last_event_id, json=body) as reader:
            yield reader

    @asynccontextmanager
    async def get(
        self, query: str, authorization: str | None = None, **variables: Any
    ) -> AsyncIterator[Reader]:
        """Ask by GET, as EventSource does."""
        fields = {"query": query, "variables": orjson.dumps(variables).decode()}
        async with self.request("GET", authorization, None, params=fields) as reader:
            yield reader

    @asynccontextmanager
    async def request(
        self, method: str, authorization: str | None, last_event_id: str | None, **content: Any
    ) -> AsyncIterator[Reader]:
        """Send a request that wants an event stream."""
        headers = {"accept": EVENT_STREAM, **content.pop("headers", {})}
        if authorization is not None:
            headers["authorization"] = authorization
        if last_event_id is not None:
            headers["last-event-id"] = last_event_id
        async with self.http.stream(method, "/graphql", headers=headers, **content) as response:
            yield Reader(response)


@asynccontextmanager
async def streaming(
    handed: GraphQL,
    database: Database,
    feed: Feed,
    how: str,
    *,
    small_buffers: bool = False,
    **limits: Any,
) -> AsyncIterator[Streaming]:
    """Serve `handed` as the product's route does until the end of the block."""
    environment = make_environment(database)
    registry = Registry(handed, ConnectionLimits(**limits))
    hub = Hub(feed.reach)
    app = GraphQLHttp(
        ENGINE,
        environment,
        Authenticator(environment),
        RateLimiter(0, 1),
        streams=EventStreams(handed, hub, registry),
    )
    watching = asyncio.create_task(registry.watch())
    async with running(app, how, small_buffers=small_buffers) as server:
        streaming = Streaming(server, registry, hub, small_buffers=small_buffers)
        try:
            yield streaming
        finally:
            await streaming.http.aclose()
            watching.cancel()
