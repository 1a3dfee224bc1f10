"""SQL of the parcels of returns: planned, their labels leased and recorded, their documents."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, LargeBinary, Row, Text, TextClause, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.addresses import Address
from domain.carrier_ports import CustomsLine, Label, LabelFormat
from domain.kernel.errors import LabelRefused
from domain.kernel.money import Money
from domain.labels import followable
from domain.return_parcels import KEEP_EXPIRED_LABELS, ParcelSource, ReturnLabelAsk, ReturnParcel
from domain.shipments import LabelState, ShipmentStatus
from persistence.labels import bought

_MOMENT = DateTime(timezone=True)
_COLUMNS = """
    p.id, p.return_id, p.source, p.created_at, p.label_state, p.status, p.location_id, p.provider, p.carrier,
    p.service_code, p.provider_reference, p.tracking_number, p.tracking_url, p.drop_off_code, p.document_id,
    p.document_format, p.label_price_minor, p.label_currency, p.label_error_code, p.label_error,
    p.estimated_at, p.delivered_at, p.told_at, p.position, p.label_generation, p.announced_at
"""
_IDS = bindparam("ids", type_=ARRAY(Uuid))
_OF_RETURNS = text(
    f"SELECT {_COLUMNS} FROM return_parcels p WHERE p.return_id = ANY (:ids) ORDER BY p.return_id, p.source"
).bindparams(_IDS)
# Written as it is: whoever writes has the order's lock.
_PUT = text(
    """
    INSERT INTO return_parcels (id, return_id, source, status, location_id, provider, carrier, service_code,
           tracking_number, tracking_url, drop_off_code, label_state, label_generation, announced_at,
           created_at)
    VALUES (:id, :return_id, :source, :status, :location_id, :provider, :carrier, :service_code,
            :tracking_number, :tracking_url, :drop_off_code, :label_state, :generation, :announced_at,
            :created_at)
    ON CONFLICT (return_id, source) WHERE source <> 'FORMER' DO UPDATE
       SET status = excluded.status, provider = excluded.provider, carrier = excluded.carrier,
           service_code = excluded.service_code, tracking_number = excluded.tracking_number,
           tracking_url = excluded.tracking_url, drop_off_code = excluded.drop_off_code,
           label_state = excluded.label_state, label_generation = excluded.label_generation,
           announced_at = excluded.announced_at, label_attempts = 0, label_requested_at = NULL,
           label_next_attempt_at = NULL, label_error_code = NULL, label_error = NULL, next_poll_at = NULL,
           estimated_at = NULL, delivered_at = NULL, told_at = NULL, position = NULL,
           created_at = excluded.created_at
    """
).bindparams(
    bindparam("location_id", type_=Uuid()),
    bindparam("announced_at", type_=_MOMENT),
    *(
        bindparam(name, type_=Text())
        for name in (
            "provider",
            "carrier",
            "service_code",
            "tracking_number",
            "tracking_url",
            "drop_off_code",
        )
    ),
)
# Staff do otherwise: what its carrier made of it is found out beside, once whoever asks it now is through.
_RETIRE = text("UPDATE return_parcels SET source = 'FORMER' WHERE id = :id").bindparams(
    bindparam("id", type_=Uuid())
)
# What is to be sent and has no plan: approved by a process of an earlier version, which planned afterwards.
_UNPLANNED = text(
    """
    SELECT r.id FROM returns r
     WHERE r.status = 'APPROVED' AND r.closed_at IS NULL AND NOT r.keeps_items
       AND NOT EXISTS (SELECT FROM return_parcels p WHERE p.return_id = r.id AND p.source = 'LABEL')
     ORDER BY r.created_at, r.id LIMIT :most
    """
)
# The label of what was given up goes back, of what only expired some days later: it may be on its way. So
# does one that nobody used, some days after all is done. One that is still to be bought is not, once all is
# here or goes without it.
_GIVEN_UP = """
    (p.source = 'FORMER'
     OR (r.status = 'CANCELED'
         AND (r.expires_at IS NULL OR r.closed_at < r.expires_at OR r.closed_at <= :kept_since))
     OR (p.label_state = 'PURCHASED' AND r.status = 'CLOSED' AND r.closed_at <= :kept_since)
     OR (p.label_state = 'REQUESTED' AND r.status IN ('IN_TRANSIT', 'RECEIVED', 'INSPECTED', 'CLOSED')))
