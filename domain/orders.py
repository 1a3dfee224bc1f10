"""Orders: three status axes, of which payment and fulfilment are derived."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.addresses import Address
from domain.fulfillment import FulfillmentOrder, FulfillmentOrderStatus
from domain.kernel.changes import check_version
from domain.kernel.errors import IllegalTransition
from domain.kernel.quantities import require_text
from domain.kernel.totals import Totals
from domain.kernel.transitions import check_transition
from domain.payments import Payment, PaymentStatus
from domain.shipments import ShipmentStatus

MAX_REASON_LENGTH = 500
"""Longest reason for a cancellation or rejection, in characters."""


class OrderStatus(StrEnum):
    """Life of an order."""

    DRAFT = "DRAFT"
    PENDING_APPROVAL = "PENDING_APPROVAL"
    OPEN = "OPEN"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class OrderPaymentStatus(StrEnum):
    """How much of the order is authorized, paid and refunded, over all its payments."""

    PENDING = "PENDING"
    PARTIALLY_AUTHORIZED = "PARTIALLY_AUTHORIZED"
    AUTHORIZED = "AUTHORIZED"
    PARTIALLY_PAID = "PARTIALLY_PAID"
    PAID = "PAID"
    OVERPAID = "OVERPAID"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    VOIDED = "VOIDED"


class OrderFulfillmentStatus(StrEnum):
    """How far the order's units have come, over all its fulfillment orders."""

    UNFULFILLED = "UNFULFILLED"
    SCHEDULED = "SCHEDULED"
    ON_HOLD = "ON_HOLD"
    IN_PROGRESS = "IN_PROGRESS"
    PARTIALLY_FULFILLED = "PARTIALLY_FULFILLED"
    FULFILLED = "FULFILLED"
    DELIVERED = "DELIVERED"


TRANSITIONS: Mapping[OrderStatus, Set[OrderStatus]] = {
    OrderStatus.DRAFT: {OrderStatus.PENDING_APPROVAL, OrderStatus.OPEN, OrderStatus.CANCELED},
    OrderStatus.PENDING_APPROVAL: {OrderStatus.OPEN, OrderStatus.REJECTED, OrderStatus.EXPIRED},
    OrderStatus.OPEN: {OrderStatus.COMPLETED, OrderStatus.CANCELED},
}


@dataclass(frozen=True, slots=True)
class OrderLine:
    """What was sold: quantity and price are frozen at placement."""

    id: UUID
    variant_id: UUID | None
    sku: str
    name: str
    quantity: int
    unit_price_minor: int
    position: int
    quantity_shipped: int = 0
    quantity_returned: int = 0
    discount_minor: int = 0
    """Its part of the order's discount."""
    tax_minor: int = 0
    """Its part of the order's tax, a part of its price where the order's tax is included."""

    @property
    def total_minor(self) -> int:
        """Price of the whole line before its discount, in minor units."""
        return self.unit_price_minor * self.quantity


@dataclass(frozen=True, slots=True)
class Order:
    """An order as placed; totals are frozen, in minor units of `currency`."""

    id: UUID
    number: str
    channel_id: UUID
    status: OrderStatus
    payment_status: OrderPaymentStatus
    fulfillment_status: OrderFulfillmentStatus
    version: int
    token_generation: int
    email: str | None
    currency: str
    shipping_address: Address
    billing_address: Address | None
    delivery: Mapping[str, Any] | None
    subtotal_minor: int
    shipping_minor: int
    tax_minor: int
    discount_minor: int
    total_minor: int
    placed_at: datetime
    cart_id: UUID | None = None
    reason: str | None = None
    imported: bool = False
    external_id: str | None = None
    """The number it had where it was imported from."""
    closed_at: datetime | None = None
    tax_included: bool = False
    """Whether the tax is a part of the prices, and not added to them."""
    placed: bool = True
    """False for a draft, and for one that was canceled: then `placed_at` is when it was made."""
    drafted_at: datetime | None = None
    """When staff made it as a draft; None for an order that never was one."""
    note: str | None = None
    """Staff's own words, for staff."""
    edited_back_minor: int = 0
    """What of its money had been given back when it was last edited, gifts and returns apart: it may be
    taken again."""
    return_refund_minor: int = 0
    """What returns have given back of its money, or ask to be given back, as credit too."""
    gifts_minor: int = 0
    """What staff had given back of it without an edit when it was last edited: a gift, never due again."""

    @property
    def cost_minor(self) -> int:
        """What it costs, less what returns and gifts gave back: for that nothing is asked again."""
        return max(0, self.total_minor - self.return_refund_minor - self.gifts_minor)

    @property
    def totals(self) -> Totals:
        """What it amounts to."""
        return Totals(
            self.currency,
            self.subtotal_minor,
            self.shipping_minor,
            self.tax_minor,
            self.discount_minor,
            self.tax_included,
        )


