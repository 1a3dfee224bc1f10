"""Units of an order that are sent to its customer once more: a part of their own, which costs nothing."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from uuid import UUID

from domain.fulfillment import DeliveryMethod, FulfillmentOrder, FulfillmentOrderLine, FulfillmentOrderStatus
from domain.inventory import Movement, StockState
from domain.kernel.errors import InvalidInput
from domain.kernel.ids import new_id
from domain.kernel.transitions import check_transition
from domain.orders import OrderStatus
from domain.shipment_changes import LockedFulfillment

REOPENED: Mapping[OrderStatus, Set[OrderStatus]] = {OrderStatus.COMPLETED: {OrderStatus.OPEN}}
"""What sending units again makes of an order: it has something to send again."""


@dataclass(frozen=True, slots=True)
class Reshipped:
    """An order with units to be sent again, and the stock that is committed for them."""

    found: LockedFulfillment
    part: FulfillmentOrder
    movements: tuple[Movement, ...]


def sent_again(
    found: LockedFulfillment,
    units: Mapping[UUID, int],
    location_id: UUID,
    way: DeliveryMethod,
    source: StockState,
    reason: str,
    path: str,
) -> Reshipped:
    """Send units of order lines again from a location, committed out of a state of its stock.

    Until they leave they count as not sent. Raises IllegalTransition for an order of which nothing is sent
    any more, and InvalidInput naming `path` for units of no variant.
    """
    by_id = {line.id: line for line in found.lines}
    lines = []
    for line_id, quantity in units.items():
        sold = by_id[line_id]
        if sold.variant_id is None:
            raise InvalidInput(f"{sold.sku} is not in the catalogue: refund it", path)
        lines.append(FulfillmentOrderLine(new_id(), line_id, sold.variant_id, sold.sku, quantity))
    part = FulfillmentOrder(
        new_id(),
        found.order.id,
        location_id,
        FulfillmentOrderStatus.OPEN,
        tuple(lines),
        delivery_method=way,
    )
    order = found.order
    if order.status is not OrderStatus.OPEN:
        check_transition(REOPENED, order.status, OrderStatus.OPEN, "the order")
        order = replace(order, status=OrderStatus.OPEN, closed_at=None)
    sold_lines = tuple(
        replace(line, quantity_shipped=line.quantity_shipped - units.get(line.id, 0)) for line in found.lines
    )
    after = replace(found, order=order, lines=sold_lines).with_parts(part)
    movements = tuple(
        Movement(line.variant_id, location_id, source, StockState.COMMITTED, line.quantity, reason)
        for line in lines
    )
    return Reshipped(after, part, movements)
