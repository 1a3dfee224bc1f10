"""GraphQL types of how returns are sent: labels, parcels, and what channels say of both."""

from datetime import datetime

import strawberry

from api.context import Info
from api.errors import UserError
from api.scalars import encode_id
from api.schema.labels import LabelFormat, LabelRefusal, LabelState
from api.schema.tracking import ShipmentStatus
from api.schema.values import Address, Money
from domain import return_parcels as domain
from domain import returns, shipments
from persistence.return_surplus import Unexpected
from services import return_labels
from services.access import Permission

ReturnParcelSource = strawberry.enum(
    domain.ParcelSource,
    name="ReturnParcelSource",
    description="Who says how a return is sent: the shop by its LABEL (or a code), or the customer (OWN). "
    "FORMER are plans that staff have replaced; they are not shown.",
)
ReturnWork = strawberry.enum(domain.ReturnWork, description="Why returns need a person.")


@strawberry.type(description="How a return is sent: with a label, or without one by its drop-off code.")
class ReturnLabel:
    """The shop's way to send a return."""

    state: LabelState = strawberry.field(  # type: ignore[valid-type]
        description="REQUESTED: it is being bought, and returnUpdated tells when it is there "
        "(ReturnReadyToSend); NONE: it goes without one, by its drop-off code."
    )
    carrier: str | None
    tracking_number: str | None
    tracking_url: str | None
    format: LabelFormat | None  # type: ignore[valid-type]
    drop_off_code: str | None = strawberry.field(
        description="What is shown where the parcel is dropped off, or written on it."
    )
    parcel: strawberry.Private[domain.ReturnParcel]

    @classmethod
    def of(cls, parcel: domain.ReturnParcel) -> "ReturnLabel":
        """Return the GraphQL form of how a return is sent."""
        return cls(
            state=parcel.label_state,
            carrier=parcel.carrier,
            tracking_number=parcel.tracking_number,
            tracking_url=parcel.tracking_url,
            format=parcel.document_format,
            drop_off_code=parcel.drop_off_code,
            parcel=parcel,
        )

    @strawberry.field(
        description="The document, below the address of this API: a link that any browser prints. Whoever "
        "has the link has this document, and nothing else; it ends with the order's token."
    )  # type: ignore[untyped-decorator]
    async def document_url(self, info: Info) -> str | None:
        """Return the link to the label's document."""
        document_id = self.parcel.document_id
        # One that went back to its carrier sends nothing any more.
        if document_id is None or self.parcel.label_state is not shipments.LabelState.PURCHASED:
            return None
        found = await info.context.loaders.returns().load(self.parcel.return_id)
        assert found is not None, "a foreign key holds every parcel to its return"  # noqa: S101
        order = await info.context.loaders.orders().load(found.order_id)
        assert order is not None, "a foreign key holds every return to its order"  # noqa: S101
        token = return_labels.document_token(info.context.service, document_id, order)
        return f"/documents/{document_id}?token={token}"

    @strawberry.field(description="What else the customer has to know, in the shop's words.")  # type: ignore[untyped-decorator]
    async def instructions(self, info: Info) -> str | None:
        """Return the shop's instructions."""
        return await info.context.loaders.return_instructions().load(self.parcel.return_id)

    @strawberry.field(description="Where it goes.")  # type: ignore[untyped-decorator]
    async def send_to(self, info: Info) -> Address | None:
        """Return the address of the location."""
        if self.parcel.location_id is None:
            return None
        found = await info.context.loaders.locations().load(self.parcel.location_id)
        return Address.of(found.address) if found and found.address else None

    @strawberry.field
    def price(self, info: Info) -> Money | None:
        """What the carrier asks for it; for staff, null to others."""
        if self.parcel.price is None or not info.context.actor.may(Permission.RETURNS_READ):
            return None
        return Money.of(self.parcel.price)

    @strawberry.field
    def refusal(self, info: Info) -> LabelRefusal | None:
        """Why its carrier sold none; for staff, null to others."""
        if self.parcel.refusal is None or not info.context.actor.may(Permission.RETURNS_READ):
            return None
        code, message = self.parcel.refusal
        return LabelRefusal(code=code, message=message)


