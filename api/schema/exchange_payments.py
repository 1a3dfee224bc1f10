"""GraphQL types of what an exchange costs beyond what comes back for it."""

from datetime import datetime

import strawberry

from api.errors import UserError
from api.schema.orders import Order, OrderRef, PaymentMethodInput
from api.schema.payments import Payment
from api.schema.values import Money
from services.exchange_payments import Due


@strawberry.input
class ReturnExchangePayInput:
    """The order that comes back, its return, and how to pay what the replacement costs more."""

    ref: OrderRef
    id: strawberry.ID = strawberry.field(description="Of the Return.")
    payment: PaymentMethodInput
    idempotency_key: str


@strawberry.type
class ReturnExchange:
    """The order that replaces what comes back, and what is to be paid for it."""

    order: Order
    due: Money = strawberry.field(
        description="What is to be paid now; before all is looked at, beyond what is expected of the return."
    )
    pay_by: datetime | None = strawberry.field(
        description="Until when, once the return has ended; then what is reserved is on sale again."
    )

    @classmethod
    def of(cls, found: Due) -> "ReturnExchange":
        """Return the GraphQL form of what is to be paid."""
        return cls(
            order=Order.of(found.order),
            due=Money.of_minor(found.due_minor, found.order.currency),
            pay_by=found.pay_by,
        )


@strawberry.type(
    description="Declined: order and payment are null, PaymentDeclinedError. Not known yet: payment PENDING "
    "or ACTION_REQUIRED; the same key later returns the final answer."
)
class ReturnExchangePayPayload:
    """The order that replaces what comes back as it now is, and what was asked for."""

    order: Order | None = None
    payment: Payment | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
