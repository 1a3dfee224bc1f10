"""GraphQL types of carts."""

from datetime import datetime
from functools import lru_cache
from uuid import UUID

import strawberry

from api.context import Info
from api.errors import UserError
from api.scalars import encode_id
from api.schema.cart_discounts import CartDiscountCode
from api.schema.catalog import ProductVariant, VariantRef
from api.schema.channels import Channel
from api.schema.pickup_places import PickupPlace
from api.schema.stored_values import CartGiftCard, CartStoreCredit
from api.schema.values import Address, AddressInput, Adjustment, Money, Node, Totals
from domain import carts as domain
from domain.cart_discounts import codes_of
from domain.channels import Channel as DomainChannel
from domain.delivery_promises import promise
from domain.pricing import Price
from domain.shipping import DeliveryRate, offer
from domain.stored_values import StoredValueKind, Use, uses
from realtime.events import FeedEvent

CartStatus = strawberry.enum(domain.CartStatus, description="Life of a cart.")

RATE = "DeliveryOption"
LINE = "CartLine"


@strawberry.type
class CartLine:
    """One variant in a cart, at the price it had when the line was last changed."""

    id: strawberry.ID
    variant: ProductVariant
    quantity: int
    unit_price: Money
    total: Money
    hold_expires_at: datetime | None = strawberry.field(
        description="Until when all its units are held; null when they are not."
    )
    row_id: strawberry.Private[UUID]
    price: strawberry.Private[Price]
    unheld: strawberry.Private[int]

    @classmethod
    def of(cls, line: domain.CartLine, channel: DomainChannel, price: Price) -> "CartLine":
        """Return the GraphQL form of a line of a cart that costs so much."""
        return cls(
            id=encode_id(LINE, line.id),
            variant=ProductVariant.of(line.variant, channel),
            quantity=line.quantity,
            unit_price=Money.of_minor(line.unit_price_minor, channel.currency),
            total=Money.of_minor(line.total_minor, channel.currency),
            hold_expires_at=line.hold_expires_at if line.is_secured else None,
            row_id=line.id,
            price=price,
            unheld=line.quantity - line.held,
        )

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="Units of it that are not held and, being sold beyond the stock, would wait for it."
    )
    async def backordered(self, info: Info) -> int:
        """Return the units that an order of the cart would wait for."""
        if not self.unheld:
            return 0
        policy = await info.context.loaders.backorder_policies().load(self.variant.sku)
        return self.unheld if policy is not None and policy.allowed else 0

    @strawberry.field
    def discount(self) -> Money:
        """What discounts take off the line's total."""
        return Money.of_minor(self.price.part_of(self.row_id).discount_minor, self.price.totals.currency)

    @strawberry.field
    def tax(self) -> Money:
        """The tax of the line, a part of its total where the cart's tax is included."""
        return Money.of_minor(self.price.part_of(self.row_id).tax_minor, self.price.totals.currency)

    @strawberry.field
    def adjustments(self) -> list[Adjustment]:
        """Its discounts and taxes, one by one."""
        return Adjustment.of_line(self.price.explanation, self.row_id, self.price.totals.currency)


@strawberry.type
class DeliveryOption:
    """A way to have the cart delivered, and from when to when it is promised to arrive."""

    id: strawberry.ID
    carrier: str
    service: str
    price: Money
    earliest: datetime | None
    latest: datetime | None

    @classmethod
    def of(cls, rate: DeliveryRate, cart: domain.Cart, now: datetime) -> "DeliveryOption":
        """Return the GraphQL form of a rate that applies to a cart."""
        told = promise(rate, cart.delivery_rules.origins, cart.shipping_address, now)
        option = offer(rate, cart.currency, told.earliest, told.latest)
        return cls(
            id=encode_id(RATE, option.id),
            carrier=option.carrier,
            service=option.service,
            price=Money.of(option.price),
            earliest=option.earliest,
            latest=option.latest,
        )


