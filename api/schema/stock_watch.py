"""GraphQL types of watching stock."""

from datetime import datetime
from uuid import UUID

import strawberry

from api.context import Info
from api.schema.locations import Location
from realtime.events import FeedEvent


@strawberry.type(description="Little is left of a SKU at a location. kind is StockLow.")
class StockAlert:
    """An alert about stock."""

    cursor: str
    kind: str
    occurred_at: datetime
    sku: str
    available: int = strawberry.field(description="Units available then, the threshold or fewer.")
    previous_available: int = strawberry.field(description="Units available just before, more than that.")
    threshold: int
    location_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, event: FeedEvent, threshold: int) -> "StockAlert":
        """Return the alert that a StockChanged event has set off."""
        facts = event.payload
        return cls(
            cursor=event.cursor,
            kind="StockLow",
            occurred_at=event.occurred_at,
            sku=facts["sku"],
            available=facts["available"],
            previous_available=facts["availableBefore"],
            threshold=threshold,
            location_id=UUID(facts["locationId"]),
        )

    @strawberry.field(description="Where.")  # type: ignore[untyped-decorator]
    async def location(self, info: Info) -> Location:
        """Return the location."""
        location = await info.context.loaders.locations().load(self.location_id)
        assert location is not None, "a foreign key holds every level to its location"  # noqa: S101
        return Location.of(location)
