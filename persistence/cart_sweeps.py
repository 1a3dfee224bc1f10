"""SQL of the sweeps over carts: those nobody locks are taken, the others wait for the next round."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.carts import TRANSITIONS, CartStatus
from persistence.status_changes import changes_to

_ABANDONABLE = changes_to(CartStatus.ABANDONED, TRANSITIONS, CartStatus.ACTIVE)
_EXPIRABLE = changes_to(CartStatus.EXPIRED, TRANSITIONS, CartStatus.ABANDONED)
_RAISE = text(
    """
    UPDATE carts SET version = version + 1 WHERE id = ANY (:ids)
    RETURNING id, channel_id, version, 0 AS lines, 0 AS units
    """
)
_DUE = text(
    """
    SELECT count(*) FROM carts
     WHERE holds_due_at <= :now AND status IN ('ACTIVE', 'CHECKOUT', 'ABANDONED')
    """
)
_CONTENTS = """
    RETURNING c.id, c.channel_id, c.version,
              (SELECT count(*) FROM cart_lines l WHERE l.cart_id = c.id) AS lines,
              (SELECT coalesce(sum(l.quantity), 0) FROM cart_lines l WHERE l.cart_id = c.id) AS units
"""
# The mark holds_due_at may be earlier than the first hold's end, never later.
_WARN = text(
    """
    UPDATE carts c SET holds_warned_at = :now
      FROM (SELECT w.id FROM carts w
             WHERE w.holds_due_at <= :soon AND w.status = 'ACTIVE'
               AND (w.holds_warned_at IS NULL OR w.holds_warned_at < w.active_at)
               AND (SELECT min(h.expires_at) FROM holds h
                     WHERE h.cart_id = w.id AND h.status = 'HELD') BETWEEN :now AND :soon
             ORDER BY w.holds_due_at LIMIT :most FOR NO KEY UPDATE SKIP LOCKED) due
     WHERE c.id = due.id
    """
    + _CONTENTS
)
# A cart with an order already is a draft's: an offer is not abandoned, staff take it back.
_ABANDON = text(
    f"""
    UPDATE carts c SET status = 'ABANDONED', version = c.version + 1, abandoned_at = :now
      FROM (SELECT id FROM carts
             WHERE status {_ABANDONABLE} AND order_id IS NULL AND active_at <= :idle_since
             ORDER BY active_at LIMIT :most FOR NO KEY UPDATE SKIP LOCKED) due
     WHERE c.id = due.id
    """
    + _CONTENTS
)
_EXPIRE = text(
    f"""
    UPDATE carts c SET status = 'EXPIRED', version = c.version + 1, closed_at = :now
      FROM (SELECT id FROM carts WHERE status {_EXPIRABLE} AND abandoned_at <= :idle_since
             ORDER BY abandoned_at LIMIT :most FOR NO KEY UPDATE SKIP LOCKED) due
     WHERE c.id = due.id
    """
    + _CONTENTS
)
# All levels first and in their one order: releasing cart by cart would lock them in the carts' order.
_LOCK_LEVELS = text(
    """
    SELECT count(*) FROM (
        SELECT 1 FROM stock_levels s
         WHERE s.variant_id IN (SELECT variant_id FROM holds WHERE cart_id = ANY (:ids) AND status = 'HELD')
         ORDER BY s.variant_id, s.location_id FOR NO KEY UPDATE) locked
    """
)
_RELEASE = text(
    """
    SELECT count(*) FROM (
        SELECT h.cart_id, c.channel_id, array_agg(h.cart_line_id) AS lines,
               array_agg(h.variant_id) AS variants
          FROM (SELECT DISTINCT cart_id, cart_line_id, variant_id FROM holds
                 WHERE cart_id = ANY (:ids) AND status = 'HELD') h
          JOIN carts c ON c.id = h.cart_id
         GROUP BY h.cart_id, c.channel_id) g
     CROSS JOIN LATERAL stock_hold(
         g.cart_id, g.channel_id, g.lines, g.variants, array_fill(0, ARRAY[cardinality(g.lines)]),
         CAST(:now AS timestamptz), CAST('0' AS interval), :actor, CAST(:now AS timestamptz))
    """
)


@dataclass(frozen=True, slots=True)
class SweptCart:
    """A cart that a sweep has changed, at its new version, and what is in it."""

    id: UUID
    channel_id: UUID
    version: int
    line_count: int
    unit_count: int


async def raise_versions(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, SweptCart]:
    """Give locked carts their next version."""
    rows = await connection.execute(_RAISE, {"ids": list(ids)})
    return {row.id: SweptCart(*row) for row in rows}


async def count_due(connection: AsyncConnection, now: datetime) -> int:
    """Return how many carts the sweep of holds has still to look at."""
    return int((await connection.execute(_DUE, {"now": now})).scalar_one())


async def warn(connection: AsyncConnection, *, soon: datetime, most: int, now: datetime) -> list[SweptCart]:
    """Mark carts whose first hold ends by `soon`, once since their last change; no new version."""
    values = {"soon": soon, "most": most, "now": now}
    return [SweptCart(*row) for row in await connection.execute(_WARN, values)]


async def abandon(
    connection: AsyncConnection, *, idle_since: datetime, most: int, now: datetime
) -> list[SweptCart]:
    """Make carts ABANDONED that nobody has changed since `idle_since`."""
    values = {"idle_since": idle_since, "most": most, "now": now}
    return [SweptCart(*row) for row in await connection.execute(_ABANDON, values)]


async def expire(
    connection: AsyncConnection, *, idle_since: datetime, most: int, now: datetime
) -> list[SweptCart]:
    """Make carts EXPIRED that have been abandoned since `idle_since`."""
    values = {"idle_since": idle_since, "most": most, "now": now}
    return [SweptCart(*row) for row in await connection.execute(_EXPIRE, values)]


async def release_holds(
    connection: AsyncConnection, ids: Sequence[UUID], *, actor: str, now: datetime
) -> None:
    """Put everything that locked carts hold back on sale."""
    locked = (await connection.execute(_LOCK_LEVELS, {"ids": list(ids)})).scalar_one()
    if locked:
        await connection.execute(_RELEASE, {"ids": list(ids), "actor": actor, "now": now})
