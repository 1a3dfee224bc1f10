"""SQL of shipments: lock all that decides at once, write all that was decided at once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Row, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.channels import CapturePolicy
from domain.fulfillment import FulfillmentOrder
from domain.orders import Order, OrderLine
from domain.shipment_changes import LockedFulfillment
from domain.shipments import Shipment
from persistence.json_text import json_text
from persistence.order_parts import PARTS_SQL, parts
from persistence.orders import ORDER_COLUMNS, RETURN_REFUND, order_of

_COLUMNS = f"""
    {ORDER_COLUMNS}, {PARTS_SQL},
    (SELECT jsonb_agg(jsonb_build_array(l.id, l.variant_id, l.sku, l.name, l.quantity,
                l.unit_price_minor, l.position, l.quantity_shipped, l.quantity_returned,
                l.discount_minor, l.tax_minor) ORDER BY l.position)
       FROM order_lines l WHERE l.order_id = o.id) AS lines,
    (SELECT h.capture_policy FROM channels h WHERE h.id = o.channel_id) AS capture_policy
"""
_READ = text(f"SELECT {_COLUMNS} FROM orders o WHERE o.id = :id").bindparams(bindparam("id", type_=Uuid()))
# As with orders: subqueries are as of the statement's start, so a row waited for is read again.
_LOCK = text(
    f"""
    SELECT {_COLUMNS}, (SELECT k.version FROM orders k WHERE k.id = o.id) AS seen_version
      FROM orders o
     WHERE o.id = coalesce(:order_id,
                           (SELECT f.order_id FROM fulfillment_orders f WHERE f.id = :part_id),
                           (SELECT s.order_id FROM shipments s WHERE s.id = :shipment_id))
       FOR NO KEY UPDATE OF o
    """
).bindparams(*(bindparam(name, type_=Uuid()) for name in ("order_id", "part_id", "shipment_id")))
_SAVE = text(
    """
    WITH part AS (
        UPDATE fulfillment_orders f SET status = u.status, work = u.work, version = u.version
          FROM jsonb_to_recordset(CAST(:parts AS jsonb)) AS u (id uuid, status text, work text, version int)
         WHERE f.id = u.id
    ), part_line AS (
        UPDATE fulfillment_order_lines l SET quantity_shipped = u.quantity_shipped
          FROM jsonb_to_recordset(CAST(:part_lines AS jsonb)) AS u (id uuid, quantity_shipped int)
         WHERE l.id = u.id AND l.quantity_shipped <> u.quantity_shipped
    ), sold AS (
        UPDATE order_lines l SET quantity_shipped = u.quantity_shipped
          FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS u (id uuid, quantity_shipped int)
         WHERE l.id = u.id AND l.quantity_shipped <> u.quantity_shipped
    ), parcel AS (
        INSERT INTO shipments (id, order_id, fulfillment_order_id, status, carrier, service,
               tracking_number, tracking_url, shipped_at, location_id, provider, provider_reference,
               label_state, weight_grams, length_mm, width_mm, height_mm, box, promised_from,
               promised_until, version, created_at, delivered_at)
        SELECT id, :id, fulfillment_order_id, status, carrier, service, tracking_number, tracking_url,
               shipped_at, location_id, provider, provider_reference, label_state, weight_grams, length_mm,
               width_mm, height_mm, box, promised_from, promised_until, version, :now, delivered_at
          FROM jsonb_to_recordset(CAST(:parcels AS jsonb)) AS s (id uuid, fulfillment_order_id uuid,
               status text, carrier text, service text, tracking_number text, tracking_url text,
               shipped_at timestamptz, location_id uuid, provider text, provider_reference text,
               label_state text, weight_grams int, length_mm int, width_mm int, height_mm int, box text,
               promised_from timestamptz, promised_until timestamptz, version int,
               delivered_at timestamptz)
        ON CONFLICT (id) DO UPDATE SET status = excluded.status, carrier = excluded.carrier,
               service = excluded.service, tracking_number = excluded.tracking_number,
               tracking_url = excluded.tracking_url, shipped_at = excluded.shipped_at,
               delivered_at = excluded.delivered_at,
               label_state = excluded.label_state, provider_reference = excluded.provider_reference,
               version = excluded.version
    ), parcel_line AS (
        INSERT INTO shipment_lines (shipment_id, order_line_id, sku, quantity)
        SELECT shipment_id, order_line_id, sku, quantity
          FROM jsonb_to_recordset(CAST(:parcel_lines AS jsonb)) AS l (shipment_id uuid,
               order_line_id uuid, sku text, quantity int)
        ON CONFLICT DO NOTHING
    )
    UPDATE orders SET status = :status, fulfillment_status = :fulfillment_status, version = :version,
           closed_at = :closed_at
     WHERE id = :id
    """
).bindparams(
    bindparam("id", type_=Uuid()),
    *(bindparam(name, type_=DateTime(timezone=True)) for name in ("now", "closed_at")),
)

# As `domain/orders.is_complete` has it.
_COMPLETABLE = text(
    f"""
    SELECT o.id FROM orders o
     WHERE o.status = 'OPEN' AND o.fulfillment_status IN ('FULFILLED', 'DELIVERED') AND NOT o.imported
       AND o.total_minor <= (SELECT coalesce(sum(p.captured_minor), 0)
                                    - greatest(0, least(o.edited_back_minor, coalesce(sum(p.refunded_minor
                                            + p.refunding_minor + p.credited_minor + p.charged_back_minor), 0)
                                            - {RETURN_REFUND} - o.gifts_minor))
                               FROM payments p
                              WHERE p.order_id = o.id AND p.status NOT IN ('VOIDED', 'FAILED'))
     ORDER BY o.id LIMIT :most
    """
)


async def read(connection: AsyncConnection, order_id: UUID) -> LockedFulfillment | None:
    """Return what `lock` does, without a lock: to tell what could be done, not to do it."""
    row = (await connection.execute(_READ, {"id": order_id})).first()
    return _locked(row) if row else None


async def lock(
    connection: AsyncConnection,
    *,
    order_id: UUID | None = None,
    fulfillment_order_id: UUID | None = None,
    shipment_id: UUID | None = None,
) -> LockedFulfillment | None:
    """Lock an order, named by itself or one of its parts or parcels; None when there is none."""
    values = {"order_id": order_id, "part_id": fulfillment_order_id, "shipment_id": shipment_id}
    while True:
        row = (await connection.execute(_LOCK, values)).first()
        if row is None or row.version == row.seen_version:
            return _locked(row) if row else None


async def save(
    connection: AsyncConnection,
    order: Order,
    *,
    parts: Sequence[FulfillmentOrder] = (),
    lines: Sequence[OrderLine] = (),
    shipments: Sequence[Shipment] = (),
    now: datetime,
) -> None:
    """Write a locked order's statuses, with changed parts, lines sent, and new or changed parcels."""
    await connection.execute(
        _SAVE,
        {
            "id": order.id,
            "status": order.status.value,
            "fulfillment_status": order.fulfillment_status.value,
            "version": order.version,
            "closed_at": order.closed_at,
            "now": now,
            "parts": json_text(
                [
                    {"id": one.id, "status": one.status, "work": one.work, "version": one.version}
                    for one in parts
                ]
            ),
            "part_lines": json_text([_sent(line.id, line) for one in parts for line in one.lines]),
            "lines": json_text([_sent(line.id, line) for line in lines]),
            "parcels": json_text([_parcel_values(one) for one in shipments]),
            "parcel_lines": json_text(
                [
                    {
                        "shipment_id": one.id,
                        "order_line_id": line.order_line_id,
                        "sku": line.sku,
                        "quantity": line.quantity,
                    }
                    for one in shipments
                    for line in one.lines
                ]
            ),
        },
    )


