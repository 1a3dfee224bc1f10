"""SQL of exchanges: the order that replaces what comes back, and what pays for it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.fulfillment import FulfillmentOrder
from domain.orders import Order, OrderLine
from domain.payments import Payment
from persistence import order_holds
from persistence.json_text import json_text

_NOW = bindparam("now", type_=DateTime(timezone=True))
# Whose it is and where it goes are the first order's; what it costs is its own.
_CREATE = text(
    """
    WITH placed AS (
        INSERT INTO orders (id, number, channel_id, customer_id, status, payment_status, fulfillment_status,
               email, locale, currency, shipping_address, billing_address, delivery, subtotal_minor,
               shipping_minor, tax_minor, discount_minor, total_minor, tax_included, placed_at)
        SELECT :id, nextval('order_numbers')::text, o.channel_id, o.customer_id, :status, :payment_status,
               :fulfillment_status, o.email, o.locale, o.currency, o.shipping_address, o.billing_address,
               o.delivery, :subtotal_minor, 0, :tax_minor, :discount_minor, :total_minor, o.tax_included,
               :now
          FROM orders o WHERE o.id = :of_id
        RETURNING number
    ), lines AS (
        INSERT INTO order_lines (id, order_id, variant_id, sku, name, quantity, unit_price_minor,
               total_minor, position, discount_minor, tax_minor)
        SELECT id, :id, variant_id, sku, name, quantity, unit_price_minor, quantity * unit_price_minor,
               position, discount_minor, tax_minor
          FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS l (id uuid, variant_id uuid, sku text,
               name text, quantity int, unit_price_minor bigint, position int, discount_minor bigint,
               tax_minor bigint)
    ), parts AS (
        INSERT INTO fulfillment_orders (id, order_id, location_id, status, delivery_method, created_at)
        SELECT id, :id, location_id, status, delivery_method, :now
          FROM jsonb_to_recordset(CAST(:parts AS jsonb)) AS f (id uuid, location_id uuid, status text,
               delivery_method text)
    ), part_lines AS (
        INSERT INTO fulfillment_order_lines (id, fulfillment_order_id, order_line_id, variant_id, sku,
               quantity)
        SELECT id, part_id, order_line_id, variant_id, sku, quantity
          FROM jsonb_to_recordset(CAST(:part_lines AS jsonb)) AS f (id uuid, part_id uuid,
               order_line_id uuid, variant_id uuid, sku text, quantity int)
    ), held AS (
        INSERT INTO order_holds (id, order_id, fulfillment_order_id, kind, of_review, code, created_by,
               created_at)
        SELECT id, :id, fulfillment_order_id, kind, of_review, code, created_by, :now
          FROM jsonb_to_recordset(CAST(:holds AS jsonb)) AS h (id uuid, fulfillment_order_id uuid,
               kind text, of_review boolean, code text, created_by text)
    )
    SELECT number FROM placed
    """
).bindparams(_NOW, *(bindparam(name, type_=Uuid()) for name in ("id", "of_id")))
# Nothing is spent that is not there: the payment is as large as what the balance gives.
_SPEND = text(
    """
    WITH spent AS (
        UPDATE stored_values SET balance_minor = balance_minor - :amount_minor, version = version + 1
         WHERE id = :value_id AND balance_minor >= :amount_minor
        RETURNING id
    ), payment AS (
        INSERT INTO payments (id, order_id, provider, method, status, currency, amount_minor,
               authorized_minor, provider_reference, created_at)
        SELECT :id, :order_id, :provider, :method, 'AUTHORIZED', :currency, :amount_minor, :amount_minor,
               :reference, :now
          FROM spent
    ), request AS (
        INSERT INTO payment_transactions (id, payment_id, kind, status, amount_minor, requested_at,
               next_attempt_at, settled_at)
        SELECT :request_id, :id, 'AUTHORIZATION', 'SUCCEEDED', :amount_minor, :now, :now, :now FROM spent
    ), moved AS (
        INSERT INTO stored_value_movements (stored_value_id, kind, amount_minor, payment_id, actor,
               occurred_at)
        SELECT id, 'SPENT', -:amount_minor, :id, :actor, :now FROM spent
    )
    SELECT id FROM spent
    """
).bindparams(
    _NOW,
    bindparam("amount_minor", type_=BigInteger()),
    *(bindparam(name, type_=Uuid()) for name in ("id", "order_id", "value_id", "request_id")),
)


async def create(
    connection: AsyncConnection,
    of_id: UUID,
    order: Order,
    lines: Sequence[OrderLine],
    parts: Sequence[FulfillmentOrder],
) -> str:
    """Insert the order that replaces units of another, with its parts; returns the number it is given."""
    values = {
        "id": order.id,
        "of_id": of_id,
        "status": order.status.value,
        "payment_status": order.payment_status.value,
        "fulfillment_status": order.fulfillment_status.value,
        "subtotal_minor": order.subtotal_minor,
        "tax_minor": order.tax_minor,
        "discount_minor": order.discount_minor,
        "total_minor": order.total_minor,
        "now": order.placed_at,
        "lines": json_text(lines),
        "parts": json_text(
            [
                {
                    "id": part.id,
                    "location_id": part.location_id,
                    "status": part.status,
                    "delivery_method": part.delivery_method,
                }
                for part in parts
            ]
        ),
        "part_lines": json_text(
            [
                {
                    "id": line.id,
                    "part_id": part.id,
                    "order_line_id": line.order_line_id,
                    "variant_id": line.variant_id,
                    "sku": line.sku,
                    "quantity": line.quantity,
                }
                for part in parts
                for line in part.lines
            ]
        ),
        "holds": json_text(order_holds.records(parts)),
    }
    return str((await connection.execute(_CREATE, values)).scalar_one())


async def spend(
    connection: AsyncConnection,
    value_id: UUID,
    payment: Payment,
    request_id: UUID,
    *,
    actor: str,
    now: datetime,
) -> None:
    """Take a payment of a locked order from a balance; raises NoResultFound where less is on it."""
    values = {
        "value_id": value_id,
        "id": payment.id,
        "order_id": payment.order_id,
        "provider": payment.provider,
        "method": payment.method,
        "currency": payment.currency,
        "amount_minor": payment.amount_minor,
        "reference": payment.reference,
        "request_id": request_id,
        "actor": actor,
        "now": now,
    }
    (await connection.execute(_SPEND, values)).one()
