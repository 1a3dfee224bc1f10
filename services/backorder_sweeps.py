"""What time does to parts that wait for stock which has come to another location: they go there."""

from uuid import UUID

from domain import fulfillment_changes as decide
from domain.fulfillment import FulfillmentOrderStatus
from domain.kernel.errors import DomainError
from persistence import backorders as rows
from persistence.backorders import Elsewhere
from services import fulfillment, shipments
from services.access import Permission, require
from services.context import ServiceContext
from services.one_by_one import each

MOST_AT_ONCE = 100
"""Parts one sweep moves."""


async def release_elsewhere(context: ServiceContext) -> int:
    """Move backordered parts to a location of their channel that has all their units, the oldest first.

    Where their own location gets some they get those by the sweep of losses. Returns how many were moved.
    """
    require(context.actor, Permission.FULFILLMENT_WRITE)
    async with context.read() as connection:
        found = await rows.elsewhere(connection, MOST_AT_ONCE)
    moved: set[UUID] = set()

    async def move(place: Elsewhere) -> None:
        if place.part_id not in moved and await _move(context, place):
            moved.add(place.part_id)

    await each("release_backorders", found, move)
    return len(moved)


async def _move(context: ServiceContext, place: Elsewhere) -> bool:
    """Move one part; False where it waits no longer, or somebody else has taken the units."""
    try:
        async with context.transaction() as transaction:
            found = await shipments.locked(transaction, fulfillment_order_id=place.part_id)
            part = found.part(place.part_id)
            if part.status is not FulfillmentOrderStatus.SCHEDULED or not part.lacks_units:
                return False
            moved = decide.move(found, part, place.location_id, None)
            facts = {"fromLocationId": str(part.location_id), "toLocationId": str(place.location_id)}
            told: list[fulfillment.Told] = [("FulfillmentOrderMoved", moved.part, facts)]
            if moved.part.status is FulfillmentOrderStatus.OPEN:
                told.append(("FulfillmentOrderReleased", moved.part, {}))
            await fulfillment.save(transaction, found, moved.parts, *told)
            await fulfillment.move_units(transaction, found.order, moved.movements, moved.part)
    except DomainError:
        return False
    return True
