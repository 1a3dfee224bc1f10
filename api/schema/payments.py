"""GraphQL types of payments."""

from collections.abc import Mapping

import strawberry

from api.scalars import encode_id
from api.schema.values import Money, Node
from domain import payments as domain

PaymentStatus = strawberry.enum(domain.PaymentStatus, description="What a payment amounts to so far.")


@strawberry.type(
    description="What the shopper has to do before a payment is decided: go to url where there is one, or "
    "let the provider's own script go on with clientSecret. Then send orderPlace again under the same key."
)
class PaymentAction:
    """What a storefront lets the shopper do."""

    type: str = strawberry.field(description="The provider's word for it, such as redirect_to_url.")
    client_secret: str | None
    url: str | None

    @classmethod
    def of(cls, action: Mapping[str, str]) -> "PaymentAction | None":
        """Return the GraphQL form of an action; None where the provider names none."""
        if not action:
            return None
        return cls(
            type=action.get("type", ""), client_secret=action.get("client_secret"), url=action.get("url")
        )


@strawberry.type
class Payment(Node):
    """One payment towards an order."""

    provider: str
    method: str
    status: PaymentStatus  # type: ignore[valid-type]
    authorized: Money
    captured: Money
    refunded: Money
    action: PaymentAction | None = strawberry.field(
        default=None,
        description="What the shopper has to do: told by orderPlace alone, while it is ACTION_REQUIRED.",
    )

    @classmethod
    def of(cls, payment: domain.Payment, action: Mapping[str, str] | None = None) -> "Payment":
        """Return the GraphQL form of a payment, for whoever placed the order with what is to be done."""
        currency = payment.currency
        return cls(
            id=encode_id("Payment", payment.id),
            provider=payment.provider,
            method=payment.method,
            status=payment.status,
            authorized=Money.of_minor(payment.authorized_minor, currency),
            captured=Money.of_minor(payment.captured_minor, currency),
            refunded=Money.of_minor(payment.refunded_minor, currency),
            action=PaymentAction.of(action or {}),
        )
