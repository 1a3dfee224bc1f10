"""From a cart to an order: what a checkout needs, what it costs, and who sends what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from domain.addresses import Address
from domain.approvals import ApprovalRule
from domain.carts import CHANGEABLE, CartStatus
from domain.channels import CapturePolicy
from domain.discounts import DiscountRefusal
from domain.fulfillment import FulfillmentOrder, FulfillmentOrderLine, FulfillmentOrderStatus
from domain.kernel.errors import (
    CartClosed,
    CartIncomplete,
    DiscountNotApplicable,
    Several,
    VariantUnavailable,
)
from domain.kernel.ids import new_id
from domain.kernel.money import Money
from domain.order_reviews import CartFacts, History, OrderReview
from domain.orders import Order, OrderLine, OrderStatus, fulfillment_status, payment_status
from domain.payments import Payment, PaymentStatus
from domain.ports import Outcome, ProviderAnswer
from domain.pricing import (
    NO_RULES,
    Adjustment,
    Price,
    PricedLine,
    PricingRules,
    freeze,
    plain,
    price,
    thaw,
)
from domain.shipping import DeliveryRate
from domain.taxes import STANDARD

HOLD_MARGIN_SECONDS = 120
"""A hold that outlives a checkout by this much need not be renewed for it."""

AMOUNT_MISMATCH = "amount_mismatch"
"""Decline code of a payment that was not approved for exactly what the order costs."""


@dataclass(frozen=True, slots=True)
class CheckoutLine:
    """A cart line, with what is held for it until when."""

    id: UUID
    variant_id: UUID
    sku: str
    name: str
    quantity: int
    unit_price_minor: int
    position: int
    weight_grams: int
    sold: bool
    """Whether the channel sells it now: it has a price there and is not archived."""
    held: int
    hold_expires_at: datetime | None
    tax_class: str = STANDARD


@dataclass(frozen=True, slots=True)
class Checkout:
    """A cart as it goes through the till, with what its channel says about orders."""

    cart_id: UUID
    channel_id: UUID
    channel_archived: bool
    status: CartStatus
    version: int
    token_generation: int
    currency: str
    email: str | None
    customer_id: UUID | None
    shipping_address: Address | None
    billing_address: Address | None
    delivery: DeliveryRate | None
    review_from_minor: int | None
    lines: tuple[CheckoutLine, ...]
    has_stored_values: bool = False
    """Whether gift cards or store credit are to pay for it."""
    tenders: tuple[Payment, ...] = ()
    """What was taken from those for it already, besides the payment that decides."""
    capture_policy: CapturePolicy = CapturePolicy.AT_SHIPMENT
    rules: PricingRules = NO_RULES
    price: Price | None = None
    """What it costs, once that is decided: `priced` or `as_frozen` says."""
    order_id: UUID | None = None
    """The draft that the cart stands behind, which the order will be; None: a new order is made."""
    order_status: OrderStatus | None = None
    order_version: int = 0
    approval_rules: tuple[ApprovalRule, ...] = ()
    history: History = field(default_factory=History)
    client_number: int | None = None
    """Stands for the address it is ordered from, where orders are counted by that."""
    hold_unpaid: bool = False
    """Whether what is paid later waits for the money."""

    @property
    def subtotal_minor(self) -> int:
        """Price of all lines, in minor units."""
        return sum(line.unit_price_minor * line.quantity for line in self.lines)

    @property
    def shipping_minor(self) -> int:
        """Price of delivery, in minor units."""
        return self.delivery.price_minor if self.delivery else 0

    @property
    def total_minor(self) -> int:
        """What is to be paid, in minor units."""
        return self.final_price.total_minor

    @property
    def final_price(self) -> Price:
        """What it costs; without discounts and tax where no price was decided."""
        return self.price or plain(self.subtotal_minor, self.shipping_minor, self.currency)

    @property
    def total(self) -> Money:
        """What is to be paid."""
        return Money(self.total_minor, self.currency)

    @property
    def is_business(self) -> bool:
        """Whether a company buys: what it may owe is then asked of the company's own system."""
        bills = self.billing_address or self.shipping_address
        return self.customer_id is not None or bool(bills and bills.company)

    @property
    def due_minor(self) -> int:
        """What is left of the total for the payment that decides, in minor units."""
        return self.total_minor - sum(tender.amount_minor for tender in self.tenders)

    @property
    def deliverable(self) -> bool:
        """Whether the selected rate takes this parcel to this address."""
        if self.delivery is None or self.shipping_address is None:
            return False
        weight_grams = sum(line.weight_grams * line.quantity for line in self.lines)
        return self.delivery.applies(self.shipping_address.country, weight_grams, self.subtotal_minor)