@strawberry.type
class ReturnParcel:
    """A parcel that brings a return back, as its carrier tells of it."""

    source: ReturnParcelSource  # type: ignore[valid-type]
    status: ShipmentStatus  # type: ignore[valid-type]
    carrier: str | None
    tracking_number: str | None
    tracking_url: str | None
    position: str | None = strawberry.field(description="The last place that was told of it.")
    estimated_at: datetime | None
    delivered_at: datetime | None
    told_at: datetime | None

    @classmethod
    def of(cls, parcel: domain.ReturnParcel) -> "ReturnParcel":
        """Return the GraphQL form of a parcel."""
        return cls(
            source=parcel.source,
            status=parcel.status,
            carrier=parcel.carrier,
            tracking_number=parcel.tracking_number,
            tracking_url=parcel.tracking_url,
            position=parcel.position,
            estimated_at=parcel.estimated_at,
            delivered_at=parcel.delivered_at,
            told_at=parcel.told_at,
        )


@strawberry.type
class ReturnSurplus:
    """Units that came with a return and were not expected."""

    sku: str
    quantity: int
    is_ours: bool = strawberry.field(description="Whether it is stock of ours, in quality control since.")
    note: str | None
    created_at: datetime

    @classmethod
    def of(cls, found: Unexpected) -> "ReturnSurplus":
        """Return the GraphQL form of unexpected units."""
        return cls(
            sku=found.sku,
            quantity=found.quantity,
            is_ours=found.is_ours,
            note=found.note,
            created_at=found.created_at,
        )


@strawberry.type
class SentBack:
    """What a return tells of the way that it takes."""

    row: strawberry.Private[returns.Return]

    @strawberry.field(description="How it is sent; null while that is not decided, or nothing is to be sent.")  # type: ignore[untyped-decorator]
    async def label(self, info: Info) -> ReturnLabel | None:
        """Return the shop's way to send it."""
        found = await info.context.loaders.return_parcels().load(self.row.id)
        ours = (one for one in found or () if one.source is domain.ParcelSource.LABEL)
        return next((ReturnLabel.of(one) for one in ours), None)

    @strawberry.field(description="The parcels that bring it back, as far as they have a number.")  # type: ignore[untyped-decorator]
    async def parcels(self, info: Info) -> list[ReturnParcel]:
        """Return the parcels."""
        found = await info.context.loaders.return_parcels().load(self.row.id)
        # What staff have done otherwise never was the customer's.
        shown = (one for one in found or () if one.source is not domain.ParcelSource.FORMER)
        return [ReturnParcel.of(one) for one in shown if one.tracking_number is not None]

    @strawberry.field
    async def surplus(self, info: Info) -> list[ReturnSurplus] | None:
        """What came with it and was not expected; for staff, null to others."""
        if not info.context.actor.may(Permission.RETURNS_READ):
            return None
        found = await info.context.loaders.return_surplus().load(self.row.id)
        return [ReturnSurplus.of(one) for one in found or ()]


@strawberry.input(
    description="Without a provider the return is sent without a label, with a code. serviceCode is the "
    "carrier's own name of its service."
)
class ReturnLabelPurchaseInput:
    """A label that was refused, or not asked for."""

    id: strawberry.ID
    idempotency_key: str
    provider: str | None = None
    service_code: str | None = None


@strawberry.input(
    description="channel is its slug; without it, every channel that says nothing itself. What is left out "
    "follows from the parcel that brought the goods: its location, its carrier, its service."
)
class ReturnShippingSetInput:
    """How returns are sent."""

    channel: str | None = None
    location_code: str | None = None
    provider: str | None = None
    service_code: str | None = None
    instructions: str | None = strawberry.field(
        default=None, description="What the customer has to know, in the shop's own words."
    )
    remind_days: int = strawberry.field(
        default=domain.REMIND_DAYS,
        description="Days before its deadline at which the customer is reminded; 0: never.",
    )
    expected_version: int | None = None


@strawberry.type
class ReturnShipping:
    """How returns of a channel (null: of every one that says nothing itself) are sent."""

    channel_id: strawberry.ID | None
    location_id: strawberry.ID | None
    provider: str | None
    service_code: str | None
    instructions: str | None
    remind_days: int
    version: int

    @classmethod
    def of(cls, said: domain.ReturnShipping) -> "ReturnShipping":
        """Return the GraphQL form of how returns are sent."""
        return cls(
            channel_id=encode_id("Channel", said.channel_id) if said.channel_id else None,
            location_id=encode_id("Location", said.location_id) if said.location_id else None,
            provider=said.provider,
            service_code=said.service_code,
            instructions=said.instructions,
            remind_days=said.remind_days,
            version=said.version,
        )


@strawberry.type
class ReturnShippingPayload:
    """How returns are sent now, or why nothing was changed."""

    return_shipping: ReturnShipping | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
