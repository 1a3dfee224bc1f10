"""SQL of new orders that are decided together: which ones, and those that are held back for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import DateTime, Integer, Interval, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

# New orders of channels that decide them together, nobody at them yet, by channel: those held back first, the
# oldest before others. Where orders are held back, not before one of them has waited as long as they shall.
_BATCHED = text(
    """
    SELECT array_agg(b.id ORDER BY b.placed_at, b.id) AS ids,
           array_agg(b.id ORDER BY b.placed_at, b.id) FILTER (WHERE b.held_back) AS held_back
      FROM channel_routing r
     CROSS JOIN LATERAL (
           SELECT n.* FROM (
                  SELECT o.id, o.placed_at,
                         EXISTS (SELECT FROM order_holds h
                                  WHERE h.order_id = o.id AND h.code = 'ROUTING_BATCH'
                                    AND h.released_at IS NULL) AS held_back
                    FROM orders o
                   WHERE o.channel_id = r.channel_id AND o.status = 'OPEN' AND o.placed_at >= :placed_from
                     AND EXISTS (SELECT FROM fulfillment_orders f
                                  WHERE f.order_id = o.id AND f.status IN ('OPEN', 'ON_HOLD')
                                    AND f.work = 'ALLOCATED')) n
            WHERE n.held_back OR EXISTS (SELECT FROM fulfillment_orders f
                                          WHERE f.order_id = n.id AND f.status = 'OPEN'
                                            AND f.work = 'ALLOCATED')
            ORDER BY n.held_back DESC, n.placed_at, n.id LIMIT :most) b
     WHERE r.batches AND r.strategy = 'cheapest'
     GROUP BY r.channel_id, r.hold_back_minutes
    HAVING r.hold_back_minutes = 0
        OR min(b.placed_at) FILTER (WHERE b.held_back)
           <= CAST(:now AS timestamptz) - make_interval(mins => r.hold_back_minutes)
     ORDER BY r.channel_id
    """
).bindparams(
    bindparam("placed_from", type_=DateTime(timezone=True)),
    bindparam("now", type_=DateTime(timezone=True)),
    bindparam("most", type_=Integer()),
)
# Held back for longer than the batch was to take, or by a channel that holds nothing back any more.
_OVERDUE = text(
    """
    SELECT o.id FROM orders o LEFT JOIN channel_routing r ON r.channel_id = o.channel_id
     WHERE o.status IN ('OPEN', 'PENDING_APPROVAL')
       AND o.id IN (SELECT h.order_id FROM order_holds h
                     WHERE h.code = 'ROUTING_BATCH' AND h.released_at IS NULL)
       AND (coalesce(r.hold_back_minutes, 0) = 0
            OR o.placed_at <= CAST(:now AS timestamptz) - make_interval(mins => r.hold_back_minutes)
                              - CAST(:patience AS interval))
     ORDER BY o.placed_at, o.id LIMIT :most
    """
).bindparams(
    bindparam("now", type_=DateTime(timezone=True)),
    bindparam("patience", type_=Interval()),
    bindparam("most", type_=Integer()),
)


@dataclass(frozen=True, slots=True)
class Batch:
    """New orders of one channel that are to be decided together, and those of them that are held back."""

    order_ids: Sequence[UUID]
    held_back: Sequence[UUID]


async def batches(
    connection: AsyncConnection, *, placed_from: datetime, now: datetime, most: int
) -> list[Batch]:
    """Return up to `most` new orders of each channel that decides them together, if it is time to."""
    values = {"placed_from": placed_from, "now": now, "most": most}
    return [
        Batch(tuple(row.ids), tuple(row.held_back or ()))
        for row in await connection.execute(_BATCHED, values)
    ]


async def overdue(
    connection: AsyncConnection, *, now: datetime, patience: timedelta, most: int
) -> list[UUID]:
    """Return orders that no batch has released in time: `patience` after that was due."""
    values = {"now": now, "patience": patience, "most": most}
    return list((await connection.scalars(_OVERDUE, values)).all())
