"""GraphQL types of gift cards and store credit."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from api.context import Info
from api.errors import UserError
from api.pagination import PageInfo, PageRequest, cursor, page_of
from api.scalars import encode_id
from api.schema.values import Money, MoneyInput, Node
from domain import stored_values as domain
from domain.kernel.errors import InvalidInput
from persistence.stored_values import Movement

NEWEST = "CREATED_NEWEST"
"""The one order of lists of gift cards, named in their cursors."""

KEY = (datetime, UUID)
"""What a cursor holds: when the card was created, and its id."""

GIFT_CARD = "GiftCard"

_MOST_MOVEMENTS = 100

StoredValueMovementKind = strawberry.enum(
    domain.MovementKind, name="StoredValueMovementKind", description="Why a balance changed."
)


@strawberry.type
class StoredValueMovement:
    """One change of a balance; what went is below zero."""

    kind: StoredValueMovementKind  # type: ignore[valid-type]
    amount: Money
    reason: str | None
    actor: str
    occurred_at: datetime
    order_id: strawberry.ID | None = strawberry.field(
        description="The order that was paid with it; null for a payment of which no order came."
    )

    @classmethod
    def of(cls, movement: Movement, currency: str) -> "StoredValueMovement":
        """Return the GraphQL form of a movement."""
        return cls(
            kind=movement.kind,
            amount=Money.of_minor(movement.amount_minor, currency),
            reason=movement.reason,
            actor=movement.actor,
            occurred_at=movement.occurred_at,
            order_id=encode_id("Order", movement.order_id) if movement.order_id else None,
        )


async def _movements(info: Info, value: domain.StoredValue, first: int) -> list[StoredValueMovement]:
    if not 1 <= first <= _MOST_MOVEMENTS:
        raise InvalidInput(f"must be between 1 and {_MOST_MOVEMENTS}", "first")
    found = await info.context.loaders.stored_value_movements(first).load(value.id)
    return [StoredValueMovement.of(one, value.currency) for one in found or ()]


@strawberry.type(
    description="A gift card, for staff: whoever knows its code can pay with it. The code is shown once, "
    "when it is created."
)
class GiftCard(Node):
    """A gift card."""

    row: strawberry.Private[domain.StoredValue]
    last_characters: str
    balance: Money
    version: int
    note: str | None
    created_at: datetime
    expires_at: datetime | None
    disabled_at: datetime | None

    @classmethod
    def of(cls, value: domain.StoredValue) -> "GiftCard":
        """Return the GraphQL form of a gift card."""
        return cls(
            id=encode_id(GIFT_CARD, value.id),
            row=value,
            last_characters=value.last_characters or "",
            balance=Money.of(value.balance),
            version=value.version,
            note=value.note,
            created_at=value.created_at,
            expires_at=value.expires_at,
            disabled_at=value.disabled_at,
        )

    @strawberry.field(description="Its newest movements, the newest first; they sum to the balance.")  # type: ignore[untyped-decorator]
    async def movements(self, info: Info, first: int = 20) -> list[StoredValueMovement]:
        """Return the movements."""
        return await _movements(info, self.row, first)


@strawberry.type
class StoreCredit(Node):
    """What a customer has with the shop in one currency."""

    row: strawberry.Private[domain.StoredValue]
    email: str
    balance: Money
    version: int
    created_at: datetime

    @classmethod
    def of(cls, value: domain.StoredValue) -> "StoreCredit":
        """Return the GraphQL form of store credit."""
        return cls(
            id=encode_id("StoreCredit", value.id),
            row=value,
            email=value.email or "",
            balance=Money.of(value.balance),
            version=value.version,
            created_at=value.created_at,
        )

    @strawberry.field(description="Its newest movements, the newest first; they sum to the balance.")  # type: ignore[untyped-decorator]
    async def movements(self, info: Info, first: int = 20) -> list[StoredValueMovement]:
        """Return the movements."""
        return await _movements(info, self.row, first)


@strawberry.type
class GiftCardBalance:
    """A gift card as whoever knows its code sees it."""

    last_characters: str
    balance: Money
    expires_at: datetime | None
    usable: bool = strawberry.field(description="False once it has expired or was disabled.")

    @classmethod
    def of(cls, value: domain.StoredValue, now: datetime) -> "GiftCardBalance":
        """Return the GraphQL form of what a shopper may know."""
        return cls(
            last_characters=value.last_characters or "",
            balance=Money.of(value.balance),
            expires_at=value.expires_at,
            usable=value.why_unusable(now) is None,
        )


@strawberry.type
class CartGiftCard:
    """A gift card that a cart is to be paid with."""

    last_characters: str
    balance: Money = strawberry.field(description="What is left on it now.")
    used: Money = strawberry.field(description="What of it would be used; of an order, what was.")

    @classmethod
    def of(cls, use: domain.Use) -> "CartGiftCard":
        """Return the GraphQL form of a gift card's part in a cart."""
        value = use.applied.value
        return cls(
            last_characters=value.last_characters or "",
            balance=Money.of(value.balance),
            used=Money.of_minor(use.amount_minor, value.currency),
        )


