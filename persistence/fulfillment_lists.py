"""SQL of lists of fulfillment orders: a page, oldest first, by keyset."""

from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Text, TextClause, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from domain.fulfillment import LIVE, HoldKind
from domain.fulfillment_lists import FulfillmentFilter, Listed
from persistence.order_parts import PART_SQL, part_of

_CONDITIONS = {
    "after_id": "(f.created_at, f.id) > (:after_created_at, :after_id)",
    "location_id": "f.location_id = :location_id",
    "statuses": "f.status = ANY (:statuses)",
    "works": "f.work = ANY (:works)",
    # What lacks units is on hold without a row of its own.
    "holds": f"""(EXISTS (SELECT FROM order_holds h WHERE h.fulfillment_order_id = f.id
                           AND h.released_at IS NULL AND h.kind = ANY (:holds))
               OR '{HoldKind.INVENTORY_OUT_OF_STOCK.value}' = ANY (:holds)
                  AND EXISTS (SELECT FROM fulfillment_order_lines l
                               WHERE l.fulfillment_order_id = f.id AND l.quantity_short > 0))""",
    "created_from": "f.created_at >= :created_from",
    "created_before": "f.created_at < :created_before",
    # Said so that the index of what is still to be sent serves: it cannot be seen in a parameter.
    "live": "f.status IN ('SCHEDULED', 'OPEN', 'IN_PROGRESS', 'ON_HOLD')",
}
_TYPES: dict[str, TypeEngine[Any]] = {
    "after_created_at": DateTime(timezone=True),
    "after_id": Uuid(),
    "location_id": Uuid(),
    "statuses": ARRAY(Text),
    "works": ARRAY(Text),
    "holds": ARRAY(Text),
    "created_from": DateTime(timezone=True),
    "created_before": DateTime(timezone=True),
}


async def page(
    connection: AsyncConnection, narrowed: FulfillmentFilter, limit: int, after: tuple[datetime, UUID] | None
) -> list[Listed]:
    """Return up to `limit` fulfillment orders, oldest first; `after` is the key before the page."""
    values = {name: _plain(value) for name in _TYPES if (value := getattr(narrowed, name, None)) is not None}
    if after is not None:
        values["after_created_at"], values["after_id"] = after
    used = set(values)
    if narrowed.statuses and LIVE.issuperset(narrowed.statuses):
        used.add("live")
    rows = await connection.execute(_statement(frozenset(used)), {**values, "limit": limit})
    return [Listed(part_of(row.order_id, row.part), row.created_at) for row in rows]


@lru_cache(maxsize=512)
def _statement(used: frozenset[str]) -> TextClause:
    conditions = " AND ".join(sql for name, sql in _CONDITIONS.items() if name in used) or "true"
    return text(
        f"""SELECT f.order_id, f.created_at, {PART_SQL} AS part FROM fulfillment_orders f
             WHERE {conditions} ORDER BY f.created_at, f.id LIMIT :limit"""
    ).bindparams(*(bindparam(name, type_=_TYPES[name]) for name in used if name in _TYPES))


def _plain(value: Any) -> Any:
    return [one.value for one in value] if isinstance(value, (list, tuple)) else value
