"""SQL of losses: who holds or was promised units of a level, and taking them away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.stock_losses import HeldUnits, PromisedUnits

_LOCK_CARTS = text("SELECT id FROM carts WHERE id = ANY (:ids) ORDER BY id FOR NO KEY UPDATE").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)
# Newest first, no more than the loss can need.
_HOLDS = text(
    """
    SELECT id, cart_id, cart_line_id, quantity FROM (
        SELECT h.*, sum(h.quantity) OVER (ORDER BY h.held_at DESC, h.id DESC) - h.quantity AS before
          FROM holds h
         WHERE h.variant_id = :variant AND h.location_id = :location
           AND h.status = 'HELD' AND h.ended_at IS NULL) newest
     WHERE before < :units ORDER BY held_at DESC, id DESC
    """
)
_PROMISES = text(
    """
    SELECT id, order_id, open FROM (
        SELECT l.id, f.order_id, f.created_at, l.quantity - l.quantity_shipped - l.quantity_short AS open,
               sum(l.quantity - l.quantity_shipped - l.quantity_short)
                   OVER (ORDER BY f.created_at DESC, l.id DESC) AS so_far
          FROM fulfillment_order_lines l JOIN fulfillment_orders f ON f.id = l.fulfillment_order_id
         WHERE l.variant_id = :variant AND f.location_id = :location
           AND l.quantity_shipped + l.quantity_short < l.quantity AND l.quantity_shipped < l.quantity
           AND f.status IN ('SCHEDULED', 'OPEN', 'IN_PROGRESS', 'ON_HOLD')) newest
     WHERE so_far - open < :units ORDER BY created_at DESC, id DESC
    """
)
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
_REFILLABLE = text(
    """
    SELECT f.order_id, min(f.created_at) AS placed
      FROM fulfillment_order_lines l
      JOIN fulfillment_orders f ON f.id = l.fulfillment_order_id AND f.status = 'ON_HOLD'
      JOIN stock_levels s ON s.variant_id = l.variant_id AND s.location_id = f.location_id
     WHERE l.quantity_short > 0 AND s.available > 0
     GROUP BY f.order_id ORDER BY placed, f.order_id LIMIT :most
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


async def newest_holds(connection: AsyncConnection, place: Place, units: int) -> list[HeldUnits]:
    """Return the newest holds on a locked level that together have `units`, or all there are."""
    values = {"variant": place.variant_id, "location": place.location_id, "units": units}
    return [HeldUnits(*row) for row in await connection.execute(_HOLDS, values)]


async def newest_promises(connection: AsyncConnection, place: Place, units: int) -> list[PromisedUnits]:
    """Return the newest promises of a locked level that together have `units`, or all there are."""
    values = {"variant": place.variant_id, "location": place.location_id, "units": units}
    return [PromisedUnits(*row) for row in await connection.execute(_PROMISES, values)]


async def reduce_holds(connection: AsyncConnection, units: Mapping[UUID, int], now: datetime) -> None:
    """Take units away from holds, by hold; one that has nothing left is RELEASED. Levels move apart."""
    await connection.execute(_RELEASE, {"ids": list(units), "units": list(units.values()), "now": now})


async def set_short(connection: AsyncConnection, units: Mapping[UUID, int]) -> None:
    """Write how many committed units fulfillment order lines lack, by line."""
    await connection.execute(_SET_SHORT, {"ids": list(units), "units": list(units.values())})


async def refillable(connection: AsyncConnection, most: int) -> list[UUID]:
    """Return the orders with units short that are on sale again where they are short, oldest first."""
    return [row.order_id for row in await connection.execute(_REFILLABLE, {"most": most})]
