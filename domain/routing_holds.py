"""New orders that are held back until they have been decided together with others.

Their stock is committed as if they were sent at once; only nobody may begin to work on them. The hold ends
with the batch, by hand, or with a time-out.
"""

from dataclasses import replace
from datetime import datetime

from domain.fulfillment import FulfillmentHold, FulfillmentOrderStatus, HoldKind
from domain.kernel.ids import new_id
from domain.order_placement import Placement
from domain.orders import fulfillment_status

HELD_BACK = "ROUTING_BATCH"
"""What puts a hold on a part that waits to be decided together with others."""


def is_held_back(hold: FulfillmentHold) -> bool:
    """Say whether a hold waits for the next batch."""
    return hold.code == HELD_BACK


def hold_back(placement: Placement, actor: str, now: datetime) -> Placement:
    """Return an order to be placed with its parts held back; those that lack units wait for these anyway."""
    parts = tuple(
        part
        if part.lacks_units
        else replace(
            part,
            status=FulfillmentOrderStatus.ON_HOLD,
            holds=(
                *part.holds,
                FulfillmentHold(new_id(), HoldKind.OTHER, False, HELD_BACK, None, actor, now),
            ),
        )
        for part in placement.fulfillment_orders
    )
    order = replace(placement.order, fulfillment_status=fulfillment_status(parts, ()))
    return replace(placement, order=order, fulfillment_orders=parts)