@dataclass(frozen=True, slots=True)
class Allocation:
    """Units of a cart line committed at one location."""

    line_id: UUID
    variant_id: UUID
    location_id: UUID
    quantity: int


@dataclass(frozen=True, slots=True)
class Placement:
    """An order with all that is written with it. Its number is given by the database."""

    order: Order
    lines: tuple[OrderLine, ...]
    fulfillment_orders: tuple[FulfillmentOrder, ...]
    payments: tuple[Payment, ...]
    adjustments: tuple[Adjustment, ...] = ()
    """Why it costs what it does, by the order's lines."""
    review: OrderReview | None = None


def cart_facts(checkout: Checkout) -> CartFacts:
    """Return what rules of approval look at before a payment is asked for."""
    if checkout.shipping_address is None:
        raise ValueError("a checkout is checked to be ready before rules look at it")
    billing = checkout.billing_address.country if checkout.billing_address else None
    return CartFacts(checkout.total, checkout.shipping_address.country, billing, checkout.history)


def check_ready(checkout: Checkout) -> None:
    """Raise unless the cart can be ordered as it is.

    CartClosed when it or its channel takes no order, CartIncomplete naming what it still needs, and
    VariantUnavailable for each line that the channel no longer sells.
    """
    if checkout.status is CartStatus.CHECKOUT:
        raise CartClosed("a payment for this cart is under way", "cartToken")
    if checkout.status not in CHANGEABLE:
        raise CartClosed(f"the cart is {checkout.status.value}", "cartToken")
    if checkout.order_status not in {None, OrderStatus.DRAFT}:
        raise CartClosed(f"the order is {checkout.order_status}", "cartToken")
    if checkout.channel_archived:
        raise CartClosed("nothing is sold in the cart's channel any more", "cartToken")
    needed = {
        "lines": checkout.lines,
        "email": checkout.email,
        "shippingAddress": checkout.shipping_address,
        "deliveryOption": checkout.deliverable,
    }
    missing = [field for field, value in needed.items() if not value]
    if missing:
        raise CartIncomplete(missing)
    withdrawn = [VariantUnavailable(line.sku, "cartToken") for line in checkout.lines if not line.sold]
    if withdrawn:
        raise withdrawn[0] if len(withdrawn) == 1 else Several(withdrawn)


def priced(checkout: Checkout, now: datetime) -> Checkout:
    """Return the checkout with what it costs now.

    Raises DiscountNotApplicable for each code that the shopper gave and that does not apply any more: nobody
    pays more than they were shown. A code that others beat stays, and takes nothing off.
    """
    if checkout.rules.are_empty:
        included = checkout.rules.prices_include_tax
        made = plain(
            checkout.subtotal_minor, checkout.shipping_minor, checkout.currency, tax_included=included
        )
        return replace(checkout, price=made)
    made = price(
        [
            PricedLine(line.id, line.sku, line.quantity, line.unit_price_minor, line.tax_class)
            for line in checkout.lines
        ],
        checkout.shipping_minor,
        checkout.rules,
        currency=checkout.currency,
        address=checkout.shipping_address,
        now=now,
    )
    gone = [
        DiscountNotApplicable(one.name, one.code, reason, "cartToken")
        for one in (candidate.discount for candidate in checkout.rules.discounts)
        if one.code is not None
        and (reason := made.refused.get(one.id)) not in {None, DiscountRefusal.NOT_COMBINABLE}
    ]
    if gone:
        raise gone[0] if len(gone) == 1 else Several(gone)
    return replace(checkout, price=made)


