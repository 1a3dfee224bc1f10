"""GraphQL types of fulfillment orders."""

import asyncio
from datetime import datetime

import strawberry

from api.context import Info
from api.scalars import encode_id
from api.schema.locations import Location
from api.schema.order_holds import FulfillmentOrderHold
from api.schema.routing_decisions import RoutingDecision
from api.schema.suggested_boxes import SuggestedBox
from api.schema.values import Node
from domain import fulfillment as domain
from domain.suggested_boxes import check_divisor, suggest
from services.access import Permission
from services.pickups import code_of

FulfillmentOrderStatus = strawberry.enum(
    domain.FulfillmentOrderStatus, description="How far one location has come with its part of an order."
)
FulfillmentWork = strawberry.enum(
    domain.FulfillmentWork, description="How far the work inside the location has come."
)
DeliveryMethod = strawberry.enum(domain.DeliveryMethod, description="How the units get to the customer.")

_STAFF = (Permission.ORDERS_READ, Permission.FULFILLMENT_READ, Permission.FULFILLMENT_WRITE)

_PACKERS = (Permission.WAREHOUSE_WRITE, Permission.FULFILLMENT_READ, Permission.FULFILLMENT_WRITE)


@strawberry.type
class FulfillmentOrderLine:
    """Units of one order line that a location sends."""

    id: strawberry.ID
    sku: str
    quantity: int
    quantity_shipped: int
    quantity_short: int = strawberry.field(description="Units of it that wait for stock.")


@strawberry.type
class FulfillmentOrderPickup:
    """Where the customer collects, since when it waits there, and what they show."""

    location_name: str
    ready_at: datetime | None = strawberry.field(description="Null: it does not wait for its customer (yet).")
    code: str | None = strawberry.field(
        description="What the customer shows, while it waits; null for staff, who ask for it."
    )


@strawberry.type(description="location is for staff; null for a shopper.")
class FulfillmentOrder(Node):
    """One location's part of an order."""

    row: strawberry.Private[domain.FulfillmentOrder]
    status: FulfillmentOrderStatus  # type: ignore[valid-type]
    delivery_method: DeliveryMethod  # type: ignore[valid-type]
    work: FulfillmentWork  # type: ignore[valid-type]
    scheduled_for: datetime | None = strawberry.field(
        description="When a SCHEDULED one opens; null where it waits for stock."
    )

    @classmethod
    def of(cls, part: domain.FulfillmentOrder) -> "FulfillmentOrder":
        """Return the GraphQL form of a fulfillment order."""
        return cls(
            id=encode_id("FulfillmentOrder", part.id),
            row=part,
            status=part.status,
            delivery_method=part.delivery_method,
            work=part.work,
            scheduled_for=part.scheduled_for,
        )

    @strawberry.field
    def lines(self) -> list[FulfillmentOrderLine]:
        """What it sends."""
        return [
            FulfillmentOrderLine(
                id=encode_id("FulfillmentOrderLine", line.id),
                sku=line.sku,
                quantity=line.quantity,
                quantity_shipped=line.quantity_shipped,
                quantity_short=line.quantity_short,
            )
            for line in self.row.lines
        ]

    @strawberry.field(description="Where it is sent from; null for a shopper.")  # type: ignore[untyped-decorator]
    async def location(self, info: Info) -> Location | None:
        """Return the location to staff."""
        if not _is_staff(info):
            return None
        location = await info.context.loaders.locations().load(self.row.location_id)
        return Location.of(location) if location else None

    @strawberry.field(description="How it is collected; null for what is sent.")  # type: ignore[untyped-decorator]
    async def pickup(self, info: Info) -> FulfillmentOrderPickup | None:
        """Return where and since when it waits, and to the customer the code."""
        if self.row.delivery_method is not domain.DeliveryMethod.PICKUP:
            return None
        loaders = info.context.loaders
        location = await loaders.locations().load(self.row.location_id)
        waits = await loaders.pickups().load(self.row.id)
        told = waits is not None and not _is_staff(info)
        return FulfillmentOrderPickup(
            location_name=location.name if location else "",
            ready_at=waits.ready_at if waits else None,
            code=code_of(info.context.service, waits.shipment_id) if told and waits else None,
        )

    @strawberry.field(description="What keeps it from being worked on; null for a shopper.")  # type: ignore[untyped-decorator]
    def holds(self, info: Info) -> list[FulfillmentOrderHold] | None:
        """Return the holds to staff: a suspicion is not for whom it is about."""
        if not _is_staff(info):
            return None
        return FulfillmentOrderHold.all_of(self.row)

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="Why it is sent from there, and not from elsewhere; null for a shopper, and where "
        "nothing was decided."
    )
    async def routing(self, info: Info) -> RoutingDecision | None:
        """Return the decision to staff: shoppers learn nothing of locations."""
        if not _is_staff(info):
            return None
        found = await info.context.loaders.routing_decisions().load(self.row.id)
        return RoutingDecision.of(found) if found else None

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="Which boxes to pack what is in no parcel yet into, and what goes into each. "
        "dimensionalDivisor (cubic centimetres that count as a kilogram) is that of the delivery rate unless "
        "given. Null for who neither packs nor follows fulfilment."
    )
    async def suggested_boxes(
        self, info: Info, dimensional_divisor: int | None = None
    ) -> list[SuggestedBox] | None:
        """Return the parcels that what is left makes."""
        if not any(info.context.actor.may(permission) for permission in _PACKERS):
            return None
        divisor = check_divisor(dimensional_divisor)
        loaders = info.context.loaders
        parts = await loaders.order_parts().load(self.row.order_id)
        facts = await loaders.packing_facts().load(self.row.id)
        if parts is None or facts is None:
            return []
        # Packing takes a tenth of a second for a large order: not on the event loop.
        found = await asyncio.to_thread(suggest, self.row, parts.shipments, facts, divisor)
        return [SuggestedBox.of(one) for one in found]


def _is_staff(info: Info) -> bool:
    return any(info.context.actor.may(permission) for permission in _STAFF)