"""
# To be bought: few at any time, and looked for again and again.
_ASKED = "p.label_state = 'REQUESTED'"
# To be given back: found among all labels that nobody has scanned, so looked for now and then.
_BACK = f"""
    p.label_state = 'PURCHASED' AND p.status = 'LABEL_CREATED' AND p.label_kept_at IS NULL AND {_GIVEN_UP}
"""
_TAKEN = f"""
    UPDATE return_parcels p
       SET label_attempts = p.label_attempts + 1, label_next_attempt_at = :leased_until,
           label_requested_at = CASE WHEN {_GIVEN_UP} THEN coalesce(p.label_requested_at, :now) ELSE :now END
      FROM due, returns r, orders o
     WHERE p.id = due.id AND r.id = p.return_id AND o.id = r.order_id
    RETURNING p.id, p.return_id, r.number, p.label_generation, p.label_attempts, p.label_requested_at,
              p.provider, p.label_state, {_GIVEN_UP} AS canceled, p.provider_reference, p.service_code,
              p.created_at, p.announced_at IS NOT NULL AS announced, o.shipping_address AS sender, o.currency,
              (SELECT l.address FROM locations l WHERE l.id = p.location_id) AS recipient,
              (SELECT jsonb_agg(jsonb_build_array(b.sku, i.name, b.quantity, i.unit_price_minor,
                                                  v.weight_grams) ORDER BY b.sku, b.id)
                 FROM return_lines b
                 JOIN order_lines i ON i.id = b.order_line_id
                 LEFT JOIN variants v ON v.id = i.variant_id
                WHERE b.return_id = p.return_id) AS contents
"""


def _lease(due: str) -> TextClause:
    return text(
        f"""
        WITH due AS (
            SELECT p.id FROM return_parcels p JOIN returns r ON r.id = p.return_id
             WHERE {due} AND (p.label_next_attempt_at IS NULL OR p.label_next_attempt_at <= :now)
               AND (CAST(:return_id AS uuid) IS NULL OR p.return_id = :return_id)
               AND coalesce(p.provider, '') <> ALL (:busy)
             ORDER BY p.label_next_attempt_at NULLS FIRST, p.id LIMIT :most
               FOR NO KEY UPDATE OF p SKIP LOCKED
        ) {_TAKEN}
        """
    ).bindparams(
        bindparam("return_id", type_=Uuid()),
        bindparam("busy", type_=ARRAY(Text)),
        *(bindparam(name, type_=_MOMENT) for name in ("now", "leased_until", "kept_since")),
    )


_LEASE, _LEASE_BACK = _lease(_ASKED), _lease(_BACK)
_POSTPONE = text(
    """
    UPDATE return_parcels SET label_next_attempt_at = :next_attempt_at
     WHERE id = :id AND label_generation = :generation AND label_attempts = :attempts
    """
).bindparams(bindparam("next_attempt_at", type_=_MOMENT))
# Who asked anew, or got there first, has made this answer void. What was bought is a fact.
_PURCHASED = text(
    """
    WITH before AS (SELECT id, source, announced_at FROM return_parcels WHERE id = :id)
    UPDATE return_parcels p
       SET label_state = 'PURCHASED', status = 'LABEL_CREATED', tracking_number = :tracking_number,
           tracking_url = :tracking_url, provider_reference = :reference,
           drop_off_code = coalesce(:drop_off_code, p.drop_off_code), label_price_minor = :price_minor,
           label_currency = :currency, document_id = :document_id, document_format = :format,
           document = :document, label_next_attempt_at = NULL, label_error_code = NULL, label_error = NULL,
           announced_at = coalesce(p.announced_at, :now)
      FROM before
     WHERE p.id = before.id AND p.label_state IN ('REQUESTED', 'FAILED') AND p.label_generation = :generation
    RETURNING before.source, before.announced_at
    """
).bindparams(
    bindparam("now", type_=_MOMENT),
    *(bindparam(name, type_=Text()) for name in ("tracking_url", "drop_off_code", "currency")),
    bindparam("price_minor", type_=BigInteger()),
    bindparam("document", type_=LargeBinary()),
)
_FAILED = text(
    """
    WITH before AS (SELECT id, source, announced_at FROM return_parcels WHERE id = :id)
    UPDATE return_parcels p SET label_state = 'FAILED', label_next_attempt_at = NULL,
           label_error_code = :code, label_error = :message, announced_at = coalesce(p.announced_at, :now)
      FROM before
     WHERE p.id = before.id AND p.label_state = 'REQUESTED' AND p.label_generation = :generation
    RETURNING before.source, before.announced_at
    """
).bindparams(bindparam("now", type_=_MOMENT))
_ANNOUNCED = text(
    """
    UPDATE return_parcels SET announced_at = :now
     WHERE id = :id AND source = 'LABEL' AND label_state = 'REQUESTED' AND label_generation = :generation
       AND announced_at IS NULL
    RETURNING id
    """
).bindparams(bindparam("now", type_=_MOMENT))
_VOIDED = text(
    """
    UPDATE return_parcels SET label_state = 'VOIDED', status = 'CANCELED', label_next_attempt_at = NULL
     WHERE id = :id AND label_state IN ('REQUESTED', 'PURCHASED')
    """
)
_KEPT = text(
    """
    UPDATE return_parcels SET label_kept_at = :now, label_next_attempt_at = NULL,
           label_error_code = 'label_not_taken_back', label_error = :message
     WHERE id = :id
    """
).bindparams(bindparam("now", type_=_MOMENT))


@dataclass(frozen=True, slots=True)
class Recorded:
    """The plan whose label's outcome was recorded, as it was before."""

    source: ParcelSource
    announced: bool


