"""SQL of waves: one read with all that a scan is decided by, one write of what was decided."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.fulfillment import FulfillmentOrderStatus, FulfillmentWork
from domain.waves import BinPlace, Pick, Wave, WaveStatus
from persistence.json_text import json_text

# Units that a part on hold waits for count as open: it goes on with them.
_COLUMNS = """
    w.id, w.location_id, w.status, w.version, w.created_by, w.created_at, w.ended_at,
    (SELECT jsonb_agg(jsonb_build_array(p.id, p.fulfillment_order_id, f.order_id, o.number,
                p.fulfillment_order_line_id, p.variant_id, p.sku, v.barcode, v.name, p.tote, p.quantity,
                p.quantity_picked, p.quantity_short, f.status, f.work,
                CASE WHEN f.status IN ('OPEN', 'IN_PROGRESS', 'ON_HOLD') THEN coalesce(
                         l.quantity - l.quantity_shipped
                         - CASE WHEN f.status = 'ON_HOLD' THEN 0 ELSE l.quantity_short END, 0)
                     ELSE 0 END,
                (SELECT jsonb_agg(jsonb_build_array(b.code, b.zone, b.position, vb.preferred)
                                  ORDER BY b.zone, b.position, b.code)
                   FROM variant_bins vb JOIN bins b ON b.id = vb.bin_id
                  WHERE vb.variant_id = p.variant_id AND b.location_id = w.location_id))
                ORDER BY p.tote, p.sku, p.id)
       FROM wave_picks p
       JOIN fulfillment_orders f ON f.id = p.fulfillment_order_id
       JOIN orders o ON o.id = f.order_id
       JOIN variants v ON v.id = p.variant_id
       LEFT JOIN fulfillment_order_lines l ON l.id = p.fulfillment_order_line_id
      WHERE p.wave_id = w.id) AS picks
