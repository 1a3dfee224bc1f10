"""SQL of payments on terms: which are late, and that it was told."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.orders import Order
from persistence.tables.payments import OWED_ON_TERMS

# As `domain.payment_terms.overdue_minor` decides, so that what is not late takes no place in the page.
_OVERDUE = text(
    f"""
    SELECT p.id FROM (SELECT * FROM payments WHERE {OWED_ON_TERMS}) p JOIN orders o ON o.id = p.order_id
     WHERE p.due_at <= :now AND o.status IN ('OPEN', 'COMPLETED')
       AND o.total_minor > (SELECT sum(greatest(k.authorized_minor - k.voiding_minor, k.captured_minor))
                              FROM payments k
                             WHERE k.order_id = o.id AND k.status NOT IN ('VOIDED', 'FAILED'))
     ORDER BY p.due_at, p.id LIMIT :most
    """
).bindparams(bindparam("now", type_=DateTime(timezone=True)))
_TOLD = text(
    """
    WITH told AS (
        UPDATE payments SET overdue_told_at = :now, version = version + 1
         WHERE id = :payment_id AND overdue_told_at IS NULL
        RETURNING id
    )
    UPDATE orders o SET version = :version FROM told WHERE o.id = :order_id
    RETURNING o.id
    """
).bindparams(
    bindparam("now", type_=DateTime(timezone=True)),
    bindparam("payment_id", type_=Uuid()),
    bindparam("order_id", type_=Uuid()),
)


async def overdue(connection: AsyncConnection, *, now: datetime, most: int) -> list[UUID]:
    """Return payments that are late and not told of yet, the longest due first."""
    return [row.id for row in await connection.execute(_OVERDUE, {"now": now, "most": most})]


async def save_told(connection: AsyncConnection, order: Order, payment_id: UUID, *, now: datetime) -> bool:
    """Record, with the new version of a locked order, that a payment was told to be late; False if it was."""
    values = {"now": now, "payment_id": payment_id, "order_id": order.id, "version": order.version}
    return (await connection.execute(_TOLD, values)).first() is not None
