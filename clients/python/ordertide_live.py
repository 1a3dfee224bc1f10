"""Follow Ordertide's subscriptions from Python: each event once, in order, through lost connections.

    client = LiveClient("wss://shop.example/graphql", token=token)
    async for event in client.follow("subscription ($after: String) {"
                                     " cartEvents(after: $after) { cursor kind } }", after=saved):
        deal_with(event.data)
        save(event.cursor)

This file needs `websockets` (15 or newer) and nothing else: copy it into your project.

What is promised: from the cursor given on (else from the first event that came), every event is handed
over once and in order, however often the connection is lost or the server restarts in between. Save the
cursor after an event was dealt with, and give it as `after` next time: then the same holds through a
restart of your own program, but for the one event it may have been dealing with when it died.

What is not: without `after` the stream starts at now, and while no event has come yet there is no cursor
to resume with: a connection lost in that time starts at its own now. Where that matters, read the query
`eventCursor` first, then the state, and give the cursor as `after`.

Everything that reconnecting can mend is mended; what it cannot is raised as a `LiveError`.
"""

import asyncio
import json
import logging
import random
import re
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

__all__ = [
    "BadUserInput",
    "CursorExpired",
    "Event",
    "Forbidden",
    "LiveClient",
    "LiveError",
    "ProtocolBroken",
    "TooMany",
    "Unauthenticated",
]

log = logging.getLogger("ordertide.live")

SUBPROTOCOL = Subprotocol("graphql-transport-ws")
_ACKNOWLEDGE_SECONDS = 10.0
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_TOO_LONG = 1009
_LOST = 1006

# Of 44xx, what a client did wrong, only these may go well the next time: a slow start, a stuck socket.
_MENDABLE_44XX = {4408, 4499}
# Of the websocket's own, these say that one side sends what the other cannot take.
_FATAL_1XXX = {1002, 1003, 1007, 1008, 1009, 1010}
_MENDABLE_STATUSES = {408, 425, 429}


@dataclass(frozen=True, slots=True)
class Event:
    """What a subscription delivered: its whole data, and the cursor to go on from after it."""

    data: dict[str, Any]
    cursor: str | None


