"""SQL of transfers: rows in, dataclasses out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.transfers import Transfer, TransferLine, TransferStatus
from persistence.json_text import json_text

_COLUMNS = """
    t.id, t.number, t.source_id, t.destination_id, t.status, t.note, t.expected_at, t.created_at,
    t.shipped_at, t.closed_at, t.version,
    (SELECT jsonb_agg(jsonb_build_array(l.id, l.variant_id, l.sku, l.quantity, l.quantity_shipped,
                                        l.quantity_received, l.quantity_lost) ORDER BY l.id)
       FROM transfer_lines l WHERE l.transfer_id = t.id) AS lines
"""
_BY_ID = text(f"SELECT {_COLUMNS} FROM transfers t WHERE t.id = :id")
# Subqueries are as of the statement's start, so a row waited for is read again.
_LOCK = text(
    f"""
    SELECT {_COLUMNS}, (SELECT k.version FROM transfers k WHERE k.id = t.id) AS seen_version
      FROM transfers t WHERE t.id = :id FOR NO KEY UPDATE OF t
    """
)
_PAGE = text(
    f"""
    SELECT {_COLUMNS} FROM transfers t
     WHERE (:location_id IS NULL OR t.source_id = :location_id OR t.destination_id = :location_id)
       AND (:status IS NULL OR t.status = :status)
       AND (:after_id IS NULL OR (t.created_at, t.id) < (:after_at, :after_id))
     ORDER BY t.created_at DESC, t.id DESC LIMIT :limit
    """
).bindparams(
    bindparam("location_id", type_=Uuid()),
    bindparam("status", type_=Text()),
    bindparam("after_id", type_=Uuid()),
    bindparam("after_at", type_=DateTime(timezone=True)),
)
_LINES = """
    INSERT INTO transfer_lines (id, transfer_id, variant_id, sku, quantity, quantity_shipped,
           quantity_received, quantity_lost)
    SELECT id, :id, variant_id, sku, quantity, quantity_shipped, quantity_received, quantity_lost
      FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS l (id uuid, variant_id uuid, sku text, quantity int,
           quantity_shipped int, quantity_received int, quantity_lost int)
"""
_CREATE = text(
    f"""
    WITH made AS (
        INSERT INTO transfers (id, number, source_id, destination_id, status, note, expected_at, created_at)
        VALUES (:id, nextval('transfer_numbers')::text, :source_id, :destination_id, :status, :note,
                :expected_at, :created_at)
        RETURNING number
    ), lines AS ({_LINES})
    SELECT number FROM made
    """
)
# Lines of a draft are replaced; of any other, what has left and arrived changes under the same ids.
_SAVE = text(
    f"""
    WITH gone AS (
        DELETE FROM transfer_lines l
         WHERE l.transfer_id = :id
           AND l.id NOT IN (SELECT (k ->> 'id')::uuid FROM jsonb_array_elements(CAST(:lines AS jsonb)) k)
    ), lines AS (
        {_LINES}
        ON CONFLICT (id) DO UPDATE SET quantity = excluded.quantity,
           quantity_shipped = excluded.quantity_shipped, quantity_received = excluded.quantity_received,
           quantity_lost = excluded.quantity_lost
    )
    UPDATE transfers SET status = :status, note = :note, expected_at = :expected_at,
           shipped_at = :shipped_at, closed_at = :closed_at, version = :version
     WHERE id = :id
    """
)
_MOMENTS = [
    bindparam(name, type_=DateTime(timezone=True)) for name in ("expected_at", "shipped_at", "closed_at")
]
_CREATE = _CREATE.bindparams(_MOMENTS[0], bindparam("note", type_=Text()))
_SAVE = _SAVE.bindparams(*_MOMENTS, bindparam("note", type_=Text()))


async def create(connection: AsyncConnection, transfer: Transfer) -> str:
    """Insert a transfer with its lines; returns the number it is given."""
    values = _values(transfer)
    for name in ("shipped_at", "closed_at", "version"):
        del values[name]
    return str(await connection.scalar(_CREATE, values))


async def save(connection: AsyncConnection, transfer: Transfer) -> None:
    """Write a transfer that was locked before, with its lines."""
    values = _values(transfer)
    for name in ("source_id", "destination_id", "created_at"):
        del values[name]
    await connection.execute(_SAVE, values)


async def lock(connection: AsyncConnection, transfer_id: UUID) -> Transfer | None:
    """Lock a transfer and return it; None when there is none."""
    while True:
        row = (await connection.execute(_LOCK, {"id": transfer_id})).first()
        if row is None or row.version == row.seen_version:
            return _transfer(row) if row else None


async def by_id(connection: AsyncConnection, transfer_id: UUID) -> Transfer | None:
    """Return a transfer."""
    row = (await connection.execute(_BY_ID, {"id": transfer_id})).first()
    return _transfer(row) if row else None


async def page(
    connection: AsyncConnection,
    limit: int,
    after: tuple[datetime, UUID] | None,
    *,
    location_id: UUID | None,
    status: TransferStatus | None,
) -> list[Transfer]:
    """Return transfers from the newest on, to or from a location if one is named."""
    after_at, after_id = after or (None, None)
    values = {
        "location_id": location_id,
        "status": status.value if status else None,
        "after_at": after_at,
        "after_id": after_id,
        "limit": limit,
    }
    return [_transfer(row) for row in await connection.execute(_PAGE, values)]


def _transfer(row: Row[*tuple[Any, ...]]) -> Transfer:
    return Transfer(
        row.id,
        row.number,
        row.source_id,
        row.destination_id,
        TransferStatus(row.status),
        _lines(row.lines or ()),
        row.created_at,
        row.note,
        row.expected_at,
        row.shipped_at,
        row.closed_at,
        row.version,
    )


def _lines(records: Sequence[Any]) -> tuple[TransferLine, ...]:
    return tuple(
        TransferLine(UUID(line_id), UUID(variant_id), sku, *counts)
        for line_id, variant_id, sku, *counts in records
    )


def _values(transfer: Transfer) -> dict[str, Any]:
    return {
        "id": transfer.id,
        "source_id": transfer.source_id,
        "destination_id": transfer.destination_id,
        "status": transfer.status.value,
        "note": transfer.note,
        "expected_at": transfer.expected_at,
        "created_at": transfer.created_at,
        "shipped_at": transfer.shipped_at,
        "closed_at": transfer.closed_at,
        "version": transfer.version,
        "lines": json_text(transfer.lines),
    }
