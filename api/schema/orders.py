"""GraphQL types of orders."""

from datetime import datetime
from uuid import UUID

import strawberry

from api.context import Info
from api.errors import UserError
from api.scalars import decode_id, encode_id
from api.schema.channels import Channel
from api.schema.fulfillment import FulfillmentOrder
from api.schema.notifications import Notification
from api.schema.order_reviews import OrderReview
from api.schema.payments import Payment, PaymentTransaction
from api.schema.returns import Return
from api.schema.shipments import Shipment
from api.schema.shipping import OrderDelivery
from api.schema.values import Address, Adjustment, Money, MoneyInput, Node, Totals
from domain import orders as domain
from domain.returns import return_told
from persistence.order_parts import OrderParts
from realtime.events import FeedEvent
from services import orders as service
from services.access import Permission

OrderStatus = strawberry.enum(domain.OrderStatus, description="Life of an order.")
OrderPaymentStatus = strawberry.enum(
    domain.OrderPaymentStatus, description="What is authorized, paid and refunded, over all its payments."
)
OrderFulfillmentStatus = strawberry.enum(
    domain.OrderFulfillmentStatus, description="How far its units have come."
)


@strawberry.type
class OrderLine:
    """What was sold, at the price it was sold for."""

    id: strawberry.ID
    sku: str
    name: str
    quantity: int
    unit_price: Money
    total: Money
    quantity_shipped: int
    quantity_returned: int
    row: strawberry.Private[domain.OrderLine]
    currency: strawberry.Private[str]
    order_id: strawberry.Private[UUID | None]

    @classmethod
    def of(cls, line: domain.OrderLine, currency: str, order_id: UUID | None = None) -> "OrderLine":
        """Return the GraphQL form of a line."""
        return cls(
            id=encode_id("OrderLine", line.id),
            sku=line.sku,
            name=line.name,
            quantity=line.quantity,
            unit_price=Money.of_minor(line.unit_price_minor, currency),
            total=Money.of_minor(line.total_minor, currency),
            quantity_shipped=line.quantity_shipped,
            quantity_returned=line.quantity_returned,
            row=line,
            currency=currency,
            order_id=order_id,
        )

    @strawberry.field
    def discount(self) -> Money:
        """What discounts take off the line's total."""
        return Money.of_minor(self.row.discount_minor, self.currency)

    @strawberry.field
    def tax(self) -> Money:
        """The tax of the line, a part of its total where the order's tax is included."""
        return Money.of_minor(self.row.tax_minor, self.currency)

    @strawberry.field(description="Its discounts and taxes, one by one.")  # type: ignore[untyped-decorator]
    async def adjustments(self, info: Info) -> list[Adjustment]:
        """Return why the line costs what it does."""
        if self.order_id is None:
            return []
        found = await info.context.loaders.order_explanations().load(self.order_id)
        return Adjustment.of_line(found, self.row.id, self.currency)


