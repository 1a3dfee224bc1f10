"""GraphQL over websockets: graphql-transport-ws on a plain ASGI route.

Pings are the websocket's own (RFC 6455), sent by the server every 20 s, which browsers answer by
themselves; `realtime.sockets` adds to uvicorn what closing well needs.
"""

import asyncio
from collections import Counter

import structlog
from starlette.types import Receive, Scope, Send

from realtime.connection import Connection, ConnectionLimits, GraphQL, Viewer
from realtime.messages import SUBPROTOCOL, Close
from realtime.metrics import WS_CLOSED, WS_CONNECTIONS

log = structlog.get_logger(__name__)

_DRAIN_BATCH = 200
_DRAIN_PAUSE_SECONDS = 0.1
_DRAIN_SECONDS = 5.0


class WebSocketTransport:
    """The ASGI application behind the websocket route; it knows every open connection."""

    def __init__(self, graphql: GraphQL, limits: ConnectionLimits | None = None) -> None:
        """Take what runs operations, and the limits of a connection."""
        self._graphql = graphql
        self._limits = limits or ConnectionLimits()
        self._connections: dict[Connection, None] = {}
        self._by_viewer: Counter[str] = Counter()
        self._draining: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one websocket from its handshake to its end."""
        if (await receive())["type"] != "websocket.connect":
            return
        if SUBPROTOCOL not in scope.get("subprotocols", ()):
            # Only an accepted websocket can be told why it is closed.
            WS_CLOSED.labels(str(int(Close.BAD_SUBPROTOCOL))).inc()
            await send({"type": "websocket.accept"})
            reason = f"Subprotocol not acceptable: use {SUBPROTOCOL}"
            await send({"type": "websocket.close", "code": int(Close.BAD_SUBPROTOCOL), "reason": reason})
            return
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        on_shutdown = scope.get("extensions", {}).get("ordertide.on_shutdown")
        if on_shutdown is not None:
            on_shutdown(self.drain)
        await self._serve(Connection(self._graphql, self._limits, scope, send), receive)

    @property
    def open_connections(self) -> int:
        """How many websockets are open."""
        return len(self._connections)

    def drain(self) -> None:
        """Begin to send everybody away, to come back to another process; returns at once."""
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())

    async def _serve(self, connection: Connection, receive: Receive) -> None:
        self._connections[connection] = None
        WS_CONNECTIONS.inc()
        try:
            if self._draining is not None:
                await connection.close(Close.RESTART, "Service Restart")
            await connection.run(receive, self._admit)
        finally:
            del self._connections[connection]
            WS_CONNECTIONS.dec()
            if connection.viewer is not None:
                self._dismiss(connection.viewer)

    def _admit(self, viewer: Viewer) -> bool:
        if self._by_viewer[viewer.key] >= self._limits.connections_per_viewer:
            return False
        self._by_viewer[viewer.key] += 1
        return True

    def _dismiss(self, viewer: Viewer) -> None:
        self._by_viewer[viewer.key] -= 1
        if self._by_viewer[viewer.key] <= 0:
            del self._by_viewer[viewer.key]

    async def _drain(self) -> None:
        """Close in batches, so that clients do not all come back in the same moment."""
        waiting = list(self._connections)
        log.info("websockets_draining", connections=len(waiting))
        rounds = max(1, int(_DRAIN_SECONDS / _DRAIN_PAUSE_SECONDS))
        batch = max(_DRAIN_BATCH, -(-len(waiting) // rounds))
        for start in range(0, len(waiting), batch):
            closing = (one.close(Close.RESTART, "Service Restart") for one in waiting[start : start + batch])
            await asyncio.gather(*closing)
            await asyncio.sleep(_DRAIN_PAUSE_SECONDS)
