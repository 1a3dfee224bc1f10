"""SQL of what belongs to orders: lines, fulfillment orders, shipments and payments, in few statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, Uuid, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.fulfillment import (
    DeliveryMethod,
    FulfillmentHold,
    FulfillmentOrder,
    FulfillmentOrderLine,
    FulfillmentOrderStatus,
    FulfillmentWork,
    HoldKind,
)
from domain.orders import OrderLine
from domain.payments import Payment, PaymentStatus
from domain.shipments import LabelState, ParcelSize, Shipment, ShipmentLine, ShipmentStatus
from persistence.tables.orders import order_lines

_LINES = (
    select(
        order_lines.c.order_id,
        order_lines.c.id,
        order_lines.c.variant_id,
        order_lines.c.sku,
        order_lines.c.name,
        order_lines.c.quantity,
        order_lines.c.unit_price_minor,
        order_lines.c.position,
        order_lines.c.quantity_shipped,
        order_lines.c.quantity_returned,
        order_lines.c.discount_minor,
        order_lines.c.tax_minor,
    )
    .where(order_lines.c.order_id == bindparam("ids", type_=ARRAY(Uuid)).any_())
    .order_by(order_lines.c.order_id, order_lines.c.position)
)

PART_SQL = """
    jsonb_build_array(f.id, f.location_id, f.status,
        (SELECT jsonb_agg(jsonb_build_array(l.id, l.order_line_id, l.variant_id, l.sku, l.quantity,
                                            l.quantity_shipped, l.quantity_short) ORDER BY l.id)
           FROM fulfillment_order_lines l WHERE l.fulfillment_order_id = f.id),
        (SELECT jsonb_agg(jsonb_build_array(h.id, h.kind, h.of_review, h.code, h.note, h.created_by,
                                            h.created_at) ORDER BY h.created_at, h.id)
           FROM order_holds h WHERE h.fulfillment_order_id = f.id AND h.released_at IS NULL),
        f.delivery_method, f.work, f.scheduled_for, f.promised_from, f.promised_until, f.version)
"""
"""The record of a fulfillment order `f` that `part_of` reads."""

PARTS_SQL = f"""
    (SELECT jsonb_agg({PART_SQL} ORDER BY f.id)
       FROM fulfillment_orders f WHERE f.order_id = o.id) AS fulfillment_orders,
    (SELECT jsonb_agg(jsonb_build_array(s.id, s.status, s.carrier, s.service, s.tracking_number,
                s.tracking_url, s.shipped_at, s.delivered_at,
                (SELECT jsonb_agg(jsonb_build_array(l.sku, l.quantity, l.order_line_id)
                                  ORDER BY l.sku, l.order_line_id)
                   FROM shipment_lines l WHERE l.shipment_id = s.id),
                s.fulfillment_order_id, s.location_id, s.provider, s.provider_reference, s.label_state,
                jsonb_build_array(s.weight_grams, s.length_mm, s.width_mm, s.height_mm), s.box,
                s.promised_from, s.promised_until, s.estimated_at, s.token_generation, s.version,
                s.position, s.told_at, s.late_told_for)
                ORDER BY s.id)
       FROM shipments s WHERE s.order_id = o.id) AS shipments,
    (SELECT jsonb_agg(jsonb_build_array(p.id, p.provider, p.method, p.status, p.currency, p.amount_minor,
                p.authorized_minor, p.captured_minor, p.refunded_minor, p.provider_reference,
                p.capturing_minor, p.voiding_minor, p.refunding_minor, p.charged_back_minor, p.expires_at,
                p.buyer_reference, p.due_at, p.credited_minor)
                ORDER BY p.id)
       FROM payments p WHERE p.order_id = o.id) AS payments
