"""From a checkout to an order: whether it was paid exactly, and who sends what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.checkouts import Checkout
from domain.fulfillment import DeliveryMethod, FulfillmentOrder, FulfillmentOrderLine, FulfillmentOrderStatus
from domain.kernel.ids import new_id
from domain.order_reviews import OrderReview
from domain.orders import Order, OrderLine, OrderStatus, fulfillment_status, payment_status
from domain.payments import Payment
from domain.ports import Outcome, ProviderAnswer
from domain.pricing import (
    Adjustment,
    Price,
)
from domain.routing_decisions import RoutingDecision

AMOUNT_MISMATCH = "amount_mismatch"
"""Decline code of a payment that was not approved for exactly what the order costs."""


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
    routing: RoutingDecision | None = None
    """Why its units are sent from where they are."""


def is_paid_exactly(checkout: Checkout, payment: Payment, answer: ProviderAnswer) -> bool:
    """Say whether what the order will cost is what was asked for, and what the provider has approved.

    An approval for less would sell below the price, one for more reserve money nobody agreed to.
    """
    if (payment.amount_minor, payment.currency) != (checkout.due_minor, checkout.currency):
        return False
    if answer.outcome is Outcome.DEFERRED:
        return True  # nothing is approved yet
    return answer.amount_minor == payment.amount_minor and answer.currency in {None, payment.currency}


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
    routing: RoutingDecision | None = None,
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
    parts = _promised(_split(order_id, allocations, order_line_of, waits=waits), checkout)
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
        delivery=checkout.delivery_facts,
        subtotal_minor=checkout.subtotal_minor,
        shipping_minor=checkout.shipping_minor,
        tax_minor=paid.totals.tax_minor,
        discount_minor=paid.totals.discount_minor,
        total_minor=paid.total_minor,
        placed_at=now,
        cart_id=checkout.cart_id,
        tax_included=paid.totals.tax_included,
    )
    adjustments = _adjustments(paid, order_line_of)
    return Placement(order, lines, parts, payments, adjustments, routing=routing)


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


def _promised(parts: Sequence[FulfillmentOrder], checkout: Checkout) -> tuple[FulfillmentOrder, ...]:
    """Return the parts with how they get to the customer, and what that was told of when."""
    told = checkout.promise
    method = DeliveryMethod.PICKUP if checkout.pickup else DeliveryMethod.SHIPPING
    return tuple(
        replace(part, delivery_method=method, promised_from=told.earliest, promised_until=told.latest)
        for part in parts
    )


def _part(line: OrderLine, quantity: int) -> FulfillmentOrderLine:
    if line.variant_id is None:
        raise ValueError("a placed line always has its variant")
    return FulfillmentOrderLine(new_id(), line.id, line.variant_id, line.sku, quantity)
