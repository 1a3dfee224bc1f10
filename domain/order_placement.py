"""From a cart to an order: what a checkout needs, what it costs, and who sends what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from domain.addresses import Address
from domain.carts import CHANGEABLE, CartStatus
from domain.channels import CapturePolicy
from domain.fulfillment import FulfillmentOrder, FulfillmentOrderLine, FulfillmentOrderStatus
from domain.kernel.errors import CartClosed, CartIncomplete, Several, VariantUnavailable
from domain.kernel.ids import new_id
from domain.orders import Order, OrderLine, OrderStatus, fulfillment_status, payment_status
from domain.payments import Payment, PaymentStatus
from domain.ports import Outcome, ProviderAnswer
from domain.shipping import DeliveryRate

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
        """What is to be paid, in minor units (no tax and no discount yet)."""
        return self.subtotal_minor + self.shipping_minor

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


def check_ready(checkout: Checkout) -> None:
    """Raise unless the cart can be ordered as it is.

    CartClosed when it or its channel takes no order, CartIncomplete naming what it still needs, and
    VariantUnavailable for each line that the channel no longer sells.
    """
    if checkout.status is CartStatus.CHECKOUT:
        raise CartClosed("a payment for this cart is under way", "cartToken")
    if checkout.status not in CHANGEABLE:
        raise CartClosed(f"the cart is {checkout.status.value}", "cartToken")
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


def frozen(checkout: Checkout) -> dict[str, object]:
    """Return what may change while the payment's answer is awaited, as it is when it is asked for.

    Nothing else of the price can: a cart in CHECKOUT takes no changes, and its lines carry their price.
    """
    facts: dict[str, object] = {"delivery": _delivery_facts(checkout.delivery)}
    if checkout.tenders:
        facts["tenders"] = [_tender_facts(tender) for tender in checkout.tenders]
    return facts


def as_frozen(checkout: Checkout, facts: Mapping[str, Any]) -> Checkout:
    """Return a checkout that was loaded again, with what `frozen` kept of it when it was paid for.

    Which orders wait for approval is staff's wish of now, and stays as it was loaded.
    """
    checkout = replace(checkout, tenders=tuple(_tender(one) for one in facts.get("tenders", ())))
    kept = facts.get("delivery")
    if kept is None:
        return checkout
    delivery = DeliveryRate(UUID(kept["rateId"]), kept["carrier"], kept["service"], kept["priceMinor"])
    return replace(checkout, delivery=delivery)


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
    rule = checkout.review_from_minor
    waits = needs_review or (rule is not None and checkout.total_minor >= rule)
    lines = tuple(
        OrderLine(
            new_id(), line.variant_id, line.sku, line.name, line.quantity, line.unit_price_minor, position
        )
        for position, line in enumerate(checkout.lines)
    )
    order_line_of = {line.id: made for line, made in zip(checkout.lines, lines, strict=True)}
    parts = _split(order_id, allocations, order_line_of, waits=waits)
    payments = (payment, *(replace(tender, order_id=order_id) for tender in checkout.tenders))
    order = Order(
        id=order_id,
        number="",
        channel_id=checkout.channel_id,
        status=OrderStatus.PENDING_APPROVAL if waits else OrderStatus.OPEN,
        payment_status=payment_status(checkout.total_minor, payments),
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
        tax_minor=0,
        discount_minor=0,
        total_minor=checkout.total_minor,
        placed_at=now,
        cart_id=checkout.cart_id,
    )
    return Placement(order, lines, parts, payments)


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
    if delivery is None:
        return None
    return {
        "rateId": str(delivery.id),
        "carrier": delivery.carrier,
        "service": delivery.service,
        "priceMinor": delivery.price_minor,
    }


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