async def completable(connection: AsyncConnection, most: int) -> list[UUID]:
    """Return open orders of which all has left and is paid for, the oldest first."""
    return [row.id for row in await connection.execute(_COMPLETABLE, {"most": most})]


def _sent(line_id: UUID, line: Any) -> dict[str, Any]:
    return {"id": line_id, "quantity_shipped": line.quantity_shipped}


def _parcel_values(shipment: Shipment) -> dict[str, Any]:
    return {
        "id": shipment.id,
        "fulfillment_order_id": shipment.fulfillment_order_id,
        "status": shipment.status,
        "carrier": shipment.carrier,
        "service": shipment.service,
        "tracking_number": shipment.tracking_number,
        "tracking_url": shipment.tracking_url,
        "shipped_at": shipment.shipped_at,
        "delivered_at": shipment.delivered_at,
        "location_id": shipment.location_id,
        "provider": shipment.provider,
        "provider_reference": shipment.provider_reference,
        "label_state": shipment.label_state,
        "weight_grams": shipment.size.weight_grams,
        "length_mm": shipment.size.length_mm,
        "width_mm": shipment.size.width_mm,
        "height_mm": shipment.size.height_mm,
        "box": shipment.box,
        "promised_from": shipment.promised_from,
        "promised_until": shipment.promised_until,
        "version": shipment.version,
    }


def _locked(row: Row[*tuple[Any, ...]]) -> LockedFulfillment:
    found = parts(row)
    return LockedFulfillment(
        order_of(row),
        tuple(_line(record) for record in row.lines or ()),
        found.fulfillment_orders,
        found.shipments,
        found.payments,
        CapturePolicy(row.capture_policy),
    )


def _line(record: Sequence[Any]) -> OrderLine:
    line_id, variant_id, *facts = record
    return OrderLine(UUID(line_id), UUID(variant_id) if variant_id else None, *facts)
