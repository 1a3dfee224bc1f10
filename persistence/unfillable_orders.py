"""SQL of orders routed again: which ones to look at, what was decided, and those nobody can send."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Integer, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.orders import Order
from domain.routing_decisions import RoutingDecision
from domain.routing_reroutes import Unfillable
from persistence.json_text import json_text
from persistence.orders import ORDER_COLUMNS, order_of
from persistence.routing import DECISIONS_SQL, decision_values

_LOCK_LEVELS = text(
    """
    SELECT 1 FROM stock_levels WHERE variant_id = ANY (:variants)
     ORDER BY variant_id, location_id FOR NO KEY UPDATE
    """
).bindparams(bindparam("variants", type_=ARRAY(Uuid)))
# Parts nobody has begun whose location may not send them, or that lack units or wait for a place.
_DUE = text(
    """
    SELECT f.order_id, min(f.created_at) AS placed
      FROM fulfillment_orders f
      JOIN orders o ON o.id = f.order_id AND o.status IN ('OPEN', 'PENDING_APPROVAL')
      JOIN locations l ON l.id = f.location_id
      LEFT JOIN channel_locations c ON c.channel_id = o.channel_id AND c.location_id = f.location_id
      LEFT JOIN unfillable_orders u ON u.order_id = f.order_id
     WHERE f.status IN ('OPEN', 'ON_HOLD') AND f.work = 'ALLOCATED' AND f.delivery_method = 'SHIPPING'
       AND (u.tried_at IS NULL OR u.tried_at <= :tried_until)
       AND (NOT l.ships OR l.archived_at IS NOT NULL OR c.location_id IS NULL OR u.order_id IS NOT NULL
            OR EXISTS (SELECT FROM order_holds h
                        WHERE h.fulfillment_order_id = f.id AND h.released_at IS NULL
                          AND h.code IN ('UNPLACED', 'UNROUTED'))
            OR EXISTS (SELECT FROM fulfillment_order_lines n
                        WHERE n.fulfillment_order_id = f.id AND n.quantity_short > 0))
       -- What somebody works on, or a person holds, stays where it is.
       AND NOT EXISTS (SELECT FROM order_holds h
                        WHERE h.fulfillment_order_id = f.id AND h.released_at IS NULL AND NOT h.of_review
                          AND h.kind <> 'AWAITING_PAYMENT'
                          AND coalesce(h.code, '') NOT IN ('UNPLACED', 'UNROUTED', 'ROUTING_BATCH'))
       AND NOT EXISTS (SELECT FROM shipments s
                        WHERE s.fulfillment_order_id = f.id AND s.status <> 'CANCELED')
     GROUP BY f.order_id ORDER BY min(u.tried_at) NULLS FIRST, placed, f.order_id LIMIT :most
    """
).bindparams(bindparam("tried_until", type_=DateTime(timezone=True)), bindparam("most", type_=Integer()))
_RECORD = text(
    f"""
    WITH decided AS ({DECISIONS_SQL}), parts AS (
        UPDATE fulfillment_orders SET routing_decision_id = :decision_id WHERE id = ANY (:part_ids)
    ), freed AS (
        UPDATE order_holds SET released_at = :now, released_by = :actor
         WHERE fulfillment_order_id = ANY (:part_ids) AND released_at IS NULL
           AND code IN ('UNPLACED', 'UNROUTED') AND id <> ALL (:hold_ids)
    ), filled AS (
        DELETE FROM unfillable_orders WHERE order_id = :order_id AND CAST(:reasons AS jsonb) = '[]'
    )
    INSERT INTO unfillable_orders (order_id, reasons, since, tried_at)
    SELECT :order_id, CAST(:reasons AS jsonb), :now, :now WHERE CAST(:reasons AS jsonb) <> '[]'
    ON CONFLICT (order_id) DO UPDATE SET reasons = excluded.reasons, tried_at = excluded.tried_at
    RETURNING since < :now AS known
    """
).bindparams(
    bindparam("decision_id", type_=Uuid()),
    bindparam("order_id", type_=Uuid()),
    bindparam("part_ids", type_=ARRAY(Uuid)),
    bindparam("hold_ids", type_=ARRAY(Uuid)),
    bindparam("reasons", type_=Text()),
    bindparam("actor", type_=Text()),
    bindparam("now", type_=DateTime(timezone=True)),
)
_LINK = text(
    f"""
    WITH decided AS ({DECISIONS_SQL})
    UPDATE fulfillment_orders SET routing_decision_id = :decision_id WHERE id = ANY (:part_ids)
    """
).bindparams(bindparam("decision_id", type_=Uuid()), bindparam("part_ids", type_=ARRAY(Uuid)))
_FORGET = text("DELETE FROM unfillable_orders WHERE order_id = :order_id")
_PAGE = text(
    f"""
    SELECT u.since, u.tried_at, u.reasons, {ORDER_COLUMNS}
      FROM unfillable_orders u JOIN orders o ON o.id = u.order_id
     WHERE o.status IN ('OPEN', 'PENDING_APPROVAL')
       AND (CAST(:after_since AS timestamptz) IS NULL OR (u.since, u.order_id) > (:after_since, :after_id))
     ORDER BY u.since, u.order_id LIMIT :limit
    """
).bindparams(
    bindparam("after_since", type_=DateTime(timezone=True)),
    bindparam("after_id", type_=Uuid()),
    bindparam("limit", type_=Integer()),
)


@dataclass(frozen=True, slots=True)
class UnfillableOrder:
    """An order of which units cannot be sent from anywhere now."""

    order: Order
    reasons: tuple[Unfillable, ...]
    since: datetime
    tried_at: datetime


async def lock_levels(connection: AsyncConnection, variants: Sequence[UUID]) -> None:
    """Lock every level of these variants, in everybody's order; lock the order before."""
    await connection.execute(_LOCK_LEVELS, {"variants": list(variants)})


