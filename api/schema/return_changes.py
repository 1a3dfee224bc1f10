"""GraphQL inputs and payloads of what is done with returns."""

from collections.abc import Sequence
from uuid import UUID

import strawberry

from api.errors import UserError
from api.scalars import decode_id
from api.schema.catalog import VariantRef
from api.schema.orders import OrderRef
from api.schema.received import looks_of, units_by_line
from api.schema.returns import (
    LINE,
    Return,
    ReturnCondition,
    ReturnDisposition,
    ReturnGrade,
    ReturnReason,
    ReturnWish,
)
from domain import returns as domain
from domain.kernel.errors import under
from domain.return_receipts import Look
from domain.return_requests import AskedLine


@strawberry.input
class ReturnRequestLineInput:
    """Units of one order line to return; photos are links that begin with https://."""

    line_id: strawberry.ID = strawberry.field(description="Of the OrderLine.")
    quantity: int
    reason: ReturnReason  # type: ignore[valid-type]
    condition: ReturnCondition | None = None  # type: ignore[valid-type]
    note: str | None = None
    photos: list[str] | None = None
    exchange_for: VariantRef | None = strawberry.field(
        default=None, description="What shall come instead (wish EXCHANGE); null: the same article."
    )

    def to_domain(self) -> AskedLine:
        """Return what is asked for, still to be checked."""
        return AskedLine(
            decode_id("OrderLine", self.line_id, "lineId"),
            self.quantity,
            self.reason,
            self.condition,
            self.note,
            tuple(self.photos or ()),
            None if self.exchange_for is None else self.exchange_for.to_domain("exchangeFor"),
        )


@strawberry.input
class ReturnQuoteLineInput:
    """Units of one order line to be told the worth of."""

    line_id: strawberry.ID = strawberry.field(description="Of the OrderLine.")
    quantity: int
    reason: ReturnReason = strawberry.field(default=domain.ReturnReason.CHANGED_MIND)  # type: ignore[valid-type]


def quoted_lines(given: Sequence[ReturnQuoteLineInput] | None) -> list[AskedLine] | None:
    """Return the units to be told the worth of, still to be checked; None: all that may be returned."""
    if given is None:
        return None
    found = []
    for position, line in enumerate(given):
        with under("lines", str(position)):
            line_id = decode_id("OrderLine", line.line_id, "lineId")
        found.append(AskedLine(line_id, line.quantity, line.reason))
    return found


@strawberry.input(
    description="A guest names the order by its token, a customer one of theirs. Staff and apps name any, "
    "and write down as email who says to ask: such a request waits for staff."
)
class ReturnRequestInput:
    """Units of an order to return."""

    ref: OrderRef
    lines: list[ReturnRequestLineInput]
    idempotency_key: str
    wish: ReturnWish = strawberry.field(default=domain.ReturnWish.REFUND)  # type: ignore[valid-type]
    email: str | None = None

    def to_lines(self) -> list[AskedLine]:
        """Return what is asked for, still to be checked."""
        found = []
        for position, line in enumerate(self.lines):
            with under("lines", str(position)):
                found.append(line.to_domain())
        return found


@strawberry.input
class ReturnDecideInput:
    """A return that waits for staff, and why they decide so."""

    id: strawberry.ID
    note: str | None = None
    expected_version: int | None = None


@strawberry.input(description="A guest names the order by its token too, a customer one of theirs.")
class ReturnCancelInput:
    """A return to give up, of which nothing has come."""

    id: strawberry.ID
    ref: OrderRef | None = None
    note: str | None = None
    expected_version: int | None = None


@strawberry.input
class ReturnReceiveLineInput:
    """Units of a line that arrived."""

    line_id: strawberry.ID = strawberry.field(description="Of the ReturnLine.")
    quantity: int


@strawberry.input
class ReturnReceiveInput:
    """What arrived of a return, and where: it goes into quality control."""

    id: strawberry.ID
    location_code: str
    lines: list[ReturnReceiveLineInput]
    idempotency_key: str
    expected_version: int | None = None

    def to_units(self) -> dict[UUID, int]:
        """Return the units by line; raises InvalidInput for a line named twice."""
        return units_by_line(self.lines, LINE)


@strawberry.input
class ReturnInspectLineInput:
    """How units of a line were found. A line may be named more than once."""

    line_id: strawberry.ID = strawberry.field(description="Of the ReturnLine.")
    quantity: int
    disposition: ReturnDisposition  # type: ignore[valid-type]
    grade: ReturnGrade = strawberry.field(default=domain.Grade.AS_NEW)  # type: ignore[valid-type]
    note: str | None = None


@strawberry.input
class ReturnInspectInput:
    """Units of a return that were looked at."""

    id: strawberry.ID
    lines: list[ReturnInspectLineInput]
    idempotency_key: str
    expected_version: int | None = None

    def to_looks(self) -> list[Look]:
        """Return how units were found, still to be checked."""
        return looks_of(self.lines, LINE)


@strawberry.input
class ReturnRefundInput:
    """A return that was looked at, whose money staff give back."""

    id: strawberry.ID
    idempotency_key: str
    note: str | None = None
    expected_version: int | None = None


@strawberry.input
class ReturnRejectInput:
    """A return that was looked at, for which nothing is given back."""

    id: strawberry.ID
    note: str
    expected_version: int | None = None


@strawberry.type
class ReturnPayload:
    """A return as it now is, or why nothing was changed."""

    return_: Return | None = strawberry.field(default=None, name="return")
    user_errors: list[UserError] = strawberry.field(default_factory=list)
