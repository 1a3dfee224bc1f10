"""SQL of manifests."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.manifests import CarrierClosing, Manifest, ManifestParcel, ManifestStatus
from persistence.json_text import json_text

_COLUMNS = """
    m.id, m.location_id, m.carrier, m.provider, m.status, m.version, m.created_at, m.closed_at, m.closing,
    m.reference, m.message,
    (SELECT jsonb_agg(jsonb_build_array(s.id, s.order_id, o.number, s.tracking_number, s.provider_reference,
                concat_ws(' ', o.shipping_address ->> 'postal_code', o.shipping_address ->> 'city',
                          o.shipping_address ->> 'country'),
                (SELECT coalesce(sum(l.quantity), 0) FROM shipment_lines l WHERE l.shipment_id = s.id),
                x.error) ORDER BY o.number, s.id)
       FROM manifest_shipments x JOIN shipments s ON s.id = x.shipment_id JOIN orders o ON o.id = s.order_id
      WHERE x.manifest_id = m.id) AS parcels
"""
_FIND = text(f"SELECT {_COLUMNS} FROM manifests m WHERE m.id = :id").bindparams(bindparam("id", type_=Uuid()))
_LOCK = text("SELECT FROM manifests WHERE id = :id FOR NO KEY UPDATE").bindparams(
    bindparam("id", type_=Uuid())
)
# Who made a manifest at the same moment has the parcels: each is on one.
_ADD = text(
    """
    WITH manifest AS (
        INSERT INTO manifests (id, location_id, carrier, provider, status, created_by, created_at, closing)
        VALUES (:id, :location_id, :carrier, :provider, 'OPEN', :actor, :now, 'NONE')
    )
    INSERT INTO manifest_shipments (manifest_id, shipment_id)
    SELECT :id, s.id FROM shipments s
     WHERE s.location_id = :location_id AND s.carrier = :carrier AND s.status = 'LABEL_CREATED'
       AND s.provider IS NOT DISTINCT FROM :provider
       AND NOT EXISTS (SELECT FROM manifest_shipments x WHERE x.shipment_id = s.id AND x.error IS NULL)
     ORDER BY s.created_at, s.id LIMIT :most
    ON CONFLICT (shipment_id) WHERE error IS NULL DO NOTHING
    RETURNING shipment_id
    """
).bindparams(
    bindparam("id", type_=Uuid()),
    bindparam("location_id", type_=Uuid()),
    bindparam("carrier", type_=Text()),
    bindparam("provider", type_=Text()),
    bindparam("now", type_=DateTime(timezone=True)),
)
_REFUSE = text(
    """
    UPDATE manifest_shipments x SET error = u.error
      FROM jsonb_to_recordset(CAST(:refused AS jsonb)) AS u (id uuid, error text)
     WHERE x.manifest_id = :id AND x.shipment_id = u.id
    """
).bindparams(bindparam("id", type_=Uuid()))
_SAVE = text(
    """
    UPDATE manifests SET status = :status, version = :version, closed_at = :closed_at, closing = :closing,
           reference = :reference, message = :message
     WHERE id = :id
    """
).bindparams(
    bindparam("id", type_=Uuid()),
    bindparam("closed_at", type_=DateTime(timezone=True)),
    bindparam("reference", type_=Text()),
    bindparam("message", type_=Text()),
)
_REQUESTED = text("SELECT id FROM manifests WHERE closing = 'REQUESTED' ORDER BY id LIMIT :most")


async def add(
    connection: AsyncConnection,
    manifest_id: UUID,
    location_id: UUID,
    carrier: str,
    provider: str | None,
    actor: str,
    now: datetime,
    most: int,
) -> int:
    """Write a manifest of the parcels of a carrier that have their label; returns how many they are."""
    values = {"id": manifest_id, "location_id": location_id, "carrier": carrier, "provider": provider}
    rows = await connection.execute(_ADD, {**values, "actor": actor, "now": now, "most": most})
    return len(rows.all())


async def find(connection: AsyncConnection, manifest_id: UUID) -> Manifest | None:
    """Return a manifest with its parcels."""
    row = (await connection.execute(_FIND, {"id": manifest_id})).first()
    return _manifest(row) if row else None


async def lock(connection: AsyncConnection, manifest_id: UUID) -> Manifest | None:
    """Lock a manifest, and return it as it is then."""
    await connection.execute(_LOCK, {"id": manifest_id})
    return await find(connection, manifest_id)


async def refuse(connection: AsyncConnection, manifest_id: UUID, refused: Mapping[UUID, str]) -> None:
    """Say why parcels of a manifest could not be handed over; they may be on another."""
    listed = [{"id": one, "error": error} for one, error in refused.items()]
    await connection.execute(_REFUSE, {"id": manifest_id, "refused": json_text(listed)})


async def save(connection: AsyncConnection, manifest: Manifest) -> None:
    """Write a locked manifest."""
    await connection.execute(
        _SAVE,
        {
            "id": manifest.id,
            "status": manifest.status.value,
            "version": manifest.version,
            "closed_at": manifest.closed_at,
            "closing": manifest.closing.value,
            "reference": manifest.reference,
            "message": manifest.message,
        },
    )


async def requested(connection: AsyncConnection, most: int) -> list[UUID]:
    """Return manifests that their carrier has still to be told of."""
    return [row.id for row in await connection.execute(_REQUESTED, {"most": most})]


def _manifest(row: Row[*tuple[Any, ...]]) -> Manifest:
    return Manifest(
        row.id,
        row.location_id,
        row.carrier,
        row.provider,
        ManifestStatus(row.status),
        row.version,
        row.created_at,
        row.closed_at,
        CarrierClosing(row.closing),
        row.reference,
        row.message,
        tuple(
            ManifestParcel(UUID(shipment_id), UUID(order_id), *facts)
            for shipment_id, order_id, *facts in row.parcels or ()
        ),
    )