async def due(connection: AsyncConnection, *, tried_until: datetime, most: int) -> list[UUID]:
    """Return orders with parts that ought to be sent from elsewhere, those never looked at first."""
    rows = await connection.execute(_DUE, {"tried_until": tried_until, "most": most})
    return [row.order_id for row in rows]


async def record(
    connection: AsyncConnection,
    decision: RoutingDecision,
    part_ids: Sequence[UUID],
    hold_ids: Sequence[UUID],
    unfillable: Sequence[Unfillable],
    *,
    actor: str,
    now: datetime,
) -> bool:
    """Write a decision about a locked order's parts, and whether it can be filled; one statement.

    Without parts that change the decision is not kept. Holds of parts nobody could send end, but for
    `hold_ids`. Returns whether it is unfillable since now.
    """
    row = (
        await connection.execute(
            _RECORD,
            {
                "decisions": decision_values(*([decision] if part_ids else [])),
                "decision_id": decision.id,
                "order_id": decision.order_id,
                "part_ids": list(part_ids),
                "hold_ids": list(hold_ids),
                "reasons": json_text([[one.sku, one.quantity, one.reason] for one in unfillable]),
                "actor": actor,
                "now": now,
            },
        )
    ).first()
    return row is not None and not row.known


async def link(connection: AsyncConnection, decision: RoutingDecision, part_ids: Sequence[UUID]) -> None:
    """Write a decision, and that it made these parts."""
    values = {
        "decisions": decision_values(decision),
        "decision_id": decision.id,
        "part_ids": list(part_ids),
    }
    await connection.execute(_LINK, values)


async def forget(connection: AsyncConnection, order_id: UUID) -> None:
    """Take an order off the list."""
    await connection.execute(_FORGET, {"order_id": order_id})


async def page(
    connection: AsyncConnection, limit: int, after: tuple[datetime, UUID] | None
) -> list[UnfillableOrder]:
    """Return up to `limit` unfillable orders, those longest so first; `after` is the key before the page."""
    since, order_id = after or (None, None)
    rows = await connection.execute(_PAGE, {"limit": limit, "after_since": since, "after_id": order_id})
    return [_unfillable(row) for row in rows]


def _unfillable(row: Row[*tuple[Any, ...]]) -> UnfillableOrder:
    reasons = tuple(Unfillable(*one) for one in row.reasons)
    return UnfillableOrder(order_of(row), reasons, row.since, row.tried_at)
