"""One websocket: its handshake, its operations, and the ways it ends."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from starlette.types import Receive, Scope, Send

from realtime import messages
from realtime.messages import (
    Answer,
    Close,
    Complete,
    Init,
    OperationRequest,
    Ping,
    ProtocolViolation,
    Subscribe,
)
from realtime.metrics import WS_CLOSED, WS_MESSAGES, WS_OPERATIONS

log = structlog.get_logger(__name__)

_CLOSE_SECONDS = 1.0


class Refused(Exception):
    """The credentials of a connection are not good, or no longer."""


class Viewer(Protocol):
    """Who is connected. Two viewers are equal when they may see the same."""

    @property
    def key(self) -> str:
        """Whose connections count together."""
        ...

    @property
    def expires_at(self) -> float | None:
        """When the credentials end (seconds since the epoch); None for never."""
        ...


@dataclass(frozen=True, slots=True)
class GraphQL:
    """What the transport is handed: who asks, in which context, and how to run it.

    `authenticate` takes the payload of connection_init and the ASGI scope and raises Refused;
    `execute` yields answers, one without `data` being the last.
    """

    authenticate: Callable[[Mapping[str, Any], Scope], Awaitable[Viewer]]
    context_for: Callable[[Viewer, str], Any]
    execute: Callable[[OperationRequest, Any], AsyncGenerator[Answer]]


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How long and how much; times in seconds.

    `stalled` is how long one message may wait for a client that does not read. Credentials are
    looked at again every `recheck`, so that revoked ones do not live on in an open connection.
    """

    init_timeout: float = 10.0
    stalled: float = 10.0
    recheck: float = 30.0
    operations: int = 100
    connections_per_viewer: int = 1_000


