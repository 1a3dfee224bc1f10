"""The routes: everything one port answers."""

import re
from collections.abc import Collection, Sequence

import structlog
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.files import Files
from api.health import Health
from api.hooks import Hooks
from api.ide import Ide
from domain.kernel.ids import new_id

_PREFLIGHT_SECONDS = 86_400
_SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")


def build_app(
    graphql: ASGIApp,
    websocket: ASGIApp | None,
    ide: Ide,
    health: Health,
    *,
    hooks: Hooks | None = None,
    files: Files | None = None,
    origins: Collection[str] = (),
) -> ASGIApp:
    """Return the ASGI application; `websocket` is the transport of subscriptions, on the same path.

    Browsers let pages of `origins` ask, of any origin when there are none: credentials are in a header
    that pages set themselves, never in a cookie that a browser adds.
    """
    routes: list[BaseRoute] = [
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Route("/metrics", health.metrics),
        *ide.routes(),
    ]
    if hooks is not None:
        routes += hooks.routes()
    if files is not None:
        routes += files.routes()
    if websocket is not None:
        routes.append(WebSocketRoute("/graphql", websocket))
    front = _Front(graphql, ide, ExceptionMiddleware(Router(routes)))
    for_pages = CORSMiddleware(
        front,
        allow_origins=sorted(origins) or ["*"],
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "Last-Event-ID", "X-Request-Id"],
        expose_headers=["X-Request-Id", "Retry-After"],
        max_age=_PREFLIGHT_SECONDS,
    )
    return _Origins(front, for_pages)


class _Origins:
    """Sends requests that a page of another origin makes through the rules for those, no other."""

    def __init__(self, front: ASGIApp, for_pages: ASGIApp) -> None:
        self._front = front
        self._for_pages = for_pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and any(name == b"origin" for name, _ in scope["headers"]):
            await self._for_pages(scope, receive, send)
        else:
            await self._front(scope, receive, send)


class _Front:
    """Gives every request its id and sends GraphQL, the hot path, straight to its route."""

    def __init__(self, graphql: ASGIApp, ide: Ide, others: ASGIApp) -> None:
        self._graphql = graphql
        self._ide = ide
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                _name(scope)
            await self._others(scope, receive, send)
            return
        request_id = _name(scope)
        header = (b"x-request-id", request_id.encode())

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], header]
            await send(message)

        app = self._others
        if scope["path"] == "/graphql":
            app = self._ide if self._ide.wants(scope) else self._graphql
        await app(scope, receive, send_named)


def _name(scope: Scope) -> str:
    """Take the client's X-Request-Id if it is sane, else make one; logs carry it from here on."""
    request_id = _given(scope["headers"]) or new_id().hex
    scope["ordertide.request_id"] = request_id
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id


def _given(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name == b"x-request-id":
            return value.decode() if _SANE_REQUEST_ID.fullmatch(value) else None
    return None
