"""What resolvers find in `info.context`: the service context and this request's loaders."""

from dataclasses import dataclass
from typing import TypeAlias

import strawberry

from api.loaders import Loaders
from services.access import Actor
from services.context import ServiceContext


@dataclass(slots=True)
class RequestContext:
    """One request. Subscriptions get a fresh one for every event, so loaders never go stale."""

    service: ServiceContext
    loaders: Loaders

    @classmethod
    def of(cls, service: ServiceContext) -> "RequestContext":
        """Return a context with loaders of its own."""
        return cls(service, Loaders(service))

    def renewed(self) -> "RequestContext":
        """Return the same request's context with nothing loaded yet."""
        return RequestContext.of(self.service)

    @property
    def actor(self) -> Actor:
        """Who asks."""
        return self.service.actor


Info: TypeAlias = strawberry.Info[RequestContext, None]
