"""GraphQL types of shipments."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from api.context import Info
from api.errors import UserError
from api.scalars import decode_id, encode_id
from api.schema.fulfillment import FulfillmentOrder
from api.schema.values import Node, given
from domain import shipments as domain
from domain.kernel.errors import InvalidInput, under
from domain.parcels import Carriage, ParcelDraft, TrackingChanges
from persistence.order_parts import OrderParts
from realtime.events import FeedEvent

if TYPE_CHECKING:
    from api.schema.orders import Order

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


@strawberry.input
class FulfillmentOrderLineUnitsInput:
    """Units of a line of a fulfillment order."""

    id: strawberry.ID = strawberry.field(description="Of the FulfillmentOrderLine.")
    quantity: int


@strawberry.input(
    description="What shall leave at once, as one parcel. Without lines it is all that is open: "
    "committed, and not packed yet."
)
class FulfillmentOrderFulfillInput:
    """A fulfillment order to send."""

    id: strawberry.ID
    carrier: str
    idempotency_key: str
    lines: list[FulfillmentOrderLineUnitsInput] | None = None
    service: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None
    weight_grams: int | None = None
    length_mm: int | None = None
    width_mm: int | None = None
    height_mm: int | None = None
    box: str | None = None
    notify_customer: bool = strawberry.field(default=True, description="Whether the customer is written to.")
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")

    def to_units(self) -> Mapping[UUID, int] | None:
        """Return the units by line; raises InvalidInput for a line named twice."""
        return None if self.lines is None else units_of(self.lines)

    def to_parcel(self) -> ParcelDraft:
        """Return the parcel, without what is in it."""
        size = domain.ParcelSize(self.weight_grams, self.length_mm, self.width_mm, self.height_mm)
        return ParcelDraft({}, size, self.box, self.tracking_number, self.tracking_url)


@strawberry.input
class ParcelInput:
    """What goes into one parcel; trackingNumber where somebody knows it already."""

    lines: list[FulfillmentOrderLineUnitsInput]
    weight_grams: int | None = None
    length_mm: int | None = None
    width_mm: int | None = None
    height_mm: int | None = None
    box: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None

    def to_domain(self) -> ParcelDraft:
        """Return the parcel; raises InvalidInput for a line named twice."""
        size = domain.ParcelSize(self.weight_grams, self.length_mm, self.width_mm, self.height_mm)
        return ParcelDraft(units_of(self.lines), size, self.box, self.tracking_number, self.tracking_url)


@strawberry.input(
    description="Parcels to pack, which stay until they are handed over. Where provider is named, their "
    "labels are bought from it."
)
class ShipmentCreateInput:
    """A fulfillment order to pack."""

    fulfillment_order_id: strawberry.ID
    parcels: list[ParcelInput]
    carrier: str
    idempotency_key: str
    service: str | None = None
    provider: str | None = None
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")

    def to_parcels(self) -> list[ParcelDraft]:
        """Return the parcels; raises InvalidInput naming one."""
        parcels = []
        for at, parcel in enumerate(self.parcels):
            with under("parcels", str(at)):
                parcels.append(parcel.to_domain())
        return parcels

    def to_carriage(self) -> Carriage:
        """Return who brings them."""
        return Carriage(self.carrier, self.service, self.provider)


@strawberry.input
class ShipmentHandOverInput:
    """A parcel that leaves."""

    id: strawberry.ID
    idempotency_key: str
    notify_customer: bool = strawberry.field(default=True, description="Whether the customer is written to.")
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")


@strawberry.input
class ShipmentsHandOverInput:
    """Parcels that leave, up to 100."""

    ids: list[strawberry.ID]
    idempotency_key: str


@strawberry.input
class ShipmentCancelInput:
    """A parcel to unpack, which has not left."""

    id: strawberry.ID
    idempotency_key: str
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")


@strawberry.input(description="What is left out stays as it is.")
class ShipmentTrackingUpdateInput:
    """What a person corrects of a parcel."""

    id: strawberry.ID
    carrier: strawberry.Maybe[str]
    service: strawberry.Maybe[str | None]
    tracking_number: strawberry.Maybe[str | None]
    tracking_url: strawberry.Maybe[str | None]
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")

    def to_changes(self) -> TrackingChanges:
        """Return what shall change, still to be checked."""
        return TrackingChanges(
            carrier=given(self.carrier),
            service=given(self.service),
            tracking_number=given(self.tracking_number),
            tracking_url=given(self.tracking_url),
        )


@strawberry.type
class ShipmentPayload:
    """The parcel, its fulfillment order and its order as they are now, or why nothing was changed."""

    shipment: Shipment | None = None
    fulfillment_order: FulfillmentOrder | None = None
    order: Annotated["Order", strawberry.lazy("api.schema.orders")] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class ShipmentCreatePayload:
    """The parcels, their fulfillment order and its order as they are now, or why nothing was packed."""

    shipments: list[Shipment] = strawberry.field(default_factory=list)
    fulfillment_order: FulfillmentOrder | None = None
    order: Annotated["Order", strawberry.lazy("api.schema.orders")] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class ShipmentHandOverResult:
    """What became of one parcel: it has left, or userErrors tell why it has not."""

    id: strawberry.ID
    shipment: Shipment | None = None
    order: Annotated["Order", strawberry.lazy("api.schema.orders")] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class ShipmentsHandOverPayload:
    """What became of each parcel, in the order they were named; or why none was looked at."""

    results: list[ShipmentHandOverResult] = strawberry.field(default_factory=list)
    user_errors: list[UserError] = strawberry.field(default_factory=list)


def units_of(lines: Sequence[FulfillmentOrderLineUnitsInput]) -> dict[UUID, int]:
    """Return units by fulfillment order line; raises InvalidInput for a line named twice."""
    units: dict[UUID, int] = {}
    for at, line in enumerate(lines):
        line_id = decode_id("FulfillmentOrderLine", line.id, "lines", str(at), "id")
        if line_id in units:
            raise InvalidInput("is named twice", "lines", str(at), "id")
        units[line_id] = line.quantity
    return units
