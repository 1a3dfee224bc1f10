"""Where the stock of an edited order comes from and goes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.fulfillment import (
    DeliveryMethod,
    FulfillmentHold,
    FulfillmentOrder,
    FulfillmentOrderLine,
    FulfillmentOrderStatus,
    with_status,
)
from domain.inventory import Movement, StockState
from domain.kernel.errors import DomainError, InsufficientStock, Several
from domain.kernel.ids import new_id
from domain.order_edits import Need, is_free
from domain.order_holds import reopened
from domain.orders import Order

REASON = "ORDER_EDITED"
"""The reason of such movements in the stock's ledger."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Units of a variant on sale at a location; the lowest `rank` is the one the channel prefers."""

    variant_id: UUID
    location_id: UUID
    available: int
    rank: int


def give_back(
    order: Order, parts: Sequence[FulfillmentOrder], taken: Mapping[UUID, int]
) -> tuple[list[FulfillmentOrder], list[Movement]]:
    """Take units of lines out of the parts that nobody has begun to pick; returns the parts that change.

    Units that are short go first, since they are not there; then those of the newest part. A part of which
    nothing is left is CANCELED.
    """
    left = dict(taken)
    changed: list[FulfillmentOrder] = []
    movements: list[Movement] = []
    for part in sorted((one for one in parts if is_free(one)), key=_last_resort):
        lines: list[FulfillmentOrderLine] = []
        for line in part.lines:
            units = min(left.get(line.order_line_id, 0), line.quantity - line.quantity_shipped)
            short = min(units, line.quantity_short)
            if units:
                left[line.order_line_id] -= units
            if units > short:
                movements.append(_movement(line.variant_id, part.location_id, units - short, back=True))
            lines.append(
                replace(line, quantity=line.quantity - units, quantity_short=line.quantity_short - short)
            )
        if tuple(lines) != part.lines:
            changed.append(_left_of(order, part, [line for line in lines if line.quantity]))
    return changed, movements


def secure(
    order_id: UUID,
    needs: Sequence[Need],
    shelves: Sequence[Shelf],
    parts: Sequence[FulfillmentOrder],
    holds: Sequence[FulfillmentHold] = (),
) -> tuple[list[FulfillmentOrder], list[Movement]]:
    """Find units for what is needed; returns a new part for each location they come from, with `holds`.

    Locations that send something of the order anyway come first, then the channel's preference. What is
    collected comes from where it is collected. Raises InsufficientStock for each need that is not covered.
    """
    collected = {one.location_id for one in parts if one.delivery_method is DeliveryMethod.PICKUP}
    if collected:
        shelves = [one for one in shelves if one.location_id in collected]
    sending = {part.location_id for part in parts if is_free(part) and part.lines}
    shelves = sorted(shelves, key=lambda one: (one.location_id not in sending, one.rank, one.location_id))
    left = {(one.variant_id, one.location_id): one.available for one in shelves}
    here: dict[UUID, dict[UUID, FulfillmentOrderLine]] = {}
    short: list[DomainError] = []
    for need in needs:
        open_units = need.quantity
        for shelf in shelves:
            place = (need.variant_id, shelf.location_id)
            units = min(open_units, left[place]) if shelf.variant_id == need.variant_id else 0
            if units > 0:
                left[place] -= units
                open_units -= units
                _put(here.setdefault(shelf.location_id, {}), need, units)
        if open_units:
            short.append(InsufficientStock(need.sku, need.quantity, need.quantity - open_units, *need.path))
    if short:
        raise short[0] if len(short) == 1 else Several(short)
    status = FulfillmentOrderStatus.ON_HOLD if holds else FulfillmentOrderStatus.OPEN
    made = [
        FulfillmentOrder(
            new_id(),
            order_id,
            location_id,
            status,
            tuple(lines.values()),
            tuple(replace(hold, id=new_id()) for hold in holds),
            DeliveryMethod.PICKUP if collected else DeliveryMethod.SHIPPING,
        )
        for location_id, lines in here.items()
    ]
    movements = [
        _movement(line.variant_id, part.location_id, line.quantity) for part in made for line in part.lines
    ]
    return made, movements


def _last_resort(part: FulfillmentOrder) -> tuple[bool, int]:
    # Ids are made of the time, so the highest is the newest; parts that lack units give theirs up first.
    return (not part.lacks_units, -part.id.int)


def _left_of(order: Order, part: FulfillmentOrder, lines: list[FulfillmentOrderLine]) -> FulfillmentOrder:
    after = replace(part, lines=tuple(lines))
    if not lines:
        return with_status(after, FulfillmentOrderStatus.CANCELED)
    # Where it lacked units, what it waited for may have gone with them.
    return reopened(order, after)


def _put(lines: dict[UUID, FulfillmentOrderLine], need: Need, units: int) -> None:
    line = lines.get(need.line_id)
    lines[need.line_id] = (
        FulfillmentOrderLine(new_id(), need.line_id, need.variant_id, need.sku, units)
        if line is None
        else replace(line, quantity=line.quantity + units)
    )


def _movement(variant_id: UUID, location_id: UUID, units: int, *, back: bool = False) -> Movement:
    ours, shelf = StockState.COMMITTED, StockState.AVAILABLE
    source, target = (ours, shelf) if back else (shelf, ours)
    return Movement(variant_id, location_id, source, target, units, REASON)
