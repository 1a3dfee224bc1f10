"""GraphQL types of drafts: orders that staff make."""

from collections.abc import Sequence

import strawberry

from api.errors import UserError
from api.scalars import decode_id
from api.schema.carts import RATE
from api.schema.catalog import VariantRef
from api.schema.orders import Order, PaymentMethodInput
from api.schema.values import AddressInput, MoneyInput, given, given_domain
from domain.kernel.changes import KEEP
from domain.kernel.errors import under
from domain.order_drafts import DraftChanges, WantedLine
from services.order_drafts import Draft


@strawberry.input(
    description="unitPrice is what one unit costs the customer, in the channel's currency. Null: the "
    "channel's price. Left out: the price staff have set for the variant in this draft, else the channel's."
)
class OrderDraftLineInput:
    """A variant, how many units of it, and what staff ask for one."""

    variant: VariantRef
    quantity: int
    unit_price: strawberry.Maybe[MoneyInput | None]

    def to_domain(self) -> WantedLine:
        """Return the line, still to be checked."""
        return WantedLine(self.variant.to_domain("variant"), self.quantity, given_domain(self.unit_price))


@strawberry.input(
    description="shippingPrice is for the delivery option named, instead of its own. note is for staff; "
    "with holdStock the lines hold their stock as a cart's do, without it is secured when somebody pays."
)
class OrderDraftCreateInput:
    """A new draft."""

    channel: str
    lines: list[OrderDraftLineInput]
    idempotency_key: str
    email: str | None = None
    shipping_address: AddressInput | None = None
    billing_address: AddressInput | None = None
    delivery_option_id: strawberry.ID | None = None
    shipping_price: MoneyInput | None = None
    note: str | None = None
    hold_stock: bool = False

    def to_changes(self) -> DraftChanges:
        """Return what the draft shall be, still to be checked."""
        option, price = self.delivery_option_id, self.shipping_price
        return DraftChanges(
            lines=_lines(self.lines),
            email=KEEP if self.email is None else self.email,
            shipping_address=KEEP if self.shipping_address is None else self.shipping_address.to_domain(),
            billing_address=KEEP if self.billing_address is None else self.billing_address.to_domain(),
            delivery_rate_id=KEEP if option is None else decode_id(RATE, option, "deliveryOptionId"),
            shipping_price=KEEP if price is None else price.to_domain(),
            note=KEEP if self.note is None else self.note,
            hold_stock=self.hold_stock,
        )


@strawberry.input(
    description="What is left out stays as it is; null clears it. lines are all the lines there will be; a "
    "new deliveryOptionId without a shippingPrice is delivered at the option's own price. Where nothing is "
    "named, nothing is changed, and the payload has the draft with its cartToken."
)
class OrderDraftUpdateInput:
    """Changes of a draft."""

    id: strawberry.ID
    expected_version: int
    idempotency_key: str
    lines: strawberry.Maybe[list[OrderDraftLineInput]]
    email: strawberry.Maybe[str | None]
    shipping_address: strawberry.Maybe[AddressInput | None]
    billing_address: strawberry.Maybe[AddressInput | None]
    delivery_option_id: strawberry.Maybe[strawberry.ID | None]
    shipping_price: strawberry.Maybe[MoneyInput | None]
    note: strawberry.Maybe[str | None]
    hold_stock: strawberry.Maybe[bool]

    def to_changes(self) -> DraftChanges:
        """Return what shall change, still to be checked."""
        option = given(self.delivery_option_id)
        return DraftChanges(
            lines=KEEP if self.lines is None else _lines(self.lines.value),
            email=given(self.email),
            shipping_address=given_domain(self.shipping_address),
            billing_address=given_domain(self.billing_address),
            delivery_rate_id=decode_id(RATE, option, "deliveryOptionId")
            if isinstance(option, str)
            else option,
            shipping_price=given_domain(self.shipping_price),
            note=given(self.note),
            hold_stock=given(self.hold_stock),
        )


@strawberry.input
class OrderDraftPlaceInput:
    """The draft to place for its customer, and how it is paid."""

    id: strawberry.ID
    payment: PaymentMethodInput
    idempotency_key: str
    expected_version: int | None = None


@strawberry.type(
    description="cartToken is the link to pay by, and a secret: whoever has it sees the cart, may set its "
    "address, e-mail address and delivery option, and pays by orderPlace."
)
class OrderDraftPayload:
    """A draft and the token of the cart behind it, or why it was not made or changed."""

    order: Order | None = None
    cart_token: str | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)

    @classmethod
    def of(cls, draft: Draft) -> "OrderDraftPayload":
        """Return the GraphQL form of a draft."""
        return cls(order=Order.of(draft.order), cart_token=draft.cart_token)


def _lines(lines: Sequence[OrderDraftLineInput]) -> list[WantedLine]:
    made: list[WantedLine] = []
    for index, line in enumerate(lines):
        with under("lines", str(index)):
            made.append(line.to_domain())
    return made
