"""SQL of order lists: a page, newest first, by keyset."""

from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Text, TextClause, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from domain.order_lists import OrderFilter
from domain.orders import Order
from persistence.customers import OWN
from persistence.orders import ORDER_COLUMNS, order_of

_CONDITIONS = {
    "customer_id": OWN,
    "after_id": "(o.placed_at, o.id) < (:after_placed_at, :after_id)",
    "channel_id": "o.channel_id = :channel_id",
    "statuses": "o.status = ANY (:statuses)",
    "payment_statuses": "o.payment_status = ANY (:payment_statuses)",
    "fulfillment_statuses": "o.fulfillment_status = ANY (:fulfillment_statuses)",
    "placed_from": "o.placed AND o.placed_at >= :placed_from",
    "placed_before": "o.placed AND o.placed_at < :placed_before",
    "search": "(o.number = :search OR o.external_id = :search OR lower(o.email) = lower(:search))",
}
_TYPES: dict[str, TypeEngine[Any]] = {
    "customer_id": Uuid(),
    "after_placed_at": DateTime(timezone=True),
    "after_id": Uuid(),
    "channel_id": Uuid(),
    "statuses": ARRAY(Text),
    "payment_statuses": ARRAY(Text),
    "fulfillment_statuses": ARRAY(Text),
    "placed_from": DateTime(timezone=True),
    "placed_before": DateTime(timezone=True),
    "search": Text(),
}


async def page(
    connection: AsyncConnection,
    narrowed: OrderFilter,
    limit: int,
    after: tuple[datetime, UUID] | None,
    customer_id: UUID | None = None,
) -> list[Order]:
    """Return up to `limit` orders, newest first; `after` is the key of the order before the page.

    Of a customer only their own.
    """
    values = {name: _plain(value) for name in _TYPES if (value := getattr(narrowed, name, None)) is not None}
    if customer_id is not None:
        values["customer_id"] = customer_id
    if after is not None:
        values["after_placed_at"], values["after_id"] = after
    statement = _statement(frozenset(values))
    return [order_of(row) for row in await connection.execute(statement, {**values, "limit": limit})]


@lru_cache(maxsize=512)
def _statement(used: frozenset[str]) -> TextClause:
    conditions = " AND ".join(sql for name, sql in _CONDITIONS.items() if name in used) or "true"
    return text(
        f"SELECT {ORDER_COLUMNS} FROM orders o WHERE {conditions}"
        " ORDER BY o.placed_at DESC, o.id DESC LIMIT :limit"
    ).bindparams(*(bindparam(name, type_=_TYPES[name]) for name in used))


def _plain(value: Any) -> Any:
    return [one.value for one in value] if isinstance(value, (list, tuple)) else value
