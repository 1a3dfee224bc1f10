"""What time does to orders of which all has left: they are COMPLETED, whatever was lacking last."""

from dataclasses import replace
from functools import partial
from uuid import UUID

from domain import shipment_changes as decide
from domain.fulfillment import FulfillmentOrderStatus
from domain.orders import OrderStatus
from persistence import shipments as rows
from services import payment_facts, shipments
from services.access import Permission, require
from services.context import ServiceContext
from services.one_by_one import each

MOST_AT_ONCE = 100
"""Orders one sweep completes."""


async def complete(context: ServiceContext) -> int:
    """Complete orders of which all has left and is paid for, and close their parts; returns how many.

    Most are by their last parcel or payment. Of the others an edit took off what was still to be sent.
    """
    require(context.actor, Permission.FULFILLMENT_WRITE)
    async with context.read() as connection:
        found = await rows.completable(connection, MOST_AT_ONCE)
    await each("complete_orders", found, partial(_complete, context))
    return len(found)


async def _complete(context: ServiceContext, order_id: UUID) -> None:
    async with context.transaction() as transaction:
        locked = await shipments.locked(transaction, order_id=order_id)
        after = decide.completed(locked, transaction.now)
        if after.order.status is not OrderStatus.COMPLETED or after is locked:
            return
        order = replace(after.order, version=after.order.version + 1)
        closed = [
            decide.moved(part, FulfillmentOrderStatus.CLOSED)
            for part in after.parts
            if part.lines and decide.is_over(part)
        ]
        await rows.save(transaction.connection, order, parts=closed, now=transaction.now)
        transaction.emit(payment_facts.completed_event(order, transaction.now))
