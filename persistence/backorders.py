"""SQL of backorders: what may be sold beyond its stock, how much of it waits, and where."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, DateTime, Integer, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.backorders import Backorder, BackorderPolicy
from domain.catalog import VariantRef
from persistence.stock_losses import LACKING_SQL

# Locked where a limit is counted: two that sell the last of it come one after the other.
_FIND = """
    SELECT v.id, v.backorder, v.backorder_limit, v.available_from,
           (SELECT coalesce(sum(l.quantity_short), 0) FROM fulfillment_order_lines l
             WHERE l.variant_id = v.id AND l.quantity_short > 0) AS waiting,
           (SELECT c.location_id FROM channel_locations c
              JOIN locations p ON p.id = c.location_id AND p.archived_at IS NULL
              LEFT JOIN stock_levels s ON s.location_id = c.location_id AND s.variant_id = v.id
             WHERE c.channel_id = :channel_id
             ORDER BY coalesce(s.incoming, 0) = 0, c.rank LIMIT 1) AS location_id
      FROM variants v WHERE v.id = ANY (:ids) AND v.backorder
"""
_TYPED = (bindparam("ids", type_=ARRAY(Uuid)), bindparam("channel_id", type_=Uuid()))
_LOOK = text(_FIND).bindparams(*_TYPED)
_LOCK = text("SELECT id FROM variants WHERE id = ANY (:ids) ORDER BY id FOR NO KEY UPDATE").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)
_POLICIES = text(
    "SELECT sku, backorder, backorder_limit, available_from FROM variants WHERE sku = ANY (:skus)"
).bindparams(bindparam("skus", type_=ARRAY(Text)))
_SET = text(
    """
    UPDATE variants v SET backorder = :allowed, backorder_limit = :limit, available_from = :available_from,
           version = version + 1
     WHERE v.id = coalesce(CAST(:variant AS uuid), (SELECT id FROM variants WHERE sku = :sku))
       AND v.archived_at IS NULL
    RETURNING v.id, v.version, v.sku
    """
).bindparams(
    bindparam("allowed", type_=Boolean()),
    bindparam("limit", type_=Integer()),
    bindparam("available_from", type_=DateTime(timezone=True)),
    bindparam("variant", type_=Uuid()),
    bindparam("sku", type_=Text()),
)

# From the stock there is: most of what waits is nowhere, and this is looked for each second.
_ELSEWHERE = text(
    f"""
    WITH RECURSIVE {LACKING_SQL}, hopeful AS MATERIALIZED (
        SELECT DISTINCT w.fulfillment_order_id, s.location_id
          FROM lacking k
          JOIN stock_levels s ON s.variant_id = k.variant_id AND s.available > 0
         CROSS JOIN LATERAL (SELECT l.fulfillment_order_id FROM fulfillment_order_lines l
                              WHERE l.variant_id = s.variant_id AND l.quantity_short > 0 OFFSET 0) w
    )
    SELECT f.id, c.location_id FROM hopeful h
      JOIN fulfillment_orders f ON f.id = h.fulfillment_order_id
      JOIN orders o ON o.id = f.order_id AND o.status = 'OPEN'
      JOIN channel_locations c ON c.channel_id = o.channel_id AND c.location_id = h.location_id
      JOIN locations p ON p.id = c.location_id AND p.archived_at IS NULL AND p.ships
     WHERE f.status = 'SCHEDULED' AND f.delivery_method = 'SHIPPING' AND c.location_id <> f.location_id
       AND NOT EXISTS (SELECT FROM fulfillment_order_lines l
                         LEFT JOIN stock_levels s
                           ON s.variant_id = l.variant_id AND s.location_id = c.location_id
                        WHERE l.fulfillment_order_id = f.id
                        GROUP BY l.variant_id
                       HAVING coalesce(max(s.available), 0) < sum(l.quantity - l.quantity_shipped))
     ORDER BY f.created_at, f.id, c.rank LIMIT :most
    """
)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A part that waits for stock, and another location that has all of it."""

    part_id: UUID
    location_id: UUID


async def find(
    connection: AsyncConnection, channel_id: UUID, variant_ids: Sequence[UUID], *, locking: bool
) -> dict[UUID, Backorder]:
    """Return the variants that are sold beyond their stock, by id.

    `locking` lets nobody else sell of them so until the commit; lock the levels before.
    """
    ids = list(variant_ids)
    if locking:
        await connection.execute(_LOCK, {"ids": ids})
    rows = await connection.execute(_LOOK, {"ids": ids, "channel_id": channel_id})
    return {
        row.id: Backorder(
            row.id,
            BackorderPolicy(row.backorder, row.backorder_limit, row.available_from),
            row.waiting,
            row.location_id,
        )
        for row in rows
    }


async def elsewhere(connection: AsyncConnection, most: int) -> list[Elsewhere]:
    """Return parts that wait for stock with the locations that have all their units, the oldest first."""
    return [Elsewhere(*row) for row in await connection.execute(_ELSEWHERE, {"most": most})]


async def policies(connection: AsyncConnection, skus: Sequence[str]) -> dict[str, BackorderPolicy]:
    """Return how variants are sold beyond their stock, by SKU."""
    rows = await connection.execute(_POLICIES, {"skus": list(skus)})
    return {row.sku: BackorderPolicy(row.backorder, row.backorder_limit, row.available_from) for row in rows}


async def save(
    connection: AsyncConnection, ref: VariantRef, policy: BackorderPolicy
) -> tuple[UUID, int, str] | None:
    """Write a variant's policy; returns its id, new version and SKU, None where there is no such variant."""
    values = {
        "allowed": policy.allowed,
        "limit": policy.limit,
        "available_from": policy.available_from,
        "variant": ref.id,
        "sku": ref.sku,
    }
    row = (await connection.execute(_SET, values)).first()
    return None if row is None else (row.id, row.version, row.sku)
