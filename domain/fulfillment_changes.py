"""What may be done with a location's part of an order before it is sent: begin, divide, join, move, give up.

No unit is ever lost: what leaves a part is in another part by the same decision. Every status change is
looked up in `domain/fulfillment.TRANSITIONS`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.fulfillment import (
    LIVE,
    FulfillmentHold,
    FulfillmentOrder,
    FulfillmentOrderLine,
    FulfillmentOrderStatus,
    FulfillmentWork,
    with_status,
)
from domain.inventory import Movement, StockState
from domain.kernel.errors import IllegalTransition, InvalidInput
from domain.kernel.ids import new_id
from domain.order_edits import FREE
from domain.order_holds import reopened
from domain.orders import Order, OrderStatus
from domain.shipment_changes import LockedFulfillment, check_workable, open_units, packed_units

Units = Mapping[UUID, int]
"""Units by fulfillment order line."""

MOVED = "MOVED"
GIVEN_UP = "GIVEN_UP"
SHORT_PICK = "SHORT_PICK"
"""The reasons of such movements in the stock's ledger."""


@dataclass(frozen=True, slots=True)
class Divided:
    """An order after units have left a part: `rest` is that part, `taken` holds what left it.

    `taken` is a part that is not written yet, at the same location; its units are still committed there.
    """

    rest: FulfillmentOrder
    taken: FulfillmentOrder


@dataclass(frozen=True, slots=True)
class Moved:
    """Parts that change by moving units to another location, the one that has them, and the movements."""

    parts: tuple[FulfillmentOrder, ...]
    part: FulfillmentOrder
    movements: tuple[Movement, ...]


def start(order: Order, part: FulfillmentOrder) -> FulfillmentOrder | None:
    """Return the part IN_PROGRESS, which holds and edits do not stop any more; None where it is already."""
    check_workable(order, part)
    begun = with_status(part, FulfillmentOrderStatus.IN_PROGRESS)
    return None if begun is part else replace(begun, version=part.version + 1)


def divide(found: LockedFulfillment, part: FulfillmentOrder, units: Units | None) -> Divided:
    """Take open units (None: all of them) out of a part, into one of their own beside it.

    What is packed and what waits for stock stays. Raises InvalidInput naming the line.
    """
    most = open_units(part, found.shipments)
    wanted = most if units is None else units
    by_id = {line.id: line for line in part.lines}
    if units is not None and not units:
        raise InvalidInput("name one line at least", "lines")
    for at, (line_id, count) in enumerate(wanted.items()):
        if line_id not in by_id:
            raise InvalidInput("is no line of this fulfillment order", "lines", str(at), "id")
        if count < 1:
            raise InvalidInput("must be at least 1", "lines", str(at), "quantity")
        if count > most.get(line_id, 0):
            left = most.get(line_id, 0)
            raise InvalidInput(
                f"{left} of its units are open, and {count} asked for", "lines", str(at), "quantity"
            )
    if not wanted:
        raise InvalidInput("none of its units is open: they are packed, sent, or wait for stock", "lines")
    taken = tuple(
        replace(line, id=new_id(), quantity=wanted[line.id], quantity_shipped=0, quantity_short=0)
        for line in part.lines
        if line.id in wanted
    )
    rest = [replace(line, quantity=line.quantity - wanted.get(line.id, 0)) for line in part.lines]
    return Divided(
        replace(part, lines=tuple(line for line in rest if line.quantity), version=part.version + 1),
        beside(part, taken),
    )


def beside(part: FulfillmentOrder, lines: Sequence[FulfillmentOrderLine]) -> FulfillmentOrder:
    """Return a new part like another, with lines of its own and the holds of that one, nobody at it yet."""
    holds = tuple(replace(hold, id=new_id()) for hold in part.holds)
    status = part.status
    if status is not FulfillmentOrderStatus.SCHEDULED:
        status = FulfillmentOrderStatus.ON_HOLD if holds else FulfillmentOrderStatus.OPEN
    return replace(
        part,
        id=new_id(),
        status=status,
        lines=tuple(lines),
        holds=holds,
        work=FulfillmentWork.ALLOCATED,
        version=1,
    )


def split(found: LockedFulfillment, part: FulfillmentOrder, units: Units) -> Divided:
    """Divide a part that nobody works on yet; raises IllegalTransition, and InvalidInput for all of it."""
    _check_free(found, part)
    divided = divide(found, part, units)
    if not divided.rest.lines:
        raise InvalidInput("nothing would be left of it", "lines")
    return divided


