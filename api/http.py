"""GraphQL over HTTP: a thin route of our own, after the GraphQL-over-HTTP specification.

Every answer is JSON with `data` or `errors`, whatever came in; no body, header or query string may
make it fail with 500.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

import orjson
import structlog
from starlette.types import Receive, Scope, Send

from api import http_request
from api.auth import TooManyAttempts
from api.context import RequestContext
from api.execution import Answer, Engine, Operation
from api.faults import RequestRefused, fault, internal
from api.http_request import BadRequest, MediaType
from api.metrics import observe_request
from api.rate_limit import RateLimiter
from domain.kernel.errors import AccessDenied
from realtime.operations import CredentialsRefused, OperationRequest, Unavailable
from realtime.transport_sse import EventStreams
from services.access import Actor
from services.context import Environment, ServiceContext

log = structlog.get_logger(__name__)


class Authenticate(Protocol):
    """Whoever turns a bearer header into an actor."""

    async def actor(self, authorization: str | None, address: str | None = None) -> Actor:
        """Return who asks, from which address; raises AccessDenied, TooManyAttempts."""
        ...


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Settings of the route.

    `max_body_bytes` bounds what is read before anything is parsed, `timeout_seconds` how long a request
    may take: past it the client is told to try again, whatever the database is waiting for.
    """

    max_body_bytes: int = 4 * 1024 * 1024
    timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back."""

    status: int
    answer: Answer
    headers: tuple[tuple[bytes, bytes], ...] = ()
    label: str = "none"


class GraphQLHttp:
    """The ASGI application behind POST /graphql, and GET with a query."""

    def __init__(
        self,
        engine: Engine,
        environment: Environment,
        authenticator: Authenticate,
        limiter: RateLimiter,
        options: HttpOptions | None = None,
        *,
        streams: EventStreams | None = None,
    ) -> None:
        """Take what every request needs, and what answers those who want an event stream."""
        self._streams = streams
        self._engine = engine
        self._environment = environment
        self._authenticator = authenticator
        self._limiter = limiter
        self._options = options or HttpOptions()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = perf_counter()
        headers = http_request.headers_of(scope)
        media = http_request.accepted(headers.get(b"accept"))
        if media is None and self._streams is not None and http_request.wants_events(headers):
            await self._stream(self._streams, scope, receive, send, headers)
            return
        request: OperationRequest | None = None
        limit = asyncio.timeout(self._options.timeout_seconds)
        try:
            async with limit:
                request = await self._read(scope, receive, headers, media)
                reply = await self._reply(scope, headers, request, media or MediaType.JSON)
        except BadRequest as error:
            reply = Reply(error.status, {"errors": [fault(error.code, error.message)]}, error.headers)
        except ClientGone:
            return
        except Exception as error:
            if isinstance(error, TimeoutError) and limit.expired():
                reply = self._late(scope, is_read=request is not None)
            else:
                log.exception("request_failed", request_id=request_id_of(scope))
                reply = Reply(500, {"errors": [internal(error, request_id_of(scope))]})
        reply, body = _encoded(reply, request_id_of(scope))
        observe_request(reply.label, reply.answer, perf_counter() - started)
        await _send(send, reply, body, media or MediaType.JSON)

    async def _read(
        self, scope: Scope, receive: Receive, headers: Mapping[bytes, bytes], media: MediaType | None
    ) -> OperationRequest:
        if media is None:
            raise BadRequest(406, "accept application/json or application/graphql-response+json")
        return await self._request(scope, receive, headers)

    async def _reply(
        self, scope: Scope, headers: Mapping[bytes, bytes], request: OperationRequest, media: MediaType
    ) -> Reply:
        try:
            return await self._run(scope, headers, request, media, is_get=scope["method"] == "GET")
        except RequestRefused as error:
            return _refused(error, media)

    async def _request(
        self, scope: Scope, receive: Receive, headers: Mapping[bytes, bytes]
    ) -> OperationRequest:
        if scope["method"] == "GET":
            return http_request.from_query_string(scope["query_string"])
        if scope["method"] != "POST":
            raise BadRequest(405, "use POST", headers=((b"allow", b"GET, POST"),))
        http_request.check_content_type(headers.get(b"content-type"))
        return http_request.from_body(await self._body(headers, receive))

    async def _stream(
        self,
        streams: EventStreams,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: Mapping[bytes, bytes],
    ) -> None:
        """Answer as server-sent events; what no operation can be made of is answered as JSON."""
        try:
            async with asyncio.timeout(self._options.timeout_seconds):
                request = await self._request(scope, receive, headers)
                if scope["method"] == "GET":
                    self._check_event_source(request, request_id_of(scope))
            credentials = http_request.text_of(headers, b"authorization")
            last_event_id = http_request.text_of(headers, b"last-event-id")
            if await streams.serve(request, credentials, last_event_id, (scope, receive, send)):
                return
            error = fault("RATE_LIMITED", "too many live connections")
            reply = Reply(429, {"errors": [error]})
        except BadRequest as error:
            reply = Reply(error.status, {"errors": [fault(error.code, error.message)]}, error.headers)
        except CredentialsRefused as refused:
            reply = Reply(401, {"errors": [fault("UNAUTHENTICATED", str(refused))]})
        except Unavailable as reason:
            reply = Reply(503, {"errors": [fault("INTERNAL", str(reason), retryable=True)]})
        except TimeoutError:
            reply = self._late(scope, is_read=False)
        except ClientGone:
            return
        except Exception as error:
            log.exception("request_failed", request_id=request_id_of(scope))
            reply = Reply(500, {"errors": [internal(error, request_id_of(scope))]})
        reply, body = _encoded(reply, request_id_of(scope))
        await _send(send, reply, body, MediaType.JSON)

    def _check_event_source(self, request: OperationRequest, request_id: str) -> None:
        """Refuse by GET what a query string may not hold; the rest is said in the stream."""
        with suppress(RequestRefused):
            _check_get(self._engine.prepare(request, request_id))

    def _late(self, scope: Scope, *, is_read: bool) -> Reply:
        """Answer a request whose time is up: no defect of ours, and worth trying again."""
        seconds = f"{self._options.timeout_seconds:g} s"
        request_id = request_id_of(scope)
        log.warning("request_timed_out", request_id=request_id, is_read=is_read)
        if not is_read:
            error = fault("BAD_USER_INPUT", f"the request was not whole within {seconds}")
            return Reply(408, {"errors": [error]}, ((b"connection", b"close"),))
        error = fault(
            "INTERNAL", f"no answer within {seconds}, try again", requestId=request_id, retryable=True
        )
        return Reply(503, {"errors": [error]}, ((b"retry-after", b"1"),))

    async def _run(
        self,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        request: OperationRequest,
        media: MediaType,
        *,
        is_get: bool,
    ) -> Reply:
        request_id = request_id_of(scope)
        address = address_of(scope)
        try:
            actor = await self._actor(headers, address)
        except TooManyAttempts as error:
            return _too_many(error.wait_seconds)
        wait_seconds = self._limiter.wait_seconds(actor.label if actor.id else address)
        if wait_seconds > 0:
            return _too_many(wait_seconds)
        operation = self._engine.prepare(request, request_id)
        if is_get:
            _check_get(operation)
        if operation.kind == "subscription":
            raise RequestRefused(
                [
                    fault(
                        "BAD_USER_INPUT",
                        "subscriptions are served on the websocket at this address, or as text/event-stream",
                    )
                ]
            )
        context = RequestContext.of(ServiceContext(self._environment, actor, request_id, address_of(scope)))
        answer = await self._engine.execute(operation, context)
        status = 200 if "data" in answer or media is MediaType.JSON else 400
        return Reply(status, answer, label=operation.kind)

    async def _actor(self, headers: Mapping[bytes, bytes], address: str) -> Actor:
        authorization = headers.get(b"authorization")
        if authorization is None:
            return await self._authenticator.actor(None)
        try:
            return await self._authenticator.actor(authorization.decode("latin-1"), address)
        except TooManyAttempts:
            raise
        except AccessDenied as error:
            raise RequestRefused([fault(error.code, error.message)]) from None

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        longest = self._options.max_body_bytes
        too_long = BadRequest(413, f"the body is longer than {longest} bytes")
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared[:20]) > longest:
            raise too_long
        message = await receive()
        if not message.get("more_body") and message["type"] == "http.request":
            body: bytes = message["body"]
            if len(body) > longest:
                raise too_long
            return body
        parts = []
        length = 0
        while message["type"] == "http.request":
            parts.append(message["body"])
            length += len(message["body"])
            if length > longest:
                raise too_long
            if not message.get("more_body"):
                return b"".join(parts)
            message = await receive()
        raise ClientGone


class ClientGone(Exception):
    """The client closed the connection before its request was whole."""


def request_id_of(scope: Scope) -> str:
    """Return the id that api/asgi.py gave the request."""
    return str(scope.get("ordertide.request_id", ""))


def address_of(scope: Scope) -> str:
    """Return the address of whoever sent the request (the server resolves trusted proxies)."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _check_get(operation: Operation) -> None:
    if operation.kind == "mutation":
        raise BadRequest(405, "a mutation must be sent by POST", headers=((b"allow", b"POST"),))
    if operation.names_secrets:
        raise BadRequest(
            405,
            "tokens are secrets and addresses are logged: send this query by POST",
            headers=((b"allow", b"POST"),),
        )