@strawberry.type
class Cart(Node):
    """A shopper's cart; its lines hold real stock until their holds expire."""

    row: strawberry.Private[domain.Cart]
    status: CartStatus  # type: ignore[valid-type]
    version: int
    email: str | None
    locale: str | None = strawberry.field(
        description="The buyer's own, in whose language messages are; null: the channel's."
    )
    customer_group: str | None = strawberry.field(
        description="Which customer group buys, as an app has said; delivery may be free for it from less."
    )

    @classmethod
    def of(cls, cart: domain.Cart) -> "Cart":
        """Return the GraphQL form of a cart."""
        return cls(
            id=encode_id("Cart", cart.id),
            row=cart,
            status=cart.status,
            version=cart.version,
            email=cart.email,
            locale=cart.locale,
            customer_group=cart.customer_group,
        )

    @strawberry.field
    def channel(self) -> Channel:
        """Where it sells."""
        return _channel(self.row.channel)

    @strawberry.field
    def lines(self) -> list[CartLine]:
        """What is in it, in the order it came."""
        price = self.row.price
        return [CartLine.of(line, self.row.channel, price) for line in self.row.lines]

    @strawberry.field
    def shipping_address(self) -> Address | None:
        """Where it shall go."""
        return Address.of(self.row.shipping_address) if self.row.shipping_address else None

    @strawberry.field
    def billing_address(self) -> Address | None:
        """Who is billed; null: the shipping address."""
        return Address.of(self.row.billing_address) if self.row.billing_address else None

    @strawberry.field
    def delivery_options(self, info: Info) -> list[DeliveryOption]:
        """The options to choose from, for its address, weight and value as they are."""
        now = info.context.service.now()
        return [DeliveryOption.of(rate, self.row, now) for rate in self.row.applicable_rates]

    @strawberry.field
    def delivery_option(self, info: Info) -> DeliveryOption | None:
        """The option chosen, while it applies."""
        rate = self.row.delivery_rate
        return DeliveryOption.of(rate, self.row, info.context.service.now()) if rate else None

    @strawberry.field
    def pickup(self) -> PickupPlace | None:
        """The store it is collected at instead of being delivered."""
        return PickupPlace.of(self.row.pickup) if self.row.pickup else None

    @strawberry.field
    def lines_fixed(self) -> bool:
        """Whether it has an order: one that staff made for the shopper to pay, or the one it became."""
        return self.row.order_id is not None

    @strawberry.field
    def totals(self) -> Totals:
        """What it amounts to, in the channel's currency."""
        return Totals.of(self.row.totals, self.row.price.explanation)

    @strawberry.field
    def discount_codes(self) -> list[CartDiscountCode]:
        """The codes it was given; one that no longer applies keeps the cart from being ordered."""
        return [CartDiscountCode.of(code) for code in codes_of(self.row)]

    @strawberry.field(description="The gift cards it is to be paid with, in the order they are used.")  # type: ignore[untyped-decorator]
    async def gift_cards(self, info: Info) -> list[CartGiftCard]:
        """Return the gift cards."""
        return [
            CartGiftCard.of(use)
            for use in await self._uses(info)
            if use.applied.value.kind is StoredValueKind.GIFT_CARD
        ]

    @strawberry.field(description="The store credit it is to be paid with; null: none.")  # type: ignore[untyped-decorator]
    async def store_credit(self, info: Info) -> CartStoreCredit | None:
        """Return the store credit."""
        uses = await self._uses(info)
        return next(
            (
                CartStoreCredit.of(use)
                for use in uses
                if use.applied.value.kind is StoredValueKind.STORE_CREDIT
            ),
            None,
        )

    @strawberry.field(description="What is left of the total once gift cards and store credit have paid.")  # type: ignore[untyped-decorator]
    async def amount_due(self, info: Info) -> Money:
        """Return what is left to pay."""
        covered = sum(use.amount_minor for use in await self._uses(info))
        return Money.of_minor(max(0, self.row.totals.total_minor - covered), self.row.currency)

    async def _uses(self, info: Info) -> list[Use]:
        applied = await info.context.loaders.applied_stored_values().load(self.row.id)
        return uses(applied or [], self.row.totals.total_minor, info.context.service.now())


@lru_cache(maxsize=256)
def _channel(channel: DomainChannel) -> Channel:
    return Channel.of(channel)


@strawberry.type(
    description="Something that happened to a cart. cart is as it is when the event is delivered; version "
    "is the one the event made."
)
class CartEvent:
    """An event of a cart's stream."""

    cursor: str
    kind: str
    occurred_at: datetime
    version: int
    sku: str | None
    quantity: int | None
    cart_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, event: FeedEvent) -> "CartEvent":
        """Return the GraphQL form of an event."""
        return cls(
            cursor=event.cursor,
            kind=event.kind,
            occurred_at=event.occurred_at,
            version=event.version,
            sku=event.payload.get("sku"),
            quantity=event.payload.get("quantity"),
            cart_id=event.aggregate_id,
        )

    @strawberry.field
    async def cart(self, info: Info) -> Cart:
        """The cart as it is now."""
        cart = await info.context.loaders.carts().load(self.cart_id)
        assert cart is not None, "carts are never deleted"  # noqa: S101
        return Cart.of(cart)


@strawberry.input
class CartLineInput:
    """A variant and how many units of it."""

    variant: VariantRef
    quantity: int


@strawberry.input(description="An anonymous idempotencyKey must be a UUID: whoever knows it gets the token.")
class CartCreateInput:
    """A new cart."""

    channel: str
    lines: list[CartLineInput] | None = None
    email: str | None = None
    idempotency_key: str | None = None
    locale: str | None = strawberry.field(
        default=None, description="The buyer's own, as in de-AT; the channel's where left out."
    )


@strawberry.input(description="A variant that is in the cart already gets more units.")
class CartLineAddInput:
    """Units to add."""

    cart_token: str
    variant: VariantRef
    quantity: int
    idempotency_key: str | None = None


@strawberry.input
class CartLineUpdateInput:
    """A line's new quantity."""

    cart_token: str
    line_id: strawberry.ID
    quantity: int
    expected_version: int | None = None
    idempotency_key: str | None = None


@strawberry.input
class CartLineRemoveInput:
    """A line to remove."""

    cart_token: str
    line_id: strawberry.ID
    expected_version: int | None = None
    idempotency_key: str | None = None


@strawberry.input(description="A field that is left out stays as it is; null clears it.")
class CartUpdateInput:
    """Who buys, and where it goes."""

    cart_token: str
    email: str | None = strawberry.UNSET
    shipping_address: AddressInput | None = strawberry.UNSET
    billing_address: AddressInput | None = strawberry.UNSET
    locale: str | None = strawberry.field(
        default=strawberry.UNSET, description="The buyer's own, as in de-AT; null: the channel's."
    )


@strawberry.input
class CartDeliveryOptionSelectInput:
    """The option to deliver by."""

    cart_token: str
    delivery_option_id: strawberry.ID


@strawberry.type(
    description="cartToken is a secret: whoever has it has the cart. A replay of cartCreate with the "
    "same key returns it again."
)
class CartCreatePayload:
    """A new cart and its token, or why there is none."""

    cart: Cart | None = None
    cart_token: str | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class CartPayload:
    """The cart as it is now, or why it was not changed."""

    cart: Cart | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
