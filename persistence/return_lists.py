"""SQL of work lists of returns: a page, newest first, by keyset, and what each return waits for."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Text, TextClause, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from domain.return_lists import ReturnFilter, ReturnWait
from domain.returns import TRANSITIONS, Return
from persistence import returns

_WAIT = """
    CASE r.status
        WHEN 'REQUESTED' THEN CASE WHEN r.verdict IS NULL THEN 'CHECKS' ELSE 'STAFF_DECISION' END
        WHEN 'APPROVED' THEN 'PARCEL'
        WHEN 'IN_TRANSIT' THEN 'PARCEL'
        WHEN 'PARTIALLY_RECEIVED' THEN 'REST'
        WHEN 'RECEIVED' THEN 'INSPECTION'
        WHEN 'INSPECTED' THEN CASE
            WHEN r.wish = 'REPAIR' THEN 'REPAIR'
            WHEN cardinality(r.transaction_ids) = 0 THEN
                CASE WHEN r.refund_verdict IS NULL THEN 'CHECKS' ELSE 'REFUND_DECISION' END
            WHEN EXISTS (SELECT FROM payment_transactions t
                          WHERE t.id = ANY (r.transaction_ids) AND t.status = 'FAILED') THEN 'REFUND_REFUSED'
            ELSE 'PROVIDER' END
    END
"""
_OPEN = "r.closed_at IS NULL"
_LATE = "r.status IN ('APPROVED', 'IN_TRANSIT', 'PARTIALLY_RECEIVED') AND r.expires_at <= :{}"
# Each is written so that an index leads to it whatever its value is: what is open has one of its own (few
# among many), one status another, and of where parcels left from only the return's own order is looked at.
_CONDITIONS = {
    "after_id": "(r.created_at, r.id) < (:after_at, :after_id)",
    "status": "r.status = :status",
    "statuses": "r.status = ANY (:statuses)",
    "open_statuses": f"{_OPEN} AND r.status = ANY (:open_statuses)",
    "waits": f"{_OPEN} AND {_WAIT} = ANY (:waits)",
    "reasons": "r.id IN (SELECT l.return_id FROM return_lines l WHERE l.reason = ANY (:reasons))",
    "late_at": f"{_OPEN} AND {_LATE.format('late_at')}",
    "on_time_at": f"NOT coalesce({_OPEN} AND {_LATE.format('on_time_at')}, false)",
    "location_id": "(r.location_id = :location_id OR r.location_id IS NULL AND :location_id IN ("
    "SELECT s.location_id FROM shipments s WHERE s.order_id = r.order_id))",
    "channel_id": "r.channel_id = :channel_id",
    "order_number": "r.order_id = (SELECT id FROM orders WHERE number = :order_number)",
    "created_from": "r.created_at >= :created_from",
    "created_before": "r.created_at < :created_before",
}
_TYPES: dict[str, TypeEngine[Any]] = {
    "after_id": Uuid(),
    "after_at": DateTime(timezone=True),
    "status": Text(),
    "statuses": ARRAY(Text),
    "open_statuses": ARRAY(Text),
    "waits": ARRAY(Text),
    "reasons": ARRAY(Text),
    "late_at": DateTime(timezone=True),
    "on_time_at": DateTime(timezone=True),
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
    values = _values(narrowed, now)
    if after is not None:
        values["after_at"], values["after_id"] = after
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


def _values(narrowed: ReturnFilter, now: datetime) -> dict[str, Any]:
    """Return the conditions that a filter makes, each with its value."""
    values = {name: _plain(value) for name in _TYPES if (value := getattr(narrowed, name, None)) is not None}
    if narrowed.is_late is not None:
        values["late_at" if narrowed.is_late else "on_time_at"] = now
    if narrowed.statuses is not None:
        statuses = values.pop("statuses")
        if len(statuses) == 1:
            values["status"] = statuses[0]
        elif all(TRANSITIONS.get(status) for status in narrowed.statuses):
            values["open_statuses"] = statuses
        else:
            values["statuses"] = statuses
    return values


def _plain(value: Any) -> Any:
    return [one.value for one in value] if isinstance(value, (list, tuple)) else value
