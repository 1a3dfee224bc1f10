"""SQL of what carriers told and was set aside: lists and counts of it, and what staff do about one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.carrier_events import CARRIER_EVENT_TRANSITIONS, CarrierEvent, SetAsideReason
from domain.shipments import ShipmentStatus
from domain.tracking import FactState
from persistence.status_changes import changes_to

_COLUMNS = (
    "e.id, e.provider, e.event_id, e.reference, e.tracking_number, e.shipment_id, e.status, e.code,"
    " e.description, e.place, e.occurred_at, e.received_at, e.state, e.reason, e.error, e.failures, e.note,"
    " e.dismissed_at"
)
_MAY_BE_TAKEN_UP = changes_to(FactState.RECEIVED, CARRIER_EVENT_TRANSITIONS, FactState.SET_ASIDE)
_MAY_BE_DISMISSED = changes_to(FactState.DISMISSED, CARRIER_EVENT_TRANSITIONS, FactState.SET_ASIDE)
_REASON = bindparam("reason", type_=Text())
_PAGE = text(
    f"""
    SELECT {_COLUMNS} FROM tracking_events e
     WHERE e.state = 'SET_ASIDE' AND (:reason IS NULL OR e.reason = :reason)
       AND (:after_id IS NULL OR (e.received_at, e.id) > (:after_at, :after_id))
     ORDER BY e.received_at, e.id LIMIT :limit
    """
).bindparams(
    _REASON, bindparam("after_id", type_=Uuid()), bindparam("after_at", type_=DateTime(timezone=True))
)
_COUNT = text(
    "SELECT reason, count(*) AS events FROM tracking_events WHERE state = 'SET_ASIDE' GROUP BY reason"
)
_BY_ID = f"SELECT {_COLUMNS} FROM tracking_events e WHERE e.id = :id"
_READ = text(_BY_ID)
_LOCK = text(f"{_BY_ID} FOR NO KEY UPDATE")
# As a job finds it, but for canceled parcels: those would only set it aside again.
_FIND_PARCEL = text(
    """
    SELECT s.id FROM shipments s
     WHERE s.status <> 'CANCELED'
       AND (s.id = :shipment_id
            OR (s.provider = :provider AND s.provider_reference = :reference)
            OR (s.tracking_number = :tracking_number AND (s.provider = :provider OR s.provider IS NULL)))
     ORDER BY s.id = :shipment_id DESC NULLS LAST,
              s.provider = :provider AND s.provider_reference = :reference DESC NULLS LAST,
              s.provider NULLS LAST, s.id DESC
     LIMIT 1
    """
).bindparams(
    bindparam("shipment_id", type_=Uuid()),
    *(bindparam(name, type_=Text()) for name in ("provider", "reference", "tracking_number")),
)
_TAKE_UP = text(
    f"""
    UPDATE tracking_events SET state = 'RECEIVED', reason = NULL, error = NULL, failures = 0,
           next_attempt_at = :now, shipment_id = :shipment_id
     WHERE id = :id AND state {_MAY_BE_TAKEN_UP}
    """
).bindparams(bindparam("shipment_id", type_=Uuid()), bindparam("now", type_=DateTime(timezone=True)))
_DISMISS = text(
    f"""
    UPDATE tracking_events e SET state = 'DISMISSED', note = :note, dismissed_at = :now
     WHERE e.id = :id AND e.state {_MAY_BE_DISMISSED}
    RETURNING {_COLUMNS}
    """
).bindparams(bindparam("now", type_=DateTime(timezone=True)))


async def page(
    connection: AsyncConnection,
    reason: SetAsideReason | None,
    limit: int,
    after: tuple[datetime, UUID] | None,
) -> list[CarrierEvent]:
    """Return what is set aside (for one reason), the first received first."""
    after_at, after_id = after or (None, None)
    values = {"reason": reason, "after_at": after_at, "after_id": after_id, "limit": limit}
    return [_event(row) for row in await connection.execute(_PAGE, values)]


async def count(connection: AsyncConnection) -> Mapping[SetAsideReason, int]:
    """Return how many are set aside, by reason; none is left out."""
    found = {row.reason: row.events for row in await connection.execute(_COUNT)}
    return {reason: found.get(reason.value, 0) for reason in SetAsideReason}


async def by_id(connection: AsyncConnection, event_id: UUID, *, lock: bool = False) -> CarrierEvent | None:
    """Return one event, whatever became of it; locked where it is to be changed."""
    row = (await connection.execute(_LOCK if lock else _READ, {"id": event_id})).first()
    return _event(row) if row else None


async def parcel_of(connection: AsyncConnection, event: CarrierEvent) -> UUID | None:
    """Return the parcel that an event is of, as things are now; none that is canceled."""
    values = {
        "shipment_id": event.shipment_id,
        "provider": event.provider,
        "reference": event.reference,
        "tracking_number": event.tracking_number,
    }
    row = (await connection.execute(_FIND_PARCEL, values)).first()
    return row.id if row else None


async def take_up(connection: AsyncConnection, event_id: UUID, shipment_id: UUID, now: datetime) -> None:
    """Let an event that was set aside be applied to a parcel, as if it had just come."""
    await connection.execute(_TAKE_UP, {"id": event_id, "shipment_id": shipment_id, "now": now})


async def dismiss(connection: AsyncConnection, event_id: UUID, note: str, now: datetime) -> CarrierEvent:
    """Write that nothing is to come of an event that was set aside."""
    row = (await connection.execute(_DISMISS, {"id": event_id, "note": note, "now": now})).one()
    return _event(row)


def _event(row: Row[*tuple[Any, ...]]) -> CarrierEvent:
    return CarrierEvent(
        row.id,
        row.provider,
        row.event_id,
        row.reference,
        row.tracking_number,
        row.shipment_id,
        ShipmentStatus(row.status),
        row.code,
        row.description,
        row.place,
        row.occurred_at,
        row.received_at,
        FactState(row.state),
        SetAsideReason(row.reason) if row.reason else None,
        row.error,
        row.failures,
        row.note,
        row.dismissed_at,
    )
