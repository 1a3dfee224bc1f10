"""uvicorn's protocols, with what ASGI has no words for: writing at once, cutting off, leaving well.

Serve with `ws="realtime.sockets:LiveWebSocketProtocol"` and `http="realtime.sockets:LiveHttpProtocol"`.
Under another server the transports work too, by ASGI alone: they then send through `send`, cannot cut
the socket of a client that does not read, and do not stagger their farewells.
"""

from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from realtime.messages import Close
from realtime.sending import Flow

SOCKET = "ordertide.socket"
"""The key of a websocket's socket among the scope's extensions."""
ON_SHUTDOWN = "ordertide.on_shutdown"
"""The key of what to call with a function that ends the connection in its own time."""
ON_LOST = "ordertide.on_lost"
"""The key of what to call with a function that is called when the connection is gone, or with None."""
ABORT = "ordertide.abort"
"""The key of what cuts the connection off, whatever still waits to be sent."""

_SECONDS_TO_ECHO = 3.0
"""How long a client may take to answer our close frame; uvicorn's own 10 s are as long as a stop may take."""
_SECONDS_TO_LEAVE = 8.0
"""How long after the server's shutdown began who does not read, and so hears of no farewell, is cut off."""


class PortableWebSocketProtocol(WebSocketsSansIOProtocol):
    """Tells of the server's shutdown; everything is sent by ASGI."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._leave: Callable[[], None] | None = None
        self.close_timeout = _SECONDS_TO_ECHO

    def handle_connect(self, event: Request) -> None:
        """Accept the handshake and hand the application our additions."""
        super().handle_connect(event)
        scope: Any = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"].update(self.extensions())

    def extensions(self) -> dict[str, Any]:
        """Return what the application finds in its scope."""
        return {ON_SHUTDOWN: self._on_shutdown, ABORT: self.abort}

    def abort(self) -> None:
        """Cut the connection off."""
        self.transport.abort()

    def shutdown(self) -> None:
        """Let the application close in its own time, where it wants to; uvicorn waits for it."""
        self.loop.call_later(_SECONDS_TO_LEAVE, self.abort)
        if self._leave is None or self.close_sent:
            super().shutdown()
        else:
            self._leave()

    def keepalive_timeout(self) -> None:
        """Cut off who does not answer pings, with a code after which clients come back.

        uvicorn's 1011 is final for them, and it would wait for ever to flush what is not read.
        """
        self.pong_timer = None
        self.pending_ping_payload = None
        if self.close_sent or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() > 0:
            self.transport.abort()
            return
        self.conn.fail(int(Close.RESUME), "no answer to a ping")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()

    def _on_shutdown(self, leave: Callable[[], None]) -> None:
        self._leave = leave


class LiveWebSocketProtocol(PortableWebSocketProtocol):
    """Lets the application write frames, and tells it whether the socket takes more."""

    flow: Flow | None = None

    def extensions(self) -> dict[str, Any]:
        """Return what the application finds in its scope."""
        # Compressed frames are not ours to make.
        fast = {} if self.conn.extensions else {SOCKET: self}
        return super().extensions() | fast

    def pause_writing(self) -> None:
        """Hear from the transport that its buffer is full."""
        super().pause_writing()
        if self.flow is not None:
            self.flow.pause()

    def resume_writing(self) -> None:
        """Hear from the transport that its buffer has room again."""
        super().resume_writing()
        if self.flow is not None:
            self.flow.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hear from the transport that it is gone."""
        super().connection_lost(exc)
        if self.flow is not None:
            self.flow.lost()


class LiveHttpProtocol(HttpToolsProtocol):
    """Lets a response that streams end in its own time when the server shuts down.

    Behind a request that streams the client may have sent another already. uvicorn then tells only that
    one of what happens to the connection, so the one that streams is told here.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._leave: Callable[[], None] | None = None
        self._lost: Callable[[], None] | None = None
        self._shutting_down = False

    def on_message_begin(self) -> None:
        """Begin a request, with our additions in its scope."""
        super().on_message_begin()
        scope: Any = self.scope
        scope["extensions"] = {
            ON_SHUTDOWN: self._on_shutdown,
            ON_LOST: self._on_lost,
            ABORT: self.abort,
        }

    def abort(self) -> None:
        """Cut the connection off."""
        self.transport.abort()

    def shutdown(self) -> None:
        """End the connection once its response is complete, which is told to be so soon."""
        super().shutdown()
        self._shutting_down = True
        if self._leave is not None:
            self.loop.call_later(_SECONDS_TO_LEAVE, self.abort)
            self._leave()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hear from the transport that it is gone."""
        super().connection_lost(exc)
        if self._lost is not None:
            self._lost()

    def _on_shutdown(self, leave: Callable[[], None]) -> None:
        self._leave = leave
        if self._shutting_down:
            leave()

    def _on_lost(self, lost: Callable[[], None] | None) -> None:
        self._lost = lost