@strawberry.type
class Order(Node):
    """An order; prices and totals are as they were when it was placed."""

    row: strawberry.Private[domain.Order]
    number: str
    status: OrderStatus  # type: ignore[valid-type]
    payment_status: OrderPaymentStatus  # type: ignore[valid-type]
    fulfillment_status: OrderFulfillmentStatus  # type: ignore[valid-type]
    version: int
    email: str = strawberry.field(description="Empty where an imported order or a draft has none.")
    placed_at: datetime | None = strawberry.field(description="Null for a draft.")
    drafted_at: datetime | None = strawberry.field(description="When staff made it as a draft, if they did.")
    closed_at: datetime | None
    reason: str | None = strawberry.field(description="Why it was canceled or rejected.")
    imported: bool = strawberry.field(description="Whether it came from another system.")

    @classmethod
    def of(cls, order: domain.Order) -> "Order":
        """Return the GraphQL form of an order."""
        return cls(
            id=encode_id("Order", order.id),
            row=order,
            number=order.number,
            status=order.status,
            payment_status=order.payment_status,
            fulfillment_status=order.fulfillment_status,
            version=order.version,
            email=order.email or "",
            placed_at=order.placed_at if order.placed else None,
            drafted_at=order.drafted_at,
            closed_at=order.closed_at,
            reason=order.reason,
            imported=order.imported,
        )

    @strawberry.field(description="Where it was sold.")  # type: ignore[untyped-decorator]
    async def channel(self, info: Info) -> Channel:
        """Return the channel."""
        channel = await info.context.loaders.channels().load(self.row.channel_id)
        assert channel is not None, "a foreign key holds every order to its channel"  # noqa: S101
        return Channel.of(channel)

    @strawberry.field(description="What was sold.")  # type: ignore[untyped-decorator]
    async def lines(self, info: Info) -> list[OrderLine]:
        """Return the lines, in their order."""
        lines = await info.context.loaders.order_lines().load(self.row.id)
        return [OrderLine.of(line, self.row.currency, self.row.id) for line in lines or ()]

    @strawberry.field
    def note(self, info: Info) -> str | None:
        """What staff wrote to themselves about it; null for a shopper."""
        return self.row.note if info.context.actor.may(Permission.ORDERS_READ) else None

    @strawberry.field
    def shipping_address(self) -> Address:
        """Where it goes; all its fields are empty in a draft that does not say yet."""
        return Address.of(self.row.shipping_address)

    @strawberry.field
    def billing_address(self) -> Address | None:
        """Who is billed; null: the shipping address."""
        return Address.of(self.row.billing_address) if self.row.billing_address else None

    @strawberry.field
    def delivery(self) -> OrderDelivery | None:
        """How it is delivered; null where nobody has chosen, or another system did."""
        kept = self.row.delivery
        return OrderDelivery.of(kept, self.row.currency) if kept and "rateId" in kept else None

    @strawberry.field
    def totals(self) -> Totals:
        """What it amounts to."""
        return Totals.of(self.row.totals, order_id=self.row.id)

    @strawberry.field(description="Which location sends what.")  # type: ignore[untyped-decorator]
    async def fulfillment_orders(self, info: Info) -> list[FulfillmentOrder]:
        """Return the locations' parts."""
        return [FulfillmentOrder.of(part) for part in (await self._parts(info)).fulfillment_orders]

    @strawberry.field(description="The parcels sent.")  # type: ignore[untyped-decorator]
    async def shipments(self, info: Info) -> list[Shipment]:
        """Return the shipments."""
        return [Shipment.of(shipment) for shipment in (await self._parts(info)).shipments]

    @strawberry.field(description="The orders that replace what came back of it.")  # type: ignore[untyped-decorator]
    async def exchanges(self, info: Info) -> list["Order"]:
        """Return the orders of its returns' exchanges."""
        returns = await info.context.loaders.order_returns().load(self.row.id)
        ids = [one.exchange_order_id for one in returns or () if one.exchange_order_id]
        found = await info.context.loaders.orders().load_many(ids)
        return [Order.of(one) for one in found if one is not None]

    @strawberry.field(description="What it replaces, where it is the order of an exchange.")  # type: ignore[untyped-decorator]
    async def exchange_of(self, info: Info) -> Return | None:
        """Return the return that it was made for."""
        found = await info.context.loaders.exchanged_returns().load(self.row.id)
        return None if found is None else Return.of(found)

    @strawberry.field(description="What comes back of it, the oldest first.")  # type: ignore[untyped-decorator]
    async def returns(self, info: Info) -> list[Return]:
        """Return the returns."""
        found = await info.context.loaders.order_returns().load(self.row.id)
        return [Return.of(one) for one in found or ()]

    @strawberry.field(description="How it is paid.")  # type: ignore[untyped-decorator]
    async def payments(self, info: Info) -> list[Payment]:
        """Return the payments."""
        return [Payment.of(payment) for payment in (await self._parts(info)).payments]

    @strawberry.field(description="Why it waits, or waited, for a person; for staff, null to others.")  # type: ignore[untyped-decorator]
    async def review(self, info: Info) -> OrderReview | None:
        """Return the review to staff; an order that was accepted at once has none."""
        if not info.context.actor.may(Permission.ORDERS_READ):
            return None
        review = await info.context.loaders.order_reviews().load(self.row.id)
        return OrderReview.of(review, self) if review else None

    @strawberry.field(description="What its customer was told; for staff, null to others.")  # type: ignore[untyped-decorator]
    async def notifications(self, info: Info) -> list[Notification] | None:
        """Return the notifications to staff, oldest first."""
        if not info.context.actor.may(Permission.ORDERS_READ):
            return None
        found = await info.context.loaders.order_notifications().load(self.row.id)
        return [Notification.of(one) for one in found or ()]

    async def _parts(self, info: Info) -> OrderParts:
        return await info.context.loaders.order_parts().load(self.row.id) or OrderParts()


