"""What bench/fanout.py compares with: plain Strawberry, and a broadcast with nothing around it.

    python -m bench._fanout_rivals naive|raw PORT

Both run on the server that ours runs on (uvicorn, uvloop, websockets-sansio, no compression), give the
fields that cartEvents has, and publish one event for each line on stdin: the event's time.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import count

import strawberry
import uvicorn
from broadcaster import Broadcast
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry.asgi import GraphQL

from bench._harness import HOST

SKU = "BENCH-00000"
KIND = "CartLineUpdated"
_CART = "Q2FydDowMTllZDVkYzU4YTI3M2FhYTMxZjE5MGM4MjVhYzQyNA=="
_CHANNEL = "carts"
_BACKLOG = 2048
_sequence = count(1)

Publish = Callable[[str], Awaitable[None]]


def _event(occurred_at: str) -> dict[str, object]:
    """Return an event as ours looks on the wire, with the same sizes."""
    return {
        "cursor": f"{0x019ED5DC58A273AAA31F190C825AC424:032x}{next(_sequence):016x}",
        "kind": KIND,
        "occurredAt": occurred_at,
        "version": 1,
        "sku": SKU,
        "quantity": 1,
        "cart": {"id": _CART, "status": "ACTIVE"},
    }


@strawberry.type
class Cart:
    """A cart, as far as anybody asks."""

    id: strawberry.ID
    status: str


@strawberry.type
class CartEvent:
    """The fields of the product's CartEvent."""

    cursor: str
    kind: str
    occurred_at: datetime
    version: int
    sku: str | None
    quantity: int | None
    cart: Cart


@strawberry.type
class Query:
    """A schema must have one."""

    ok: bool = True


@strawberry.type
class Subscription:
    """As the documentation of Strawberry and of broadcaster would have it."""

    @strawberry.subscription
    async def cart_events(self, info: strawberry.Info) -> AsyncGenerator[CartEvent]:
        """Yield every event that is published."""
        async with info.context["broadcast"].subscribe(channel=_CHANNEL) as events:
            async for published in events:
                event = json.loads(published.message)
                yield CartEvent(
                    cursor=event["cursor"],
                    kind=event["kind"],
                    occurred_at=datetime.fromisoformat(event["occurredAt"]),
                    version=event["version"],
                    sku=event["sku"],
                    quantity=event["quantity"],
                    cart=Cart(**event["cart"]),
                )


class _Naive(GraphQL[dict[str, object], None]):
    """Strawberry's own application, which hands its broadcast to the resolvers."""

    def __init__(self, broadcast: Broadcast) -> None:
        super().__init__(strawberry.Schema(Query, subscription=Subscription))
        self._broadcast = broadcast

    async def get_context(self, request: object, response: object) -> dict[str, object]:
        return {"broadcast": self._broadcast}


def naive() -> ASGIApp:
    """Return plain Strawberry over broadcaster's memory."""
    broadcast = Broadcast("memory://")

    async def publish(occurred_at: str) -> None:
        await broadcast.publish(channel=_CHANNEL, message=json.dumps(_event(occurred_at)))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with broadcast, _publishing(publish):
            yield

    return Starlette(routes=[WebSocketRoute("/graphql", _Naive(broadcast))], lifespan=lifespan)


class Raw:
    """Sends one text, made once, to every connection: what an ASGI server can do at most."""

    def __init__(self) -> None:
        self._sends: dict[int, Send] = {}

    async def publish(self, occurred_at: str) -> None:
        """Send an event to everybody."""
        answer = {"data": {"cartEvents": _event(occurred_at)}}
        # The id is as long as the client's, but not its own: that would be a text for each.
        message = {"id": "0" * 36, "type": "next", "payload": answer}
        sent = {"type": "websocket.send", "text": json.dumps(message, separators=(",", ":"))}
        for send in list(self._sends.values()):
            await send(sent)

    async def websocket(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Go through the motions of the protocol, then listen for the end."""
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "graphql-transport-ws"})
        try:
            while (received := await receive())["type"] == "websocket.receive":
                if json.loads(received["text"])["type"] == "connection_init":
                    await send({"type": "websocket.send", "text": '{"type":"connection_ack"}'})
                else:
                    self._sends[id(send)] = send
        finally:
            self._sends.pop(id(send), None)


def raw() -> ASGIApp:
    """Return the bare broadcast."""
    broadcast = Raw()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await broadcast.websocket(scope, receive, send)
        elif scope["type"] == "lifespan":
            await receive()
            async with _publishing(broadcast.publish):
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})

    return app


@asynccontextmanager
async def _publishing(publish: Publish) -> AsyncIterator[None]:
    """Publish what stdin says for as long as this is open."""
    lines = asyncio.StreamReader()
    pipe = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), pipe
    )

    async def read() -> None:
        async for line in lines:
            await publish(line.decode().strip())

    reading = asyncio.create_task(read())
    try:
        yield
    finally:
        reading.cancel()
        transport.close()


def main() -> None:
    """Serve until told to stop."""
    app = {"naive": naive, "raw": raw}[sys.argv[1]]()
    uvicorn.run(
        app,
        host=HOST,
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="on",
        log_level="warning",
        access_log=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
