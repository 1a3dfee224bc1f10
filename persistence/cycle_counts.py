"""SQL of cycle counts: rows in, dataclasses out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Integer, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.cycle_counts import CountLine, CountLineStatus, CycleCount, CycleCountStatus, Tolerance
from persistence.json_text import json_text

_COLUMNS = """
    c.id, c.number, c.location_id, c.status, c.tolerance_units, c.tolerance_percent, c.rejection_reason,
    c.created_at, c.submitted_at, c.closed_at, c.version,
    (SELECT jsonb_agg(jsonb_build_array(l.id, l.variant_id, l.sku, v.barcode, l.status, l.expected,
                                        l.counted, l.recounted, l.booked, l.counted_by, l.counted_at)
                      ORDER BY l.id)
       FROM cycle_count_lines l JOIN variants v ON v.id = l.variant_id
      WHERE l.cycle_count_id = c.id) AS lines
"""
_BY_ID = text(f"SELECT {_COLUMNS} FROM cycle_counts c WHERE c.id = :id")
# Subqueries are as of the statement's start, so a row waited for is read again.
_LOCK = text(
    f"""
    SELECT {_COLUMNS}, (SELECT k.version FROM cycle_counts k WHERE k.id = c.id) AS seen_version
      FROM cycle_counts c WHERE c.id = :id FOR NO KEY UPDATE OF c
    """
)
_PAGE = text(
    f"""
    SELECT {_COLUMNS} FROM cycle_counts c
     WHERE (:location_id IS NULL OR c.location_id = :location_id)
       AND (:status IS NULL OR c.status = :status)
       AND (:after_id IS NULL OR (c.created_at, c.id) < (:after_at, :after_id))
     ORDER BY c.created_at DESC, c.id DESC LIMIT :limit
    """
).bindparams(
    bindparam("location_id", type_=Uuid()),
    bindparam("status", type_=Text()),
    bindparam("after_id", type_=Uuid()),
    bindparam("after_at", type_=DateTime(timezone=True)),
)
# In everybody's order, since two that name the same variants wait for each other's rows.
_CREATE = text(
    """
    WITH made AS (
        INSERT INTO cycle_counts (id, number, location_id, status, tolerance_units, tolerance_percent,
                                  created_at)
        VALUES (:id, nextval('cycle_count_numbers')::text, :location_id, :status, :tolerance_units,
                :tolerance_percent, :created_at)
        RETURNING number
    ), lines AS (
        INSERT INTO cycle_count_lines (id, cycle_count_id, location_id, variant_id, sku, status)
        SELECT id, :id, :location_id, variant_id, sku, status
          FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS l (id uuid, variant_id uuid, sku text,
               status text)
         ORDER BY variant_id
        ON CONFLICT (location_id, variant_id) WHERE status IN ('PENDING', 'COUNTED') DO NOTHING
        RETURNING id
    )
    SELECT number, (SELECT array_agg(id) FROM lines) AS lines FROM made
    """
)
_SAVE = text(
    """
    WITH lines AS (
        UPDATE cycle_count_lines l
           SET status = n.status, expected = n.expected, counted = n.counted, recounted = n.recounted,
               booked = n.booked, counted_by = n.counted_by, counted_at = n.counted_at
          FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS n (id uuid, status text, expected int,
               counted int, recounted int, booked int, counted_by text, counted_at timestamptz)
         WHERE l.id = n.id AND l.cycle_count_id = :id
    )
    UPDATE cycle_counts SET status = :status, rejection_reason = :rejection_reason,
           submitted_at = :submitted_at, closed_at = :closed_at, version = :version
     WHERE id = :id
    """
).bindparams(
    bindparam("rejection_reason", type_=Text()),
    bindparam("submitted_at", type_=DateTime(timezone=True)),
    bindparam("closed_at", type_=DateTime(timezone=True)),
)
# Those counted longest ago come first, those never counted before all others.
_DUE = text(
    """
    SELECT variant_id, sku, barcode FROM (
        SELECT s.variant_id, v.sku, v.barcode,
               (SELECT max(l.counted_at) FROM cycle_count_lines l
                 WHERE l.location_id = s.location_id AND l.variant_id = s.variant_id
                   AND l.status = 'BOOKED') AS counted_at
          FROM stock_levels s JOIN variants v ON v.id = s.variant_id
         WHERE s.location_id = :location_id AND s.on_hand > 0
           AND NOT EXISTS (SELECT 1 FROM cycle_count_lines o
                            WHERE o.location_id = s.location_id AND o.variant_id = s.variant_id
                              AND o.status IN ('PENDING', 'COUNTED'))) stocked
     WHERE :before IS NULL OR counted_at IS NULL OR counted_at < :before
     ORDER BY counted_at NULLS FIRST, sku LIMIT :most
    """
).bindparams(bindparam("before", type_=DateTime(timezone=True)), bindparam("most", type_=Integer()))


async def create(connection: AsyncConnection, count: CycleCount) -> tuple[str, frozenset[UUID]]:
    """Insert a count; returns its number and which lines were made: others are in a count already."""
    values = _values(count)
    for name in ("rejection_reason", "submitted_at", "closed_at", "version"):
        del values[name]
    row = (await connection.execute(_CREATE, values)).one()
    return row.number, frozenset(row.lines or ())


async def save(connection: AsyncConnection, count: CycleCount, changed: Sequence[CountLine]) -> None:
    """Write a count that was locked before, and those of its lines that have changed."""
    values = _values(count) | {"lines": json_text(changed)}
    for name in ("location_id", "created_at", "tolerance_units", "tolerance_percent"):
        del values[name]
    await connection.execute(_SAVE, values)


async def due(
    connection: AsyncConnection, location_id: UUID, before: datetime | None, most: int
) -> list[tuple[UUID, str, str | None]]:
    """Return id, SKU and barcode of what a location has and no live count names.

    What was not counted for the longest time comes first. With `before`, only what was not counted since.
    """
    values = {"location_id": location_id, "before": before, "most": most}
    return [(row.variant_id, row.sku, row.barcode) for row in await connection.execute(_DUE, values)]


async def lock(connection: AsyncConnection, count_id: UUID) -> CycleCount | None:
    """Lock a count and return it; None when there is none."""
    while True:
        row = (await connection.execute(_LOCK, {"id": count_id})).first()
        if row is None or row.version == row.seen_version:
            return _count(row) if row else None


async def by_id(connection: AsyncConnection, count_id: UUID) -> CycleCount | None:
    """Return a count."""
    row = (await connection.execute(_BY_ID, {"id": count_id})).first()
    return _count(row) if row else None


async def page(
    connection: AsyncConnection,
    limit: int,
    after: tuple[datetime, UUID] | None,
    *,
    location_id: UUID | None,
    status: CycleCountStatus | None,
) -> list[CycleCount]:
    """Return counts from the newest on, of a location if one is named."""
    after_at, after_id = after or (None, None)
    values = {
        "location_id": location_id,
        "status": status.value if status else None,
        "after_at": after_at,
        "after_id": after_id,
        "limit": limit,
    }
    return [_count(row) for row in await connection.execute(_PAGE, values)]


def _count(row: Row[*tuple[Any, ...]]) -> CycleCount:
    return CycleCount(
        row.id,
        row.number,
        row.location_id,
        CycleCountStatus(row.status),
        Tolerance(row.tolerance_units, row.tolerance_percent),
        tuple(_line(*record) for record in row.lines or ()),
        row.created_at,
        row.rejection_reason,
        row.submitted_at,
        row.closed_at,
        row.version,
    )


def _line(line_id: str, variant_id: str, sku: str, barcode: str | None, status: str, *rest: Any) -> CountLine:
    expected, counted, recounted, booked, counted_by, counted_at = rest
    return CountLine(
        UUID(line_id),
        UUID(variant_id),
        sku,
        barcode,
        CountLineStatus(status),
        expected,
        counted,
        recounted,
        booked,
        counted_by,
        datetime.fromisoformat(counted_at) if counted_at else None,
    )


def _values(count: CycleCount) -> dict[str, Any]:
    return {
        "id": count.id,
        "location_id": count.location_id,
        "status": count.status.value,
        "tolerance_units": count.tolerance.units,
        "tolerance_percent": count.tolerance.percent,
        "rejection_reason": count.rejection_reason,
        "created_at": count.created_at,
        "submitted_at": count.submitted_at,
        "closed_at": count.closed_at,
        "version": count.version,
        "lines": json_text(count.lines),
    }