def merge(
    found: LockedFulfillment, target: FulfillmentOrder, others: Sequence[FulfillmentOrder]
) -> list[FulfillmentOrder]:
    """Put parts of one location and one order together; returns the target, then the others, CANCELED.

    Raises InvalidInput unless they are alike (location, delivery, status, holds), and IllegalTransition for
    one that somebody works on.
    """
    if not others or target in others or len({one.id for one in others}) < len(others):
        raise InvalidInput("name each of the others once", "ids")
    _check_free(found, target)
    lines = {line.order_line_id: line for line in target.lines}
    canceled = []
    for at, other in enumerate(others):
        _check_free(found, other)
        if _kind(other) != _kind(target):
            raise InvalidInput("is of another location, delivery, status or hold", "ids", str(at))
        for line in other.lines:
            lines[line.order_line_id] = _joined(lines.get(line.order_line_id), line)
        gone = with_status(other, FulfillmentOrderStatus.CANCELED)
        canceled.append(replace(gone, lines=(), holds=(), version=other.version + 1))
    return [replace(target, lines=tuple(lines.values()), version=target.version + 1), *canceled]


def move(found: LockedFulfillment, part: FulfillmentOrder, location_id: UUID, units: Units | None) -> Moved:
    """Let another location send units (None: all that are not packed, also those that wait for stock).

    A part that goes as a whole before anybody works on it keeps its id. Raises IllegalTransition where
    nothing of it is to be sent any more, and InvalidInput.
    """
    _check_live(found.order, part)
    if location_id == part.location_id:
        raise InvalidInput("it is sent from there already", "locationCode")
    untouched = not packed_units(part, found.shipments) and not any(
        line.quantity_shipped for line in part.lines
    )
    if units is None and untouched and part.status in FREE:
        there = replace(
            part,
            location_id=location_id,
            work=FulfillmentWork.ALLOCATED,
            version=part.version + 1,
        )
        movements = _movements(part.lines, part.location_id, location_id)
        ready = _opened(found.order, there)
        return Moved((ready,), ready, movements)
    divided = _all_unpacked(found, part) if units is None else divide(found, part, units)
    movements = _movements(divided.taken.lines, part.location_id, location_id)
    ready = _opened(found.order, replace(divided.taken, location_id=location_id))
    return Moved((ended(divided.rest, FulfillmentOrderStatus.INCOMPLETE), ready), ready, movements)


def ended(part: FulfillmentOrder, wanted: FulfillmentOrderStatus) -> FulfillmentOrder:
    """Return a part that has given units up: at its end if it has nothing more to send, else as it is.

    One that never sent anything and nobody worked on is CANCELED, whatever is `wanted`.
    """
    if any(line.quantity > line.quantity_shipped for line in part.lines):
        return part
    if not part.lines and part.status not in {
        FulfillmentOrderStatus.IN_PROGRESS,
        FulfillmentOrderStatus.ON_HOLD,
    }:
        wanted = FulfillmentOrderStatus.CANCELED
    return replace(with_status(part, wanted), holds=())


def give_up(
    found: LockedFulfillment, part: FulfillmentOrder, units: Units | None, wanted: FulfillmentOrderStatus
) -> Divided:
    """Take units out of a part that its location will not send; they are to be routed again.

    `wanted` is what becomes of a part with nothing left to send. Raises IllegalTransition and InvalidInput.
    """
    _check_live(found.order, part)
    divided = divide(found, part, units)
    return replace(divided, rest=ended(divided.rest, wanted))


def reschedule(
    order: Order, part: FulfillmentOrder, scheduled_for: datetime | None, now: datetime
) -> FulfillmentOrder:
    """Return a part that opens at another moment: at once where that is None or over.

    What waits for stock opens when it has it, not before. Raises IllegalTransition.
    """
    _check_live(order, part)
    later = scheduled_for is not None and scheduled_for > now
    wanted = FulfillmentOrderStatus.SCHEDULED if later else FulfillmentOrderStatus.OPEN
    if part.status not in {FulfillmentOrderStatus.SCHEDULED, FulfillmentOrderStatus.OPEN}:
        allowed = [FulfillmentOrderStatus.OPEN.value, FulfillmentOrderStatus.SCHEDULED.value]
        raise IllegalTransition(
            f"the fulfillment order is {part.status.value}: it is not put off",
            part.status.value,
            allowed,
            "id",
        )
    if not later and part.lacks_units:
        wanted = FulfillmentOrderStatus.SCHEDULED
    return replace(
        with_status(part, wanted), scheduled_for=scheduled_for if later else None, version=part.version + 1
    )