def frozen(checkout: Checkout) -> dict[str, object]:
    """Return what may change while the payment's answer is awaited, as it is when it is asked for.

    Nothing else of the price can: a cart in CHECKOUT takes no changes, and its lines carry their price.
    """
    facts: dict[str, object] = {
        "delivery": _delivery_facts(checkout.delivery),
        "price": freeze(checkout.final_price),
    }
    if checkout.tenders:
        facts["tenders"] = [_tender_facts(tender) for tender in checkout.tenders]
    return facts


def as_frozen(checkout: Checkout, facts: Mapping[str, Any]) -> Checkout:
    """Return a checkout that was loaded again, with what `frozen` kept of it when it was paid for.

    Which orders wait for approval is staff's wish of now, and stays as it was loaded.
    """
    checkout = replace(checkout, tenders=tuple(_tender(one) for one in facts.get("tenders", ())))
    kept = facts.get("delivery")
    if kept is not None:
        delivery = DeliveryRate(UUID(kept["rateId"]), kept["carrier"], kept["service"], kept["priceMinor"])
        checkout = replace(checkout, delivery=delivery)
    made = thaw(facts.get("price") or {}, checkout.subtotal_minor, checkout.shipping_minor, checkout.currency)
    return replace(checkout, price=made)


def is_paid_exactly(checkout: Checkout, payment: Payment, answer: ProviderAnswer) -> bool:
    """Say whether what the order will cost is what was asked for, and what the provider has approved.

    An approval for less would sell below the price, one for more reserve money nobody agreed to.
    """
    if (payment.amount_minor, payment.currency) != (checkout.due_minor, checkout.currency):
        return False
    if answer.outcome is Outcome.DEFERRED:
        return True  # nothing is approved yet
    return answer.amount_minor == payment.amount_minor and answer.currency in {None, payment.currency}


def is_secured(checkout: Checkout, now: datetime) -> bool:
    """Say whether every line is held in full, for long enough to pay in peace."""
    until = now + timedelta(seconds=HOLD_MARGIN_SECONDS)
    return all(
        line.held == line.quantity and line.hold_expires_at is not None and line.hold_expires_at >= until
        for line in checkout.lines
    )


def unsecured(checkout: Checkout, allocations: Sequence[Allocation]) -> dict[UUID, int]:
    """Return the units that `allocations` leave open, by cart line: nothing when all is committed."""
    got: dict[UUID, int] = {}
    for allocation in allocations:
        got[allocation.line_id] = got.get(allocation.line_id, 0) + allocation.quantity
    rest = {line.id: line.quantity - got.get(line.id, 0) for line in checkout.lines}
    return {line_id: units for line_id, units in rest.items() if units > 0}


