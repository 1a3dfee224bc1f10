"""The use case of an order that is found after money was given for its goods: it is not given again."""

from dataclasses import replace
from uuid import UUID

from domain import unlinked_refund_links as decide
from domain.unlinked_refunds import UnlinkedRefund
from persistence import unlinked_refund_links as link_rows
from persistence import unlinked_refunds as rows
from services import orders, return_records, unlinked_refunds
from services.access import Permission, require
from services.context import ServiceContext
from services.orders import OrderRef


async def link(
    context: ServiceContext, refund_id: UUID, ref: OrderRef, expected_version: int | None, key: str
) -> UnlinkedRefund:
    """Link a paid refund to an order that sold its articles: these units come back in no return any more.

    The order has to be one that the actor may see. Raises NotFound, IllegalTransition, VersionConflict,
    InvalidInput, and NotReturnable where nothing of it can have come back.
    """
    require(context.actor, Permission.REFUNDS_UNLINKED)
    order_id = (await orders.get(context, ref)).id
    facts = [str(refund_id), str(order_id), expected_version]
    taken = unlinked_refunds.claim(context, "unlinkedRefundLink", key, facts)
    async with context.transaction() as transaction:
        if await transaction.replay(taken) is not None:
            return await unlinked_refunds.known(transaction, refund_id)
        found = await return_records.locked(transaction, order_id=order_id, path="ref")
        before = await unlinked_refunds.locked(transaction, refund_id)
        order = found.placed.order
        after, links = decide.link(before, order, found.eligible(transaction.now), expected_version)
        order = replace(order, version=order.version + 1)
        await link_rows.create(transaction.connection, links, order, transaction.actor, transaction.now)
        await rows.save(transaction.connection, after)
        await unlinked_refunds.tell(transaction, "UnlinkedRefundLinked", before, after)
        transaction.emit(decide.link_event(order, after, transaction.now))
        transaction.answer({"unlinkedRefund": str(after.id)})
    return after
