"""SQL of exchanges that wait for their customers' money."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

# Driven by the holds that wait for money, which are few.
_UNPAID = text(
    """
    SELECT r.id FROM returns r
     WHERE r.status = 'CLOSED' AND r.closed_at <= :before
       AND r.exchange_order_id IN (
           SELECT h.order_id FROM order_holds h JOIN orders o ON o.id = h.order_id
            WHERE h.code = 'UNPAID' AND h.released_at IS NULL AND h.created_at <= :before
              AND o.status = 'OPEN'
              AND NOT EXISTS (SELECT FROM fulfillment_orders f WHERE f.order_id = o.id
                                 AND f.status NOT IN ('ON_HOLD', 'CANCELED')))
     ORDER BY r.closed_at, r.id LIMIT :most
    """
).bindparams(bindparam("before", type_=DateTime(timezone=True)))


async def unpaid(connection: AsyncConnection, before: datetime, most: int) -> list[UUID]:
    """Return returns that ended before a moment and whose replacements still wait for their money."""
    return list(await connection.scalars(_UNPAID, {"before": before, "most": most}))
