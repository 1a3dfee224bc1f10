"""GraphQL types of fulfillment orders."""

import strawberry

from api.context import Info
from api.scalars import encode_id
from api.schema.locations import Location
from api.schema.order_holds import FulfillmentOrderHold
from api.schema.values import Node
from domain import fulfillment as domain
from services.access import Permission

FulfillmentOrderStatus = strawberry.enum(
    domain.FulfillmentOrderStatus, description="How far one location has come with its part of an order."
)


@strawberry.type
class FulfillmentOrderLine:
    """Units of one order line that a location sends."""

    id: strawberry.ID
    sku: str
    quantity: int
    quantity_shipped: int


@strawberry.type(description="location is for staff; null for a shopper.")
class FulfillmentOrder(Node):
    """One location's part of an order."""

    row: strawberry.Private[domain.FulfillmentOrder]
    status: FulfillmentOrderStatus  # type: ignore[valid-type]

    @classmethod
    def of(cls, part: domain.FulfillmentOrder) -> "FulfillmentOrder":
        """Return the GraphQL form of a fulfillment order."""
        return cls(id=encode_id("FulfillmentOrder", part.id), row=part, status=part.status)

    @strawberry.field
    def lines(self) -> list[FulfillmentOrderLine]:
        """What it sends."""
        return [
            FulfillmentOrderLine(
                id=encode_id("FulfillmentOrderLine", line.id),
                sku=line.sku,
                quantity=line.quantity,
                quantity_shipped=line.quantity_shipped,
            )
            for line in self.row.lines
        ]

    @strawberry.field(description="Where it is sent from; null for a shopper.")  # type: ignore[untyped-decorator]
    async def location(self, info: Info) -> Location | None:
        """Return the location to staff."""
        if not info.context.actor.may(Permission.ORDERS_READ):
            return None
        location = await info.context.loaders.locations().load(self.row.location_id)
        return Location.of(location) if location else None

    @strawberry.field(description="What keeps it from being worked on; null for a shopper.")  # type: ignore[untyped-decorator]
    def holds(self, info: Info) -> list[FulfillmentOrderHold] | None:
        """Return the holds to staff: a suspicion is not for whom it is about."""
        if not info.context.actor.may(Permission.ORDERS_READ):
            return None
        return FulfillmentOrderHold.all_of(self.row)
