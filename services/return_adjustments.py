"""Use cases of what a return brings, told to staff before they change it (`return_settlement.refund`)."""

from uuid import UUID

from domain.kernel.errors import NotFound
from domain.return_worth import Worth
from persistence import returns as rows
from services import return_records
from services.access import Permission, require
from services.context import ServiceContext


async def worth(context: ServiceContext, return_id: UUID) -> tuple[Worth, str]:
    """Return what a return brings by the rules and by what was found in it so far, and its currency.

    Raises NotFound.
    """
    require(context.actor, Permission.RETURNS_READ)
    async with context.read() as connection:
        order_id = await rows.order_of(connection, return_id)
        if order_id is None:
            raise NotFound("no return has this id", "id")
        found = await return_records.read(connection, order_id)
    return found.worth(found.named(return_id)), found.placed.order.currency
