"""GraphQL types of shipments."""

from datetime import datetime
from uuid import UUID

import strawberry

from api.context import Info
from api.scalars import encode_id
from api.schema.values import Node
from domain import shipments as domain
from persistence.order_parts import OrderParts
from realtime.events import FeedEvent

ShipmentStatus = strawberry.enum(domain.ShipmentStatus, description="Where a parcel is.")


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