async def of_returns(
    connection: AsyncConnection, return_ids: Sequence[UUID]
) -> dict[UUID, list[ReturnParcel]]:
    """Return the parcels of returns, the shop's plan first, by return."""
    found: dict[UUID, list[ReturnParcel]] = {}
    for row in await connection.execute(_OF_RETURNS, {"ids": list(return_ids)}):
        found.setdefault(row.return_id, []).append(_parcel(row))
    return found


async def put(connection: AsyncConnection, parcel: ReturnParcel) -> None:
    """Write a parcel of a return whose order is locked, in place of the one from the same source."""
    await connection.execute(
        _PUT,
        {
            "id": parcel.id,
            "return_id": parcel.return_id,
            "source": parcel.source.value,
            "status": parcel.status.value,
            "location_id": parcel.location_id,
            "provider": parcel.provider,
            "carrier": parcel.carrier,
            "service_code": parcel.service_code,
            "tracking_number": parcel.tracking_number,
            "tracking_url": parcel.tracking_url,
            "drop_off_code": parcel.drop_off_code,
            "label_state": parcel.label_state.value,
            "generation": parcel.generation,
            "announced_at": parcel.announced_at,
            "created_at": parcel.created_at,
        },
    )


async def retire(connection: AsyncConnection, parcel_id: UUID) -> None:
    """Make the plan of a return whose order is locked a former one; another is put in its place."""
    await connection.execute(_RETIRE, {"id": parcel_id})


async def unplanned(connection: AsyncConnection, most: int) -> list[UUID]:
    """Return approved returns of which nobody has said yet how they are sent."""
    return list(await connection.scalars(_UNPLANNED, {"most": most}))


async def lease(
    connection: AsyncConnection,
    return_id: UUID | None,
    *,
    most: int,
    now: datetime,
    leased_until: datetime,
    busy: Collection[str] = (),
    back: bool = False,
) -> list[ReturnLabelAsk]:
    """Take labels that are to be bought, or given `back` (of one return, or all), for this caller alone.

    Those of carriers that are `busy` are left for later.
    """
    values = {
        "return_id": return_id,
        "most": most,
        "now": now,
        "leased_until": leased_until,
        "kept_since": now - KEEP_EXPIRED_LABELS,
        "busy": list(busy),
    }
    statement = _LEASE_BACK if back else _LEASE
    return [_ask(row) for row in await connection.execute(statement, values)]


