"""SQL of where the parcels of returns are: what was told of them, and which carriers are to be asked."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.return_parcels import KEEP_EXPIRED_LABELS, ReturnParcel
from domain.shipments import ShipmentStatus
from domain.tracking import TrackingFact
from persistence.tracking import Polled

_MOMENT = DateTime(timezone=True)
_FACT = "e.id, e.status, e.occurred_at, e.code, e.description, e.place, e.estimated_at"
# As with parcels that go out: what is new, and what was applied before.
_APPLY = text(
    f"""
    WITH applied AS (
        UPDATE tracking_events e SET state = 'APPLIED', return_parcel_id = :parcel_id, reason = NULL
         WHERE (e.id = ANY (:ids) AND e.state = 'RECEIVED')
            OR (e.return_parcel_id = :parcel_id AND e.state <> 'APPLIED')
        RETURNING {_FACT}
    )
    SELECT true AS new, e.* FROM applied e
     UNION ALL
    SELECT false, {_FACT} FROM tracking_events e
     WHERE e.return_parcel_id = :parcel_id AND e.state = 'APPLIED'
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)), bindparam("parcel_id", type_=Uuid()))
_RETURN_OF = text("SELECT return_id FROM return_parcels WHERE id = :id").bindparams(
    bindparam("id", type_=Uuid())
)
_SAVE = text(
    """
    UPDATE return_parcels SET status = :status, delivered_at = :delivered_at, estimated_at = :estimated_at,
           position = :position, told_at = :told_at
     WHERE id = :id
    """
).bindparams(
    bindparam("position", type_=Text()),
    *(bindparam(name, type_=_MOMENT) for name in ("delivered_at", "estimated_at", "told_at")),
)
# Another number was typed: what was told of the one before is of no parcel of ours.
_FORGET = text(
    """
    UPDATE tracking_events SET state = 'SET_ASIDE', reason = 'UNKNOWN_PARCEL', return_parcel_id = NULL
     WHERE return_parcel_id = :parcel_id
    """
).bindparams(bindparam("parcel_id", type_=Uuid()))
# Also of a label that nobody scanned yet: customers do not say when they hand a parcel in. And of what
# expired or was given up, as long as its label may still be used: it may be on its way all the same.
_POLL = text(
    """
    WITH due AS (
        SELECT p.id FROM return_parcels p JOIN returns r ON r.id = p.return_id
         WHERE (r.status IN ('APPROVED', 'IN_TRANSIT')
                OR (r.status = 'CANCELED' AND r.closed_at > :ended_since AND p.label_state <> 'VOIDED'))
           AND p.provider = ANY (:providers)
           AND p.tracking_number IS NOT NULL AND p.status NOT IN ('DELIVERED', 'CANCELED')
           AND (p.next_poll_at <= :now OR (p.next_poll_at IS NULL AND p.created_at <= :made_until))
         ORDER BY p.next_poll_at NULLS FIRST, p.id LIMIT :most FOR NO KEY UPDATE OF p SKIP LOCKED
    )
    UPDATE return_parcels p SET next_poll_at = :leased_until FROM due WHERE p.id = due.id
    RETURNING p.id, p.provider, p.provider_reference, p.tracking_number, p.created_at
    """
).bindparams(
    bindparam("providers", type_=ARRAY(Text)),
    *(bindparam(name, type_=_MOMENT) for name in ("now", "made_until", "leased_until", "ended_since")),
)
_POLLED = text("UPDATE return_parcels SET next_poll_at = :next_poll_at WHERE id = :id").bindparams(
    bindparam("next_poll_at", type_=_MOMENT)
)


async def return_of(connection: AsyncConnection, parcel_id: UUID) -> UUID | None:
    """Return the return that a parcel brings back."""
    found: UUID | None = await connection.scalar(_RETURN_OF, {"id": parcel_id})
    return found


async def apply(
    connection: AsyncConnection, parcel_id: UUID, ids: Sequence[UUID]
) -> tuple[list[TrackingFact], list[TrackingFact]]:
    """Count facts as told of a parcel whose order is locked; returns the new ones, and those before."""
    rows = (await connection.execute(_APPLY, {"parcel_id": parcel_id, "ids": list(ids)})).all()
    facts = [(new, TrackingFact(key, ShipmentStatus(status), *rest)) for new, key, status, *rest in rows]
    return [fact for new, fact in facts if new], [fact for new, fact in facts if not new]


async def save(connection: AsyncConnection, parcel: ReturnParcel) -> None:
    """Write where a parcel is whose order is locked."""
    values = {
        "id": parcel.id,
        "status": parcel.status.value,
        "delivered_at": parcel.delivered_at,
        "estimated_at": parcel.estimated_at,
        "position": parcel.position,
        "told_at": parcel.told_at,
    }
    await connection.execute(_SAVE, values)


async def forget(connection: AsyncConnection, parcel_id: UUID) -> None:
    """Let go of what was told of a parcel under the number that it had."""
    await connection.execute(_FORGET, {"parcel_id": parcel_id})


async def lease_polls(
    connection: AsyncConnection, providers: Sequence[str], *, now: datetime, lease: timedelta, most: int
) -> list[Polled]:
    """Take parcels whose carrier is to be asked about them, each for one at a time."""
    values = {
        "providers": list(providers),
        "now": now,
        "made_until": now - timedelta(hours=1),
        "leased_until": now + lease,
        "ended_since": now - KEEP_EXPIRED_LABELS,
        "most": most,
    }
    return [Polled(*row) for row in await connection.execute(_POLL, values)]


async def polled(connection: AsyncConnection, parcel_id: UUID, next_poll_at: datetime) -> None:
    """Write when a carrier is asked next about a parcel."""
    await connection.execute(_POLLED, {"id": parcel_id, "next_poll_at": next_poll_at})