@strawberry.type(description="Store credit that a cart is to be paid with; the balance is not told.")
class CartStoreCredit:
    """Store credit's part in a cart."""

    used: Money = strawberry.field(description="What of it would be used; of an order, what was.")

    @classmethod
    def of(cls, use: domain.Use) -> "CartStoreCredit":
        """Return the GraphQL form of store credit's part in a cart."""
        return cls(used=Money.of_minor(use.amount_minor, use.applied.value.currency))


@strawberry.type
class GiftCardEdge:
    """A gift card and where it stands in the list."""

    cursor: str
    node: GiftCard


@strawberry.type
class GiftCardConnection:
    """A page of gift cards."""

    edges: list[GiftCardEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, found: Sequence[domain.StoredValue], request: PageRequest) -> "GiftCardConnection":
        """Return the page; a card beyond its size only tells that there are more."""
        edges, page_info = page_of(
            found,
            request,
            lambda value: GiftCardEdge(
                cursor=cursor(NEWEST, value.created_at, value.id), node=GiftCard.of(value)
            ),
        )
        return cls(edges=edges, page_info=page_info)


@strawberry.input(description="Without expiresAt it never expires.")
class GiftCardCreateInput:
    """A new gift card."""

    amount: MoneyInput
    idempotency_key: str
    expires_at: datetime | None = None
    note: str | None = None


@strawberry.input
class GiftCardDisableInput:
    """A gift card that nothing is to be paid with any more."""

    id: strawberry.ID
    expected_version: int | None = None


@strawberry.input
class StoreCreditIssueInput:
    """Store credit for a customer, in addition to what they have."""

    email: str
    amount: MoneyInput
    reason: str
    idempotency_key: str


@strawberry.input(description="amount is what the balance changes by: below zero to take away.")
class StoreCreditAdjustInput:
    """A correction of a customer's store credit."""

    email: str
    amount: MoneyInput
    reason: str
    idempotency_key: str
    expected_version: int | None = None


@strawberry.input
class CartGiftCardApplyInput:
    """A gift card to pay with, by its code."""

    cart_token: str
    code: str


@strawberry.input(description="code may be its last four characters only.")
class CartGiftCardRemoveInput:
    """A gift card not to pay with."""

    cart_token: str
    code: str


@strawberry.input(
    description="email is the customer for whom the app vouches; the cart's own address proves nothing. "
    "Without an amount, whatever is needed is used."
)
class CartStoreCreditApplyInput:
    """A customer's store credit to pay with."""

    cart_token: str
    email: str
    amount: MoneyInput | None = None


@strawberry.input
class CartStoreCreditRemoveInput:
    """A cart whose store credit is not to be used."""

    cart_token: str


@strawberry.type(
    description="code is a secret, shown this once: the same idempotencyKey returns the card without it. "
    "Where it was lost, disable the card and create another."
)
class GiftCardCreatePayload:
    """A gift card and its code, or why there is none."""

    gift_card: GiftCard | None = None
    code: str | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class GiftCardPayload:
    """The gift card as it is now, or why it was not changed."""

    gift_card: GiftCard | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class StoreCreditPayload:
    """The store credit as it is now, or why it was not changed."""

    store_credit: StoreCredit | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
