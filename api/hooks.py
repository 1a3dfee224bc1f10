"""POST /hooks/{provider} and /hooks/carriers/{provider}: what payment providers and carriers tell.

It is stored before anything else is done.

A provider reads nothing but the status: 200 is stored (or stored before), anything else makes it try again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import orjson
import structlog
from prometheus_client import Counter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from api.rate_limit import RateLimiter
from domain.kernel.errors import NotFound
from domain.ports import CallbackRefused
from persistence.outages import is_outage
from services import payment_callbacks, tracking
from services.access import SYSTEM
from services.context import Environment, ServiceContext

MAX_BODY_BYTES = 256 * 1024
"""The longest body that is read; providers send a few kilobytes."""
_SECONDS = 10.0

CALLBACKS = Counter(
    "ordertide_payment_callbacks_total",
    "Callbacks of payment providers and carriers by what they were answered, new or known.",
    ["provider", "outcome"],
)

_Receive = Callable[[ServiceContext, str, Mapping[str, str], bytes], Awaitable[tuple[int, int]]]
"""Stores a callback: returns how many events it tells, and how many of them are new."""

log = structlog.get_logger(__name__)


class _TooLong(Exception):
    """The body is longer than MAX_BODY_BYTES."""


class Hooks:
    """The endpoint of callbacks. Whoever signs well is never turned away for asking often."""

    def __init__(self, environment: Environment, limiter: RateLimiter) -> None:
        """Take what use cases need; `limiter` bounds the bad signatures of an address."""
        self._environment = environment
        self._limiter = limiter

    def routes(self) -> list[Route]:
        """Return the routes to add."""
        return [
            Route("/hooks/{provider}", self.receive, methods=["POST"]),
            Route("/hooks/carriers/{provider}", self.receive_tracking, methods=["POST"]),
        ]

    async def receive(self, request: Request) -> Response:
        """Store one callback: 200, or 400, 401, 404, 408, 413, 429 and 503 with the reason in one line."""
        provider = request.path_params["provider"]
        label = provider if provider in self._environment.payment_providers else "unknown"
        return await self._answer(request, provider, label, payment_callbacks.receive)

    async def receive_tracking(self, request: Request) -> Response:
        """Store what a carrier tells of parcels, like `receive`."""
        provider = request.path_params["provider"]
        label = provider if provider in self._environment.carriers else "unknown"
        return await self._answer(request, provider, f"carriers/{label}", tracking.receive)

    async def _answer(self, request: Request, provider: str, label: str, receive: _Receive) -> Response:
        status, outcome, message = await self._outcome(request, provider, receive)
        CALLBACKS.labels(label, outcome).inc()
        headers = {"retry-after": "1"} if status in {429, 503} else {}
        return Response(orjson.dumps({"status": message}), status, headers, media_type="application/json")

    async def _outcome(self, request: Request, provider: str, receive: _Receive) -> tuple[int, str, str]:
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._received(request, provider, receive)
        except NotFound as error:
            return 404, "unknown", error.message
        except _TooLong:
            return 413, "too_long", f"the body is longer than {MAX_BODY_BYTES} bytes"
        except ClientDisconnect:
            return 400, "gone", "the request was not whole"
        except TimeoutError:
            return 503, "late", "no answer in time, send it again"
        except Exception as error:
            # Whatever it is, the provider sends it again; what it was is for the log alone.
            if not is_outage(error):
                log.exception("callback_not_stored", provider=provider)
            return 503, "failed", "not stored, send it again"

    async def _received(self, request: Request, provider: str, receive: _Receive) -> tuple[int, str, str]:
        body = await _body(request)
        context = ServiceContext(
            self._environment, SYSTEM, str(request.scope.get("ordertide.request_id", ""))
        )
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            told, stored = await receive(context, provider, headers, body)
        except CallbackRefused:
            return self._refused(request, provider)
        except ValueError as error:
            log.warning("callback_unreadable", provider=provider, reason=str(error))
            return 400, "unreadable", "signed, but not a callback that can be read"
        return 200, "stored" if stored else ("known" if told else "of_no_interest"), "ok"

    def _refused(self, request: Request, provider: str) -> tuple[int, str, str]:
        """Answer a bad signature; an address that sends many is not told more, and does not fill the log."""
        address = request.client.host if request.client else "unknown"
        if self._limiter.wait_seconds(f"callbacks from {address}") > 0:
            return 429, "too_many", "too many bad signatures, try again later"
        log.warning("callback_refused", provider=provider)
        return 401, "refused", "the signature or its time does not hold"


async def _body(request: Request) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared[:20]) > MAX_BODY_BYTES:
        raise _TooLong
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > MAX_BODY_BYTES:
            raise _TooLong
    return bytes(parts)