"""
_FIND = text(f"SELECT {_COLUMNS} FROM waves w WHERE w.id = :id").bindparams(bindparam("id", type_=Uuid()))
# Subqueries are as of the statement's start, so a row waited for is read again.
_LOCK = text(
    f"""
    SELECT {_COLUMNS}, (SELECT k.version FROM waves k WHERE k.id = w.id) AS seen_version
      FROM waves w WHERE w.id = :id FOR NO KEY UPDATE OF w
    """
).bindparams(bindparam("id", type_=Uuid()))
_OF_LOCATION = text(
    f"""
    SELECT {_COLUMNS} FROM waves w
     WHERE (CAST(:location_code AS text) IS NULL
            OR w.location_id = (SELECT id FROM locations WHERE code = :location_code))
       AND (CAST(:status AS text) IS NULL OR w.status = :status)
       AND (CAST(:before_at AS timestamptz) IS NULL
            OR (w.created_at, w.id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS uuid)))
     ORDER BY w.created_at DESC, w.id DESC LIMIT :most
    """
).bindparams(
    bindparam("location_code", type_=Text()),
    bindparam("status", type_=Text()),
    bindparam("before_at", type_=DateTime(timezone=True)),
    bindparam("before_id", type_=Uuid()),
)
# What waits longest for its promise first; a part that a canceled wave has given back goes again.
_CANDIDATES = text(
    """
    SELECT f.id, f.order_id
      FROM fulfillment_orders f JOIN orders o ON o.id = f.order_id
     WHERE f.location_id = :location_id AND o.status = 'OPEN' AND f.work = 'ALLOCATED'
       AND f.delivery_method = coalesce(:delivery_method, f.delivery_method)
       AND (CAST(:ids AS uuid[]) IS NULL OR f.id = ANY (CAST(:ids AS uuid[])))
       AND (f.status = 'OPEN'
            OR f.status = 'IN_PROGRESS' AND (CAST(:ids AS uuid[]) IS NOT NULL
               OR EXISTS (SELECT FROM wave_picks p WHERE p.fulfillment_order_id = f.id)))
       AND (CAST(:due_until AS timestamptz) IS NULL OR f.promised_until <= :due_until)
     ORDER BY f.promised_until NULLS LAST, f.created_at, f.id LIMIT :most
    """
).bindparams(
    bindparam("location_id", type_=Uuid()),
    bindparam("delivery_method", type_=Text()),
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("due_until", type_=DateTime(timezone=True)),
)
_ADD = text(
    """
    WITH wave AS (
        INSERT INTO waves (id, location_id, status, version, created_by, created_at)
        VALUES (:id, :location_id, 'OPEN', 1, :created_by, :now)
    )
    INSERT INTO wave_picks (id, wave_id, fulfillment_order_id, fulfillment_order_line_id, variant_id, sku,
           tote, quantity)
    SELECT id, :id, part_id, line_id, variant_id, sku, tote, quantity
      FROM jsonb_to_recordset(CAST(:picks AS jsonb)) AS p (id uuid, part_id uuid, line_id uuid,
           variant_id uuid, sku text, tote int, quantity int)
    """
).bindparams(
    bindparam("id", type_=Uuid()),
    bindparam("location_id", type_=Uuid()),
    bindparam("now", type_=DateTime(timezone=True)),
)
_SAVE = text(
    """
    WITH pick AS (
        UPDATE wave_picks p SET quantity_picked = u.picked, quantity_short = u.short
          FROM jsonb_to_recordset(CAST(:picks AS jsonb)) AS u (id uuid, picked int, short int)
         WHERE p.id = u.id
    )
    UPDATE waves SET status = :status, version = :version, ended_at = :ended_at WHERE id = :id
    """
).bindparams(bindparam("id", type_=Uuid()), bindparam("ended_at", type_=DateTime(timezone=True)))
# Every level of a variant, in the one order, before orders that lack it are routed again.
_LOCK_LEVELS = text(
    "SELECT FROM stock_levels WHERE variant_id = :variant_id ORDER BY location_id FOR NO KEY UPDATE"
).bindparams(bindparam("variant_id", type_=Uuid()))


async def find(connection: AsyncConnection, wave_id: UUID) -> Wave | None:
    """Return a wave with all that is to be picked."""
    row = (await connection.execute(_FIND, {"id": wave_id})).first()
    return _wave(row) if row else None


async def lock(connection: AsyncConnection, wave_id: UUID) -> Wave | None:
    """Lock a wave, and return it."""
    while True:
        row = (await connection.execute(_LOCK, {"id": wave_id})).first()
        if row is None or row.version == row.seen_version:
            return _wave(row) if row else None


async def page(
    connection: AsyncConnection,
    location_code: str | None,
    status: WaveStatus | None,
    before: tuple[datetime, UUID] | None,
    most: int,
) -> list[Wave]:
    """Return waves, the newest first."""
    values = {
        "location_code": location_code,
        "status": status.value if status else None,
        "before_at": before[0] if before else None,
        "before_id": before[1] if before else None,
        "most": most,
    }
    return [_wave(row) for row in await connection.execute(_OF_LOCATION, values)]


async def candidates(
    connection: AsyncConnection,
    location_id: UUID,
    *,
    ids: Sequence[UUID] | None,
    delivery_method: str | None,
    due_until: datetime | None,
    most: int,
) -> list[tuple[UUID, UUID]]:
    """Return (part, order) of what may be picked at a location, the most urgent first."""
    values = {
        "location_id": location_id,
        "ids": None if ids is None else list(ids),
        "delivery_method": delivery_method,
        "due_until": due_until,
        "most": most,
    }
    return [(row.id, row.order_id) for row in await connection.execute(_CANDIDATES, values)]


async def add(
    connection: AsyncConnection,
    wave_id: UUID,
    location_id: UUID,
    picks: Sequence[dict[str, Any]],
    created_by: str,
    now: datetime,
) -> None:
    """Write a new wave; a pick has id, part_id, line_id, variant_id, sku, tote and quantity."""
    values = {"id": wave_id, "location_id": location_id, "created_by": created_by, "now": now}
    await connection.execute(_ADD, {**values, "picks": json_text(list(picks))})


async def save(connection: AsyncConnection, wave: Wave, changed: Sequence[Pick]) -> None:
    """Write a locked wave's status and version, and the counts of picks that change."""
    counts = [{"id": one.id, "picked": one.picked, "short": one.short} for one in changed]
    await connection.execute(
        _SAVE,
        {
            "id": wave.id,
            "status": wave.status.value,
            "version": wave.version,
            "ended_at": wave.ended_at,
            "picks": json_text(counts),
        },
    )


async def lock_levels(connection: AsyncConnection, variant_id: UUID) -> None:
    """Lock every level of a variant, as everybody does: by location."""
    await connection.execute(_LOCK_LEVELS, {"variant_id": variant_id})


def _wave(row: Row[*tuple[Any, ...]]) -> Wave:
    return Wave(
        row.id,
        row.location_id,
        WaveStatus(row.status),
        row.version,
        row.created_by,
        row.created_at,
        row.ended_at,
        tuple(_pick(record) for record in row.picks or ()),
    )


def _pick(record: Sequence[Any]) -> Pick:
    pick_id, part_id, order_id, number, line_id, variant_id, sku, barcode, name = record[:9]
    tote, quantity, picked, short, status, work, open_units, bins = record[9:]
    return Pick(
        UUID(pick_id),
        UUID(part_id),
        UUID(order_id),
        number,
        UUID(line_id),
        UUID(variant_id),
        sku,
        barcode,
        name,
        tote,
        quantity,
        picked,
        short,
        FulfillmentOrderStatus(status),
        FulfillmentWork(work),
        open_units,
        tuple(BinPlace(*one) for one in bins or ()),
    )
