"""What time does to orders: one that nobody approves in the end expires."""

from datetime import timedelta

import structlog

from domain.kernel.errors import IllegalTransition
from persistence import orders as rows
from services import orders
from services.context import ServiceContext

MOST_AT_ONCE = 50
"""Orders one sweep takes; the next takes the rest."""

_log = structlog.get_logger(__name__)


async def expire_waiting(context: ServiceContext) -> int:
    """End orders that waited for approval too long: stock back on sale, payment voided; returns how many.

    How long is decided when an order is placed: its review says until when.
    """
    now = context.now()
    placed_until = now - timedelta(seconds=context.environment.approval_seconds)
    async with context.read() as connection:
        waiting = await rows.overdue(connection, now=now, placed_until=placed_until, most=MOST_AT_ONCE)
    expired = 0
    for order_id in waiting:
        try:
            await orders.expire(context, order_id)
        except IllegalTransition:
            _log.info("order_decided_meanwhile", order_id=str(order_id))
        else:
            expired += 1
    return expired
