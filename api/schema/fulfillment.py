"""GraphQL types of fulfillment orders and shipments."""

from datetime import datetime
from uuid import UUID

import strawberry

from api.context import Info
from api.scalars import encode_id
from api.schema.locations import Location
from api.schema.order_holds import FulfillmentOrderHold
from api.schema.values import Node
from domain import fulfillment as domain
from persistence.order_parts import OrderParts
from realtime.events import FeedEvent
from services.access import Permission

FulfillmentOrderStatus = strawberry.enum(
    domain.FulfillmentOrderStatus, description="How far one location has come with its part of an order."
)
ShipmentStatus = strawberry.enum(domain.ShipmentStatus, description="Where a parcel is.")


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


@strawberry.type
class ShipmentLine:
    """Units of one SKU in a parcel."""

    sku: str
    quantity: int


@strawberry.type
class Shipment(Node):
    """One parcel on its way."""

    status: ShipmentStatus  # type: ignore[valid-type]
    carrier: str
    service: str | None
    tracking_number: str | None
    tracking_url: str | None
    lines: list[ShipmentLine]
    shipped_at: datetime | None
    delivered_at: datetime | None

    @classmethod
    def of(cls, shipment: domain.Shipment) -> "Shipment":
        """Return the GraphQL form of a shipment."""
        return cls(
            id=encode_id("Shipment", shipment.id),
            status=shipment.status,
            carrier=shipment.carrier,
            service=shipment.service,
            tracking_number=shipment.tracking_number,
            tracking_url=shipment.tracking_url,
            lines=[ShipmentLine(sku=line.sku, quantity=line.quantity) for line in shipment.lines],
            shipped_at=shipment.shipped_at,
            delivered_at=shipment.delivered_at,
        )


@strawberry.type(
    description="Something that happened to a parcel. shipment is as it is when the event is delivered; "
    "version is the one that the event made of its order."
)
class ShipmentEvent:
    """An event of an order's stream that tells of a parcel."""

    cursor: str
    kind: str
    occurred_at: datetime
    version: int
    order_id: strawberry.Private[UUID]
    shipment_id: strawberry.Private[UUID | None]

    @classmethod
    def of(cls, event: FeedEvent) -> "ShipmentEvent":
        """Return the GraphQL form of an event that names a parcel."""
        return cls(
            cursor=event.cursor,
            kind=event.kind,
            occurred_at=event.occurred_at,
            version=event.version,
            order_id=event.aggregate_id,
            shipment_id=domain.shipment_told(event.payload),
        )

    @strawberry.field(description="The parcel as it is now.")  # type: ignore[untyped-decorator]
    async def shipment(self, info: Info) -> Shipment:
        """Return the parcel."""
        parts = await info.context.loaders.order_parts().load(self.order_id) or OrderParts()
        shipment = next((one for one in parts.shipments if one.id == self.shipment_id), None)
        assert shipment is not None, "an event of an order names a parcel of that order"  # noqa: S101
        return Shipment.of(shipment)