"""
"""Columns that gather the parts of the order row aliased `o`."""

_PARTS = text(f"SELECT o.id, {PARTS_SQL} FROM orders o WHERE o.id = ANY (:ids)").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)
_ORDER_OF_FULFILLMENT_ORDER = text("SELECT order_id FROM fulfillment_orders WHERE id = :id")
_ORDER_OF_SHIPMENT = text("SELECT order_id FROM shipments WHERE id = :id")

_ORDERS_OF_SHIPMENTS = text("SELECT id, order_id FROM shipments WHERE id = ANY (:ids)").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)


@dataclass(frozen=True, slots=True)
class OrderParts:
    """What belongs to an order besides its lines."""

    fulfillment_orders: tuple[FulfillmentOrder, ...] = ()
    shipments: tuple[Shipment, ...] = ()
    payments: tuple[Payment, ...] = ()


async def lines_of(connection: AsyncConnection, order_ids: Sequence[UUID]) -> dict[UUID, list[OrderLine]]:
    """Return the lines of many orders, in their order, by order."""
    found: dict[UUID, list[OrderLine]] = {}
    for order_id, *line in await connection.execute(_LINES, {"ids": list(order_ids)}):
        found.setdefault(order_id, []).append(OrderLine(*line))
    return found


async def parts_of(connection: AsyncConnection, order_ids: Sequence[UUID]) -> dict[UUID, OrderParts]:
    """Return fulfillment orders, shipments and payments of many orders, by order."""
    return {row.id: parts(row) for row in await connection.execute(_PARTS, {"ids": list(order_ids)})}


async def order_of_fulfillment_order(connection: AsyncConnection, fulfillment_order_id: UUID) -> UUID | None:
    """Return the order that a fulfillment order belongs to."""
    found: UUID | None = await connection.scalar(_ORDER_OF_FULFILLMENT_ORDER, {"id": fulfillment_order_id})
    return found


async def order_of_shipment(connection: AsyncConnection, shipment_id: UUID) -> UUID | None:
    """Return the order that a shipment belongs to."""
    found: UUID | None = await connection.scalar(_ORDER_OF_SHIPMENT, {"id": shipment_id})
    return found


async def orders_of_shipments(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return the orders that shipments belong to, by shipment."""
    rows = await connection.execute(_ORDERS_OF_SHIPMENTS, {"ids": list(ids)})
    return {row.id: row.order_id for row in rows}


def parts(row: Row[*tuple[Any, ...]]) -> OrderParts:
    """Return the parts in a row selected with PARTS_SQL."""
    return OrderParts(
        tuple(part_of(row.id, record) for record in row.fulfillment_orders or ()),
        tuple(_shipment(row.id, record) for record in row.shipments or ()),
        tuple(_payment(row.id, record) for record in row.payments or ()),
    )


def part_of(order_id: UUID, record: Sequence[Any]) -> FulfillmentOrder:
    """Return the fulfillment order of a record selected with PART_SQL."""
    part_id, location_id, status, lines, holds, method, work, *moments, version = record
    return FulfillmentOrder(
        UUID(part_id),
        order_id,
        UUID(location_id),
        FulfillmentOrderStatus(status),
        tuple(
            FulfillmentOrderLine(UUID(line_id), UUID(order_line_id), UUID(variant_id), sku, *counts)
            for line_id, order_line_id, variant_id, sku, *counts in lines or ()
        ),
        tuple(_hold(hold) for hold in holds or ()),
        DeliveryMethod(method),
        FulfillmentWork(work),
        *_moments(moments),
        version,
    )


def _hold(record: Sequence[Any]) -> FulfillmentHold:
    hold_id, kind, of_review, code, note, created_by, created_at = record
    return FulfillmentHold(
        UUID(hold_id),
        HoldKind(kind),
        of_review,
        code,
        note,
        created_by,
        datetime.fromisoformat(created_at),
    )


def _shipment(order_id: UUID, record: Sequence[Any]) -> Shipment:
    shipment_id, status, carrier, service, number, url, shipped_at, delivered_at, lines = record[:9]
    part_id, location_id, provider, reference, label, size, box, *promised = record[9:19]
    generation, version, position, told_at, late_told_for = record[19:]
    return Shipment(
        UUID(shipment_id),
        order_id,
        ShipmentStatus(status),
        carrier,
        service,
        number,
        url,
        _moment(shipped_at),
        _moment(delivered_at),
        tuple(ShipmentLine(sku, quantity, UUID(line_id)) for sku, quantity, line_id in lines or ()),
        UUID(part_id) if part_id else None,
        UUID(location_id) if location_id else None,
        provider,
        reference,
        LabelState(label),
        ParcelSize(*size),
        box,
        *_moments(promised),
        generation,
        version,
        position,
        _moment(told_at),
        _moment(late_told_for),
    )


def _moments(told: Sequence[str | None]) -> tuple[datetime | None, datetime | None, datetime | None]:
    first, second, third = told
    return _moment(first), _moment(second), _moment(third)


def _moment(told: str | None) -> datetime | None:
    return datetime.fromisoformat(told) if told else None


def _payment(order_id: UUID, record: Sequence[Any]) -> Payment:
    payment_id, provider, method, status, currency, amount, authorized, captured, refunded = record[:9]
    reference, capturing, voiding, refunding, charged_back, expires_at, buyer, due_at, credited = record[9:]
    return Payment(
        UUID(payment_id),
        provider,
        method,
        PaymentStatus(status),
        currency,
        amount,
        authorized,
        captured,
        refunded,
        order_id,
        reference,
        capturing,
        voiding,
        refunding,
        charged_back,
        _moment(expires_at),
        buyer,
        _moment(due_at),
        credited,
    )
