"""GraphQL types of edits of orders."""

import strawberry

from api.errors import UserError
from api.scalars import decode_id
from api.schema.catalog import VariantRef
from api.schema.orders import Order, OrderLine
from api.schema.values import Money, MoneyInput, Totals
from domain.order_edits import NewQuantity
from services import order_edits as service


@strawberry.input(description="How many units of a line there shall be; 0 removes it.")
class OrderLineQuantityInput:
    """A line and its quantity."""

    line_id: strawberry.ID
    quantity: int


@strawberry.input(description="A variant to add, at the channel's price of today unless unitPrice is given.")
class OrderLineAddInput:
    """What to add."""

    variant: VariantRef
    quantity: int
    unit_price: MoneyInput | None = None


@strawberry.input
class OrderEditPreviewInput:
    """The order, and what shall be changed of it."""

    id: strawberry.ID
    lines: list[OrderLineQuantityInput] | None = None
    add: list[OrderLineAddInput] | None = None

    def to_domain(self) -> service.Wanted:
        """Return what is wanted; raises InvalidInput and NotFound naming the field."""
        return _wanted(self)


@strawberry.input
class OrderEditCommitInput:
    """The order, what shall be changed of it, and why; expectedVersion is the order's that was looked at."""

    id: strawberry.ID
    reason: str
    expected_version: int
    idempotency_key: str
    lines: list[OrderLineQuantityInput] | None = None
    add: list[OrderLineAddInput] | None = None

    def to_domain(self) -> service.Wanted:
        """Return what is wanted; raises InvalidInput and NotFound naming the field."""
        return _wanted(self)


@strawberry.type
class OrderEdit:
    """What an edit makes of an order."""

    before: Totals
    after: Totals
    difference: Money = strawberry.field(description="What the total changes by; below zero: it falls.")
    refund: Money = strawberry.field(description="What was captured beyond the new total, and is refunded.")
    due: Money = strawberry.field(
        description="What is then neither authorized nor to be paid later; orderPaymentCreate asks for it."
    )
    lines: list[OrderLine]

    @classmethod
    def of(cls, edited: service.Edited) -> "OrderEdit":
        """Return the GraphQL form."""
        edit, currency = edited.edit, edited.before.currency
        return cls(
            before=Totals.of(edited.before.totals),
            after=Totals.of(edit.order.totals),
            difference=Money.of_minor(edit.difference_minor, currency),
            refund=Money.of_minor(edit.refund_minor, currency),
            due=Money.of_minor(edit.due_minor, currency),
            lines=[OrderLine.of(line, currency) for line in edit.lines],
        )


@strawberry.type
class OrderEditPreviewPayload:
    """What would become of the order, or why it cannot be."""

    edit: OrderEdit | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class OrderEditCommitPayload:
    """The order as it now is, or why it was not changed."""

    order: Order | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


def _wanted(given: OrderEditPreviewInput | OrderEditCommitInput) -> service.Wanted:
    return service.Wanted(
        decode_id("Order", given.id, "id"),
        [
            NewQuantity(decode_id("OrderLine", one.line_id, "lines", str(at), "lineId"), one.quantity)
            for at, one in enumerate(given.lines or ())
        ],
        [
            service.Added(
                one.variant.to_domain("add", str(at), "variant"),
                one.quantity,
                one.unit_price.to_domain() if one.unit_price else None,
            )
            for at, one in enumerate(given.add or ())
        ],
    )
