"""SQL of returns: rows in, dataclasses out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.orders import Order
from domain.returns import (
    Disposition,
    Grade,
    Inspection,
    LineOutcome,
    Return,
    ReturnCondition,
    ReturnLine,
    ReturnReason,
    ReturnStatus,
    ReturnWish,
)
from persistence.json_text import json_text
from persistence.tables.base import JSON

_COLUMNS = """
    r.id, r.number, r.order_id, r.status, r.wish, r.created_at, r.created_by, r.email, r.location_id,
    r.keeps_items, r.verdict, r.refund_verdict, r.note, r.refund_minor, r.shipping_refund_minor,
    r.adjustment_minor, r.adjustment_reason,
    r.fee_minor, r.transaction_ids, r.credit_minor, r.bonus_minor, r.exchange_order_id, r.refund_failure,
    r.expires_at, r.decided_at, r.received_at, r.closed_at, r.version, r.fulfillment_order_id,
    (SELECT jsonb_agg(jsonb_build_array(l.id, l.order_line_id, l.variant_id, l.sku, l.quantity, l.reason,
                l.condition, l.note, l.photos, l.quantity_received,
                (SELECT jsonb_agg(jsonb_build_array(i.id, i.quantity, i.disposition, i.grade, i.at, i.note)
                                  ORDER BY i.id)
                   FROM return_inspections i WHERE i.return_line_id = l.id),
                l.outcome, l.refund_minor, l.exchange_variant_id) ORDER BY l.id)
       FROM return_lines l WHERE l.return_id = r.id) AS lines,
    (SELECT coalesce(sum(s.quantity), 0) FROM return_surplus s WHERE s.return_id = r.id) AS surplus,
    EXISTS (SELECT FROM orders e WHERE e.id = r.exchange_order_id AND e.status <> 'CANCELED'
                AND e.payment_status <> 'PAID') AS owes_replacement
"""
_IDS = bindparam("ids", type_=ARRAY(Uuid))


def select(where: str) -> Any:
    """Return the statement that reads whole returns (r) with this end; its rows are for `return_of`."""
    return text(f"SELECT {_COLUMNS} FROM returns r {where}").columns(verdict=JSON, refund_verdict=JSON)


_BY_IDS = select("WHERE r.id = ANY (:ids)").bindparams(_IDS)
_OF_ORDERS = select("WHERE r.order_id = ANY (:ids) ORDER BY r.order_id, r.id").bindparams(_IDS)
_OF_EXCHANGES = select("WHERE r.exchange_order_id = ANY (:ids)").bindparams(_IDS)
_ORDER_OF = text("SELECT order_id FROM returns WHERE id = :id").bindparams(bindparam("id", type_=Uuid()))
_LINES = """
    INSERT INTO return_lines (id, return_id, order_line_id, variant_id, sku, quantity, reason, condition,
           note, photos, quantity_received, outcome, refund_minor, exchange_variant_id)
    SELECT id, :id, order_line_id, variant_id, sku, quantity, reason, condition, note, photos,
           quantity_received, outcome, refund_minor, exchange_variant_id
      FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS l (id uuid, order_line_id uuid, variant_id uuid,
           sku text, quantity int, reason text, condition text, note text, photos text[],
           quantity_received int, outcome text, refund_minor bigint, exchange_variant_id uuid)
