"""SQL of parcels that somebody is filling."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.packing import Item, OpenParcel
from persistence.json_text import json_text

_BENCH = text(
    """
    SELECT (SELECT jsonb_agg(jsonb_build_array(p.id, p.lines, p.version) ORDER BY p.id)
              FROM open_parcels p WHERE p.fulfillment_order_id = :id AND p.ended_at IS NULL) AS parcels,
           (SELECT jsonb_agg(DISTINCT jsonb_build_array(v.id, v.sku, v.barcode, v.weight_grams))
              FROM fulfillment_order_lines l JOIN variants v ON v.id = l.variant_id
             WHERE l.fulfillment_order_id = :id) AS items
    """
).bindparams(bindparam("id", type_=Uuid()))
_PART = text("SELECT fulfillment_order_id FROM open_parcels WHERE id = :id").bindparams(
    bindparam("id", type_=Uuid())
)
_SAVE = text(
    """
    INSERT INTO open_parcels (id, fulfillment_order_id, lines, version, created_by, created_at)
    VALUES (:id, :part_id, CAST(:lines AS jsonb), :version, :actor, :now)
    ON CONFLICT (id) DO UPDATE SET lines = excluded.lines, version = excluded.version
    """
).bindparams(
    bindparam("id", type_=Uuid()),
    bindparam("part_id", type_=Uuid()),
    bindparam("actor", type_=Text()),
    bindparam("now", type_=DateTime(timezone=True)),
)
_END = text(
    """
    UPDATE open_parcels SET ended_at = :now, shipment_id = :shipment_id, version = version + 1
     WHERE id = :id AND ended_at IS NULL
    """
).bindparams(
    bindparam("id", type_=Uuid()),
    bindparam("shipment_id", type_=Uuid()),
    bindparam("now", type_=DateTime(timezone=True)),
)


async def bench(
    connection: AsyncConnection, part_id: UUID
) -> tuple[tuple[OpenParcel, ...], dict[UUID, Item]]:
    """Return the open parcels of a part and the items in it by variant; lock its order before."""
    row = (await connection.execute(_BENCH, {"id": part_id})).one()
    parcels = tuple(
        OpenParcel(UUID(one), part_id, {UUID(line): units for line, units in lines.items()}, version)
        for one, lines, version in row.parcels or ()
    )
    return parcels, {UUID(one): Item(*facts) for one, *facts in row.items or ()}


async def part_of(connection: AsyncConnection, parcel_id: UUID) -> UUID | None:
    """Return the fulfillment order that a parcel is filled from."""
    found: UUID | None = await connection.scalar(_PART, {"id": parcel_id})
    return found


async def save(connection: AsyncConnection, parcel: OpenParcel, actor: str, now: datetime) -> None:
    """Write a parcel that is new or has more in it."""
    lines = json_text({str(line_id): units for line_id, units in parcel.lines.items()})
    values = {"id": parcel.id, "part_id": parcel.part_id, "lines": lines, "version": parcel.version}
    await connection.execute(_SAVE, {**values, "actor": actor, "now": now})


async def end(connection: AsyncConnection, parcel_id: UUID, shipment_id: UUID | None, now: datetime) -> None:
    """Say that a parcel is closed, and which shipment it became (None: it was emptied)."""
    await connection.execute(_END, {"id": parcel_id, "shipment_id": shipment_id, "now": now})