def change(
    order: Order,
    wanted: OrderStatus,
    payments: Sequence[Payment],
    fulfillment_orders: Sequence[FulfillmentOrder],
    *,
    expected_version: int | None,
    reason: str | None,
    now: datetime,
) -> Order | None:
    """Return the order moved to `wanted`, its derived axes with it; None when it is there already.

    `payments` and `fulfillment_orders` are as they will be. Raises IllegalTransition, and
    VersionConflict when the order is no longer at `expected_version`.
    """
    if not check_transition(TRANSITIONS, order.status, wanted, "the order"):
        return None
    if order.status is OrderStatus.DRAFT and wanted is not OrderStatus.CANCELED:
        raise IllegalTransition(
            "a draft becomes an order by being placed", order.status.value, (OrderStatus.CANCELED.value,)
        )
    check_version(order.version, expected_version)
    ended = wanted not in TRANSITIONS
    return replace(
        order,
        status=wanted,
        payment_status=payment_status(order.total_minor, payments),
        fulfillment_status=fulfillment_status(fulfillment_orders, ()),
        version=order.version + 1,
        reason=reason if reason is not None else order.reason,
        closed_at=now if ended else None,
    )


def check_reason(reason: str) -> str:
    """Return a reason trimmed; raises InvalidInput when it is blank, too long or cannot be stored."""
    return require_text(reason, MAX_REASON_LENGTH, "reason")


def check_nothing_shipped(order: Order, fulfillment_orders: Sequence[FulfillmentOrder]) -> None:
    """Raise IllegalTransition when a unit has left: what is shipped is returned, not canceled."""
    if any(line.quantity_shipped for one in fulfillment_orders for line in one.lines):
        raise IllegalTransition(
            "a part of the order is shipped already: it can be returned, not canceled",
            order.fulfillment_status.value,
            (),
        )


def is_complete(order: Order, payments: Sequence[Payment]) -> bool:
    """Say whether an open order has come to its end: all its units have left, and its money is taken.

    One that was imported was over by then: it is open only while something of it is sent again, and its money
    is what it was told to be.
    """
    sent = order.fulfillment_status in {OrderFulfillmentStatus.FULFILLED, OrderFulfillmentStatus.DELIVERED}
    if order.status is not OrderStatus.OPEN or not sent:
        return False
    if order.imported:
        return True
    captured = sum(payment.captured_minor for payment in payments if payment.counts)
    return captured - to_retake_minor(order, payments) >= order.total_minor


def given_back_minor(payments: Sequence[Payment]) -> int:
    """Return what was given or taken back of an order's payments, or is asked to be, in minor units."""
    return sum(one.given_back_minor + one.refunding_minor for one in payments if one.counts)


