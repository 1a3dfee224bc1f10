"""SQL of fulfillment orders: write what was decided of a locked order at once, and list them for staff."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.fulfillment import LIVE, FulfillmentOrder
from domain.orders import Order
from persistence import order_holds
from persistence.json_text import json_text

# New parts are as old as the order's first: who waits longest is served first, however it was divided since.
_SAVE = text(
    """
    WITH part AS (
        INSERT INTO fulfillment_orders (id, order_id, location_id, status, work, delivery_method,
               scheduled_for, promised_from, promised_until, version, created_at)
        SELECT id, :id, location_id, status, work, delivery_method, scheduled_for, promised_from,
               promised_until, version,
               coalesce((SELECT min(f.created_at) FROM fulfillment_orders f WHERE f.order_id = :id), :now)
          FROM jsonb_to_recordset(CAST(:parts AS jsonb)) AS u (id uuid, location_id uuid, status text,
               work text, delivery_method text, scheduled_for timestamptz, promised_from timestamptz,
               promised_until timestamptz, version int)
        ON CONFLICT (id) DO UPDATE SET location_id = excluded.location_id, status = excluded.status,
               work = excluded.work, scheduled_for = excluded.scheduled_for, version = excluded.version
    ), line AS (
        INSERT INTO fulfillment_order_lines (id, fulfillment_order_id, order_line_id, variant_id, sku,
               quantity, quantity_shipped, quantity_short)
        SELECT id, part_id, order_line_id, variant_id, sku, quantity, quantity_shipped, quantity_short
          FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS u (id uuid, part_id uuid, order_line_id uuid,
               variant_id uuid, sku text, quantity int, quantity_shipped int, quantity_short int)
        ON CONFLICT (id) DO UPDATE SET quantity = excluded.quantity, quantity_short = excluded.quantity_short
    ), emptied AS (
        DELETE FROM fulfillment_order_lines
         WHERE fulfillment_order_id = ANY (:part_ids) AND NOT id = ANY (:line_ids)
    ), held AS (
        INSERT INTO order_holds (id, order_id, fulfillment_order_id, kind, of_review, code, note, created_by,
               created_at)
        SELECT h.id, :id, h.fulfillment_order_id, h.kind, h.of_review, h.code, h.note, h.created_by,
               coalesce(h.created_at, :now)
          FROM jsonb_to_recordset(CAST(:holds AS jsonb)) AS h (id uuid, fulfillment_order_id uuid,
               kind text, of_review boolean, code text, note text, created_by text, created_at timestamptz)
        ON CONFLICT (id) DO NOTHING
    ), freed AS (
        UPDATE order_holds SET released_at = :now, released_by = :actor
         WHERE fulfillment_order_id = ANY (:ended_ids) AND released_at IS NULL
    )
    UPDATE orders SET fulfillment_status = :fulfillment_status, version = :version WHERE id = :id
    """
).bindparams(
    bindparam("id", type_=Uuid()),
    bindparam("now", type_=DateTime(timezone=True)),
    bindparam("actor", type_=Text()),
    *(bindparam(name, type_=ARRAY(Uuid)) for name in ("part_ids", "line_ids", "ended_ids")),
)
_LOCATION = text("SELECT id FROM locations WHERE code = :code AND archived_at IS NULL")
_SENDING = text("SELECT id, ships FROM locations WHERE code = :code AND archived_at IS NULL")
_DUE = text(
    """
    SELECT f.order_id, min(f.scheduled_for) AS due
      FROM fulfillment_orders f JOIN orders o ON o.id = f.order_id
     WHERE f.status = 'SCHEDULED' AND f.scheduled_for <= :now AND o.status = 'OPEN'
     GROUP BY f.order_id ORDER BY due, f.order_id LIMIT :most
    """
).bindparams(bindparam("now", type_=DateTime(timezone=True)))


async def save(
    connection: AsyncConnection, order: Order, parts: Sequence[FulfillmentOrder], *, actor: str, now: datetime
) -> None:
    """Write a locked order's axis and version, and parts of it that change or are new, in one statement.

    Lines that a part no longer has are removed; the holds of one that has ended are released.
    """
    await connection.execute(
        _SAVE,
        {
            "id": order.id,
            "fulfillment_status": order.fulfillment_status.value,
            "version": order.version,
            "actor": actor,
            "now": now,
            "parts": json_text(
                [
                    {
                        "id": part.id,
                        "location_id": part.location_id,
                        "status": part.status,
                        "work": part.work,
                        "delivery_method": part.delivery_method,
                        "scheduled_for": part.scheduled_for,
                        "promised_from": part.promised_from,
                        "promised_until": part.promised_until,
                        "version": part.version,
                    }
                    for part in parts
                ]
            ),
            "lines": json_text(
                [
                    {
                        "id": line.id,
                        "part_id": part.id,
                        "order_line_id": line.order_line_id,
                        "variant_id": line.variant_id,
                        "sku": line.sku,
                        "quantity": line.quantity,
                        "quantity_shipped": line.quantity_shipped,
                        "quantity_short": line.quantity_short,
                    }
                    for part in parts
                    for line in part.lines
                ]
            ),
            "holds": json_text(_holds(parts)),
            "part_ids": [part.id for part in parts],
            "line_ids": [line.id for part in parts for line in part.lines],
            "ended_ids": [part.id for part in parts if part.status not in LIVE],
        },
    )


async def location_id(connection: AsyncConnection, code: str) -> UUID | None:
    """Return the location in use that has a code."""
    found: UUID | None = await connection.scalar(_LOCATION, {"code": code})
    return found


async def sending_location(connection: AsyncConnection, code: str) -> tuple[UUID, bool] | None:
    """Return the location in use that has a code, and whether it sends parcels."""
    row = (await connection.execute(_SENDING, {"code": code})).first()
    return (row.id, row.ships) if row else None


async def due(connection: AsyncConnection, *, now: datetime, most: int) -> list[UUID]:
    """Return open orders with parts whose moment to be opened has come, the longest due first."""
    return [row.order_id for row in await connection.execute(_DUE, {"now": now, "most": most})]


def _holds(parts: Sequence[FulfillmentOrder]) -> list[dict[str, object]]:
    told = {hold.id: hold for part in parts for hold in part.holds}
    return [
        {**record, "note": told[record["id"]].note, "created_at": told[record["id"]].created_at}
        for record in order_holds.records(parts)
    ]
