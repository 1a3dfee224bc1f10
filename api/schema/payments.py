"""GraphQL types of payments."""

import strawberry

from api.scalars import encode_id
from api.schema.values import Money, Node
from domain import payments as domain

PaymentStatus = strawberry.enum(domain.PaymentStatus, description="What a payment amounts to so far.")


@strawberry.type
class Payment(Node):
    """One payment towards an order."""

    provider: str
    method: str
    status: PaymentStatus  # type: ignore[valid-type]
    authorized: Money
    captured: Money
    refunded: Money

    @classmethod
    def of(cls, payment: domain.Payment) -> "Payment":
        """Return the GraphQL form of a payment."""
        currency = payment.currency
        return cls(
            id=encode_id("Payment", payment.id),
            provider=payment.provider,
            method=payment.method,
            status=payment.status,
            authorized=Money.of_minor(payment.authorized_minor, currency),
            captured=Money.of_minor(payment.captured_minor, currency),
            refunded=Money.of_minor(payment.refunded_minor, currency),
        )