"""
_MOMENTS = [
    bindparam(name, type_=DateTime(timezone=True))
    for name in ("expires_at", "decided_at", "received_at", "closed_at")
]
_JSONS = [bindparam(name, type_=JSON) for name in ("verdict", "refund_verdict")]
_ORDER_ON = "UPDATE orders SET version = :order_version WHERE id = :order_id"
_CREATE = text(
    f"""
    WITH made AS (
        INSERT INTO returns (id, number, order_id, channel_id, status, wish, created_at, created_by, email)
        VALUES (:id, 'R' || nextval('return_numbers'), :order_id, :channel_id, :status, :wish, :created_at,
                :created_by, :email)
        RETURNING number
    ), lines AS ({_LINES}), version AS ({_ORDER_ON})
    SELECT number FROM made
    """
).bindparams(
    *(bindparam(name, type_=Uuid()) for name in ("id", "channel_id")),
    bindparam("created_at", type_=DateTime(timezone=True)),
    bindparam("email", type_=Text()),
)
# What a customer has back of a line is what its returns accepted.
_SAVE = text(
    f"""
    WITH lines AS (
        {_LINES}
        ON CONFLICT (id) DO UPDATE SET quantity_received = excluded.quantity_received,
           outcome = excluded.outcome, refund_minor = excluded.refund_minor
    ), looks AS (
        INSERT INTO return_inspections (id, return_line_id, quantity, disposition, grade, note, at)
        SELECT id, line_id, quantity, disposition, grade, note, at
          FROM jsonb_to_recordset(CAST(:inspections AS jsonb)) AS i (id uuid, line_id uuid, quantity int,
               disposition text, grade text, note text, at timestamptz)
        ON CONFLICT (id) DO NOTHING
    ), back AS (
        UPDATE order_lines l SET quantity_returned = l.quantity_returned + u.units
          FROM jsonb_to_recordset(CAST(:brought AS jsonb)) AS u (order_line_id uuid, units int)
         WHERE l.id = u.order_line_id
    ), version AS ({_ORDER_ON})
    UPDATE returns SET status = :status, location_id = :location_id, keeps_items = :keeps_items,
           verdict = :verdict, refund_verdict = :refund_verdict, note = :note, refund_minor = :refund_minor,
           shipping_refund_minor = :shipping_refund_minor, fee_minor = :fee_minor,
           transaction_ids = :transaction_ids, credit_minor = :credit_minor, bonus_minor = :bonus_minor,
           exchange_order_id = :exchange_order_id, wish = :wish, refund_failure = :refund_failure,
           adjustment_minor = :adjustment_minor, adjustment_reason = :adjustment_reason,
           fulfillment_order_id = :fulfillment_order_id, expires_at = :expires_at, decided_at = :decided_at,
           received_at = :received_at, closed_at = :closed_at, version = :version
     WHERE id = :id
    """
).bindparams(
    *_MOMENTS,
    *_JSONS,
    *(bindparam(name, type_=Uuid()) for name in ("id", "order_id", "location_id", "exchange_order_id")),
    bindparam("fulfillment_order_id", type_=Uuid()),
    bindparam("note", type_=Text()),
    bindparam("refund_failure", type_=Text()),
    bindparam("adjustment_reason", type_=Text()),
    bindparam("transaction_ids", type_=ARRAY(Uuid)),
)
_READY = "(put_off_until IS NULL OR put_off_until <= :now)"
_NOW = bindparam("now", type_=DateTime(timezone=True))
_UNJUDGED = text(
    f"""
    SELECT id FROM returns
     WHERE status = 'REQUESTED' AND verdict IS NULL AND created_at <= :before AND {_READY}
     ORDER BY created_at, id LIMIT :most
    """
).bindparams(bindparam("before", type_=DateTime(timezone=True)), _NOW)
# None for a repair: no money is decided on of those.
# Those that nobody decided on, those that all is given back of, and refusals that nobody was told of.
_UNSETTLED = text(
    f"""
    SELECT r.id FROM returns r
     WHERE r.status = 'INSPECTED' AND r.wish <> 'REPAIR' AND {_READY}
       AND (r.refund_verdict IS NULL
            OR cardinality(r.transaction_ids) > 0 AND r.refund_failure IS NULL
               AND NOT EXISTS (SELECT FROM payment_transactions t
                                WHERE t.id = ANY (r.transaction_ids)
                                  AND t.status IN ('REQUESTED', 'ACTION_REQUIRED')))
     ORDER BY r.created_at, r.id LIMIT :most
    """
).bindparams(_NOW)
# Not where the label is still missing: its customer could not send it.
_LATE = text(
    f"""
    SELECT r.id FROM returns r
     WHERE r.status = 'APPROVED' AND r.expires_at <= :now AND {_READY}
       AND NOT EXISTS (SELECT FROM return_parcels p
                        WHERE p.return_id = r.id AND p.source = 'LABEL'
                          AND p.label_state IN ('REQUESTED', 'FAILED'))
     ORDER BY r.expires_at, r.id LIMIT :most
    """
).bindparams(_NOW)
_PUT_OFF = text("UPDATE returns SET put_off_until = :until WHERE id = :id").bindparams(
    bindparam("id", type_=Uuid()), bindparam("until", type_=DateTime(timezone=True))
)


async def create(connection: AsyncConnection, found: Return, order: Order) -> str:
    """Insert a return of a locked order, one version on; returns the number it is given."""
    return str(
        await connection.scalar(
            _CREATE,
            {
                "id": found.id,
                "order_id": order.id,
                "order_version": order.version,
                "channel_id": order.channel_id,
                "status": found.status.value,
                "wish": found.wish.value,
                "created_at": found.created_at,
                "created_by": found.created_by,
                "email": found.email,
                "lines": json_text(found.lines),
            },
        )
    )


async def save(connection: AsyncConnection, before: Return, after: Return, order: Order) -> None:
    """Write a changed return of a locked order, which is one version on; its units that came are counted."""
    await connection.execute(
        _SAVE,
        {
            "id": after.id,
            "order_id": order.id,
            "order_version": order.version,
            "status": after.status.value,
            "location_id": after.location_id,
            "keeps_items": after.keeps_items,
            "verdict": after.verdict,
            "refund_verdict": after.refund_verdict,
            "note": after.note,
            "refund_minor": after.refund_minor,
            "shipping_refund_minor": after.shipping_refund_minor,
            "fee_minor": after.fee_minor,
            "transaction_ids": list(after.transaction_ids),
            "credit_minor": after.credit_minor,
            "bonus_minor": after.bonus_minor,
            "exchange_order_id": after.exchange_order_id,
            "fulfillment_order_id": after.fulfillment_order_id,
            "wish": after.wish.value,
            "refund_failure": after.refund_failure,
            "adjustment_minor": after.adjustment_minor,
            "adjustment_reason": after.adjustment_reason,
            "expires_at": after.expires_at,
            "decided_at": after.decided_at,
            "received_at": after.received_at,
            "closed_at": after.closed_at,
            "version": after.version,
            "lines": json_text(after.lines),
            "inspections": json_text([one for line in after.lines for one in line.inspections]),
            "brought": json_text(_brought(before, after)),
        },
    )


async def order_of(connection: AsyncConnection, return_id: UUID) -> UUID | None:
    """Return the order that a return is of."""
    found: UUID | None = await connection.scalar(_ORDER_OF, {"id": return_id})
    return found


async def by_ids(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Return]:
    """Return returns, by id."""
    rows = await connection.execute(_BY_IDS, {"ids": list(ids)})
    return {row.id: return_of(row) for row in rows}


async def of_orders(connection: AsyncConnection, order_ids: Sequence[UUID]) -> dict[UUID, list[Return]]:
    """Return the returns of many orders, the oldest first, by order."""
    found: dict[UUID, list[Return]] = {}
    for row in await connection.execute(_OF_ORDERS, {"ids": list(order_ids)}):
        found.setdefault(row.order_id, []).append(return_of(row))
    return found


async def of_exchanges(connection: AsyncConnection, order_ids: Sequence[UUID]) -> dict[UUID, Return]:
    """Return the returns that these orders replace what comes back of, by order."""
    rows = await connection.execute(_OF_EXCHANGES, {"ids": list(order_ids)})
    return {row.exchange_order_id: return_of(row) for row in rows}


async def unjudged(connection: AsyncConnection, before: datetime, now: datetime, most: int) -> list[UUID]:
    """Return returns that were asked for before a moment and not judged, the oldest first."""
    return list(await connection.scalars(_UNJUDGED, {"before": before, "now": now, "most": most}))


async def unsettled(connection: AsyncConnection, now: datetime, most: int) -> list[UUID]:
    """Return returns whose money can be decided on, or all of whose money has been given back."""
    return list(await connection.scalars(_UNSETTLED, {"now": now, "most": most}))


async def put_off(connection: AsyncConnection, return_id: UUID, until: datetime) -> None:
    """Let no job try again before a moment what went wrong with a return."""
    await connection.execute(_PUT_OFF, {"id": return_id, "until": until})


async def late(connection: AsyncConnection, now: datetime, most: int) -> list[UUID]:
    """Return approved returns of which nothing has come in time, nor was scanned by a carrier."""
    return list(await connection.scalars(_LATE, {"now": now, "most": most}))


def _brought(before: Return, after: Return) -> list[dict[str, Any]]:
    known = {line.id: _units(before, line) for line in before.lines}
    return [
        {"order_line_id": line.order_line_id, "units": units}
        for line in after.lines
        if (units := _units(after, line) - known.get(line.id, 0))
    ]


def _units(found: Return, line: ReturnLine) -> int:
    kept = found.keeps_items and found.status in {ReturnStatus.INSPECTED, ReturnStatus.CLOSED}
    return line.quantity if kept else line.quantity_taken


def return_of(row: Row[*tuple[Any, ...]]) -> Return:
    """Return the return that a row of `select` is."""
    return Return(
        row.id,
        row.number,
        row.order_id,
        ReturnStatus(row.status),
        ReturnWish(row.wish),
        tuple(_line(record) for record in row.lines or ()),
        row.created_at,
        row.created_by,
        row.email,
        row.location_id,
        row.keeps_items,
        row.verdict,
        row.refund_verdict,
        row.note,
        row.refund_minor,
        row.shipping_refund_minor,
        row.fee_minor,
        tuple(row.transaction_ids),
        row.credit_minor,
        row.bonus_minor,
        row.exchange_order_id,
        row.adjustment_minor,
        row.adjustment_reason,
        row.refund_failure,
        row.expires_at,
        row.decided_at,
        row.received_at,
        row.closed_at,
        row.version,
        row.surplus,
        row.owes_replacement,
        row.fulfillment_order_id,
    )


def _line(record: Sequence[Any]) -> ReturnLine:
    line_id, order_line_id, variant_id, sku, quantity, reason, condition, note, photos, received, *rest = (
        record
    )
    looks, outcome, refund_minor, exchange_variant_id = rest
    return ReturnLine(
        UUID(line_id),
        UUID(order_line_id),
        UUID(variant_id) if variant_id else None,
        sku,
        quantity,
        ReturnReason(reason),
        ReturnCondition(condition) if condition else None,
        note,
        tuple(photos),
        received,
        tuple(_inspection(UUID(line_id), look) for look in looks or ()),
        LineOutcome(outcome) if outcome else None,
        refund_minor,
        UUID(exchange_variant_id) if exchange_variant_id else None,
    )


def _inspection(line_id: UUID, record: Sequence[Any]) -> Inspection:
    look_id, quantity, disposition, grade, at, note = record
    return Inspection(
        UUID(look_id),
        line_id,
        quantity,
        Disposition(disposition),
        Grade(grade),
        datetime.fromisoformat(at),
        note,
    )
