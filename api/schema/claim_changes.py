"""GraphQL inputs and payloads of what is done with claims."""

import strawberry

from api.errors import UserError
from api.scalars import decode_id
from api.schema.claims import CarrierCharge, Claim, ClaimKind, ClaimOutcome
from api.schema.orders import OrderRef
from api.schema.values import MoneyInput
from domain import claims as domain
from domain.kernel.errors import under
from services.claims import Wanted


@strawberry.input
class ClaimLineInput:
    """Units of one order line that were in the parcel, or should have been."""

    line_id: strawberry.ID = strawberry.field(description="Of the OrderLine.")
    quantity: int


@strawberry.input(
    description="A guest names the order by its token, a customer one of theirs, staff and apps in any way."
)
class ClaimCreateInput:
    """Units of a parcel to claim; photos are links that begin with https://."""

    ref: OrderRef
    shipment_id: strawberry.ID
    kind: ClaimKind  # type: ignore[valid-type]
    lines: list[ClaimLineInput]
    idempotency_key: str
    wish: ClaimOutcome = strawberry.field(default=domain.ClaimOutcome.RESHIP)  # type: ignore[valid-type]
    description: str | None = None
    photos: list[str] | None = None

    def to_wanted(self) -> Wanted:
        """Return what is claimed, still to be checked."""
        lines = []
        for position, line in enumerate(self.lines):
            with under("lines", str(position)):
                lines.append((decode_id("OrderLine", line.line_id, "lineId"), line.quantity))
        return Wanted(
            decode_id("Shipment", self.shipment_id, "shipmentId"),
            self.kind,
            self.wish,
            lines,
            self.description,
            self.photos or (),
        )


@strawberry.input
class ClaimApproveInput:
    """A claim to grant, and how."""

    id: strawberry.ID
    idempotency_key: str
    outcome: ClaimOutcome | None = strawberry.field(  # type: ignore[valid-type]
        default=None, description="Null: as the customer wishes."
    )
    location_code: str | None = strawberry.field(
        default=None, description="What sends the units again; null: a location of the channel that has them."
    )
    note: str | None = None
    expected_version: int | None = None


@strawberry.input
class ClaimDeclineInput:
    """A claim to decline, and why."""

    id: strawberry.ID
    note: str | None = None
    expected_version: int | None = None


@strawberry.input(
    description="A shopper names the claim's order by its token; staff and apps need not, and say why."
)
class ClaimCancelInput:
    """A claim to withdraw."""

    id: strawberry.ID
    ref: OrderRef | None = None
    reason: str | None = None
    expected_version: int | None = None


@strawberry.input
class ClaimArrivalDismissInput:
    """A claim whose parcel arrived after all, and what was done about that."""

    id: strawberry.ID
    note: str | None = None
    expected_version: int | None = None


@strawberry.input
class ClaimChargeCarrierInput:
    """What the carrier of a granted claim's parcel is charged."""

    id: strawberry.ID
    amount: MoneyInput
    idempotency_key: str
    reference: str | None = strawberry.field(default=None, description="How the carrier knows it.")


@strawberry.input
class ClaimSettleCarrierInput:
    """What a carrier paid for a claim, be that nothing."""

    id: strawberry.ID
    paid: MoneyInput
    idempotency_key: str


@strawberry.type
class ClaimPayload:
    """A claim as it now is, or why nothing was changed."""

    claim: Claim | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class CarrierChargePayload:
    """What a carrier is charged as it now is, or why nothing was changed."""

    charge: CarrierCharge | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
