"""Subscriptions of availability."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

import strawberry

from api.context import Info
from api.resolvers.root_fields import PUBLIC, subscription
from api.schema.availability import Availability
from api.sharing import Scope
from domain.availability import Availability as DomainAvailability
from realtime.availability import follow
from services import availability


@strawberry.type
class AvailabilitySubscription:
    """Subscriptions of availability."""

    @subscription(PUBLIC, Scope.PUBLIC, conflate_by=lambda value: value.sku)
    async def inventory_changed(
        self, info: Info, channel: str, skus: list[str]
    ) -> AsyncGenerator[Availability]:
        """Latest availability of up to 200 SKUs; a slow reader gets the newest value, not every value.

        The current value comes first.
        """
        service, live = info.context.service, info.context.live
        sold_in, known = await availability.followable(service, channel, skus)

        async def read_all(changed: Sequence[str]) -> dict[str, DomainAvailability]:
            return {value.sku: value for value in await availability.of_skus(service, sold_in, changed)}

        async def read(changed: Sequence[str]) -> list[DomainAvailability]:
            found = await live.batches.load(("availability", sold_in.id), changed, read_all)
            # What is sold no more has nothing left.
            return [
                found.get(sku) or replace(known[sku], available=0, as_of=service.now()) for sku in changed
            ]

        async with aclosing(follow(live.feed, sold_in.id, list(known), read)) as values:
            async for value in values:
                yield Availability.of(value)