class Connection:
    """One client. Reads until it leaves; each operation runs as a task of its own."""

    def __init__(self, graphql: GraphQL, limits: ConnectionLimits, scope: Scope, send: Send) -> None:
        """Take an accepted websocket."""
        self._graphql = graphql
        self._limits = limits
        self._scope = scope
        self._asgi_send = send
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._timers: set[asyncio.Task[None]] = set()
        self._initialised = False
        self._started = 0
        self._closing = False
        self._viewer: Viewer | None = None
        # Nothing may be sent after the close, not even by who waits for the socket to drain.
        self._turn = asyncio.Lock()

    async def run(self, receive: Receive, admit: Callable[[Viewer], bool]) -> None:
        """Serve the client until it or we leave; `admit` may turn a viewer away who has too many."""
        init_timer = self._after(
            self._limits.init_timeout, Close.INIT_TIMEOUT, "Connection initialisation timeout"
        )
        try:
            while True:
                received = await receive()
                if received["type"] == "websocket.disconnect":
                    return
                if self._closing:
                    continue
                try:
                    message = messages.read(received.get("text"))
                    if isinstance(message, Init):
                        await self._initialise(message, init_timer, admit)
                    else:
                        await self._handle(message)
                except ProtocolViolation as violation:
                    await self.close(violation.code, violation.reason)
        finally:
            self._closing = True
            await self._stop_everything()

    @property
    def viewer(self) -> Viewer | None:
        """Who is connected, once known."""
        return self._viewer

    async def close(self, code: Close, reason: str) -> None:
        """Close the connection; the socket of a client that does not read is cut."""
        if self._closing:
            return
        self._closing = True
        WS_CLOSED.labels(str(int(code))).inc()
        for task in self._operations.values():
            if task is not asyncio.current_task():
                task.cancel()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS), self._turn:
                await self._asgi_send({"type": "websocket.close", "code": int(code), "reason": reason[:120]})
        except TimeoutError:
            self._abort()
        except OSError:
            pass  # It has left by itself.

    async def _initialise(
        self, message: Init, init_timer: asyncio.Task[None], admit: Callable[[Viewer], bool]
    ) -> None:
        if self._initialised:
            raise ProtocolViolation(Close.TOO_MANY, "Too many initialisation requests")
        self._initialised = True
        init_timer.cancel()
        try:
            viewer = await self._graphql.authenticate(message.payload, self._scope)
        except Refused as refused:
            raise ProtocolViolation(Close.FORBIDDEN, f"Forbidden: {refused}") from None
        if not admit(viewer):
            raise ProtocolViolation(Close.TOO_MANY, "Too many connections")
        self._viewer = viewer
        if viewer.expires_at is not None:
            self._after(viewer.expires_at - time.time(), Close.FORBIDDEN, "Forbidden: the token has expired")
        if message.payload:
            self._keep(self._recheck(viewer, message.payload))
        await self._send(messages.ack())

    async def _handle(self, message: messages.ClientMessage) -> None:
        if isinstance(message, Ping):
            await self._send(messages.pong(message.payload))
        elif isinstance(message, Subscribe):
            await self._subscribe(message)
        elif isinstance(message, Complete):
            task = self._operations.pop(message.id, None)
            if task is not None:
                task.cancel()

    async def _subscribe(self, message: Subscribe) -> None:
        viewer = self._viewer
        if viewer is None:
            raise ProtocolViolation(Close.UNAUTHORIZED, "Unauthorized")
        if message.id in self._operations:
            raise ProtocolViolation(Close.DUPLICATE_ID, f"Subscriber for {message.id[:64]} already exists")
        if len(self._operations) >= self._limits.operations:
            refusal = {
                "message": f"a connection may run {self._limits.operations} operations at a time",
                "extensions": {"code": "RATE_LIMITED"},
            }
            await self._send(messages.error(message.id, [refusal]))
            return
        self._started += 1
        self._operations[message.id] = asyncio.create_task(self._operate(message, viewer))

    async def _operate(self, message: Subscribe, viewer: Viewer) -> None:
        """Run one operation and send its answers, as fast as the client takes them."""
        request_id = f"{self._scope.get('ordertide.request_id', 'ws')}.{self._started}"
        structlog.contextvars.bind_contextvars(request_id=request_id)
        WS_OPERATIONS.inc()
        try:
            context = self._graphql.context_for(viewer, request_id)
            async with aclosing(self._graphql.execute(message.request, context)) as answers:
                async for answer in answers:
                    if "data" not in answer:
                        await self._end_with(message.id, answer["errors"])
                        return
                    await self._send(messages.next_answer(message.id, answer))
            self._forget(message.id)
            await self._send(messages.complete(message.id))
        except Exception:
            log.exception("operation_failed")
            failure = {
                "message": "something went wrong on our side",
                "extensions": {"code": "INTERNAL", "requestId": request_id},
            }
            await self._end_with(message.id, [failure])
        finally:
            self._forget(message.id)
            WS_OPERATIONS.dec()

    async def _end_with(self, operation_id: str, errors: list[Any]) -> None:
        if errors[0].get("extensions", {}).get("code") == "SLOW_CONSUMER":
            await self.close(Close.RESUME, "resume")
            return
        self._forget(operation_id)
        await self._send(messages.error(operation_id, errors))

    def _forget(self, operation_id: str) -> None:
        # The client may use the id anew at once, so it is free before it is told of the end.
        if self._operations.get(operation_id) is asyncio.current_task():
            del self._operations[operation_id]

    async def _send(self, text: str) -> None:
        """Send, waiting for a client that is slow; one that does not read at all is cut off."""
        try:
            async with asyncio.timeout(self._limits.stalled), self._turn:
                if self._closing:
                    return
                await self._asgi_send({"type": "websocket.send", "text": text})
            WS_MESSAGES.inc()
        except TimeoutError:
            await self.close(Close.RESUME, "resume")
        except OSError:
            self._closing = True

    async def _recheck(self, viewer: Viewer, payload: Mapping[str, Any]) -> None:
        while True:
            await asyncio.sleep(self._limits.recheck)
            try:
                now = await self._graphql.authenticate(payload, self._scope)
            except Refused as refused:
                return await self.close(Close.FORBIDDEN, f"Forbidden: {refused}")
            except Exception:
                # The database may be away; the next look will tell.
                log.exception("credentials_not_rechecked")
                continue
            if now != viewer:
                return await self.close(Close.RESTART, "permissions have changed, connect again")

    def _after(self, seconds: float, code: Close, reason: str) -> asyncio.Task[None]:
        async def expire() -> None:
            await asyncio.sleep(max(0.0, seconds))
            await self.close(code, reason)

        return self._keep(expire())

    def _keep(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._timers.add(task)
        task.add_done_callback(self._timers.discard)
        return task

    async def _stop_everything(self) -> None:
        tasks = [*self._operations.values(), *self._timers]
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)

    def _abort(self) -> None:
        abort = self._scope.get("extensions", {}).get("ordertide.abort")
        if abort is not None:
            abort()
