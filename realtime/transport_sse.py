"""GraphQL over server-sent events: one operation a request, after graphql-sse's distinct connections mode.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md

Every event of a feed that must not drop carries its cursor as its id, so that a browser's EventSource,
which sends the last id when it reconnects, resumes without a gap.
"""

import asyncio
from dataclasses import replace
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from realtime.cursors import Discontinued
from realtime.hub import Hub
from realtime.messages import Close
from realtime.metrics import CLOSED, OPERATIONS
from realtime.operations import GraphQL, OperationRefused, OperationRequest, Single, Source, Viewer
from realtime.registry import Registry
from realtime.sending import PortableSender, Waiting
from realtime.sockets import ABORT, ON_SHUTDOWN
from realtime.subscriber import Subscriber

_END_SECONDS = 1.0
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
        stream = _EventStream(self._hub, self._registry.limits.heartbeat, scope, send)
        stream.viewer, stream.credentials = viewer, credentials
        on_shutdown = scope.get("extensions", {}).get(ON_SHUTDOWN)
        if on_shutdown is not None:
            on_shutdown(self._registry.drain)
        with self._registry.holding(stream):
            try:
                planned = self._graphql.plan(request, viewer, str(scope.get("ordertide.request_id", "sse")))
            except OperationRefused as refused:
                planned = Single(_refusal(refused), changes=False)
            if isinstance(planned, Source) and last_event_id and not planned.conflated:
                planned = replace(planned, after=last_event_id)
            await stream.run(planned, receive)
        return True


class _EventStream:
    """One response that streams."""

    def __init__(self, hub: Hub, heartbeat_seconds: float, scope: Scope, send: Send) -> None:
        self._hub = hub
        self._heartbeat_seconds = heartbeat_seconds
        self._asgi_send = send
        self.scope = scope
        self.viewer: Viewer | None = None
        self.credentials: str | None = None
        self._sender = PortableSender(self._send, _event, lambda: self.close(Close.RESUME, "resume"))
        self._over = asyncio.Event()
        self._answering: asyncio.Task[None] | None = None

    async def run(self, planned: Source | Single, receive: Receive) -> None:
        """Send answers until they end, the client leaves, or the connection is closed."""
        await self._asgi_send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await self._send(_HEARTBEAT)
        tasks = [
            asyncio.create_task(work)
            for work in (self._sender.run(), self._until_gone(receive), self._beat(), self._over.wait())
        ]
        subscriber = None
        OPERATIONS.inc()
        try:
            if isinstance(planned, Source):
                subscriber = Subscriber(
                    "", b"", self._sender, self._stream_ended, conflated=planned.conflated
                )
                self._hub.join(planned, subscriber)
            else:
                self._answering = asyncio.create_task(self._answer(planned))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            OPERATIONS.dec()
            if subscriber is not None:
                self._hub.leave(subscriber)
            await _stop([*tasks, *([self._answering] if self._answering else [])])
        if not self._sender.gone:
            await self._end_response()

    @property
    def stalled_for(self) -> float:
        """For how many seconds the client has taken nothing of what may not be dropped."""
        since = self._sender.waiting_since
        if since is None or not self._sender.owes:
            return 0.0
        return asyncio.get_running_loop().time() - since

    def close(self, code: Close, reason: str) -> None:
        """End the stream without `complete`, so that its reader comes back; there are no codes here."""
        if not self._over.is_set():
            CLOSED.labels(str(int(code))).inc()
            self._sender.close()
            self._over.set()

    async def _end_response(self) -> None:
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self._asgi_send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            if (abort := self.scope.get("extensions", {}).get(ABORT)) is not None:
                abort()

    async def finish(self, seconds: float) -> None:
        """Wait for a query or mutation under way."""
        if self._answering is not None:
            await asyncio.wait([self._answering], timeout=seconds)

    async def _answer(self, operation: Single) -> None:
        answer = await operation.run()
        self._sender.text(_next(orjson.dumps(answer), None))
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
        self._sender.gone = True

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            if not len(self._sender.outbox):
                self._sender.text(_HEARTBEAT)

    async def _send(self, text: bytes) -> None:
        await self._asgi_send({"type": "http.response.body", "body": text, "more_body": True})


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


async def _stop(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
