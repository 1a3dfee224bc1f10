"""The websocket transport on real servers in this process, and a client that speaks it by hand."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from api.auth import Authenticator
from api.live import LiveGraphQL
from api.rate_limit import RateLimiter
from persistence.database import Database
from realtime.feed import Feed
from realtime.hub import Hub
from realtime.messages import SUBPROTOCOL
from realtime.operations import GraphQL
from realtime.registry import ConnectionLimits, Registry
from realtime.transport_ws import WebSocketTransport
from tests.asgi_servers import PATIENCE_SECONDS, Running, running
from tests.factories import make_environment
from tests.live import ENGINE


def graphql(database: Database, feed: Feed) -> GraphQL:
    """Return the product's own GraphQL as the transport is handed it."""
    environment = make_environment(database)
    limiter = RateLimiter(0, 1)
    return LiveGraphQL(ENGINE, environment, Authenticator(environment), limiter, feed).handed()


@asynccontextmanager
async def served(
    handed: GraphQL,
    feed: Feed,
    *,
    how: str = "fast path",
    origins: Sequence[str] = (),
    small_buffers: bool = False,
    **limits: Any,
) -> AsyncIterator["Served"]:
    """Serve `handed` on a free port until the end of the block; `how` names a server.

    With `small_buffers` the system keeps little of what a client does not read.
    """
    registry = Registry(handed, ConnectionLimits(**limits))
    transport = WebSocketTransport(handed, Hub(feed.reach), registry, origins=origins)
    watching = asyncio.create_task(registry.watch())
    async with running(transport, how, small_buffers=small_buffers) as server:
        try:
            yield Served(server, registry, small_buffers=small_buffers)
        finally:
            watching.cancel()


class Served:
    """A server that runs."""

    def __init__(self, server: Running, registry: Registry, *, small_buffers: bool) -> None:
        """Remember what `served` started."""
        self.address = server.address
        self.url = f"ws://{self.address[0]}:{self.address[1]}/graphql"
        self.small_buffers = small_buffers
        self.registry = registry
        self.stop = server.stop

    @asynccontextmanager
    async def client(self, subprotocol: str = SUBPROTOCOL, **options: Any) -> AsyncIterator["Client"]:
        """Connect, without any message yet."""
        protocols = [Subprotocol(subprotocol)]
        if self.small_buffers:
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
            sock.connect(self.address)
            options["sock"] = sock
        options |= {"proxy": None, "compression": None}  # what is compressed would hardly ever wait
        async with connect(self.url, subprotocols=protocols, **options) as connection:
            yield Client(connection)

    @asynccontextmanager
    async def ready(self, **payload: Any) -> AsyncIterator["Client"]:
        """Connect and wait for the acknowledgement."""
        async with self.client() as client:
            await client.send(type="connection_init", payload=payload)
            assert await client.receive() == {"type": "connection_ack"}
            yield client


class Client:
    """Sends and receives messages, nothing else."""

    def __init__(self, connection: ClientConnection) -> None:
        """Use an open connection."""
        self.connection = connection

    async def send(self, **message: Any) -> None:
        """Send a message."""
        await self.connection.send(orjson.dumps(message).decode())

    async def subscribe(self, operation_id: str, query: str, **variables: Any) -> None:
        """Ask to run an operation."""
        payload = {"query": query, "variables": variables}
        await self.send(type="subscribe", id=operation_id, payload=payload)

    async def receive(self) -> Any:
        """Return the next message."""
        return orjson.loads(await asyncio.wait_for(self.connection.recv(), PATIENCE_SECONDS))

    async def closed(self) -> tuple[int, str]:
        """Read until the server closes, and return its code and reason."""
        try:
            while True:
                await asyncio.wait_for(self.connection.recv(), PATIENCE_SECONDS)
        except ConnectionClosed:
            return self.connection.close_code or 0, self.connection.close_reason or ""