class LiveError(Exception):
    """A subscription that reconnecting cannot mend.

    `code` is a GraphQL error's `extensions.code`, a close code ("4403") or an HTTP status ("404");
    `errors` are the GraphQL errors, if there were any.
    """

    def __init__(self, code: str, message: str, errors: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.errors = errors


class CursorExpired(LiveError):
    """The gap is longer than the server keeps events: read the current state, then follow from now."""


class BadUserInput(LiveError):
    """The document, a variable or the cursor is not valid."""


class Unauthenticated(LiveError):
    """This needs a token."""


class Forbidden(LiveError):
    """The token is not valid, has expired or was revoked, or lacks the permission."""


class TooMany(LiveError):
    """The server has too many connections of this app or address."""


class ProtocolBroken(LiveError):
    """The server, or something before it, does not take what we send, or a message was too long."""


_BY_CODE: Mapping[str, type[LiveError]] = {
    "CURSOR_EXPIRED": CursorExpired,
    "BAD_USER_INPUT": BadUserInput,
    "UNAUTHENTICATED": Unauthenticated,
    "FORBIDDEN": Forbidden,
}
_BY_CLOSE: Mapping[int, type[LiveError]] = {4401: Unauthenticated, 4403: Forbidden, 4429: TooMany}


class _Lost(Exception):
    """Coming back may mend this, `seconds` from now at the earliest."""

    def __init__(self, why: str, seconds: float = 0.0) -> None:
        super().__init__(why)
        self.seconds = seconds


class LiveClient:
    """Follows subscriptions of one server, each over a connection of its own.

    `token` is an app's, or a coroutine function that is asked for one before every connection (what it
    raises ends the stream). Waits
    between attempts double from `shortest_wait` to `longest_wait` seconds, a random half of each left
    out, so that many clients do not all come back in the same moment. Other options (`ssl`, `proxy`,
    `additional_headers`) go to websockets' `connect`.
    """

    def __init__(
        self,
        url: str,
        token: str | Callable[[], Awaitable[str]] | None = None,
        *,
        shortest_wait: float = 0.5,
        longest_wait: float = 30.0,
        **options: Any,
    ) -> None:
        self._url = url
        self._token = token
        self._shortest_wait = shortest_wait
        self._longest_wait = longest_wait
        self._options = {"max_size": _MAX_MESSAGE_BYTES, **options}

    def follow(
        self,
        document: str,
        variables: Mapping[str, Any] | None = None,
        *,
        after: str | None = None,
        cursor_path: str | None = None,
        after_variable: str = "after",
        resume: bool = True,
        operation_name: str | None = None,
    ) -> AsyncGenerator[Event]:
        """Return the events of a subscription, after the cursor `after` if it is given.

        Each event's cursor is read at `cursor_path` ("cartEvents.cursor"; of the only field of the
        data unless you say), and sent as `$after_variable` of the document when the connection was
        lost. A subscription without cursors (inventoryChanged, stockChanged) takes `resume=False`: after a
        loss it starts anew. Raises ValueError for a document that cannot resume.
        """
        if resume and not re.search(rf"\${re.escape(after_variable)}\b", document):
            message = (
                f"the document takes no ${after_variable}, so it cannot resume: declare it, or resume=False"
            )
            raise ValueError(message)
        variables = dict(variables or {})
        if after is not None:
            variables[after_variable] = after
        payload: dict[str, Any] = {"query": document, "variables": variables}
        if operation_name is not None:
            payload["operationName"] = operation_name
        return self._follow(payload, cursor_path, after_variable if resume else None)

    async def _follow(
        self, payload: dict[str, Any], cursor_path: str | None, after_variable: str | None
    ) -> AsyncGenerator[Event]:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                async with aclosing(self._results(payload)) as results:
                    async for data in results:
                        failures = 0
                        cursor = None
                        if after_variable is not None:
                            # Before it is handed over: whoever stops there has the event.
                            cursor = payload["variables"][after_variable] = _cursor_of(data, cursor_path)
                        yield Event(data, cursor)
            except _Lost as lost:
                # A quiet stream that held for long did not fail, though it brought no event.
                held = time.monotonic() - began > self._longest_wait
                failures = 1 if held else failures + 1
                seconds = max(lost.seconds, self._wait_seconds(failures))
                log.info("connection lost (%s), back in %.1f s", lost, seconds)
            else:
                return
            await asyncio.sleep(seconds)

    def _wait_seconds(self, failures: int) -> float:
        longest = min(self._longest_wait, self._shortest_wait * 2.0 ** min(failures - 1, 16))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads clients, guards nothing

    async def _results(self, payload: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """Subscribe once and yield the data of each result, until the server completes."""
        async with self._connected() as socket:
            await _send(socket, type="subscribe", id="1", payload=payload)
            while True:
                message = await _receive(socket)
                match message.get("type"):
                    case "next":
                        result = message["payload"]
                        # An event with errors was not read whole: it is asked for again, or given up.
                        if result.get("errors"):
                            raise _failure(result["errors"])
                        yield result["data"]
                    case "error":
                        raise _failure(message["payload"])
                    case "complete":
                        return

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[ClientConnection]:
        """Connect and be acknowledged; what goes wrong, until the end of the block, is _Lost or fatal."""
        token = await self._token() if callable(self._token) else self._token
        try:
            async with connect(self._url, subprotocols=[SUBPROTOCOL], **self._options) as socket:
                credentials = {"authorization": f"Bearer {token}"} if token else {}
                await _send(socket, type="connection_init", payload=credentials)
                async with asyncio.timeout(_ACKNOWLEDGE_SECONDS):
                    while (await _receive(socket)).get("type") != "connection_ack":
                        pass
                yield socket
        except ConnectionClosed as closed:
            raise _closed(closed) from None
        except InvalidStatus as refused:
            raise _refused(refused.response.status_code) from None
        except ssl.SSLCertVerificationError:
            raise
        except (OSError, TimeoutError, InvalidHandshake, EOFError) as error:
            raise _Lost(str(error) or type(error).__name__) from None
        except WebSocketException as error:
            raise ProtocolBroken("websocket", str(error)) from error


async def _send(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


async def _receive(socket: ClientConnection) -> dict[str, Any]:
    """Return the next message; the server's pings are answered on the way."""
    while True:
        message = json.loads(await socket.recv())
        if not isinstance(message, dict):
            raise ProtocolBroken("message", "the server sent what is no message of the protocol")
        if message.get("type") != "ping":
            return message
        pong = {"payload": message["payload"]} if "payload" in message else {}
        await _send(socket, type="pong", **pong)


def _closed(closed: ConnectionClosed) -> Exception:
    """Return what a closed connection means for whoever follows."""
    frame = closed.rcvd or closed.sent
    code, reason = (frame.code, frame.reason) if frame else (_LOST, "the connection broke")
    if code in _FATAL_1XXX or (4400 <= code < 4500 and code not in _MENDABLE_44XX):
        return _BY_CLOSE.get(code, ProtocolBroken)(str(code), reason or "closed")
    return _Lost(f"{code} {reason}".strip())


def _refused(status: int) -> Exception:
    """Return what an HTTP answer in place of a websocket means."""
    if 400 <= status < 500 and status not in _MENDABLE_STATUSES:
        return ProtocolBroken(str(status), "the address does not open a websocket")
    return _Lost(f"HTTP {status}")


def _failure(errors: Sequence[Mapping[str, Any]]) -> Exception:
    """Return what GraphQL errors mean: all of them have to be mendable to try again."""
    seconds = 0.0
    for error in errors:
        extensions = error.get("extensions") or {}
        code = str(extensions.get("code", "ERROR"))
        if code == "RATE_LIMITED":
            seconds = max(seconds, float(extensions.get("retryAfterSeconds", 1)))
        elif not extensions.get("retryable"):
            return _BY_CODE.get(code, LiveError)(code, str(error.get("message", "")), errors)
    return _Lost(str(errors[0].get("message", "")), seconds)


def _cursor_of(data: Mapping[str, Any], path: str | None) -> str:
    """Return the cursor at `path` ("a.b"), by default `cursor` of the only field."""
    steps = path.split(".") if path else [*data, "cursor"]
    found: Any = data
    for step in steps:
        found = found.get(step) if isinstance(found, Mapping) else None
    if not isinstance(found, str):
        message = f"there is no cursor at {'.'.join(steps)}: select it, or give cursor_path"
        raise ValueError(message)  # noqa: TRY004 - the document is wrong, not the type of an argument
    return found
