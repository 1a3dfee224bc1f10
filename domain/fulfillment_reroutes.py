"""Where units go that a location will not send: to others that have them, else they wait where they are."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.fulfillment import DeliveryMethod, FulfillmentHold, FulfillmentOrder, FulfillmentOrderLine
from domain.fulfillment_changes import GIVEN_UP, SHORT_PICK, held_for_staff
from domain.inventory import Movement, StockState
from domain.order_edit_stock import Shelf, secure
from domain.order_edits import Need
from domain.orders import Order

REROUTED = "REROUTED"
"""The reason of the movements that commit units elsewhere, in the stock's ledger."""


@dataclass(frozen=True, slots=True)
class Rerouted:
    """What becomes of units that left a part: `made` are parts elsewhere, `left` stays where it was."""

    made: tuple[FulfillmentOrder, ...]
    left: FulfillmentOrder | None
    movements: tuple[Movement, ...]


def reroute(
    order: Order,
    parts: Sequence[FulfillmentOrder],
    taken: FulfillmentOrder,
    shelves: Sequence[Shelf],
    hold: FulfillmentHold,
    *,
    lost: bool,
) -> Rerouted:
    """Find units elsewhere for what was taken out of a part, as far as there are any.

    `lost` units are not where they were committed, and are counted out; the others go back on sale. What no
    other location has stays: lost units are short there and wait for stock, others stay committed under
    `hold` until a person decides. What is collected by the customer is sent from nowhere else.
    """
    elsewhere = [one for one in shelves if one.location_id != taken.location_id]
    if taken.delivery_method is not DeliveryMethod.SHIPPING:
        elsewhere = []
    needs = _covered(taken, elsewhere)
    made, forth = secure(order.id, needs, elsewhere, parts, taken.holds)
    placed = Counter({need.line_id: need.quantity for need in needs})
    there = [
        replace(
            one,
            promised_from=taken.promised_from,
            promised_until=taken.promised_until,
        )
        for one in made
    ]
    left = _left(taken, placed, hold, lost=lost)
    movements = [_out(taken, line, placed[line.order_line_id], lost=lost) for line in taken.lines]
    return Rerouted(
        tuple(there),
        left,
        (
            *(one for one in movements if one.quantity),
            *(replace(one, reason=REROUTED) for one in forth),
        ),
    )


def _covered(taken: FulfillmentOrder, shelves: Sequence[Shelf]) -> list[Need]:
    there: Counter[UUID] = Counter()
    for shelf in shelves:
        there[shelf.variant_id] += shelf.available
    needs = []
    for line in taken.lines:
        units = min(line.quantity, there[line.variant_id])
        there[line.variant_id] -= units
        if units:
            needs.append(Need(line.order_line_id, line.variant_id, line.sku, units, ()))
    return needs


def _left(
    taken: FulfillmentOrder, placed: Counter[UUID], hold: FulfillmentHold, *, lost: bool
) -> FulfillmentOrder | None:
    lines = []
    for line in taken.lines:
        units = line.quantity - placed[line.order_line_id]
        if units:
            lines.append(replace(line, quantity=units, quantity_short=units if lost else 0))
    if not lines:
        return None
    left = replace(taken, lines=tuple(lines))
    if not lost:
        return held_for_staff(left, hold)
    return held_for_staff(left)


def _out(taken: FulfillmentOrder, line: FulfillmentOrderLine, placed: int, *, lost: bool) -> Movement:
    """Return the movement of a line's units out of where they were committed."""
    target, reason = (StockState.ADJUSTMENT, SHORT_PICK) if lost else (StockState.AVAILABLE, GIVEN_UP)
    units = line.quantity if lost else placed
    return Movement(line.variant_id, taken.location_id, StockState.COMMITTED, target, units, reason)
