"""GraphQL over websockets: graphql-transport-ws on a plain ASGI route.

Pings are the websocket's own (RFC 6455), sent by the server every 20 s, which browsers answer by
themselves; `realtime.sockets` adds to uvicorn what writing fast and closing well need.
"""

from collections.abc import Collection

from starlette.types import Receive, Scope, Send

from realtime.connection import Connection
from realtime.hub import Hub
from realtime.messages import SUBPROTOCOL, Close
from realtime.metrics import CLOSED
from realtime.operations import GraphQL
from realtime.registry import Registry
from realtime.sockets import ON_SHUTDOWN


class WebSocketTransport:
    """The ASGI application behind the websocket route."""

    def __init__(
        self, graphql: GraphQL, hub: Hub, registry: Registry, *, origins: Collection[str] = ()
    ) -> None:
        """Take what runs operations, who looks after connections, and whose pages may connect.

        Without `origins` any page may: credentials are in a message, never in a cookie.
        """
        self._graphql = graphql
        self._hub = hub
        self._registry = registry
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one websocket from its handshake to its end."""
        if (await receive())["type"] != "websocket.connect":
            return
        if not self._may_come_from(scope):
            # Before it is accepted: the server answers 403.
            await send({"type": "websocket.close", "code": int(Close.FORBIDDEN)})
            return
        if SUBPROTOCOL not in scope.get("subprotocols", ()):
            # Only an accepted websocket can be told why it is closed, and only by what the client offered.
            CLOSED.labels(str(int(Close.BAD_SUBPROTOCOL))).inc()
            offered = next(iter(scope.get("subprotocols", ())), None)
            await send({"type": "websocket.accept", "subprotocol": offered})
            reason = f"Subprotocol not acceptable: use {SUBPROTOCOL}"
            await send({"type": "websocket.close", "code": int(Close.BAD_SUBPROTOCOL), "reason": reason})
            return
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        on_shutdown = scope.get("extensions", {}).get(ON_SHUTDOWN)
        if on_shutdown is not None:
            on_shutdown(self._registry.drain)
        connection = Connection(self._graphql, self._hub, self._registry.limits, scope, send)
        with self._registry.holding(connection):
            if self._registry.draining:
                connection.close(Close.RESTART, "Service Restart")
            await connection.run(receive, self._registry.admissions)

    def _may_come_from(self, scope: Scope) -> bool:
        if not self._origins:
            return True
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        # Programs other than browsers send none, and could send any.
        return all(origin.decode("latin-1") in self._origins for origin in origins)
