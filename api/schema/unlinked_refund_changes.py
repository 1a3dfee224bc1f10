"""GraphQL inputs and payloads of what is done with refunds without an order."""

from uuid import UUID

import strawberry

from api.errors import UserError
from api.schema.orders import OrderRef
from api.schema.received import looks_of, units_by_line
from api.schema.returns import ReturnDisposition, ReturnGrade
from api.schema.unlinked_refunds import LINE, UnlinkedRefund, UnlinkedRefundMethod, UnlinkedRefundPolicy
from api.schema.values import MoneyInput
from domain.return_receipts import Look
from domain.returns import Grade
from domain.unlinked_refund_requests import WantedLine
from domain.unlinked_refunds import Evidence, Recipient
from services.unlinked_refunds import Wanted


@strawberry.input
class UnlinkedRefundLineInput:
    """Units of one SKU to give money back for."""

    sku: str = strawberry.field(description="One that the catalogue does not have is no stock.")
    quantity: int
    unit_price: MoneyInput = strawberry.field(description="What one unit brings, its tax included.")
    tax: MoneyInput | None = strawberry.field(
        default=None, description="The part of the whole line's price that is tax."
    )

    def to_domain(self) -> WantedLine:
        """Return what is asked for, still to be checked."""
        tax = None if self.tax is None else self.tax.to_domain()
        return WantedLine(self.sku, self.quantity, self.unit_price.to_domain(), tax)


@strawberry.input
class UnlinkedRefundCreateInput:
    """A refund for goods whose sale is not in the books, with its evidence."""

    channel: str = strawberry.field(description="The slug; amounts are in its currency.")
    reason: str
    document_reference: str = strawberry.field(description="The paper it is known by: a receipt, a letter.")
    lines: list[UnlinkedRefundLineInput]
    idempotency_key: str
    email: str | None = None
    external_id: str | None = strawberry.field(
        default=None, description="Who the customer is in another system. It or the address is needed."
    )
    keeps_items: bool = strawberry.field(default=False, description="Whether no goods are waited for.")
    document_known: bool = strawberry.field(
        default=False,
        description="Whether it is known that the document has brought money before, or is the number of an "
        "order here. A second person always looks at such.",
    )

    def to_wanted(self) -> Wanted:
        """Return what is asked for, still to be checked."""
        return Wanted(
            self.channel,
            Recipient(self.email, self.external_id),
            Evidence(self.reason, self.document_reference),
            [line.to_domain() for line in self.lines],
            self.keeps_items,
            self.document_known,
        )


@strawberry.input
class UnlinkedRefundDecideInput:
    """A refund to approve, decline or cancel, and why."""

    id: strawberry.ID
    note: str | None = None
    expected_version: int | None = None


@strawberry.input
class UnlinkedRefundReceiveLineInput:
    """Units of a line that arrived."""

    line_id: strawberry.ID
    quantity: int


@strawberry.input
class UnlinkedRefundReceiveInput:
    """What arrived of a refund's goods, and where: it goes into quality control."""

    id: strawberry.ID
    location_code: str
    lines: list[UnlinkedRefundReceiveLineInput]
    idempotency_key: str
    expected_version: int | None = None

    def to_units(self) -> dict[UUID, int]:
        """Return the units by line; raises InvalidInput for a line named twice."""
        return units_by_line(self.lines, LINE)


@strawberry.input
class UnlinkedRefundInspectLineInput:
    """How units of a line were found. A line may be named more than once."""

    line_id: strawberry.ID
    quantity: int
    disposition: ReturnDisposition  # type: ignore[valid-type]
    grade: ReturnGrade = strawberry.field(default=Grade.AS_NEW)  # type: ignore[valid-type]


@strawberry.input
class UnlinkedRefundInspectInput:
    """Units of a refund's goods that were looked at."""

    id: strawberry.ID
    lines: list[UnlinkedRefundInspectLineInput]
    idempotency_key: str
    expected_version: int | None = None

    def to_looks(self) -> list[Look]:
        """Return how units were found, still to be checked."""
        return looks_of(self.lines, LINE)


@strawberry.input
class UnlinkedRefundPayInput:
    """How a refund's money goes out."""

    id: strawberry.ID
    method: UnlinkedRefundMethod  # type: ignore[valid-type]
    idempotency_key: str
    payment_reference: str | None = strawberry.field(
        default=None, description="By which a payment by hand is known: the till's or the bank's."
    )
    provider: str | None = strawberry.field(
        default=None, description="Which provider is to pay, of unlinkedRefundProviders; for PROVIDER."
    )
    destination: str | None = strawberry.field(
        default=None,
        description="The provider's own name of the card or account, from its form or terminal: never a card "
        "number. For PROVIDER; it is forgotten once the provider has decided.",
    )
    expected_version: int | None = None


@strawberry.input
class UnlinkedRefundLinkInput:
    """A refund, and the order that was found for it."""

    id: strawberry.ID
    ref: OrderRef
    idempotency_key: str
    expected_version: int | None = None


@strawberry.input
class UnlinkedRefundPolicySetInput:
    """A channel's limits, in its currency; null: no such limit."""

    channel: str
    four_eyes_above: MoneyInput = strawberry.field(description="Above this a second person approves.")
    most: MoneyInput | None = strawberry.field(default=None, description="Of one refund.")
    most_per_day: MoneyInput | None = strawberry.field(
        default=None, description="Of all refunds of 24 hours together."
    )
    alone_per_day: MoneyInput | None = strawberry.field(
        default=None,
        description="Of one person's refunds of 24 hours that nobody else approved; above it somebody does.",
    )


@strawberry.type
class UnlinkedRefundPayload:
    """A refund as it now is, or why nothing was changed."""

    unlinked_refund: UnlinkedRefund | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class UnlinkedRefundPolicyPayload:
    """Limits as they now are, or why nothing was changed."""

    policy: UnlinkedRefundPolicy | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
