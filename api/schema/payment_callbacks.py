"""GraphQL types of payment callbacks."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from api.errors import UserError
from api.pagination import PageInfo, PageRequest, cursor, page_of
from api.scalars import encode_id
from api.schema.payments import PaymentTransactionKind
from api.schema.values import Money
from domain import payment_callbacks as domain
from domain.kernel.errors import InvalidInput
from domain.kernel.money import Money as DomainMoney
from domain.kernel.money import exponent_of

OLDEST = "RECEIVED_OLDEST"
"""The one order of this list, named in its cursors."""

KEY = (datetime, UUID)
"""What a cursor holds: when the callback was received, and its id."""

PaymentCallbackState = strawberry.enum(
    domain.CallbackState, name="PaymentCallbackState", description="What became of a provider's callback."
)


@strawberry.type(
    description="Something a payment provider told by itself, of one movement of money. reference is its "
    "name for the payment, changeReference for the movement; reason says why it was set aside or ignored."
)
class PaymentCallback:
    """One event of a provider, and what became of it."""

    id: strawberry.ID
    provider: str
    event_id: str
    kind: PaymentTransactionKind  # type: ignore[valid-type]
    outcome: str
    amount: Money | None = strawberry.field(
        description="As the provider said; null where the currency is none of ISO 4217."
    )
    currency: str
    reference: str
    change_reference: str
    decline_code: str | None
    state: PaymentCallbackState  # type: ignore[valid-type]
    reason: str | None
    payment_id: strawberry.ID | None = strawberry.field(
        description="The payment it is about, where there is one that the provider calls so."
    )
    occurred_at: datetime
    received_at: datetime
    settled_at: datetime | None
    note: str | None
    resolved_at: datetime | None

    @classmethod
    def of(cls, callback: domain.PaymentCallback) -> "PaymentCallback":
        """Return the GraphQL form of a callback."""
        event = callback.event
        return cls(
            id=encode_id("PaymentCallback", callback.id),
            provider=callback.provider,
            event_id=event.id,
            kind=event.kind,
            outcome=event.outcome.value,
            amount=_shown(event.amount),
            currency=event.amount.currency,
            reference=event.reference,
            change_reference=event.change_reference,
            decline_code=event.decline_code,
            state=callback.state,
            reason=callback.reason,
            payment_id=encode_id("Payment", callback.payment_id) if callback.payment_id else None,
            occurred_at=event.occurred_at,
            received_at=callback.received_at,
            settled_at=callback.settled_at,
            note=callback.note,
            resolved_at=callback.resolved_at,
        )


@strawberry.type
class PaymentCallbackEdge:
    """A callback and where it stands in the list."""

    cursor: str
    node: PaymentCallback


@strawberry.type
class PaymentCallbackConnection:
    """A page of callbacks."""

    edges: list[PaymentCallbackEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[domain.PaymentCallback], request: PageRequest) -> "PaymentCallbackConnection":
        """Return the page; a callback beyond its size only tells that there are more."""
        edges, page_info = page_of(
            found,
            request,
            lambda one: PaymentCallbackEdge(
                cursor=cursor(OLDEST, one.received_at, one.id), node=PaymentCallback.of(one)
            ),
        )
        return cls(edges=edges, page_info=page_info)


@strawberry.input
class PaymentCallbackResolveInput:
    """What was done about a callback that was set aside."""

    id: strawberry.ID
    note: str
    idempotency_key: str


@strawberry.type
class PaymentCallbackPayload:
    """A callback, or why it is as it was."""

    payment_callback: PaymentCallback | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


def _shown(amount: DomainMoney) -> Money | None:
    try:
        exponent_of(amount.currency)
    except InvalidInput:
        return None
    return Money.of(amount)
