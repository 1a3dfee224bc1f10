"""What resolvers find in `info.context`: the service context and this request's loaders."""

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import strawberry

from api.loaders import Loaders
from realtime.feed import Feed
from realtime.readers import Subscription
from services.access import Actor
from services.context import ServiceContext


@dataclass(slots=True)
class RequestContext:
    """One request. Subscriptions get a fresh one for every event, so loaders never go stale."""

    service: ServiceContext
    loaders: Loaders
    feed: Feed | None = None
    """What subscriptions follow; None where there are none (plain HTTP)."""

    @classmethod
    def of(cls, service: ServiceContext, feed: Feed | None = None) -> "RequestContext":
        """Return a context with loaders of its own."""
        return cls(service, Loaders(service), feed)

    def events(self, after: str | None, *, aggregate: str, aggregate_id: UUID | None = None) -> Subscription:
        """Return the events of a stream after a cursor, or from now on; see Feed.subscribe."""
        return self.live.subscribe(after, aggregate=aggregate, aggregate_id=aggregate_id)

    @property
    def live(self) -> Feed:
        """The feed; a subscription over a transport that has none is a defect of the wiring."""
        if self.feed is None:
            raise RuntimeError("this context was made without a feed")
        return self.feed

    def renewed(self) -> "RequestContext":
        """Return the same request's context with nothing loaded yet."""
        return RequestContext.of(self.service, self.feed)

    @property
    def actor(self) -> Actor:
        """Who asks."""
        return self.service.actor


Info: TypeAlias = strawberry.Info[RequestContext, None]