def released(part: FulfillmentOrder, now: datetime) -> FulfillmentOrder:
    """Return a SCHEDULED part OPEN if it waits for nothing any more: neither for stock nor for its moment."""
    waits = part.lacks_units or (part.scheduled_for is not None and part.scheduled_for > now)
    if part.status is not FulfillmentOrderStatus.SCHEDULED or waits:
        return part
    return replace(with_status(part, FulfillmentOrderStatus.OPEN), scheduled_for=None)


def held_for_staff(part: FulfillmentOrder, *holds: FulfillmentHold) -> FulfillmentOrder:
    """Return a part ON_HOLD: until staff move it or end its holds, or until what it lacks is there."""
    return replace(with_status(part, FulfillmentOrderStatus.ON_HOLD), holds=(*part.holds, *holds))


def check_not_begun(found: LockedFulfillment, part: FulfillmentOrder) -> None:
    """Raise IllegalTransition where units of a part are in parcels, sent or not."""
    if packed_units(part, found.shipments) or any(line.quantity_shipped for line in part.lines):
        raise IllegalTransition(
            "units of it are sent or packed: give up only the rest (fulfillmentOrderIncomplete)",
            part.status.value,
            (),
            "id",
        )


def freed_movements(
    lines: Sequence[FulfillmentOrderLine], location_id: UUID, reason: str = GIVEN_UP
) -> tuple[Movement, ...]:
    """Return the movements that put committed units of lines back on sale."""
    return tuple(
        Movement(
            line.variant_id,
            location_id,
            StockState.COMMITTED,
            StockState.AVAILABLE,
            line.quantity - line.quantity_short,
            reason,
        )
        for line in lines
        if line.quantity > line.quantity_short
    )


def _movements(lines: Sequence[FulfillmentOrderLine], source: UUID, target: UUID) -> tuple[Movement, ...]:
    return (
        *freed_movements(lines, source, MOVED),
        *(
            Movement(
                line.variant_id, target, StockState.AVAILABLE, StockState.COMMITTED, line.quantity, MOVED
            )
            for line in lines
        ),
    )


def _all_unpacked(found: LockedFulfillment, part: FulfillmentOrder) -> Divided:
    """Take all out of a part that is neither packed nor sent, with the units that wait for stock."""
    packed = packed_units(part, found.shipments)
    rest, taken = [], []
    for line in part.lines:
        kept = line.quantity_shipped + packed[line.order_line_id]
        units = line.quantity - kept
        # What was lost beyond the units that go was lost out of parcels: those still lack it.
        short = min(units, line.quantity_short)
        if units > 0:
            taken.append(replace(line, id=new_id(), quantity=units, quantity_shipped=0, quantity_short=short))
        if kept:
            rest.append(replace(line, quantity=kept, quantity_short=line.quantity_short - short))
    if not taken:
        raise InvalidInput("all of its units are packed or sent", "id")
    return Divided(replace(part, lines=tuple(rest), version=part.version + 1), beside(part, taken))


def _joined(known: FulfillmentOrderLine | None, line: FulfillmentOrderLine) -> FulfillmentOrderLine:
    if known is None:
        return replace(line, id=new_id())
    return replace(
        known,
        quantity=known.quantity + line.quantity,
        quantity_short=known.quantity_short + line.quantity_short,
    )


def _kind(part: FulfillmentOrder) -> object:
    holds = sorted((hold.kind, hold.of_review, hold.code or "") for hold in part.holds)
    return part.location_id, part.delivery_method, part.status, part.scheduled_for, holds


def _opened(order: Order, part: FulfillmentOrder) -> FulfillmentOrder:
    """Return a part as one that has all its units: OPEN unless something keeps it."""
    whole = replace(part, lines=tuple(replace(line, quantity_short=0) for line in part.lines))
    if part.status is FulfillmentOrderStatus.SCHEDULED and part.scheduled_for is None:
        return with_status(whole, FulfillmentOrderStatus.OPEN)
    return reopened(order, whole)


def _check_free(found: LockedFulfillment, part: FulfillmentOrder) -> None:
    _check_live(found.order, part)
    busy = part.work is not FulfillmentWork.ALLOCATED or packed_units(part, found.shipments)
    if part.status not in FREE or busy:
        raise IllegalTransition(
            "somebody works on the fulfillment order", part.status.value, sorted(FREE), "id"
        )


def _check_live(order: Order, part: FulfillmentOrder) -> None:
    if order.status not in {OrderStatus.OPEN, OrderStatus.PENDING_APPROVAL}:
        raise IllegalTransition(
            f"the order is {order.status.value}: its parts do not change any more",
            order.status.value,
            (),
            "id",
        )
    if part.status not in LIVE:
        raise IllegalTransition(
            f"the fulfillment order is {part.status.value}: nothing of it is to be sent any more",
            part.status.value,
            sorted(status.value for status in LIVE),
            "id",
        )
