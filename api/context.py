"""What resolvers find in `info.context`: the service context and this request's loaders."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import strawberry

from api.loaders import Loaders
from realtime.batches import Batches
from realtime.events import FeedEvent
from realtime.feed import Feed
from realtime.operations import Start
from realtime.readers import Subscription
from services.access import Actor
from services.context import ServiceContext


@dataclass(frozen=True, slots=True)
class Following:
    """The feed, the reads that its followers share, and where this run of a subscription begins."""

    feed: Feed
    batches: Batches
    start: Start


@dataclass(slots=True)
class RequestContext:
    """One request. Subscriptions get a fresh one for every event, so loaders never go stale."""

    service: ServiceContext
    loaders: Loaders
    following: Following | None = None
    """What subscriptions follow; None for queries and mutations."""

    @classmethod
    def of(cls, service: ServiceContext, following: Following | None = None) -> "RequestContext":
        """Return a context with loaders of its own."""
        return cls(service, Loaders(service), following)

    def events(
        self,
        after: str | None,
        *,
        aggregate: str,
        aggregate_id: UUID | None = None,
        only: Callable[[FeedEvent], bool] | None = None,
    ) -> Subscription:
        """Return the events of a stream after a cursor, or from now on; see Feed.subscribe.

        `only` says which of them are wanted. Where others share the run, it begins where the hub says
        instead.
        """
        start = self.live.start
        return self.live.feed.subscribe(
            after if start.after is None else start.after,
            aggregate=aggregate,
            aggregate_id=aggregate_id,
            only=only,
            caught_up=start.caught_up,
            turn=start.turn,
        )

    @property
    def live(self) -> Following:
        """What is followed; a subscription in a context that has nothing is a defect of the wiring."""
        if self.following is None:
            raise RuntimeError("this context was not made for a subscription")
        return self.following

    def renewed(self) -> "RequestContext":
        """Return the same request's context with nothing loaded yet."""
        return RequestContext.of(self.service, self.following)

    @property
    def actor(self) -> Actor:
        """Who asks."""
        return self.service.actor


Info: TypeAlias = strawberry.Info[RequestContext, None]
