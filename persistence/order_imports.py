"""SQL of imported orders: whole batches by COPY, in the transaction of the import."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from asyncpg import Connection
from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.order_imports import ImportedOrder
from domain.orders import OrderFulfillmentStatus, OrderPaymentStatus, OrderStatus
from domain.payments import IMPORTED, PaymentStatus
from persistence.json_text import json_text

_HAVING = text(
    "SELECT number, external_source, external_id FROM orders WHERE number = ANY (:numbers)"
).bindparams(bindparam("numbers", type_=ARRAY(Text)))
_VARIANTS = text("SELECT sku, id, name FROM variants WHERE sku = ANY (:skus)").bindparams(
    bindparam("skus", type_=ARRAY(Text))
)
# Two imports at once would each find the other's orders missing. Numbers are SOURCE-ID, so only
# sources that agree up to the first hyphen can make the same ones.
_LOCK = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('order import ' || split_part(:source, '-', 1), 0))"
)

_ORDER_COLUMNS = [
    "id",
    "number",
    "channel_id",
    "status",
    "payment_status",
    "fulfillment_status",
    "version",
    "email",
    "currency",
    "shipping_address",
    "subtotal_minor",
    "shipping_minor",
    "tax_minor",
    "discount_minor",
    "total_minor",
    "reason",
    "imported",
    "external_source",
    "external_id",
    "placed_at",
    "closed_at",
]
_LINE_COLUMNS = [
    "id",
    "order_id",
    "variant_id",
    "sku",
    "name",
    "quantity",
    "unit_price_minor",
    "total_minor",
    "quantity_shipped",
    "position",
]
_PAYMENT_COLUMNS = [
    "id",
    "order_id",
    "provider",
    "method",
    "status",
    "currency",
    "amount_minor",
    "authorized_minor",
    "captured_minor",
    "created_at",
]
_EVENT_COLUMNS = [
    "kind",
    "aggregate",
    "aggregate_id",
    "version",
    "channel_id",
    "payload",
    "actor",
    "occurred_at",
]


async def lock_source(connection: AsyncConnection, source: str) -> None:
    """Let one import of a source run at a time; the others wait for it to end."""
    await connection.execute(_LOCK, {"source": source})


async def having_numbers(
    connection: AsyncConnection, numbers: Sequence[str]
) -> dict[str, tuple[str | None, str | None]]:
    """Return source and id elsewhere of the orders that have these numbers already, by number."""
    rows = await connection.execute(_HAVING, {"numbers": list(numbers)})
    return {row.number: (row.external_source, row.external_id) for row in rows}


async def variants_of(connection: AsyncConnection, skus: Iterable[str]) -> dict[str, tuple[UUID, str]]:
    """Return id and name of the variants that the catalogue has, by SKU."""
    rows = await connection.execute(_VARIANTS, {"skus": list(skus)})
    return {row.sku: (row.id, row.name) for row in rows}


async def save(
    connection: AsyncConnection,
    source: str,
    orders: Sequence[tuple[UUID, ImportedOrder]],
    variants: dict[str, tuple[UUID, str]],
    events: Iterable[Event],
    actor: str,
) -> None:
    """Write a batch of orders with their lines and payments, and the events that tell of them."""
    raw = await connection.get_raw_connection()
    driver = cast("Connection[Any]", raw.driver_connection)
    await _copy(driver, "orders", _ORDER_COLUMNS, (_order(source, *one) for one in orders))
    lines = (row for order_id, order in orders for row in _lines(order_id, order, variants))
    await _copy(driver, "order_lines", _LINE_COLUMNS, lines)
    await _copy(driver, "payments", _PAYMENT_COLUMNS, (_payment(*one) for one in orders))
    await _copy(driver, "event_outbox", _EVENT_COLUMNS, (_event(event, actor) for event in events))


async def _copy(
    driver: "Connection[Any]", table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    await driver.copy_records_to_table(table, columns=columns, records=rows)


def _order(source: str, order_id: UUID, order: ImportedOrder) -> tuple[Any, ...]:
    done = order.status is OrderStatus.COMPLETED
    ended: datetime = order.canceled_at or order.placed_at
    return (
        order_id,
        order.number_from(source),
        order.channel.id,
        order.status.value,
        (OrderPaymentStatus.PAID if done else OrderPaymentStatus.VOIDED).value,
        (OrderFulfillmentStatus.FULFILLED if done else OrderFulfillmentStatus.UNFULFILLED).value,
        1 if done else 2,
        order.email,
        order.channel.currency,
        json_text(order.shipping_address.to_json()),
        order.subtotal_minor,
        order.shipping_minor,
        order.tax_minor,
        order.discount_minor,
        order.total_minor,
        order.reason,
        True,
        source,
        order.external_id,
        order.placed_at,
        ended,
    )


def _lines(
    order_id: UUID, order: ImportedOrder, variants: dict[str, tuple[UUID, str]]
) -> Iterable[tuple[Any, ...]]:
    done = order.status is OrderStatus.COMPLETED
    for position, line in enumerate(order.lines):
        variant_id, name = variants.get(line.sku, (None, line.sku))
        yield (
            new_id(),
            order_id,
            variant_id,
            line.sku,
            line.name or name,
            line.quantity,
            line.unit_price_minor,
            line.quantity * line.unit_price_minor,
            line.quantity if done else 0,
            position,
        )


def _payment(order_id: UUID, order: ImportedOrder) -> tuple[Any, ...]:
    done = order.status is OrderStatus.COMPLETED
    paid = order.total_minor if done else 0
    status = PaymentStatus.CAPTURED if done else PaymentStatus.VOIDED
    return (
        new_id(),
        order_id,
        IMPORTED,
        "recorded",
        status.value,
        order.channel.currency,
        order.total_minor,
        paid,
        paid,
        order.placed_at,
    )


def _event(event: Event, actor: str) -> tuple[Any, ...]:
    return (
        event.kind,
        event.aggregate,
        event.aggregate_id,
        event.version,
        event.channel_id,
        json_text(dict(event.payload)),
        actor,
        event.occurred_at,
    )
