"""SQL of watching stock: a location and its levels of some SKUs, in one statement."""

from collections.abc import Sequence

from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.stock_watch import Watched
from persistence.inventory import LEVEL_COLUMNS, level_of, location_of
from persistence.tables.base import JSON

_WATCHED = (
    text(
        f"""
    SELECT {LEVEL_COLUMNS}, l.archived_at, s.version AS level_version
      FROM locations l
      LEFT JOIN variants v ON v.sku = ANY (:skus)
      LEFT JOIN stock_levels s ON s.variant_id = v.id AND s.location_id = l.id
     WHERE l.code = :code
     ORDER BY array_position(:skus, v.sku)
    """
    )
    .bindparams(bindparam("skus", type_=ARRAY(Text)))
    .columns(address=JSON)
)


async def watched(connection: AsyncConnection, location_code: str, skus: Sequence[str]) -> Watched | None:
    """Return a location and its levels of these SKUs, in their order; None when no location has the code."""
    rows = (await connection.execute(_WATCHED, {"code": location_code, "skus": list(skus)})).all()
    if not rows:
        return None
    first = rows[0]
    return Watched(
        location_of(first),
        first.archived_at is None,
        frozenset(row.sku for row in rows if row.sku is not None),
        [(row.level_version, level_of(row)) for row in rows if row.id is not None],
    )
