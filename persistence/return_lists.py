"""SQL of work lists of returns: a page, newest first, by keyset, and what each return waits for."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, DateTime, Text, TextClause, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from domain.return_lists import ReturnFilter, ReturnWait
from domain.returns import Return
from persistence import returns

_WAIT = """
    CASE r.status
        WHEN 'REQUESTED' THEN CASE WHEN r.verdict IS NULL THEN 'CHECKS' ELSE 'STAFF_DECISION' END
        WHEN 'APPROVED' THEN 'PARCEL'
        WHEN 'IN_TRANSIT' THEN 'PARCEL'
        WHEN 'PARTIALLY_RECEIVED' THEN 'REST'
        WHEN 'RECEIVED' THEN 'INSPECTION'
        WHEN 'INSPECTED' THEN CASE
            WHEN cardinality(r.transaction_ids) = 0 THEN
                CASE WHEN r.refund_verdict IS NULL THEN 'CHECKS' ELSE 'REFUND_DECISION' END
            WHEN EXISTS (SELECT FROM payment_transactions t
                          WHERE t.id = ANY (r.transaction_ids) AND t.status = 'FAILED') THEN 'REFUND_REFUSED'
            ELSE 'PROVIDER' END
    END
"""
# What is open has an index of its own: few among many.
_CONDITIONS = {
    "after_id": "(r.created_at, r.id) < (:after_at, :after_id)",
    "statuses": "r.status = ANY (:statuses)",
    "waits": f"r.closed_at IS NULL AND {_WAIT} = ANY (:waits)",
    "reasons": "EXISTS (SELECT FROM return_lines l WHERE l.return_id = r.id AND l.reason = ANY (:reasons))",
    "is_late": "(r.closed_at IS NULL AND r.status IN ('APPROVED', 'IN_TRANSIT', 'PARTIALLY_RECEIVED')"
    " AND r.expires_at IS NOT NULL AND r.expires_at <= :now) = :is_late",
    "location_id": "(r.location_id = :location_id OR r.location_id IS NULL AND EXISTS ("
    "SELECT FROM shipments s WHERE s.order_id = r.order_id AND s.location_id = :location_id))",
    "channel_id": "EXISTS (SELECT FROM orders o WHERE o.id = r.order_id AND o.channel_id = :channel_id)",
    "order_number": "r.order_id = (SELECT id FROM orders WHERE number = :order_number)",
    "created_from": "r.created_at >= :created_from",
    "created_before": "r.created_at < :created_before",
}
_TYPES: dict[str, TypeEngine[Any]] = {
    "after_id": Uuid(),
    "after_at": DateTime(timezone=True),
    "statuses": ARRAY(Text),
    "waits": ARRAY(Text),
    "reasons": ARRAY(Text),
    "is_late": Boolean(),
    "now": DateTime(timezone=True),
    "location_id": Uuid(),
    "channel_id": Uuid(),
    "order_number": Text(),
    "created_from": DateTime(timezone=True),
    "created_before": DateTime(timezone=True),
}
_WAITS = text(
    f"SELECT r.id, {_WAIT} AS wait FROM returns r WHERE r.id = ANY (:ids) AND r.closed_at IS NULL"
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


async def page(
    connection: AsyncConnection,
    narrowed: ReturnFilter,
    limit: int,
    after: tuple[datetime, UUID] | None,
    now: datetime,
) -> list[Return]:
    """Return up to `limit` returns, newest first; `after` is the key of the return before the page."""
    values = {name: _plain(value) for name in _TYPES if (value := getattr(narrowed, name, None)) is not None}
    if after is not None:
        values["after_at"], values["after_id"] = after
    if "is_late" in values:
        values["now"] = now
    found = await connection.execute(_statement(frozenset(values)), {**values, "limit": limit})
    return [returns.return_of(row) for row in found]


async def waits(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, ReturnWait]:
    """Return what returns wait for, by id; those that have ended wait for nothing."""
    rows = await connection.execute(_WAITS, {"ids": list(ids)})
    return {row.id: ReturnWait(row.wait) for row in rows}


@lru_cache(maxsize=512)
def _statement(used: frozenset[str]) -> TextClause:
    conditions = " AND ".join(sql for name, sql in _CONDITIONS.items() if name in used) or "true"
    statement: TextClause = returns.select(
        f"WHERE {conditions} ORDER BY r.created_at DESC, r.id DESC LIMIT :limit"
    )
    return statement.bindparams(*(bindparam(name, type_=_TYPES[name]) for name in used))


def _plain(value: Any) -> Any:
    return [one.value for one in value] if isinstance(value, (list, tuple)) else value
