"""GraphQL types of payments asked for after an order was placed."""

import strawberry

from api.errors import UserError
from api.schema.orders import Order, PaymentMethodInput
from api.schema.payments import Payment
from api.schema.values import MoneyInput


@strawberry.input
class OrderPaymentCreateInput:
    """The order, how to pay, and how much: all that is due, unless less is said."""

    id: strawberry.ID
    payment: PaymentMethodInput
    idempotency_key: str
    amount: MoneyInput | None = None


@strawberry.type(
    description="Declined: order and payment are null, PaymentDeclinedError. Not known yet: payment PENDING "
    "or ACTION_REQUIRED; the same key later returns the final answer, and the order's events tell when."
)
class OrderPaymentCreatePayload:
    """The order as it now is, and what was asked for."""

    order: Order | None = None
    payment: Payment | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
