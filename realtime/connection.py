"""One websocket of graphql-transport-ws: its handshake, its operations, and the ways it ends."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from starlette.types import Receive, Scope, Send

from realtime import messages
from realtime.cursors import Discontinued
from realtime.hub import Hub
from realtime.messages import Close, Complete, Init, Ping, ProtocolViolation, Subscribe
from realtime.metrics import CLOSED, OPERATIONS
from realtime.operations import (
    FAILED,
    Answer,
    CredentialsRefused,
    GraphQL,
    OperationRefused,
    Single,
    Source,
    Unavailable,
    Viewer,
)
from realtime.registry import ConnectionLimits
from realtime.sending import FastSender, PortableSender, Sender, Waiting
from realtime.sockets import ABORT, SOCKET
from realtime.subscriber import Subscriber

log = structlog.get_logger(__name__)

_CLOSE_SECONDS = 1.0
_CREDENTIALS = ("authorization", "Authorization")


class Admission(Protocol):
    """Who counts connections."""

    def admit(self, viewer: Viewer) -> bool:
        """Count a connection, unless its viewer or address has too many."""
        ...


@dataclass(slots=True)
class _Running:
    """A query or mutation under way, and whether its client still wants the answer."""

    task: asyncio.Task[None]
    changes: bool
    wanted: bool = True


class Connection:
    """One client. Reads until it leaves; queries and mutations run as tasks, subscriptions in the hub."""

    def __init__(
        self, graphql: GraphQL, hub: Hub, limits: ConnectionLimits, scope: Scope, send: Send
    ) -> None:
        """Take an accepted websocket."""
        self._graphql = graphql
        self._hub = hub
        self._limits = limits
        self.scope = scope
        self._asgi_send = send
        self._socket: Any = scope.get("extensions", {}).get(SOCKET)
        self._abort_socket: Callable[[], None] | None = scope.get("extensions", {}).get(ABORT)
        self.sender: Sender = (
            PortableSender(self._send, _render, self._fallen_behind)
            if self._socket is None
            else FastSender(self._socket, self._fallen_behind)
        )
        self._subscribers: dict[str, Subscriber] = {}
        self._running: dict[str, _Running] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.TimerHandle] = []
        self._initialised = False
        self._started = 0
        self._closing = False
        self._leaving = False
        self._cut_off = False
        self._main: asyncio.Task[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        self.viewer: Viewer | None = None
        self.credentials: str | None = None

    async def run(self, receive: Receive, admission: Admission) -> None:
        """Serve the client until it or we leave; `admission` may turn away who has too many."""
        self._after(self._limits.init_timeout, Close.INIT_TIMEOUT, "Connection initialisation timeout")
        self._main = asyncio.current_task()
        if isinstance(self.sender, PortableSender):
            self._sending = self._keep(self.sender.run())
        try:
            await self._read(receive, admission)
        except asyncio.CancelledError:
            if not self._cut_off or self._main is None:
                raise
            # It was ours: to the server it must not look as if the task were still to be canceled.
            self._main.uncancel()
        finally:
            self._closing = True
            self._drop_everything()
            for task in self._tasks:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self, receive: Receive, admission: Admission) -> None:
        while True:
            received = await receive()
            if received["type"] == "websocket.disconnect":
                return
            if self._closing:
                continue
            try:
                await self._take(messages.read(received.get("text")), admission)
            except ProtocolViolation as violation:
                self.close(violation.code, violation.reason)

    def close(self, code: Close, reason: str) -> None:
        """Close the connection; nothing is sent from here on, and a client that does not read is cut off."""
        if self._closing:
            return
        self._closing = True
        CLOSED.labels(str(int(code))).inc()
        stuck = self.sender.waiting_since is not None
        self._drop_everything()
        if stuck and code is Close.RESUME and self._abort_socket is not None:
            self._abort()
        else:
            self._keep(self._say_goodbye(code, reason))

    async def finish(self, seconds: float) -> None:
        """Wait until queries and mutations under way are answered, and the answers taken.

        What comes from here on is for another process.
        """
        self._leaving = True
        if not self._running:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.wait([one.task for one in self._running.values()])
                await self.sender.taken()

    @property
    def stalled_for(self) -> float:
        """For how many seconds the client has taken nothing of what may not be dropped."""
        self.sender.look()
        since = self.sender.waiting_since
        if since is None or not self.sender.owes:
            return 0.0
        return asyncio.get_running_loop().time() - since

    def _ended(self, subscriber: Subscriber, errors: list[Any] | None) -> None:
        """Tell the client that one of its subscriptions has ended."""
        if errors and errors[0].get("extensions", {}).get("code") == Discontinued.code:
            self.close(Close.RESUME, "resume")
            return
        # The client may use the id anew at once, so it is free before it is told of the end.
        if self._subscribers.pop(subscriber.id, None) is not None:
            OPERATIONS.dec()
        self.sender.outbox.settle(subscriber)
        done = messages.complete(subscriber.id) if errors is None else messages.error(subscriber.id, errors)
        self.sender.text(done)

    async def _take(self, message: messages.ClientMessage, admission: Admission) -> None:
        if isinstance(message, Init):
            await self._initialise(message, admission)
        elif isinstance(message, Ping):
            self.sender.text(messages.pong(message.payload))
        elif isinstance(message, Subscribe):
            self._subscribe(message)
        elif isinstance(message, Complete):
            self._complete(message.id)

    async def _initialise(self, message: Init, admission: Admission) -> None:
        if self._initialised:
            raise ProtocolViolation(Close.TOO_MANY, "Too many initialisation requests")
        self._initialised = True
        self._cancel_timers()
        credentials = _credentials(message)
        try:
            viewer = await self._graphql.authenticate(credentials, self.scope)
        except CredentialsRefused as refused:
            raise ProtocolViolation(Close.FORBIDDEN, f"Forbidden: {refused}") from None
        except Unavailable as reason:
            raise ProtocolViolation(Close.RESTART, str(reason)) from None
        if self._closing:
            return
        if not admission.admit(viewer):
            raise ProtocolViolation(Close.TOO_MANY, "Too many connections")
        self.viewer, self.credentials = viewer, credentials
        if viewer.expires_at is not None:
            self._after(viewer.expires_at - time.time(), Close.FORBIDDEN, "Forbidden: the token has expired")
        self.sender.text(messages.ACK)

    def _subscribe(self, message: Subscribe) -> None:
        viewer = self.viewer
        if viewer is None:
            raise ProtocolViolation(Close.UNAUTHORIZED, "Unauthorized")
        if self._leaving:
            return
        if message.id in self._subscribers or message.id in self._running:
            raise ProtocolViolation(Close.DUPLICATE_ID, f"Subscriber for {message.id[:64]} already exists")
        if len(self._subscribers) + len(self._running) >= self._limits.operations:
            refusal = {
                "message": f"a connection may run {self._limits.operations} operations at a time",
                "extensions": {"code": "RATE_LIMITED"},
            }
            self.sender.text(messages.error(message.id, [refusal]))
            return
        self._started += 1
        request_id = f"{self.scope.get('ordertide.request_id', 'ws')}.{self._started}"
        try:
            planned = self._graphql.plan(message.request, viewer, request_id)
        except OperationRefused as refused:
            self.sender.text(messages.error(message.id, refused.errors))
            return
        if isinstance(planned, Source):
            subscriber = Subscriber(
                message.id,
                messages.suffix(message.id),
                self.sender,
                self._ended,
                conflated=planned.conflated,
            )
            self._subscribers[message.id] = subscriber
            OPERATIONS.inc()
            self._hub.join(planned, subscriber)
        else:
            task = self._keep(self._answer(message.id, planned, request_id))
            self._running[message.id] = _Running(task, planned.changes)

    async def _answer(self, operation_id: str, operation: Single, request_id: str) -> None:
        structlog.contextvars.bind_contextvars(request_id=request_id)
        OPERATIONS.inc()
        try:
            said = _said(operation_id, await operation.run())
        except Exception:
            log.exception("operation_failed")
            said = [messages.error(operation_id, [FAILED])]
        finally:
            OPERATIONS.dec()
            wanted = self._running.pop(operation_id).wanted
        if wanted:
            for text in said:
                self.sender.text(text)

    def _complete(self, operation_id: str) -> None:
        subscriber = self._subscribers.pop(operation_id, None)
        if subscriber is not None:
            OPERATIONS.dec()
            self._hub.leave(subscriber)
            self.sender.outbox.forget(subscriber)
        elif (running := self._running.get(operation_id)) is not None:
            # What changes something goes on to its end, and keeps its id and its place until then.
            running.wanted = False
            if not running.changes:
                running.task.cancel()

    def _fallen_behind(self) -> None:
        self.close(Close.RESUME, "resume")

    def _drop_everything(self) -> None:
        self._cancel_timers()
        self.sender.close()
        for subscriber in self._subscribers.values():
            OPERATIONS.dec()
            self._hub.leave(subscriber)
        self._subscribers.clear()
        for running in self._running.values():
            running.task.cancel()
        if self._sending is not None:
            self._sending.cancel()

    async def _say_goodbye(self, code: Close, reason: str) -> None:
        close = {"type": "websocket.close", "code": int(code), "reason": reason[:120]}
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._asgi_send(close)
        except TimeoutError:
            self._abort()
        except OSError:
            pass  # It has left by itself.

    async def _send(self, text: str) -> None:
        await self._asgi_send({"type": "websocket.send", "text": text})

    def _abort(self) -> None:
        if self._abort_socket is not None:
            self._abort_socket()
        elif self._main is not None:
            # ASGI cannot cut a socket; the server closes it when the application has returned.
            self._cut_off = True
            self._main.cancel()

    def _after(self, seconds: float, code: Close, reason: str) -> None:
        loop = asyncio.get_running_loop()
        self._timers.append(loop.call_later(max(0.0, seconds), self.close, code, reason))

    def _cancel_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _render(waiting: Waiting) -> str:
    return waiting.decode() if isinstance(waiting, bytes) else waiting[1].text(waiting[0].suffix_text)


def _said(operation_id: str, answer: Answer) -> list[bytes]:
    if "data" in answer:
        return [messages.next_answer(operation_id, answer), messages.complete(operation_id)]
    return [messages.error(operation_id, list(answer["errors"]))]


def _credentials(message: Init) -> str | None:
    """Return what a client shows; browsers cannot set headers on a websocket, so the payload has it."""
    for name in _CREDENTIALS:
        if (value := message.payload.get(name)) is not None:
            if not isinstance(value, str):
                raise ProtocolViolation(Close.FORBIDDEN, "Forbidden: authorization must be a string")
            return value
    return None
