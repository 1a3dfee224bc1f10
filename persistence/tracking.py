"""SQL of tracking: what was told is stored first, finds its parcel, and is applied under its order's lock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.carrier_events import SetAsideReason
from domain.carrier_ports import TrackingUpdate
from domain.kernel.ids import new_id
from domain.orders import Order
from domain.shipments import Shipment, ShipmentStatus
from domain.tracking import TrackingFact
from persistence.json_text import json_text

_MOMENT = DateTime(timezone=True)
_NOW = bindparam("now", type_=_MOMENT)
_IDS = bindparam("ids", type_=ARRAY(Uuid))
_FACT = "e.id, e.status, e.occurred_at, e.code, e.description, e.place, e.estimated_at"

_STORE = text(
    """
    INSERT INTO tracking_events (id, provider, event_id, reference, tracking_number, shipment_id, status,
           code, description, place, occurred_at, estimated_at, received_at, state, next_attempt_at)
    SELECT id, :provider, event_id, reference, tracking_number, :shipment_id, status, code, description,
           place, occurred_at, estimated_at, :now, 'RECEIVED', :now
      FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS u (id uuid, event_id text, reference text,
           tracking_number text, status text, code text, description text, place text,
           occurred_at timestamptz, estimated_at timestamptz)
    ON CONFLICT (provider, event_id) DO NOTHING
    RETURNING id
    """
).bindparams(_NOW, bindparam("shipment_id", type_=Uuid()))
# By the carrier's own name of the parcel, or else by its number; one that was typed in names no provider.
# What is no parcel that goes out may be one that comes back; there too the carrier's own name goes first, as
# customers type numbers: of one that several have, the label that has it is meant, else who named it first.
# Staff name it by our id: what they told is applied also where the server ended right after it was stored.
_LEASE = text(
    """
    WITH due AS (
        SELECT * FROM tracking_events WHERE state = 'RECEIVED' AND next_attempt_at <= :now
         ORDER BY next_attempt_at, id LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    ), found AS (
        SELECT due.id, ours.shipment_id,
               CASE WHEN ours.shipment_id IS NULL
                    THEN coalesce(due.return_parcel_id, back.id, typed.id) END AS return_parcel_id
          FROM due
          LEFT JOIN LATERAL (
                SELECT s.id FROM shipments s
                 WHERE s.provider = due.provider AND s.provider_reference = due.reference) named ON true
          LEFT JOIN LATERAL (
                SELECT s.id FROM shipments s
                 WHERE s.tracking_number = due.tracking_number
                   AND (s.provider = due.provider OR s.provider IS NULL)
                 ORDER BY s.status = 'CANCELED', s.provider NULLS LAST, s.id DESC LIMIT 1) numbered ON true
          LEFT JOIN LATERAL (
                SELECT p.id FROM return_parcels p
                 WHERE p.provider = due.provider AND p.provider_reference = due.reference) back ON true
          LEFT JOIN LATERAL (
                SELECT p.id FROM return_parcels p JOIN returns r ON r.id = p.return_id
                 WHERE p.tracking_number = due.tracking_number
                   AND (p.provider = due.provider OR p.provider IS NULL)
                 ORDER BY p.source = 'OWN', r.closed_at IS NOT NULL, p.provider NULLS LAST, p.created_at, p.id
                 LIMIT 1) typed ON true
          CROSS JOIN LATERAL (
                SELECT coalesce(due.shipment_id, named.id, CASE WHEN back.id IS NULL THEN numbered.id END)
                       AS shipment_id) ours
    )
    UPDATE tracking_events e
       SET attempts = e.attempts + 1, next_attempt_at = :leased_until, shipment_id = found.shipment_id,
           return_parcel_id = found.return_parcel_id
      FROM found WHERE e.id = found.id
    RETURNING e.id, found.shipment_id, e.received_at, e.failures, found.return_parcel_id
    """
).bindparams(_NOW, bindparam("leased_until", type_=_MOMENT))
# What is new of `ids`, and what was applied before: a statement does not see its own writes. New is also what
# was told of the parcel while it could not have left, as when its order was on hold: now it may fit.
_APPLY = text(
    f"""
    WITH applied AS (
        UPDATE tracking_events e SET state = 'APPLIED', shipment_id = :shipment_id, reason = NULL,
               error = NULL
         WHERE (e.id = ANY (:ids) AND e.state = 'RECEIVED')
            OR (e.shipment_id = :shipment_id AND e.state IN ('RECEIVED', 'SET_ASIDE'))
        RETURNING {_FACT}
    )
    SELECT true AS new, e.* FROM applied e
     UNION ALL
    SELECT false, {_FACT} FROM tracking_events e WHERE e.shipment_id = :shipment_id AND e.state = 'APPLIED'
    """
).bindparams(_IDS, bindparam("shipment_id", type_=Uuid()))
_SET_ASIDE = text(
    """
    UPDATE tracking_events SET state = 'SET_ASIDE', reason = :reason, error = :error,
           shipment_id = coalesce(shipment_id, :shipment_id)
     WHERE id = ANY (:ids) AND state = 'RECEIVED'
    """
).bindparams(_IDS, bindparam("shipment_id", type_=Uuid()), bindparam("error", type_=Text()))
# A parcel that got its number, or has left, only after what was told of it had been given up. What failed by
# an error of our own would fail again: a person says when.
_TAKE_UP = text(
    """
    UPDATE tracking_events e SET state = 'RECEIVED', reason = NULL, error = NULL, next_attempt_at = :now
     WHERE e.state = 'SET_ASIDE' AND e.reason <> 'FAILED'
       AND ((e.shipment_id IS NULL
             AND (EXISTS (SELECT FROM shipments s
                           WHERE (s.provider = e.provider AND s.provider_reference = e.reference)
                              OR (s.tracking_number = e.tracking_number
                                  AND (s.provider = e.provider OR s.provider IS NULL)))
                  OR EXISTS (SELECT FROM return_parcels p
                              WHERE (p.provider = e.provider AND p.provider_reference = e.reference)
                                 OR (p.tracking_number = e.tracking_number
                                     AND (p.provider = e.provider OR p.provider IS NULL)))))
            OR EXISTS (SELECT FROM shipments s
                        WHERE s.id = e.shipment_id
                          AND s.status NOT IN ('LABEL_PENDING', 'LABEL_CREATED', 'CANCELED')))
    RETURNING e.id
    """
).bindparams(_NOW)
_POSTPONE = text(
    """
    UPDATE tracking_events SET next_attempt_at = :until, failures = failures + :failed
     WHERE id = ANY (:ids) AND state = 'RECEIVED'
    """
).bindparams(_IDS, bindparam("until", type_=_MOMENT))
_SAVE = text(
    """
    WITH parcel AS (
        UPDATE shipments SET status = :status, delivered_at = :delivered_at, estimated_at = :estimated_at,
               position = :position, told_at = :told_at, late_told_for = :late_told_for, version = :version
         WHERE id = :id
    )
    UPDATE orders SET fulfillment_status = :fulfillment_status, version = :order_version
     WHERE id = :order_id
    """
).bindparams(
    bindparam("position", type_=Text()),
    *(
        bindparam(name, type_=_MOMENT)
        for name in ("delivered_at", "estimated_at", "told_at", "late_told_for")
    ),
)
_SAVE_TOKEN = text(
    """
    WITH parcel AS (UPDATE shipments SET token_generation = :generation, version = :version WHERE id = :id)
    UPDATE orders SET version = :order_version WHERE id = :order_id
    """
)
_HISTORY = text(
    f"""
    SELECT e.shipment_id, {_FACT} FROM tracking_events e
     WHERE e.shipment_id = ANY (:ids) AND e.state = 'APPLIED' ORDER BY e.occurred_at DESC, e.id DESC
    """
).bindparams(_IDS)
_UNDER_WAY = """s.status IN ('PRE_TRANSIT', 'IN_TRANSIT', 'OUT_FOR_DELIVERY', 'AVAILABLE_FOR_PICKUP',
                     'FAILED_ATTEMPT', 'EXCEPTION')"""
_LATE = text(
    f"""
    SELECT s.id FROM shipments s
     WHERE {_UNDER_WAY} AND s.promised_until < :now
       AND s.late_told_for IS DISTINCT FROM s.promised_until
     ORDER BY s.promised_until, s.id LIMIT :most
    """
).bindparams(_NOW)
# The carriers that can be asked are named: another process may know others.
_POLL = text(
    f"""
    WITH due AS (
        SELECT s.id FROM shipments s
         WHERE {_UNDER_WAY} AND s.provider = ANY (:providers) AND s.tracking_number IS NOT NULL
           AND (s.next_poll_at <= :now OR (s.next_poll_at IS NULL AND s.shipped_at <= :shipped_until))
         ORDER BY s.next_poll_at NULLS FIRST, s.id LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE shipments s SET next_poll_at = :leased_until FROM due WHERE s.id = due.id
    RETURNING s.id, s.provider, s.provider_reference, s.tracking_number, s.shipped_at
    """
).bindparams(
    _NOW,
    bindparam("providers", type_=ARRAY(Text)),
    *(bindparam(name, type_=_MOMENT) for name in ("shipped_until", "leased_until")),
)
_POLLED = text("UPDATE shipments SET next_poll_at = :next_poll_at WHERE id = :id").bindparams(
    bindparam("next_poll_at", type_=_MOMENT)
)
_PROBLEMS = text(
    f"""
    SELECT s.id, s.order_id, s.created_at FROM shipments s
     WHERE s.status NOT IN ('DELIVERED', 'CANCELED')
       AND (s.status IN ('EXCEPTION', 'FAILED_ATTEMPT', 'RETURN_TO_SENDER')
            OR ({_UNDER_WAY} AND (greatest(:now, s.estimated_at) > s.promised_until
                                  OR greatest(s.told_at, s.shipped_at) < :silent_since)))
       AND (CAST(:after_id AS uuid) IS NULL OR (s.created_at, s.id) > (:after_at, :after_id))
     ORDER BY s.created_at, s.id LIMIT :limit
    """
).bindparams(
    _NOW,
    bindparam("after_id", type_=Uuid()),
    *(bindparam(name, type_=_MOMENT) for name in ("silent_since", "after_at")),
)


@dataclass(frozen=True, slots=True)
class Told:
    """Something that was told and is not applied yet; the parcel is None while none has the number.

    `return_parcel_id` is the one that comes back, where it is of such.
    """

    id: UUID
    shipment_id: UUID | None
    received_at: datetime
    failures: int = 0
    return_parcel_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Polled:
    """A parcel whose carrier is to be asked where it is."""

    id: UUID
    provider: str
    reference: str | None
    tracking_number: str
    shipped_at: datetime


async def store(
    connection: AsyncConnection,
    provider: str,
    updates: Sequence[TrackingUpdate],
    *,
    now: datetime,
    shipment_id: UUID | None = None,
) -> list[UUID]:
    """Write what was told, each event of a provider once; returns our ids of those that are new.

    `shipment_id` names the parcel of all of them where it is known already.
    """
    records = [
        {
            "id": new_id(),
            "event_id": one.id,
            "reference": one.reference,
            "tracking_number": one.tracking_number,
            "status": one.status,
            "code": one.code,
            "description": one.description,
            "place": one.place,
            "occurred_at": one.occurred_at,
            "estimated_at": one.estimated_at,
        }
        for one in updates
    ]
    values = {
        "provider": provider,
        "events": json_text(records),
        "now": now,
        "shipment_id": shipment_id,
    }
    return [row.id for row in await connection.execute(_STORE, values)]


async def lease_due(
    connection: AsyncConnection, *, most: int, now: datetime, leased_until: datetime
) -> list[Told]:
    """Take what is due to be applied, each for one at a time, with the parcel that it is of."""
    values = {"most": most, "now": now, "leased_until": leased_until}
    return [Told(*row) for row in await connection.execute(_LEASE, values)]


async def apply(
    connection: AsyncConnection, shipment_id: UUID, ids: Sequence[UUID]
) -> tuple[list[TrackingFact], list[TrackingFact]]:
    """Count facts as told of a parcel whose order is locked; returns the new ones, and those before."""
    found = (await connection.execute(_APPLY, {"shipment_id": shipment_id, "ids": list(ids)})).all()
    return [_fact(row) for row in found if row.new], [_fact(row) for row in found if not row.new]


async def set_aside(
    connection: AsyncConnection,
    ids: Sequence[UUID],
    reason: SetAsideReason,
    error: str | None = None,
    shipment_id: UUID | None = None,
) -> None:
    """Leave what was told to a person."""
    values = {"ids": list(ids), "reason": reason.value, "error": error, "shipment_id": shipment_id}
    await connection.execute(_SET_ASIDE, values)


async def take_up(connection: AsyncConnection, now: datetime) -> int:
    """Take up again what was set aside for want of a parcel that is there now, or has left now."""
    return len((await connection.execute(_TAKE_UP, {"now": now})).all())


async def postpone(
    connection: AsyncConnection, ids: Sequence[UUID], until: datetime, *, failed: bool = False
) -> None:
    """Look at what was told again later; `failed` says that this was for an error of our own."""
    await connection.execute(_POSTPONE, {"ids": list(ids), "until": until, "failed": int(failed)})


async def save(connection: AsyncConnection, order: Order, shipment: Shipment) -> None:
    """Write where a parcel is, and the order's axis with it; the order is locked."""
    await connection.execute(
        _SAVE,
        {
            "id": shipment.id,
            "status": shipment.status.value,
            "delivered_at": shipment.delivered_at,
            "estimated_at": shipment.estimated_at,
            "position": shipment.position,
            "told_at": shipment.told_at,
            "late_told_for": shipment.late_told_for,
            "version": shipment.version,
            "order_id": order.id,
            "order_version": order.version,
            "fulfillment_status": order.fulfillment_status.value,
        },
    )


async def save_token(connection: AsyncConnection, order: Order, shipment: Shipment) -> None:
    """Write which tracking token of a parcel is good; the order is locked."""
    values = {"id": shipment.id, "generation": shipment.token_generation, "version": shipment.version}
    await connection.execute(_SAVE_TOKEN, {**values, "order_id": order.id, "order_version": order.version})


async def history(
    connection: AsyncConnection, shipment_ids: Sequence[UUID]
) -> dict[UUID, list[TrackingFact]]:
    """Return what was told of parcels, the newest first, by parcel."""
    found: dict[UUID, list[TrackingFact]] = {one: [] for one in shipment_ids}
    for row in await connection.execute(_HISTORY, {"ids": list(shipment_ids)}):
        found[row.shipment_id].append(_fact(row))
    return found


async def late(connection: AsyncConnection, *, now: datetime, most: int) -> list[UUID]:
    """Return parcels under way whose promise has passed untold, the oldest promise first."""
    return [row.id for row in await connection.execute(_LATE, {"now": now, "most": most})]


async def lease_polls(
    connection: AsyncConnection, providers: Sequence[str], *, now: datetime, lease: timedelta, most: int
) -> list[Polled]:
    """Take parcels whose carrier is to be asked about them, each for one at a time."""
    values = {
        "providers": list(providers),
        "now": now,
        "shipped_until": now - timedelta(hours=1),
        "leased_until": now + lease,
        "most": most,
    }
    return [Polled(*row) for row in await connection.execute(_POLL, values)]


async def polled(connection: AsyncConnection, shipment_id: UUID, next_poll_at: datetime) -> None:
    """Write when a carrier is asked next about a parcel."""
    await connection.execute(_POLLED, {"id": shipment_id, "next_poll_at": next_poll_at})


async def problems(
    connection: AsyncConnection,
    *,
    now: datetime,
    silent_since: datetime,
    limit: int,
    after: tuple[datetime, UUID] | None,
) -> list[tuple[UUID, UUID, datetime]]:
    """Return parcels that need a person, the oldest first: id, order, and when it was packed."""
    after_at, after_id = after or (None, None)
    values = {
        "now": now,
        "silent_since": silent_since,
        "after_at": after_at,
        "after_id": after_id,
        "limit": limit,
    }
    return [(row.id, row.order_id, row.created_at) for row in await connection.execute(_PROBLEMS, values)]


def _fact(row: Row[*tuple[Any, ...]]) -> TrackingFact:
    return TrackingFact(
        row.id,
        ShipmentStatus(row.status),
        row.occurred_at,
        row.code,
        row.description,
        row.place,
        row.estimated_at,
    )