def gifts_minor(order: Order, payments: Sequence[Payment]) -> int:
    """Return what has been given back of an order beyond what its returns and edits did: its gifts.

    What a payer's bank took back is none. Where it did so before the last edit, gifts since then may be told
    from it only in part: those are due again.
    """
    live = [one for one in payments if one.counts]
    given = sum(one.refunded_minor + one.refunding_minor + one.credited_minor for one in live)
    since = given - order.return_refund_minor - order.edited_back_minor - order.gifts_minor
    return order.gifts_minor + max(0, since)


def edited_back_minor(order: Order, payments: Sequence[Payment]) -> int:
    """Return what is given back of an order that is being edited, gifts and returns apart."""
    return max(0, given_back_minor(payments) - order.return_refund_minor - order.gifts_minor)


def to_retake_minor(order: Order, payments: Sequence[Payment]) -> int:
    """Return what was given back of an order and may be taken again, because an edit counted with it.

    What is given back without an edit is a gift, or for goods that came back: no parcel takes it again. A
    refund that an edit asked for and that came to nothing is not given back.
    """
    return min(order.edited_back_minor, edited_back_minor(order, payments))


def payment_status(total_minor: int, payments: Sequence[Payment]) -> OrderPaymentStatus:
    """Derive the payment axis of an order of `total_minor` from its payments.

    What was credited, or a payer's bank took back, counts as refunded.
    """
    live = [payment for payment in payments if payment.counts]
    if not live:
        given_up = any(payment.status is PaymentStatus.VOIDED for payment in payments)
        return OrderPaymentStatus.VOIDED if given_up else OrderPaymentStatus.PENDING
    captured = sum(payment.captured_minor for payment in live)
    if captured:
        given_back = sum(payment.given_back_minor for payment in live)
        return _paid_status(total_minor, captured, given_back)
    authorized = sum(payment.authorized_minor for payment in live)
    if authorized < total_minor:
        return OrderPaymentStatus.PARTIALLY_AUTHORIZED if authorized else OrderPaymentStatus.PENDING
    waits = any(payment.status is PaymentStatus.PENDING for payment in live) and total_minor == 0
    return OrderPaymentStatus.PENDING if waits else OrderPaymentStatus.AUTHORIZED


def _paid_status(total_minor: int, captured: int, refunded: int) -> OrderPaymentStatus:
    if refunded:
        return OrderPaymentStatus.REFUNDED if refunded >= captured else OrderPaymentStatus.PARTIALLY_REFUNDED
    if captured > total_minor:
        return OrderPaymentStatus.OVERPAID
    return OrderPaymentStatus.PAID if captured == total_minor else OrderPaymentStatus.PARTIALLY_PAID


def fulfillment_status(
    fulfillment_orders: Sequence[FulfillmentOrder], shipments: Sequence[ShipmentStatus]
) -> OrderFulfillmentStatus:
    """Derive the fulfilment axis from the locations' parts and the parcels sent so far."""
    parts = [one for one in fulfillment_orders if one.status is not FulfillmentOrderStatus.CANCELED]
    ordered = sum(line.quantity for one in parts for line in one.lines)
    shipped = sum(line.quantity_shipped for one in parts for line in one.lines)
    if shipped and shipped == ordered:
        sent = [status for status in shipments if status is not ShipmentStatus.CANCELED]
        arrived = sent and all(status is ShipmentStatus.DELIVERED for status in sent)
        return OrderFulfillmentStatus.DELIVERED if arrived else OrderFulfillmentStatus.FULFILLED
    if shipped:
        return OrderFulfillmentStatus.PARTIALLY_FULFILLED
    statuses = {one.status for one in parts}
    if statuses & {FulfillmentOrderStatus.IN_PROGRESS, FulfillmentOrderStatus.CLOSED}:
        return OrderFulfillmentStatus.IN_PROGRESS
    if FulfillmentOrderStatus.ON_HOLD in statuses:
        return OrderFulfillmentStatus.ON_HOLD
    if statuses == {FulfillmentOrderStatus.SCHEDULED}:
        return OrderFulfillmentStatus.SCHEDULED
    return OrderFulfillmentStatus.UNFULFILLED
