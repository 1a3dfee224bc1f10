"""GraphQL types of labels: what became of buying one, its document, and asking for it."""

import base64
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote
from uuid import UUID

import strawberry

from api.context import Info
from api.errors import UserError, user_errors
from api.scalars import encode_id
from api.schema.values import AddressInput, Money
from domain import labels as domain
from domain import shipments
from domain.carrier_ports import LabelFormat as Format
from domain.shipments import ParcelSize
from services import labels
from services.labels import Labeled

if TYPE_CHECKING:
    from api.schema.orders import Order
    from api.schema.shipments import Shipment

LabelState = strawberry.enum(
    shipments.LabelState,
    description="What became of buying a parcel's label. REQUESTED: its carrier has not answered yet, and is "
    "asked until it does. FAILED: it refused; correct the parcel and ask again. A canceled parcel's label is "
    "given back: then it is VOIDED.",
)
LabelOutcome = strawberry.enum(
    domain.LabelOutcome,
    name="ShipmentLabelOutcome",
    description="What became of a label that was asked for. PENDING: somebody else is buying it, or its "
    "carrier has not answered yet; it is bought by itself, and once: look again at retryAt.",
)
LabelFormat = strawberry.enum(Format, description="What kind of document a label is.")


@strawberry.type(description="Why a label was not bought: the carrier's own word, and a sentence.")
class LabelRefusal:
    """What a carrier said instead of selling a label."""

    code: str
    message: str


@strawberry.type
class ShipmentLabel:
    """The label of one parcel, for staff."""

    state: LabelState  # type: ignore[valid-type]
    format: LabelFormat | None  # type: ignore[valid-type]
    url: str | None = strawberry.field(
        description="Where the document is, below the address of this API; it wants the same bearer token."
    )
    price: Money | None = strawberry.field(description="What the carrier asks for it.")
    refusal: LabelRefusal | None
    attempts: int = strawberry.field(description="How often its carrier was asked.")
    next_attempt_at: datetime | None = strawberry.field(
        description="When the carrier is asked again, while it gives no answer."
    )
    kept_at: datetime | None = strawberry.field(
        description="When the carrier did not take back the label of a canceled parcel."
    )
    document_id: strawberry.Private[UUID | None]

    @classmethod
    def of(cls, facts: domain.LabelFacts) -> "ShipmentLabel":
        """Return the GraphQL form of what is known of a label."""
        return cls(
            state=facts.state,
            format=facts.format,
            url=f"/documents/{facts.document_id}" if facts.document_id else None,
            price=Money.of(facts.price) if facts.price else None,
            refusal=LabelRefusal(code=facts.refusal[0], message=facts.refusal[1]) if facts.refusal else None,
            attempts=facts.attempts,
            next_attempt_at=facts.next_attempt_at,
            kept_at=facts.kept_at,
            document_id=facts.document_id,
        )

    @strawberry.field(description="The document itself.")  # type: ignore[untyped-decorator]
    async def content_base64(self, info: Info) -> str | None:
        """Return the document in base64."""
        if self.document_id is None:
            return None
        found = await labels.documents(info.context.service, [self.document_id])
        return base64.b64encode(found[self.document_id].content).decode()


@strawberry.input
class LabelSizeInput:
    """A parcel's outer measures."""

    weight_grams: int | None = None
    length_mm: int | None = None
    width_mm: int | None = None
    height_mm: int | None = None

    def to_domain(self) -> ParcelSize:
        """Return the measures, still to be checked."""
        return ParcelSize(self.weight_grams, self.length_mm, self.width_mm, self.height_mm)


@strawberry.input(
    description="A parcel whose label is to be bought, after a refusal with what was wrong put right. What "
    "is left out stays as it is; recipient is for this parcel alone."
)
class ShipmentLabelPurchaseInput:
    """A label to be bought."""

    id: strawberry.ID
    idempotency_key: str
    provider: str | None = None
    carrier: str | None = None
    service: str | None = None
    service_code: str | None = strawberry.field(
        default=None, description="The carrier's own name of the service; without it, service is taken."
    )
    recipient: AddressInput | None = None
    size: LabelSizeInput | None = None
    expected_version: int | None = strawberry.field(default=None, description="Of the order.")

    def to_domain(self) -> domain.Correction:
        """Return what shall change, still to be checked."""
        return domain.Correction(
            self.provider,
            self.carrier,
            self.service,
            self.service_code,
            self.recipient.to_domain() if self.recipient else None,
            self.size.to_domain() if self.size else None,
        )


@strawberry.input
class ShipmentsLabelPurchaseInput:
    """Parcels whose labels are to be bought now, up to 100."""

    ids: list[strawberry.ID]
    idempotency_key: str


@strawberry.type
class ShipmentLabelPurchasePayload:
    """The parcel and its order as they are now; userErrors tell what the carrier refused."""

    shipment: Annotated["Shipment", strawberry.lazy("api.schema.shipments")] | None = None
    outcome: LabelOutcome | None = None  # type: ignore[valid-type]
    retry_at: datetime | None = strawberry.field(
        default=None,
        description="When a label that is PENDING is asked for again at the latest.",
    )
    order: Annotated["Order", strawberry.lazy("api.schema.orders")] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class ShipmentLabelResult:
    """What became of one parcel's label; one that is REQUESTED is bought when its carrier answers."""

    id: strawberry.ID
    shipment: Annotated["Shipment", strawberry.lazy("api.schema.shipments")] | None = None
    outcome: LabelOutcome | None = None  # type: ignore[valid-type]
    retry_at: datetime | None = strawberry.field(
        default=None,
        description="When a label that is PENDING is asked for again at the latest.",
    )
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class ShipmentsLabelPurchasePayload:
    """What became of each label, in the order the parcels were named; or why none was asked for."""

    results: list[ShipmentLabelResult] = strawberry.field(default_factory=list)
    documents_url: str | None = strawberry.field(
        default=None,
        description="Where those that are there are in one file, below the address of this API, if any is.",
    )
    user_errors: list[UserError] = strawberry.field(default_factory=list)


def errors_of(labeled: Labeled) -> list[UserError]:
    """Return why a parcel has no label."""
    return user_errors(labeled.error) if labeled.error else []


def documents_url(labeled: list[Labeled]) -> str | None:
    """Return where the labels that are there can be had in one file."""
    there = [
        quote(encode_id("Shipment", one.shipment_id), safe="")
        for one in labeled
        if one.shipment is not None and one.shipment.label_state is shipments.LabelState.PURCHASED
    ]
    return f"/documents?shipments={','.join(there)}" if there else None
