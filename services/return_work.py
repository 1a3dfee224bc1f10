"""Use cases around returns that wait: which need a person, and whose customers are reminded."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from domain.return_parcels import ReturnWork
from domain.returns import Return, ReturnStatus, return_event
from persistence import return_work as rows
from persistence import returns as return_rows
from services import return_records, return_sweeps
from services.access import Permission, require
from services.context import ServiceContext

MOST_AT_ONCE = 50
"""Returns one sweep looks at."""


async def page(
    context: ServiceContext, work: ReturnWork, size: int, after: tuple[datetime, UUID] | None
) -> list[Return]:
    """Return returns that need a person, one more than the page has if there are more."""
    require(context.actor, Permission.RETURNS_READ)
    async with context.read() as connection:
        return await rows.page(connection, work, size + 1, after, context.now())


async def remind_due(context: ServiceContext) -> int:
    """Remind customers of returns that end soon, each once; returns how many."""
    require(context.actor, Permission.RETURNS_WRITE)
    async with context.read() as connection:
        found = await rows.to_remind(connection, context.now(), MOST_AT_ONCE)
    return await return_sweeps.each(context, "remind_of_returns", found, _remind)


async def _remind(context: ServiceContext, return_id: UUID) -> None:
    async with context.transaction() as transaction:
        found = await return_records.locked(transaction, return_id=return_id)
        one = found.named(return_id)
        if one.status is not ReturnStatus.APPROVED:
            return
        if not await rows.reminded(transaction.connection, return_id, transaction.now):
            return
        order = replace(found.placed.order, version=found.placed.order.version + 1)
        await return_rows.save(transaction.connection, one, one, order)
        transaction.emit(return_event("ReturnReminded", order, one, transaction.now))
