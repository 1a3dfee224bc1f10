"""GraphQL inputs of what is told of the parcels of returns."""

import strawberry

from api.scalars import decode_id
from api.schema.orders import OrderRef
from api.schema.returns import ReturnReason
from domain import returns as domain
from domain.kernel.errors import under
from domain.return_requests import AskedLine


@strawberry.input(description="A guest names the order by its token too, a customer one of theirs.")
class ReturnTrackingSetInput:
    """The parcel by which a customer sends a return themselves."""

    id: strawberry.ID
    carrier: str
    tracking_number: str
    ref: OrderRef | None = None


@strawberry.input
class ReturnBlindLineInput:
    """Units of one order line that came without a request."""

    line_id: strawberry.ID = strawberry.field(description="Of the OrderLine.")
    quantity: int
    reason: ReturnReason = strawberry.field(default=domain.ReturnReason.OTHER)  # type: ignore[valid-type]
    note: str | None = None

    def to_domain(self) -> AskedLine:
        """Return what came, still to be checked."""
        return AskedLine(
            decode_id("OrderLine", self.line_id, "lineId"), self.quantity, self.reason, None, self.note, ()
        )


@strawberry.input
class ReturnReceiveBlindInput:
    """A parcel that nobody asked to send: its order, what is in it, and where it is."""

    ref: OrderRef
    location_code: str
    lines: list[ReturnBlindLineInput]
    idempotency_key: str
    note: str | None = None

    def to_lines(self) -> list[AskedLine]:
        """Return what came, still to be checked."""
        found = []
        for position, line in enumerate(self.lines):
            with under("lines", str(position)):
                found.append(line.to_domain())
        return found


@strawberry.input(
    description="Without notOurs, sku is that of an article of ours: its units are found stock, and go into "
    "quality control. With it, sku says what it is."
)
class ReturnSurplusItemInput:
    """Units in a parcel that nobody expected."""

    sku: str
    quantity: int
    not_ours: bool = False
    note: str | None = None


@strawberry.input
class ReturnSurplusRecordInput:
    """What else was in the parcel of a return."""

    id: strawberry.ID
    location_code: str
    items: list[ReturnSurplusItemInput]
    idempotency_key: str
