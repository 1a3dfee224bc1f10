"""SQL of availability: the units of a variant over all the locations of a channel."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

UNITS_ON_SALE = "least(coalesce(sum({level}.available), 0), 2147483647)::int"
"""Units of a variant over `level`s, as many as GraphQL's Int can say: a location alone may have a billion."""

_UNITS = text(
    f"""
    SELECT s.variant_id, {UNITS_ON_SALE.format(level="s")} AS available
      FROM stock_levels s
      JOIN channel_locations c ON c.location_id = s.location_id AND c.channel_id = :channel_id
      JOIN locations p ON p.id = s.location_id AND p.archived_at IS NULL
     WHERE s.variant_id = ANY (:variant_ids)
     GROUP BY s.variant_id
    """
)
_UNITS_BY_SKU = text(
    f"""
    SELECT v.id, v.sku, {UNITS_ON_SALE.format(level="s")} AS available
      FROM variants v
      LEFT JOIN (stock_levels s
                 JOIN channel_locations c ON c.location_id = s.location_id AND c.channel_id = :channel_id
                 JOIN locations p ON p.id = s.location_id AND p.archived_at IS NULL)
        ON s.variant_id = v.id
     WHERE v.sku = ANY (:skus) AND v.archived_at IS NULL
     GROUP BY v.id
    """
)


async def units(
    connection: AsyncConnection, channel_id: UUID, variant_ids: Sequence[UUID]
) -> dict[UUID, int]:
    """Return the units on sale in a channel, by variant; 0 where nothing was ever stocked."""
    found = dict.fromkeys(variant_ids, 0)
    values = {"channel_id": channel_id, "variant_ids": list(variant_ids)}
    for row in await connection.execute(_UNITS, values):
        found[row.variant_id] = row.available
    return found


async def units_by_sku(
    connection: AsyncConnection, channel_id: UUID, skus: Sequence[str]
) -> dict[str, tuple[UUID, int]]:
    """Return variant id and units on sale in a channel, by SKU; unknown and archived SKUs are left out."""
    values = {"channel_id": channel_id, "skus": list(skus)}
    return {row.sku: (row.id, row.available) for row in await connection.execute(_UNITS_BY_SKU, values)}
