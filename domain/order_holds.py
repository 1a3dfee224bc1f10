"""Holds of fulfillment orders: one that has any waits, whoever put it there and for whatever reason."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from domain.fulfillment import (
    FulfillmentHold,
    FulfillmentOrder,
    FulfillmentOrderStatus,
    FulfillmentWork,
    HoldKind,
)
from domain.kernel.errors import IllegalTransition, InvalidInput
from domain.kernel.ids import new_id
from domain.kernel.quantities import require_text
from domain.order_placement import Placement
from domain.order_reviews import HOLD_KINDS, Reason
from domain.orders import Order, OrderStatus, fulfillment_status

MAX_NOTE_LENGTH = 500
"""Longest note, in characters."""

UNPAID = "UNPAID"
"""What puts a hold on an order whose money has not come: it ends by itself when it has."""

HOLDABLE = frozenset({FulfillmentOrderStatus.OPEN, FulfillmentOrderStatus.ON_HOLD})
"""From and to which status holds move a fulfillment order; what is being worked on is not stopped by one."""

_LIVE = frozenset({OrderStatus.OPEN, OrderStatus.PENDING_APPROVAL})


def place_on_hold(
    placement: Placement, reasons: Sequence[Reason], *, awaits_payment: bool, actor: str, now: datetime
) -> Placement:
    """Return an order to be placed with a hold for each kind of reason on every part of it.

    `awaits_payment` adds one that ends when the money comes.
    """
    codes = dict.fromkeys(reason.code for reason in reasons)
    wanted = [(HOLD_KINDS[code], True, code.value) for code in codes]
    if awaits_payment:
        wanted.append((HoldKind.AWAITING_PAYMENT, False, UNPAID))
    if not wanted:
        return placement
    parts = tuple(
        replace(
            part,
            status=FulfillmentOrderStatus.ON_HOLD,
            holds=tuple(
                FulfillmentHold(new_id(), kind, of_review, code, None, actor, now)
                for kind, of_review, code in wanted
            ),
        )
        for part in placement.fulfillment_orders
    )
    order = replace(placement.order, fulfillment_status=fulfillment_status(parts, ()))
    return replace(placement, order=order, fulfillment_orders=parts)


def awaiting_payment(actor: str, now: datetime) -> FulfillmentHold:
    """Return the hold of what is to be paid for first; it ends by itself when it is."""
    return FulfillmentHold(new_id(), HoldKind.AWAITING_PAYMENT, False, UNPAID, None, actor, now)


def is_unpaid(hold: FulfillmentHold) -> bool:
    """Say whether a hold waits for the order's money."""
    return hold.code == UNPAID


def own_holds(parts: Iterable[FulfillmentOrder]) -> list[FulfillmentHold]:
    """Return the holds that do not go with a review."""
    return [hold for part in parts for hold in part.holds if not hold.of_review]


def add(order: Order, part: FulfillmentOrder, hold: FulfillmentHold) -> FulfillmentOrder:
    """Return the part with one hold more.

    Raises InvalidInput for the kind that only a counted loss puts, IllegalTransition where the order
    has ended or the part is being worked on.
    """
    if hold.kind is HoldKind.INVENTORY_OUT_OF_STOCK:
        raise InvalidInput("is put by a counted loss alone, and ends when stock comes", "kind")
    _check_live(order)
    if part.status not in HOLDABLE:
        raise IllegalTransition(
            f"the fulfillment order is {part.status.value}: it cannot be held any more",
            part.status.value,
            (),
            "fulfillmentOrderId",
        )
    return replace(part, holds=(*part.holds, hold), status=FulfillmentOrderStatus.ON_HOLD)


def release(order: Order, part: FulfillmentOrder, hold_id: UUID) -> FulfillmentOrder:
    """Return the part without one of its holds; it is OPEN again if nothing else keeps it.

    Raises IllegalTransition for a hold of a review, which only approving or rejecting ends.
    """
    _check_live(order)
    if any(hold.id == hold_id and hold.of_review for hold in part.holds):
        raise IllegalTransition(
            "the hold is the review's: approve or reject the order", order.status.value, (), "id"
        )
    rest = tuple(hold for hold in part.holds if hold.id != hold_id)
    return reopened(order, replace(part, holds=rest))


def approved(parts: Iterable[FulfillmentOrder], order: Order) -> list[FulfillmentOrder]:
    """Return the parts without the holds of the review; `order` is as it will be."""
    return [
        reopened(order, replace(part, holds=tuple(hold for hold in part.holds if not hold.of_review)))
        for part in parts
    ]


def reopened(order: Order, part: FulfillmentOrder) -> FulfillmentOrder:
    """Return the part as it was if it is on hold and nothing keeps it so any more.

    That is OPEN, IN_PROGRESS where units of it are picked or sent, or SCHEDULED where its moment is to come.
    """
    keeps = order.status is not OrderStatus.OPEN or part.lacks_units or part.holds
    if keeps or part.status is not FulfillmentOrderStatus.ON_HOLD:
        return part
    begun = part.work is not FulfillmentWork.ALLOCATED or any(line.quantity_shipped for line in part.lines)
    waits = FulfillmentOrderStatus.SCHEDULED if part.scheduled_for else FulfillmentOrderStatus.OPEN
    return replace(part, status=FulfillmentOrderStatus.IN_PROGRESS if begun else waits)


def check_note(note: str | None) -> str | None:
    """Return a note trimmed, None as it is; raises InvalidInput when it is blank or too long."""
    return None if note is None else require_text(note, MAX_NOTE_LENGTH, "note")


def _check_live(order: Order) -> None:
    if order.status not in _LIVE:
        raise IllegalTransition(
            f"the order is {order.status.value}: its holds do not change any more", order.status.value, ()
        )
