"""GraphQL types of packing."""

import strawberry

from api.errors import UserError
from api.scalars import encode_id
from api.schema.fulfillment import FulfillmentOrder
from api.schema.shipments import Shipment, ShipmentLine
from domain import packing as domain
from domain.parcels import Carriage, ParcelDraft
from domain.shipments import ParcelSize


@strawberry.type
class OpenParcel:
    """A parcel that somebody is filling."""

    id: strawberry.ID
    version: int
    lines: list[ShipmentLine]

    @classmethod
    def of(cls, bench: domain.Bench, parcel: domain.OpenParcel) -> "OpenParcel":
        """Return the GraphQL form of an open parcel."""
        return cls(
            id=encode_id("OpenParcel", parcel.id),
            version=parcel.version,
            lines=[
                ShipmentLine(sku=sku, quantity=units) for sku, units in domain.line_units(bench.part, parcel)
            ],
        )


@strawberry.type
class UnitsToPack:
    """Units of a SKU that are in no parcel yet."""

    sku: str
    quantity: int

    @classmethod
    def all_of(cls, bench: domain.Bench) -> "list[UnitsToPack]":
        """Return what is still to be packed."""
        return [cls(sku=one.sku, quantity=one.quantity) for one in bench.expected()]


@strawberry.input
class PackScanInput:
    """Units scanned into a parcel by SKU or barcode; without parcelId a new one is begun."""

    fulfillment_order_id: strawberry.ID
    code: str
    idempotency_key: str
    quantity: int = 1
    parcel_id: strawberry.ID | None = None


@strawberry.input(
    description="A parcel that is full. Without carrier it goes as the order was sold; where provider is "
    "named, its label is bought from it."
)
class PackCloseInput:
    """A parcel to close."""

    parcel_id: strawberry.ID
    idempotency_key: str
    carrier: str | None = None
    service: str | None = None
    provider: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None
    box: str | None = None
    weight_grams: int | None = None
    length_mm: int | None = None
    width_mm: int | None = None
    height_mm: int | None = None

    def to_parcel(self) -> ParcelDraft:
        """Return the parcel, without what is in it."""
        size = ParcelSize(self.weight_grams, self.length_mm, self.width_mm, self.height_mm)
        return ParcelDraft({}, size, self.box, self.tracking_number, self.tracking_url)

    def to_carriage(self) -> Carriage | None:
        """Return who brings it, if that is said."""
        return None if self.carrier is None else Carriage(self.carrier, self.service, self.provider)


@strawberry.input
class PackCancelInput:
    """An open parcel to empty."""

    parcel_id: strawberry.ID
    idempotency_key: str


@strawberry.type
class PackPayload:
    """The open parcel and what is still to be packed, or why nothing was changed."""

    parcel: OpenParcel | None = None
    expected: list[UnitsToPack] = strawberry.field(default_factory=list)
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class PackClosePayload:
    """The shipment that the parcel became, and what is still to be packed; or why it stays open."""

    shipment: Shipment | None = None
    fulfillment_order: FulfillmentOrder | None = None
    expected: list[UnitsToPack] = strawberry.field(default_factory=list)
    user_errors: list[UserError] = strawberry.field(default_factory=list)
