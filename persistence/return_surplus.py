"""SQL of units in parcels of returns that nobody expected."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.return_arrivals import Surplus
from persistence.json_text import json_text

_ADD = text(
    """
    INSERT INTO return_surplus (id, return_id, variant_id, location_id, sku, quantity, is_ours, note,
           created_by, created_at)
    SELECT id, :return_id, variant_id, :location_id, sku, quantity, variant_id IS NOT NULL, note, :actor, :now
      FROM jsonb_to_recordset(CAST(:items AS jsonb)) AS i (id uuid, variant_id uuid, sku text, quantity int,
           note text)
    """
).bindparams(
    *(bindparam(name, type_=Uuid()) for name in ("return_id", "location_id")),
    bindparam("now", type_=DateTime(timezone=True)),
)
_OF_RETURNS = text(
    """
    SELECT return_id, sku, quantity, is_ours, note, created_at FROM return_surplus
     WHERE return_id = ANY (:ids) ORDER BY return_id, id
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


@dataclass(frozen=True, slots=True)
class Unexpected:
    """Units that came with a return and were not expected; `is_ours`: found stock, in quality control."""

    sku: str
    quantity: int
    is_ours: bool
    note: str | None
    created_at: datetime


async def add(
    connection: AsyncConnection,
    return_id: UUID,
    location_id: UUID,
    items: Sequence[tuple[UUID, Surplus]],
    actor: str,
    now: datetime,
) -> None:
    """Record unexpected units, each with its key, of a return whose order is locked."""
    records = [
        {"id": key, "variant_id": one.variant_id, "sku": one.sku, "quantity": one.quantity, "note": one.note}
        for key, one in items
    ]
    values = {"return_id": return_id, "location_id": location_id, "actor": actor, "now": now}
    await connection.execute(_ADD, {**values, "items": json_text(records)})


async def of_returns(connection: AsyncConnection, return_ids: Sequence[UUID]) -> dict[UUID, list[Unexpected]]:
    """Return what came unexpected, by return."""
    found: dict[UUID, list[Unexpected]] = {}
    for return_id, *rest in await connection.execute(_OF_RETURNS, {"ids": list(return_ids)}):
        found.setdefault(return_id, []).append(Unexpected(*rest))
    return found
