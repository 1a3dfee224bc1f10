"""Subscriptions of availability."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import strawberry

from api.context import Info
from api.resolvers.root_fields import PUBLIC, subscription
from api.schema.availability import Availability
from domain.availability import Availability as DomainAvailability
from realtime.availability import follow
from services import availability


@strawberry.type
class AvailabilitySubscription:
    """Subscriptions of availability."""

    @subscription(PUBLIC)
    async def inventory_changed(
        self, info: Info, channel: str, skus: list[str]
    ) -> AsyncGenerator[Availability]:
        """Latest availability of up to 200 SKUs; a slow reader gets the newest value, not every value.

        The current value comes first.
        """
        service = info.context.service
        sold_in, distinct = await availability.followable(service, channel, skus)

        async def read(changed: Sequence[str]) -> list[DomainAvailability]:
            return await availability.of_skus(service, sold_in, changed)

        async with aclosing(follow(info.context.live, distinct, read)) as values:
            async for value in values:
                yield Availability.of(value)
