"""SQL of deliveries: what levels lack of what they should have."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Integer, Text

_LACKING = text(
    """
    SELECT v.id, l.id, wanted.units - coalesce(s.available, 0)
      FROM unnest(:skus, :codes, :units) AS wanted (sku, code, units)
      JOIN variants v ON v.sku = wanted.sku
      JOIN locations l ON l.code = wanted.code
      LEFT JOIN stock_levels s ON s.variant_id = v.id AND s.location_id = l.id
     WHERE wanted.units > coalesce(s.available, 0)
     ORDER BY v.id, l.id
    """
).bindparams(
    bindparam("skus", type_=ARRAY(Text)),
    bindparam("codes", type_=ARRAY(Text)),
    bindparam("units", type_=ARRAY(Integer)),
)


async def lacking(
    connection: AsyncConnection, wanted: Sequence[tuple[str, str, int]]
) -> list[tuple[UUID, UUID, int]]:
    """Return (variant, location, units) of what is missing to have `wanted` (SKU, code, units) on sale.

    SKUs and locations that do not exist are left out.
    """
    skus, codes, units = zip(*wanted, strict=True) if wanted else ((), (), ())
    found = await connection.execute(
        _LACKING, {"skus": list(skus), "codes": list(codes), "units": list(units)}
    )
    return [(row[0], row[1], row[2]) for row in found]
