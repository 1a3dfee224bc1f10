"""GraphQL types of payments."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import strawberry

from api.context import Info
from api.errors import UserError
from api.scalars import encode_id
from api.schema.values import Money, MoneyInput, Node
from domain import payments as domain
from services.access import Permission

PaymentStatus = strawberry.enum(domain.PaymentStatus, description="What a payment amounts to so far.")
PaymentTransactionKind = strawberry.enum(
    domain.TransactionKind,
    name="PaymentTransactionKind",
    description="What a provider was asked for, or (CHARGEBACK) told us of.",
)
PaymentTransactionStatus = strawberry.enum(
    domain.TransactionStatus,
    name="PaymentTransactionStatus",
    description="REQUESTED: asked for, its outcome not known yet; its amount is reserved meanwhile.",
)


@strawberry.type(description="One movement of a payment; for staff.")
class PaymentTransaction:
    """What was asked of a provider, or told by it."""

    id: strawberry.ID
    kind: PaymentTransactionKind  # type: ignore[valid-type]
    status: PaymentTransactionStatus  # type: ignore[valid-type]
    amount: Money
    reference: str | None = strawberry.field(description="The provider's own name for it.")
    decline_code: str | None = strawberry.field(description="Why nothing came of it.")
    reason: str | None = strawberry.field(description="Why staff asked for it.")
    requested_at: datetime
    settled_at: datetime | None

    @classmethod
    def of(cls, transaction: domain.PaymentTransaction, currency: str) -> "PaymentTransaction":
        """Return the GraphQL form of a transaction."""
        return cls(
            id=encode_id("PaymentTransaction", transaction.id),
            kind=transaction.kind,
            status=transaction.status,
            amount=Money.of_minor(transaction.amount_minor, currency),
            reference=transaction.reference,
            decline_code=transaction.decline_code,
            reason=transaction.reason,
            requested_at=transaction.requested_at,
            settled_at=transaction.settled_at,
        )


@strawberry.type(
    description="What the shopper has to do before a payment is decided: go to url where there is one, or "
    "let the provider's own script go on with clientSecret. Then send the same mutation again, under the "
    "same key."
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
    amount: Money = strawberry.field(description="What is to be paid with it.")
    authorized: Money
    captured: Money
    refunded: Money
    credited: Money = strawberry.field(description="What was given back of it as store credit.")
    charged_back: Money = strawberry.field(description="What the payer's bank took back.")
    capturable: Money = strawberry.field(description="What can still be captured.")
    refundable: Money = strawberry.field(description="What can still be refunded.")
    expires_at: datetime | None = strawberry.field(
        description="When what is authorized lapses, where the provider says so."
    )
    buyer_reference: str | None = strawberry.field(
        description="The number of the buyer's own purchase order, where it is paid by one."
    )
    due_at: datetime | None = strawberry.field(
        description="When what is billed has to be paid; null where the channel has no terms."
    )
    row_id: strawberry.Private[UUID]
    currency: strawberry.Private[str]
    action: PaymentAction | None = strawberry.field(
        default=None,
        description="What the shopper has to do: told by what has asked for it (orderPlace, orderDraftPlace, "
        "orderPaymentCreate), while it is ACTION_REQUIRED.",
    )

    @classmethod
    def of(cls, payment: domain.Payment, action: Mapping[str, str] | None = None) -> "Payment":
        """Return the GraphQL form of a payment, for whoever has asked for it with what is to be done."""
        currency = payment.currency
        return cls(
            id=encode_id("Payment", payment.id),
            provider=payment.provider,
            method=payment.method,
            status=payment.status,
            amount=Money.of(payment.amount),
            authorized=Money.of_minor(payment.authorized_minor, currency),
            captured=Money.of_minor(payment.captured_minor, currency),
            refunded=Money.of_minor(payment.refunded_minor, currency),
            action=PaymentAction.of(action or {}),
            credited=Money.of_minor(payment.credited_minor, currency),
            charged_back=Money.of_minor(payment.charged_back_minor, currency),
            capturable=Money.of_minor(payment.capturable_minor, currency),
            refundable=Money.of_minor(payment.refundable_minor, currency),
            expires_at=payment.expires_at,
            buyer_reference=payment.buyer_reference,
            due_at=payment.due_at,
            row_id=payment.id,
            currency=currency,
        )

    @strawberry.field(description="What became of it, oldest first; for staff, null to others.")  # type: ignore[untyped-decorator]
    async def transactions(self, info: Info) -> list[PaymentTransaction] | None:
        """Return the transactions, to who may read orders or change payments."""
        actor = info.context.actor
        if not actor.may(Permission.ORDERS_READ) and not actor.may(Permission.PAYMENTS_WRITE):
            return None
        found = await info.context.loaders.payment_transactions().load(self.row_id)
        return [PaymentTransaction.of(one, self.currency) for one in found or ()]


@strawberry.input
class PaymentCaptureInput:
    """A payment of an order, and how much to take of what is reserved; no amount: the rest."""

    id: strawberry.ID
    idempotency_key: str
    amount: MoneyInput | None = None


@strawberry.input
class PaymentVoidInput:
    """A payment of an order whose reserved rest is given up."""

    id: strawberry.ID
    idempotency_key: str


@strawberry.input
class PaymentRefundInput:
    """A payment of an order, and how much to give back; no amount: the rest of what was captured."""

    id: strawberry.ID
    reason: str
    idempotency_key: str
    amount: MoneyInput | None = None


@strawberry.input
class PaymentRecordInput:
    """A payment with provider `manual`, and what came of it; reference is the bank's or the receipt's."""

    id: strawberry.ID
    amount: MoneyInput
    idempotency_key: str
    reference: str | None = None


@strawberry.type(
    description="The payment as it now is, and what was asked of its provider. A transaction that is "
    "REQUESTED got no answer yet: it is found out, and told by the order's events. One that the provider "
    "refused is FAILED, with a PaymentDeclinedError."
)
class PaymentPayload:
    """What became of it."""

    payment: Payment | None = None
    transaction: PaymentTransaction | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
