"""Backorders and preorders: units sold beyond what is in stock wait for it, and no level goes below zero."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.carts import Cart
from domain.fulfillment import FulfillmentOrder, FulfillmentOrderLine, FulfillmentOrderStatus
from domain.kernel.errors import InvalidInput
from domain.kernel.ids import new_id
from domain.kernel.quantities import MAX_QUANTITY
from domain.order_placement import Placement
from domain.orders import OrderStatus, fulfillment_status


@dataclass(frozen=True, slots=True)
class BackorderPolicy:
    """Whether a variant is sold beyond its stock.

    `limit`: most units that may wait at once, over all orders (None: any number). `available_from`: before
    then what is backordered is not sent, even when it is there.
    """

    allowed: bool = False
    limit: int | None = None
    available_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Backorder:
    """A variant's policy, how many units of it wait already, and where further ones would.

    `location_id` is None where the channel is served from nowhere.
    """

    variant_id: UUID
    policy: BackorderPolicy
    waiting: int
    location_id: UUID | None

    @property
    def left(self) -> int:
        """Units that may still be sold beyond the stock."""
        if not self.policy.allowed or self.location_id is None:
            return 0
        most = MAX_QUANTITY if self.policy.limit is None else self.policy.limit
        return max(0, most - self.waiting)


def check_limit(limit: int | None) -> int | None:
    """Return how many units may wait at once; raises InvalidInput."""
    if limit is not None and not 1 <= limit <= MAX_QUANTITY:
        raise InvalidInput(f"must be between 1 and {MAX_QUANTITY}", "limit")
    return limit


def with_waiting(
    placement: Placement, units: Mapping[int, int], known: Mapping[UUID, Backorder], now: datetime
) -> Placement:
    """Return an order to be placed with SCHEDULED parts (ON_HOLD while it waits for approval) for the rest.

    `units` are those by the position of their line; each waits at the location that its variant is expected
    at, nothing of it committed.
    """
    parts: dict[tuple[UUID, datetime | None], list[FulfillmentOrderLine]] = {}
    for line in placement.lines:
        if line.position not in units or line.variant_id is None:
            continue
        backorder = known[line.variant_id]
        if backorder.location_id is None:
            raise ValueError("nothing is backordered where no location would send it")
        opens = backorder.policy.available_from
        place = backorder.location_id, opens if opens is not None and opens > now else None
        waiting = units[line.position]
        parts.setdefault(place, []).append(
            FulfillmentOrderLine(
                new_id(), line.id, line.variant_id, line.sku, waiting, quantity_short=waiting
            )
        )
    waits = placement.order.status is OrderStatus.PENDING_APPROVAL
    status = FulfillmentOrderStatus.ON_HOLD if waits else FulfillmentOrderStatus.SCHEDULED
    made = tuple(
        FulfillmentOrder(
            new_id(),
            placement.order.id,
            location_id,
            status,
            tuple(lines),
            scheduled_for=opens,
        )
        for (location_id, opens), lines in parts.items()
    )
    every = (*placement.fulfillment_orders, *made)
    order = replace(placement.order, fulfillment_status=fulfillment_status(every, ()))
    return replace(placement, order=order, fulfillment_orders=every)


def with_fewer_held(cart: Cart, units: Mapping[UUID, int]) -> Cart:
    """Return the cart whose named lines hold only so many units: the rest waits for stock."""
    return replace(
        cart,
        lines=tuple(replace(line, held=min(line.held, units.get(line.id, line.held))) for line in cart.lines),
    )


def divided(placement: Placement) -> tuple[Placement, Sequence[FulfillmentOrder]]:
    """Return an order without the parts that wait for stock, and those."""
    waiting = [part for part in placement.fulfillment_orders if part.lacks_units]
    there = tuple(part for part in placement.fulfillment_orders if not part.lacks_units)
    return replace(placement, fulfillment_orders=there), waiting