_STATUS = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403, "RATE_LIMITED": 429, "INTERNAL": 500}


def _refused(error: RequestRefused, media: MediaType) -> Reply:
    """Answer without data: application/json means 200 (as old clients expect), else 4xx or 5xx."""
    code = error.errors[0]["extensions"]["code"]
    status = 200 if media is MediaType.JSON else _STATUS.get(code, 400)
    return Reply(status, {"errors": error.errors})


def _too_many(wait_seconds: float) -> Reply:
    seconds = max(1, round(wait_seconds))
    error = fault("RATE_LIMITED", f"too many requests, try again in {seconds} s", retryAfterSeconds=seconds)
    return Reply(429, {"errors": [error]}, ((b"retry-after", str(seconds).encode()),))


async def _send(send: Send, reply: Reply, body: bytes, media: MediaType) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [
                (b"content-type", media.content_type),
                (b"content-length", str(len(body)).encode()),
                (b"cache-control", b"no-store"),
                *reply.headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


def _encoded(reply: Reply, request_id: str) -> tuple[Reply, bytes]:
    """Return the body, and the reply that it is of: another one where an answer cannot be written."""
    try:
        return reply, orjson.dumps(reply.answer)
    except TypeError as error:
        # A lone surrogate, or an integer past 64 bits: nothing that any field of ours may answer.
        log.exception("answer_not_encodable", request_id=request_id)
        failed = Reply(500, {"errors": [internal(error, request_id)]}, label=reply.label)
        return failed, orjson.dumps(failed.answer)
