"""GraphQL over server-sent events: one operation a request, after graphql-sse's distinct connections mode.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md

Every event of a feed that must not drop carries its cursor as its id, so that a browser's EventSource,
which sends the last id when it reconnects, resumes without a gap.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson
import structlog
from starlette.types import Receive, Scope, Send

from realtime.cursors import Discontinued
from realtime.hub import Hub
from realtime.messages import Close
from realtime.metrics import CLOSED, OPERATIONS
from realtime.operations import FAILED, GraphQL, OperationRefused, OperationRequest, Single, Source, Viewer
from realtime.registry import Registry
from realtime.sending import PortableSender, Waiting
from realtime.sockets import ABORT, ON_LOST, ON_SHUTDOWN
from realtime.subscriber import Subscriber

log = structlog.get_logger(__name__)

_END_SECONDS = 1.0
_SILENT_BEATS = 3
"""Who has not taken a single message for so many heartbeats is taken for gone, whatever the feed."""
_RECONNECT_MILLISECONDS = (500, 3_000)
_COMPLETE = b"event: complete\ndata: \n\n"
_HEARTBEAT = b":\n\n"
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # Proxies that gather a response before they hand it on would keep events from their reader.
    (b"x-accel-buffering", b"no"),
]


class EventStreams:
    """Answers requests that accept `text/event-stream`."""

    def __init__(self, graphql: GraphQL, hub: Hub, registry: Registry) -> None:
        """Take what runs operations and who looks after connections."""
        self._graphql = graphql
        self._hub = hub
        self._registry = registry

    async def serve(
        self,
        request: OperationRequest,
        credentials: str | None,
        last_event_id: str | None,
        ends: tuple[Scope, Receive, Send],
    ) -> bool:
        """Stream the answers of one operation until they or the client end.

        Returns False, having sent nothing, when the viewer has too many connections; raises
        CredentialsRefused or Unavailable.
        """
        scope, receive, send = ends
        viewer = await self._graphql.authenticate(credentials, scope)
        if not self._registry.admissions.admit(viewer):
            return False
        stream = _EventStream(self._hub, self._registry.limits.heartbeat, (viewer, credentials), scope, send)
        with self._registry.holding(stream):
            planned = self._plan(request, viewer, str(scope.get("ordertide.request_id", "sse")))
            if isinstance(planned, Source):
                if last_event_id and not planned.conflated:
                    planned = replace(planned, after=last_event_id)
                if self._registry.draining:
                    # Too late to be sent away with the others.
                    stream.close(Close.RESTART, "Service Restart")
            on_shutdown = scope.get("extensions", {}).get(ON_SHUTDOWN)
            if on_shutdown is not None:
                on_shutdown(self._registry.drain)
            await stream.run(planned, receive)
        return True

    def _plan(self, request: OperationRequest, viewer: Viewer, request_id: str) -> Source | Single:
        try:
            return self._graphql.plan(request, viewer, request_id)
        except OperationRefused as refused:
            return Single(_refusal(refused), changes=False)


class _EventStream:
    """One response that streams."""

    def __init__(
        self,
        hub: Hub,
        heartbeat_seconds: float,
        who: tuple[Viewer, str | None],
        scope: Scope,
        send: Send,
    ) -> None:
        self.viewer: Viewer | None
        self.viewer, self.credentials = who
        self.scope = scope
        self._hub = hub
        self._heartbeat_seconds = heartbeat_seconds
        self._asgi_send = send
        self._sender = PortableSender(self._send, _event, lambda: self.close(Close.RESUME, "resume"))
        self._over = asyncio.Event()
        self._single = False
        self._tasks: list[asyncio.Task[None]] = []
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}

    async def run(self, planned: Source | Single, receive: Receive) -> None:
        """Send answers until they end, the client leaves, or the connection is closed."""
        self._single = isinstance(planned, Single)
        subscriber = None
        OPERATIONS.inc()
        self._hear_of_loss(self._gone)
        try:
            await self._begin()
            self._keep(self._sender.run())
            self._keep(self._until_gone(receive))
            if isinstance(planned, Source):
                subscriber = Subscriber(
                    "", b"", self._sender, self._stream_ended, conflated=planned.conflated
                )
                self._hub.join(planned, subscriber)
            else:
                self._tasks.append(asyncio.create_task(self._answer(planned)))
            await self._over.wait()
        except OSError:
            self._gone()
        finally:
            OPERATIONS.dec()
            self._hear_of_loss(None)
            if subscriber is not None:
                self._hub.leave(subscriber)
            await self._stop()
        if not self._sender.gone:
            await self._end_response()

    @property
    def stalled_for(self) -> float:
        """For how many seconds the client has taken nothing of what may not be dropped."""
        return self._taken_nothing_for if self._sender.owes else 0.0

    def close(self, code: Close, reason: str) -> None:
        """End the stream without `complete`, so that its reader comes back; there are no codes here."""
        if not self._over.is_set():
            CLOSED.labels(str(int(code))).inc()
            log.debug("event_stream_closed", code=int(code), reason=reason)
            self._sender.close()
            self._over.set()

    async def finish(self, seconds: float) -> None:
        """Wait until a query or mutation under way is answered, and the answer taken."""
        if self._single:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._over.wait()

    async def _begin(self) -> None:
        await self._asgi_send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        # EventSource comes back after a fixed pause: not everyone after the same.
        pause = random.randint(*_RECONNECT_MILLISECONDS)  # noqa: S311 (no secret)
        await self._send(b"retry: %d\n\n" % pause)
        self._after(self._heartbeat_seconds, self._beat)
        if self.viewer is not None and self.viewer.expires_at is not None:
            self._after(self.viewer.expires_at - time.time(), self._expire)

    async def _end_response(self) -> None:
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self._asgi_send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            if (abort := self.scope.get("extensions", {}).get(ABORT)) is not None:
                abort()
        except OSError:
            pass  # It has left by itself.

    async def _answer(self, operation: Single) -> None:
        try:
            body = orjson.dumps(await operation.run())
        except Exception:
            log.exception("operation_failed")
            body = orjson.dumps({"errors": [FAILED]})
        self._sender.text(_next(body, None))
        self._end()

    def _stream_ended(self, subscriber: Subscriber, errors: list[Any] | None) -> None:
        if errors and errors[0].get("extensions", {}).get("code") == Discontinued.code:
            self.close(Close.RESUME, "resume")
            return
        self._sender.outbox.settle(subscriber)
        if errors:
            self._sender.text(_next(orjson.dumps({"errors": errors}), None))
        self._end()

    def _end(self) -> None:
        self._sender.text(_COMPLETE)
        self._sender.finish(self._over.set)

    async def _until_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._gone()

    def _gone(self) -> None:
        self._sender.gone = True
        self._over.set()

    def _hear_of_loss(self, lost: Callable[[], None] | None) -> None:
        on_lost = self.scope.get("extensions", {}).get(ON_LOST)
        if on_lost is not None:
            on_lost(lost)

    @property
    def _taken_nothing_for(self) -> float:
        since = self._sender.waiting_since
        return 0.0 if since is None else asyncio.get_running_loop().time() - since

    def _beat(self) -> None:
        """Show the client, and what lies between, that the stream lives; and see that the client does."""
        if self._taken_nothing_for > _SILENT_BEATS * self._heartbeat_seconds:
            self.close(Close.RESUME, "resume")
        elif self._sender.idle:
            self._sender.text(_HEARTBEAT)
        self._after(self._heartbeat_seconds, self._beat)

    def _expire(self) -> None:
        self.close(Close.FORBIDDEN, "Forbidden: the token has expired")

    async def _send(self, text: bytes) -> None:
        await self._asgi_send({"type": "http.response.body", "body": text, "more_body": True})

    def _after(self, seconds: float, do: Callable[[], None]) -> None:
        self._timers[do] = asyncio.get_running_loop().call_later(max(0.0, seconds), do)

    def _keep(self, part: Any) -> None:
        """Run a part without which the stream is over."""
        task: asyncio.Task[None] = asyncio.create_task(part)
        task.add_done_callback(self._part_ended)
        self._tasks.append(task)

    def _part_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("event_stream_failed", exc_info=error)
        self._over.set()

    async def _stop(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _event(waiting: Waiting) -> bytes:
    return waiting if isinstance(waiting, bytes) else waiting[1].event(_next)


def _next(body: bytes, cursor: str | None) -> bytes:
    """Return a `next` event; orjson writes no line breaks, so that the data is one line."""
    name = b"event: next\n" if cursor is None else b"event: next\nid: " + cursor.encode() + b"\n"
    return name + b"data: " + body + b"\n\n"


def _refusal(refused: OperationRefused) -> Any:
    async def answer() -> dict[str, Any]:
        return {"errors": refused.errors}

    return answer
