"""SQL of losses: who holds or was promised units of a level, and taking them away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.stock_losses import HeldUnits, PromisedUnits

_LOCK_CARTS = text("SELECT id FROM carts WHERE id = ANY (:ids) ORDER BY id FOR NO KEY UPDATE").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)
_PLACES = (
    bindparam("variants", type_=ARRAY(Uuid)),
    bindparam("locations", type_=ARRAY(Uuid)),
    bindparam("units", type_=ARRAY(Integer)),
)
# Newest first, of each level no more than the loss can need.
_HOLDS = text(
    """
    SELECT variant, location, id, cart_id, cart_line_id, quantity FROM (
        SELECT u.variant, u.location, u.units, h.*,
               sum(h.quantity) OVER (PARTITION BY u.variant, u.location ORDER BY h.held_at DESC, h.id DESC)
                   - h.quantity AS before
          FROM unnest(:variants, :locations, :units) AS u (variant, location, units)
          JOIN holds h ON h.variant_id = u.variant AND h.location_id = u.location
                      AND h.status = 'HELD' AND h.ended_at IS NULL) newest
     WHERE before < units ORDER BY held_at DESC, id DESC
    """
).bindparams(*_PLACES)
_PROMISES = text(
    """
    SELECT variant, location, id, order_id, open FROM (
        SELECT u.variant, u.location, u.units, l.id, f.order_id, f.created_at,
               l.quantity - l.quantity_shipped - l.quantity_short AS open,
               sum(l.quantity - l.quantity_shipped - l.quantity_short)
                   OVER (PARTITION BY u.variant, u.location ORDER BY f.created_at DESC, l.id DESC) AS so_far
          FROM unnest(:variants, :locations, :units) AS u (variant, location, units)
          JOIN fulfillment_order_lines l ON l.variant_id = u.variant AND l.quantity_shipped < l.quantity
           AND l.quantity_shipped + l.quantity_short < l.quantity
          JOIN fulfillment_orders f ON f.id = l.fulfillment_order_id AND f.location_id = u.location
           AND f.status IN ('SCHEDULED', 'OPEN', 'IN_PROGRESS', 'ON_HOLD')) newest
     WHERE so_far - open < units ORDER BY created_at DESC, id DESC
    """
).bindparams(*_PLACES)
_RELEASE = text(
    """
    UPDATE holds h
       SET quantity = CASE WHEN h.quantity > u.units THEN h.quantity - u.units ELSE h.quantity END,
           status = CASE WHEN h.quantity > u.units THEN 'HELD' ELSE 'RELEASED' END,
           ended_at = CASE WHEN h.quantity > u.units THEN NULL ELSE CAST(:now AS timestamptz) END
      FROM unnest(:ids, :units) AS u (id, units)
     WHERE h.id = u.id
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)), bindparam("units", type_=ARRAY(Integer)))
_SET_SHORT = text(
    """
    UPDATE fulfillment_order_lines l SET quantity_short = u.units
      FROM unnest(:ids, :units) AS u (id, units)
     WHERE l.id = u.id
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)), bindparam("units", type_=ARRAY(Integer)))
LACKING_SQL = """
    lacking (variant_id) AS (
        (SELECT variant_id FROM fulfillment_order_lines WHERE quantity_short > 0
          ORDER BY variant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT l.variant_id FROM fulfillment_order_lines l
                 WHERE l.quantity_short > 0 AND l.variant_id > k.variant_id ORDER BY l.variant_id LIMIT 1)
          FROM lacking k WHERE k.variant_id IS NOT NULL
    )
"""
"""The variants of which something waits (a recursive CTE): one look into the index each, not one a line."""

# Most of what waits is nowhere, and this is looked for each second: variants first, then the stock there
# is, then lines as they were ordered (ids are made of the time), no more of each than are taken.
_REFILLABLE = text(
    f"""
    WITH RECURSIVE {LACKING_SQL}
    SELECT w.order_id, min(w.created_at) AS placed
      FROM lacking k
      JOIN stock_levels s ON s.variant_id = k.variant_id AND s.available > 0
     CROSS JOIN LATERAL (
           SELECT f.order_id, f.created_at
             FROM fulfillment_order_lines l
             JOIN fulfillment_orders f ON f.id = l.fulfillment_order_id AND f.location_id = s.location_id
                  AND f.status IN ('ON_HOLD', 'SCHEDULED')
            WHERE l.variant_id = k.variant_id AND l.quantity_short > 0
            ORDER BY l.order_line_id LIMIT :most) w
     GROUP BY w.order_id ORDER BY placed, w.order_id LIMIT :most
    """
)


@dataclass(frozen=True, slots=True)
class Place:
    """A level by what it is of."""

    variant_id: UUID
    location_id: UUID


async def lock_carts(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Lock carts, in the order every part of the product locks them."""
    await connection.execute(_LOCK_CARTS, {"ids": list(ids)})


async def newest_holds(
    connection: AsyncConnection, losses: Mapping[Place, int]
) -> dict[Place, list[HeldUnits]]:
    """Return the newest holds on locked levels that together have the units lost there, or all there are."""
    found: dict[Place, list[HeldUnits]] = {}
    for variant_id, location_id, *facts in await connection.execute(_HOLDS, _places(losses)):
        found.setdefault(Place(variant_id, location_id), []).append(HeldUnits(*facts))
    return found


async def newest_promises(
    connection: AsyncConnection, losses: Mapping[Place, int]
) -> dict[Place, list[PromisedUnits]]:
    """Return the newest promises of locked levels that together have the units lost, or all there are."""
    found: dict[Place, list[PromisedUnits]] = {}
    for variant_id, location_id, *facts in await connection.execute(_PROMISES, _places(losses)):
        found.setdefault(Place(variant_id, location_id), []).append(PromisedUnits(*facts))
    return found


async def reduce_holds(connection: AsyncConnection, units: Mapping[UUID, int], now: datetime) -> None:
    """Take units away from holds, by hold; one that has nothing left is RELEASED. Levels move apart."""
    await connection.execute(_RELEASE, {"ids": list(units), "units": list(units.values()), "now": now})


async def set_short(connection: AsyncConnection, units: Mapping[UUID, int]) -> None:
    """Write how many committed units fulfillment order lines lack, by line."""
    await connection.execute(_SET_SHORT, {"ids": list(units), "units": list(units.values())})


async def refillable(connection: AsyncConnection, most: int) -> list[UUID]:
    """Return the orders with units short that are on sale again where they are short, oldest first."""
    return [row.order_id for row in await connection.execute(_REFILLABLE, {"most": most})]


def _places(losses: Mapping[Place, int]) -> dict[str, list[Any]]:
    return {
        "variants": [place.variant_id for place in losses],
        "locations": [place.location_id for place in losses],
        "units": list(losses.values()),
    }
