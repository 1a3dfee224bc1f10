"""uvicorn's websocket protocol, with the two things ASGI has no words for: cutting off and leaving well.

Serve with `ws="realtime.sockets:LiveWebSocketProtocol"`; under another server the transport works
too, but cannot cut the socket of a client that does not read, nor stagger its farewells.
"""

from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request


class LiveWebSocketProtocol(WebSocketsSansIOProtocol):
    """Offers `ordertide.abort` and `ordertide.on_shutdown` among the scope's extensions."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._leave: Callable[[], None] | None = None

    def handle_connect(self, event: Request) -> None:
        """Accept the handshake and hand the application our additions."""
        super().handle_connect(event)
        scope: Any = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"]["ordertide.abort"] = self._abort
            scope["extensions"]["ordertide.on_shutdown"] = self._on_shutdown

    def shutdown(self) -> None:
        """Let the application close in its own time, where it wants to; uvicorn waits for it."""
        if self._leave is None or self.close_sent:
            super().shutdown()
        else:
            self._leave()

    def _on_shutdown(self, leave: Callable[[], None]) -> None:
        self._leave = leave

    def _abort(self) -> None:
        self.transport.abort()