@strawberry.type(
    description="Something that happened to an order. order is as it is when the event is delivered; version "
    "is the one the event made."
)
class OrderEvent:
    """An event of an order's stream."""

    cursor: str
    kind: str
    occurred_at: datetime
    version: int
    imported: bool = strawberry.field(description="Whether it is history from another system, not news.")
    order_id: strawberry.Private[UUID]
    return_id: strawberry.Private[UUID | None]
    row: strawberry.Private[domain.Order | None]

    @classmethod
    def of(cls, event: FeedEvent, order: domain.Order | None = None) -> "OrderEvent":
        """Return the GraphQL form of an event, with its order where that was read already."""
        return cls(
            cursor=event.cursor,
            kind=event.kind,
            occurred_at=event.occurred_at,
            version=event.version,
            imported=bool(event.payload.get("imported")),
            order_id=event.aggregate_id,
            return_id=return_told(event.payload),
            row=order,
        )

    @strawberry.field(description="The order as it is now.")  # type: ignore[untyped-decorator]
    async def order(self, info: Info) -> Order:
        """Return the order."""
        order = self.row or await info.context.loaders.orders().load(self.order_id)
        assert order is not None, "orders are never deleted"  # noqa: S101
        return Order.of(order)

    @strawberry.field(name="return", description="The return it tells of, as it is now; null: of none.")  # type: ignore[untyped-decorator]
    async def return_(self, info: Info) -> Return | None:
        """Return the return."""
        found = self.return_id and await info.context.loaders.returns().load(self.return_id)
        return Return.of(found) if found else None


@strawberry.input(one_of=True, description="One way of naming an order.")
class OrderRef:
    """Its id, its number, or its secret token."""

    id: strawberry.Maybe[strawberry.ID]
    number: strawberry.Maybe[str]
    token: strawberry.Maybe[str]

    def to_domain(self, *path: str) -> service.OrderRef:
        """Return what is named; raises InvalidInput or NotFound for an id that names no order."""
        if self.id is not None:
            return service.OrderRef(id=decode_id("Order", self.id.value or "", *path, "id"))
        number, token = self.number, self.token
        return service.OrderRef(number=number.value if number else None, token=token.value if token else None)


@strawberry.input(description="provider `sandbox` takes the methods ok, decline, timeout and review.")
class PaymentMethodInput:
    """How to pay."""

    provider: str
    method: str
    token: str | None = strawberry.field(
        default=None,
        description="What the provider's own form gave (Stripe: pm_...); never a card number.",
    )
    return_url: str | None = strawberry.field(
        default=None, description="Where the shopper comes back to who has to confirm the payment elsewhere."
    )
    reference: str | None = strawberry.field(
        default=None,
        description="The number of the buyer's own purchase order, for the method purchase_order alone.",
    )


@strawberry.input
class OrderPlaceInput:
    """The cart to order, and how to pay for it."""

    cart_token: str
    payment: PaymentMethodInput
    idempotency_key: str


@strawberry.input
class OrderCancelInput:
    """The order to cancel, and why."""

    ref: OrderRef
    reason: str
    idempotency_key: str
    expected_version: int | None = None


@strawberry.input
class OrderApproveInput:
    """The order to approve."""

    id: strawberry.ID
    idempotency_key: str
    expected_version: int | None = None
    note: str | None = strawberry.field(default=None, description="For staff.")


@strawberry.input
class OrderRejectInput:
    """The order to turn down, and why."""

    id: strawberry.ID
    reason: str = strawberry.field(description="The shopper may see it.")
    idempotency_key: str
    expected_version: int | None = None
    note: str | None = strawberry.field(default=None, description="For staff alone.")


@strawberry.input
class OrderRefundInput:
    """The order to give money back of, and why."""

    ref: OrderRef
    amount: MoneyInput
    reason: str
    idempotency_key: str
    expected_version: int | None = None


@strawberry.type(
    description="The order as it now is, and one transaction for each payment that gives back a part. One "
    "that is REQUESTED got no answer yet; of one that is FAILED a PaymentDeclinedError tells why."
)
class OrderRefundPayload:
    """What became of it."""

    order: Order | None = None
    transactions: list[PaymentTransaction] = strawberry.field(default_factory=list)
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type(
    description="Placed: order, orderToken (lets a guest follow the order) and payment. "
    "Declined: order null, PaymentDeclinedError; the cart is ACTIVE with its holds, to be tried again with a "
    "new key. Not known yet: order null, payment PENDING or ACTION_REQUIRED, no userErrors; the cart is in "
    "CHECKOUT and takes no changes; what its holds release meanwhile is secured again. That "
    "answer is not final: the same key later returns the final one, and cartUpdated tells when."
)
class OrderPlacePayload:
    """What became of a checkout."""

    order: Order | None = None
    order_token: str | None = None
    payment: Payment | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class OrderPayload:
    """The order as it is now, or why it was not changed."""

    order: Order | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