def place(
    checkout: Checkout,
    order_id: UUID,
    allocations: Sequence[Allocation],
    payment: Payment,
    *,
    needs_review: bool,
    now: datetime,
) -> Placement:
    """Make the order of a checkout whose units are all committed; `payment` is the one that decided.

    It waits for approval when the provider wishes so, or the channel's rule for its total does.
    """
    if checkout.shipping_address is None:
        raise ValueError("a checkout is checked to be ready before it is placed")
    rule, paid = checkout.review_from_minor, checkout.final_price
    waits = needs_review or (rule is not None and paid.total_minor >= rule)
    lines = _order_lines(checkout, paid)
    order_line_of = {line.id: made for line, made in zip(checkout.lines, lines, strict=True)}
    parts = _split(order_id, allocations, order_line_of, waits=waits)
    payments = (payment, *(replace(tender, order_id=order_id) for tender in checkout.tenders))
    order = Order(
        id=order_id,
        number="",
        channel_id=checkout.channel_id,
        status=OrderStatus.PENDING_APPROVAL if waits else OrderStatus.OPEN,
        payment_status=payment_status(paid.total_minor, payments),
        fulfillment_status=fulfillment_status(parts, ()),
        version=1,
        token_generation=1,
        email=checkout.email,
        currency=checkout.currency,
        shipping_address=checkout.shipping_address,
        billing_address=checkout.billing_address,
        delivery=_delivery_facts(checkout.delivery),
        subtotal_minor=checkout.subtotal_minor,
        shipping_minor=checkout.shipping_minor,
        tax_minor=paid.totals.tax_minor,
        discount_minor=paid.totals.discount_minor,
        total_minor=paid.total_minor,
        placed_at=now,
        cart_id=checkout.cart_id,
        tax_included=paid.totals.tax_included,
    )
    return Placement(order, lines, parts, payments, _adjustments(paid, order_line_of))


def _order_lines(checkout: Checkout, paid: Price) -> tuple[OrderLine, ...]:
    return tuple(
        OrderLine(
            new_id(),
            line.variant_id,
            line.sku,
            line.name,
            line.quantity,
            line.unit_price_minor,
            position,
            discount_minor=paid.part_of(line.id).discount_minor,
            tax_minor=paid.part_of(line.id).tax_minor,
        )
        for position, line in enumerate(checkout.lines)
    )


def _adjustments(paid: Price, order_line_of: Mapping[UUID, OrderLine]) -> tuple[Adjustment, ...]:
    """Return what changed the price, by the order's lines instead of the cart's."""
    return tuple(
        one if one.line_id is None else one._replace(line_id=order_line_of[one.line_id].id)
        for one in paid.adjustments
    )


def _split(
    order_id: UUID,
    allocations: Sequence[Allocation],
    order_line_of: Mapping[UUID, OrderLine],
    *,
    waits: bool,
) -> tuple[FulfillmentOrder, ...]:
    """Make one fulfillment order a location, of what is committed there."""
    units: dict[UUID, dict[UUID, int]] = {}
    for allocation in allocations:
        here = units.setdefault(allocation.location_id, {})
        here[allocation.line_id] = here.get(allocation.line_id, 0) + allocation.quantity
    status = FulfillmentOrderStatus.ON_HOLD if waits else FulfillmentOrderStatus.OPEN
    return tuple(
        FulfillmentOrder(
            new_id(),
            order_id,
            location_id,
            status,
            tuple(
                _part(order_line_of[line_id], here[line_id]) for line_id in order_line_of if line_id in here
            ),
        )
        for location_id, here in units.items()
    )


def _part(line: OrderLine, quantity: int) -> FulfillmentOrderLine:
    if line.variant_id is None:
        raise ValueError("a placed line always has its variant")
    return FulfillmentOrderLine(new_id(), line.id, line.variant_id, line.sku, quantity)


def _delivery_facts(delivery: DeliveryRate | None) -> dict[str, object] | None:
    return None if delivery is None else delivery.facts()


def _tender_facts(tender: Payment) -> dict[str, object]:
    return {
        "id": str(tender.id),
        "provider": tender.provider,
        "method": tender.method,
        "currency": tender.currency,
        "amountMinor": tender.amount_minor,
        "reference": tender.reference,
    }


def _tender(kept: Mapping[str, Any]) -> Payment:
    return Payment(
        UUID(kept["id"]),
        kept["provider"],
        kept["method"],
        PaymentStatus.AUTHORIZED,
        kept["currency"],
        kept["amountMinor"],
        kept["amountMinor"],
        reference=kept["reference"],
    )
