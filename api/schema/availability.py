"""GraphQL type of availability."""

from datetime import datetime

import strawberry

from api.context import Info
from domain.availability import Availability as DomainAvailability


@strawberry.type(
    description="What a shopper may know: never the split over locations. Cache key: channel and sku."
)
class Availability:
    """Units on sale in a channel."""

    sku: str
    channel: str
    available: int
    as_of: datetime

    @classmethod
    def of(cls, availability: DomainAvailability) -> "Availability":
        """Return the GraphQL form of an availability."""
        return cls(
            sku=availability.sku,
            channel=availability.channel,
            available=availability.available,
            as_of=availability.as_of,
        )

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="Whether it is sold beyond its stock: then an order waits for what is not there."
    )
    async def backorderable(self, info: Info) -> bool:
        """Return whether more may be ordered than is available."""
        policy = await info.context.loaders.backorder_policies().load(self.sku)
        return policy is not None and policy.allowed

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="Before then what is sold beyond the stock is not sent; null where it has no such day."
    )
    async def available_from(self, info: Info) -> datetime | None:
        """Return the moment, of what is sold beyond its stock."""
        policy = await info.context.loaders.backorder_policies().load(self.sku)
        return policy.available_from if policy is not None and policy.allowed else None
