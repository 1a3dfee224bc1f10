"""GraphQL type of availability."""

from datetime import datetime

import strawberry

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
