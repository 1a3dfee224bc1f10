"""SQL of manifests."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, LargeBinary, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.carrier_ports import LabelFormat
from domain.carrier_ports import Manifest as Closed
from domain.kernel.ids import new_id
from domain.manifests import CarrierClosing, Manifest, ManifestFilter, ManifestParcel, ManifestStatus
from persistence.json_text import json_text

_FACTS = """
    m.id, m.location_id, m.carrier, m.provider, m.status, m.version, m.created_at, m.closed_at, m.closing,
    m.reference, m.message,
    (SELECT d.id FROM manifest_documents d WHERE d.manifest_id = m.id) AS document_id
"""
_PARCELS = """
    (SELECT jsonb_agg(jsonb_build_array(s.id, s.order_id, o.number, s.tracking_number, s.provider_reference,
                concat_ws(' ', o.shipping_address ->> 'postal_code', o.shipping_address ->> 'city',
                          o.shipping_address ->> 'country'),
                (SELECT coalesce(sum(l.quantity), 0) FROM shipment_lines l WHERE l.shipment_id = s.id),
                x.error) ORDER BY o.number, s.id)
       FROM manifest_shipments x JOIN shipments s ON s.id = x.shipment_id JOIN orders o ON o.id = s.order_id
      WHERE x.manifest_id = m.id) AS parcels
"""
_FIND = text(f"SELECT {_FACTS}, {_PARCELS} FROM manifests m WHERE m.id = :id").bindparams(
    bindparam("id", type_=Uuid())
)
_PARCELS_OF = text(f"SELECT m.id, {_PARCELS} FROM manifests m WHERE m.id = ANY (:ids)").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)
# A page has no parcels: there may be two hundred of each.
_PAGE = text(
    f"""
    SELECT {_FACTS}, NULL AS parcels FROM manifests m
     WHERE (:location_id IS NULL OR m.location_id = :location_id)
       AND (:carrier IS NULL OR m.carrier = :carrier)
       AND (:statuses IS NULL OR m.status = ANY (:statuses))
       AND (:created_from IS NULL OR m.created_at >= :created_from)
       AND (:created_before IS NULL OR m.created_at < :created_before)
       AND (:after_id IS NULL OR (m.created_at, m.id) < (:after_at, :after_id))
     ORDER BY m.created_at DESC, m.id DESC LIMIT :limit
    """
).bindparams(
    bindparam("location_id", type_=Uuid()),
    bindparam("carrier", type_=Text()),
    bindparam("statuses", type_=ARRAY(Text)),
    bindparam("after_id", type_=Uuid()),
    *(
        bindparam(name, type_=DateTime(timezone=True))
        for name in ("created_from", "created_before", "after_at")
    ),
)
_KEEP = text(
    """
    INSERT INTO manifest_documents (id, manifest_id, format, bytes, created_at)
    VALUES (:id, :manifest_id, :format, :document, :now) ON CONFLICT (manifest_id) DO NOTHING
    """
).bindparams(
    bindparam("id", type_=Uuid()),
    bindparam("manifest_id", type_=Uuid()),
    bindparam("document", type_=LargeBinary()),
    bindparam("now", type_=DateTime(timezone=True)),
)
_DOCUMENT = text("SELECT format, bytes FROM manifest_documents WHERE id = :id").bindparams(
    bindparam("id", type_=Uuid())
)
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


async def page(
    connection: AsyncConnection,
    limit: int,
    after: tuple[datetime, UUID] | None,
    narrowed: ManifestFilter,
    location_id: UUID | None,
) -> list[Manifest]:
    """Return manifests from the newest on, without their parcels."""
    after_at, after_id = after or (None, None)
    values = {
        "location_id": location_id,
        "carrier": narrowed.carrier,
        "statuses": None if narrowed.statuses is None else [one.value for one in narrowed.statuses],
        "created_from": narrowed.created_from,
        "created_before": narrowed.created_before,
        "after_at": after_at,
        "after_id": after_id,
        "limit": limit,
    }
    return [_manifest(row) for row in await connection.execute(_PAGE, values)]


async def parcels_of(
    connection: AsyncConnection, ids: Sequence[UUID]
) -> dict[UUID, tuple[ManifestParcel, ...]]:
    """Return the parcels of manifests, by their ids."""
    return {row.id: _parcels(row) for row in await connection.execute(_PARCELS_OF, {"ids": list(ids)})}


async def keep_document(connection: AsyncConnection, manifest_id: UUID, made: Closed, now: datetime) -> UUID:
    """Store a carrier's own list of a locked manifest, of which there is one; returns its id."""
    document_id = new_id()
    values = {"id": document_id, "manifest_id": manifest_id, "format": made.document_format.value}
    await connection.execute(_KEEP, {**values, "document": made.document, "now": now})
    return document_id


async def document(connection: AsyncConnection, document_id: UUID) -> tuple[LabelFormat, bytes] | None:
    """Return a carrier's own list by its id."""
    row = (await connection.execute(_DOCUMENT, {"id": document_id})).first()
    return None if row is None else (LabelFormat(row.format), bytes(row.bytes))


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
        _parcels(row),
        row.document_id,
    )


def _parcels(row: Row[*tuple[Any, ...]]) -> tuple[ManifestParcel, ...]:
    return tuple(
        ManifestParcel(UUID(shipment_id), UUID(order_id), *facts)
        for shipment_id, order_id, *facts in row.parcels or ()
    )