async def postpone(connection: AsyncConnection, ask: ReturnLabelAsk, next_attempt_at: datetime) -> None:
    """Ask again later, unless somebody has meanwhile."""
    values = {"id": ask.parcel_id, "generation": ask.generation, "attempts": ask.attempts}
    await connection.execute(_POSTPONE, {**values, "next_attempt_at": next_attempt_at})


async def keep(
    connection: AsyncConnection, ask: ReturnLabelAsk, label: Label, now: datetime
) -> Recorded | None:
    """Record the label of a return whose order is locked; None when that was recorded before."""
    values = {
        "id": ask.parcel_id,
        "generation": ask.generation,
        "now": now,
        "tracking_number": label.tracking_number,
        "tracking_url": followable(label.tracking_url),
        "reference": label.reference,
        "drop_off_code": label.drop_off_code,
        **bought(label),
    }
    return _recorded((await connection.execute(_PURCHASED, values)).first())


async def fail(
    connection: AsyncConnection, ask: ReturnLabelAsk, refused: LabelRefused, now: datetime
) -> Recorded | None:
    """Record why a label was refused; None when an outcome was recorded before."""
    values = {
        "id": ask.parcel_id,
        "generation": ask.generation,
        "now": now,
        "code": refused.refusal,
        "message": refused.message,
    }
    return _recorded((await connection.execute(_FAILED, values)).first())


async def announce(connection: AsyncConnection, ask: ReturnLabelAsk, now: datetime) -> bool:
    """Write that the customer is told that a label takes longer; False where they know, or it is there."""
    values = {"id": ask.parcel_id, "generation": ask.generation, "now": now}
    return (await connection.execute(_ANNOUNCED, values)).first() is not None


async def record_void(connection: AsyncConnection, ask: ReturnLabelAsk) -> None:
    """Record that the label of a return that was given up went back, or never came to be."""
    await connection.execute(_VOIDED, {"id": ask.parcel_id})


async def record_kept(connection: AsyncConnection, ask: ReturnLabelAsk, message: str, now: datetime) -> None:
    """Record that the label of a return that was given up was not taken back."""
    await connection.execute(_KEPT, {"id": ask.parcel_id, "message": message, "now": now})


def _recorded(row: Row[*tuple[Any, ...]] | None) -> Recorded | None:
    return None if row is None else Recorded(ParcelSource(row.source), row.announced_at is not None)


def _parcel(row: Row[*tuple[Any, ...]]) -> ReturnParcel:
    priced = row.label_price_minor is not None
    return ReturnParcel(
        row.id,
        row.return_id,
        ParcelSource(row.source),
        row.created_at,
        LabelState(row.label_state),
        ShipmentStatus(row.status),
        row.location_id,
        row.provider,
        row.carrier,
        row.service_code,
        row.provider_reference,
        row.tracking_number,
        row.tracking_url,
        row.drop_off_code,
        row.document_id,
        LabelFormat(row.document_format) if row.document_format else None,
        Money(row.label_price_minor, row.label_currency) if priced else None,
        (row.label_error_code, row.label_error) if row.label_error_code else None,
        row.estimated_at,
        row.delivered_at,
        row.told_at,
        row.position,
        row.label_generation,
        row.announced_at,
    )


def _ask(row: Row[*tuple[Any, ...]]) -> ReturnLabelAsk:
    return ReturnLabelAsk(
        row.id,
        row.return_id,
        row.number,
        row.label_generation,
        row.label_attempts,
        row.label_requested_at,
        row.provider,
        LabelState(row.label_state),
        row.canceled,
        row.provider_reference,
        row.service_code,
        Address.from_json(row.sender),
        Address.from_json(row.recipient) if row.recipient else None,
        tuple(
            CustomsLine(sku, name, quantity, Money(price, row.currency), weight)
            for sku, name, quantity, price, weight in row.contents or ()
        ),
        row.created_at,
        row.announced,
    )
