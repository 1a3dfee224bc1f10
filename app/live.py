"""The wiring of what is live: one hub and one registry, whatever the transport."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from api.auth import Authenticator
from api.execution import Engine
from api.live import LiveGraphQL
from api.rate_limit import RateLimiter
from app.config import Settings
from realtime.events import FeedEvent, Filter
from realtime.feed import Feed
from realtime.hub import Hub
from realtime.readers import Watcher
from realtime.registry import ConnectionLimits, Registry
from realtime.supervise import supervise
from realtime.transport_sse import EventStreams
from realtime.transport_ws import WebSocketTransport
from services import apps, customers
from services.context import Environment


@dataclass(frozen=True, slots=True)
class LiveTransports:
    """What answers live."""

    websocket: WebSocketTransport
    streams: EventStreams


@asynccontextmanager
async def live_transports(
    settings: Settings,
    engine: Engine,
    environment: Environment,
    authenticator: Authenticator,
    limiter: RateLimiter,
    feed: Feed,
) -> AsyncIterator[LiveTransports]:
    """Wire the live transports over a feed that runs, and look after their connections meanwhile."""
    graphql = LiveGraphQL(
        engine,
        environment,
        authenticator,
        limiter,
        feed,
        time_limit_seconds=settings.request_timeout_seconds,
    )
    limits = ConnectionLimits(
        connections_per_viewer=settings.connections_per_viewer,
        connections_per_address=settings.connections_per_address,
    )
    handed = graphql.handed()
    registry = Registry(handed, limits)
    hub = Hub(feed.reach)
    feed.watch(revocations(authenticator, registry))
    feed.watch(sign_outs(authenticator, registry))
    watching = asyncio.create_task(supervise("connections", registry.watch), name="connections")
    try:
        yield LiveTransports(
            WebSocketTransport(handed, hub, registry, origins=settings.allowed_origins),
            EventStreams(handed, hub, registry),
        )
    finally:
        await graphql.finish()
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


def revocations(authenticator: Authenticator, registry: Registry) -> Watcher:
    """Return what ends the connections of an app that is revoked, before they get any later event.

    Where a revocation may have been missed, every credential is looked at again at once.
    """

    def told(event: FeedEvent) -> None:
        if event.kind == apps.REVOKED:
            authenticator.forget(event.aggregate_id)
            registry.revoke(apps.label_of(event.aggregate_id))

    def missed() -> None:
        authenticator.forget_everything()
        registry.recheck_soon()

    return Watcher(Filter("app"), told, missed)


def sign_outs(authenticator: Authenticator, registry: Registry) -> Watcher:
    """Return what ends the connections of a customer's session that has ended, before any later event.

    Where one may have been missed, `revocations` has every credential looked at again.
    """

    def told(event: FeedEvent) -> None:
        if event.kind == customers.SIGNED_OUT:
            authenticator.forget_session(event.aggregate_id)
            registry.revoke(str(event.aggregate_id))

    return Watcher(Filter(customers.SESSION), told, lambda: None)
