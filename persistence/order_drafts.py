"""SQL of drafts: an order and the cart behind it, written together.

Whoever changes a draft locks its cart first, as a checkout does; the order's row follows.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.carts import TRANSITIONS, Cart, CartStatus
from domain.kernel.ids import new_id
from domain.orders import TRANSITIONS as ORDER_TRANSITIONS
from domain.orders import Order, OrderStatus
from persistence import carts, orders
from persistence.json_text import json_text
from persistence.orders import ORDER_COLUMNS, order_of
from persistence.status_changes import changes_to

_GIVEN = """
    given AS (
        SELECT * FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS l (id uuid, order_line_id uuid,
               variant_id uuid, quantity int, unit_price_minor bigint, position int, price_fixed boolean)
    )
"""
_ORDER_LINES = """
        INSERT INTO order_lines (id, order_id, variant_id, sku, name, quantity, unit_price_minor,
               total_minor, position)
        SELECT g.order_line_id, :id, g.variant_id, v.sku,
               CASE WHEN v.name IN ('', p.name) THEN p.name ELSE p.name || ', ' || v.name END,
               g.quantity, g.unit_price_minor, g.quantity * g.unit_price_minor, g.position
          FROM given g JOIN variants v ON v.id = g.variant_id JOIN products p ON p.id = v.product_id
"""
_CART_LINES = """
        INSERT INTO cart_lines (id, cart_id, variant_id, quantity, unit_price_minor, position, price_fixed)
        SELECT id, :cart_id, variant_id, quantity, unit_price_minor, position, price_fixed FROM given
"""
# The option chosen is a rate of the table, or what a carrier has quoted.
_RATE = "(SELECT r.id FROM delivery_rates r WHERE r.id = :rate_id)"
_QUOTE = "(SELECT :rate_id WHERE NOT EXISTS (SELECT FROM delivery_rates r WHERE r.id = :rate_id))"
_TYPES = (
    bindparam("id", type_=Uuid()),
    bindparam("cart_id", type_=Uuid()),
    bindparam("rate_id", type_=Uuid()),
    bindparam("delivery_price_minor", type_=BigInteger()),
    bindparam("email", type_=Text()),
    bindparam("note", type_=Text()),
    bindparam("now", type_=DateTime(timezone=True)),
)
_CREATE = text(
    f"""
    WITH {_GIVEN}, cart AS (
        INSERT INTO carts (id, channel_id, status, version, currency, email, shipping_address,
               billing_address, delivery_rate_id, delivery_quote_id, delivery_price_minor, order_id,
               holds_stock, created_at, active_at)
        VALUES (:cart_id, :channel_id, 'ACTIVE', 1, :currency, :email, CAST(:cart_address AS jsonb),
                CAST(:billing_address AS jsonb), {_RATE}, {_QUOTE}, :delivery_price_minor, :id,
                :holds_stock, :now, :now)
    ), cart_lines AS ({_CART_LINES}), order_lines AS ({_ORDER_LINES})
    INSERT INTO orders (id, number, channel_id, cart_id, status, payment_status, fulfillment_status, email,
           currency, shipping_address, billing_address, delivery, subtotal_minor, shipping_minor, tax_minor,
           discount_minor, total_minor, tax_included, placed, placed_at, drafted_at, note)
    VALUES (:id, nextval('order_numbers')::text, :channel_id, :cart_id, 'DRAFT', 'PENDING', 'UNFULFILLED',
            :email, :currency, CAST(:shipping_address AS jsonb), CAST(:billing_address AS jsonb),
            CAST(:delivery AS jsonb), :subtotal_minor, :shipping_minor, :tax_minor, :discount_minor,
            :total_minor, :tax_included, false, :now, :now, :note)
    RETURNING number
    """
).bindparams(*_TYPES)
_ORDER = """
    UPDATE orders SET version = :version, email = :email,
           shipping_address = CAST(:shipping_address AS jsonb),
           billing_address = CAST(:billing_address AS jsonb), delivery = CAST(:delivery AS jsonb),
           subtotal_minor = :subtotal_minor, shipping_minor = :shipping_minor, tax_minor = :tax_minor,
           discount_minor = :discount_minor, total_minor = :total_minor, tax_included = :tax_included,
           note = :note
     WHERE id = :id AND status = 'DRAFT'
"""
_SAVE = text(
    f"""
    WITH {_GIVEN}, cart AS (
        UPDATE carts SET version = :cart_version, active_at = :now, email = :email,
               shipping_address = CAST(:cart_address AS jsonb),
               billing_address = CAST(:billing_address AS jsonb), delivery_rate_id = {_RATE},
               delivery_quote_id = {_QUOTE},
               delivery_price_minor = :delivery_price_minor, holds_stock = :holds_stock,
               pickup_location_id = CASE WHEN :rate_id IS NULL THEN pickup_location_id END,
               pickup_contact = CASE WHEN :rate_id IS NULL THEN pickup_contact END
         WHERE id = :cart_id
    ), gone AS (
        DELETE FROM cart_lines
         WHERE cart_id = :cart_id AND variant_id NOT IN (SELECT variant_id FROM given)
    ), cart_lines AS (
        {_CART_LINES}
        ON CONFLICT (cart_id, variant_id)
        DO UPDATE SET quantity = excluded.quantity, unit_price_minor = excluded.unit_price_minor,
                      position = excluded.position, price_fixed = excluded.price_fixed
    ), order_lines_gone AS (
        DELETE FROM order_lines WHERE order_id = :id
    ), order_lines AS ({_ORDER_LINES})
    {_ORDER}
    """
).bindparams(*_TYPES)
_FOLLOW = text(_ORDER).bindparams(*(one for one in _TYPES if one.key in {"id", "email", "note"}))
_LOCK = text(
    """
    SELECT c.id FROM carts c WHERE c.id = (SELECT o.cart_id FROM orders o WHERE o.id = :id)
       FOR NO KEY UPDATE
    """
)
_FIND = text(
    f"""
    SELECT {ORDER_COLUMNS}, k.token_generation AS cart_generation
      FROM orders o LEFT JOIN carts k ON k.id = o.cart_id WHERE o.id = :id
    """
)
_CLOSABLE = changes_to(CartStatus.EXPIRED, TRANSITIONS, CartStatus.ACTIVE)
_CANCELABLE = changes_to(OrderStatus.CANCELED, ORDER_TRANSITIONS, OrderStatus.DRAFT)
_CANCEL = text(
    f"""
    WITH cart AS (
        UPDATE carts SET status = 'EXPIRED', version = :cart_version, closed_at = :now
         WHERE id = :cart_id AND status {_CLOSABLE}
    )
    UPDATE orders SET status = 'CANCELED', version = :version, reason = :reason, closed_at = :now
     WHERE id = :id AND status {_CANCELABLE}
    """
).bindparams(*(one for one in _TYPES if one.key in {"id", "cart_id", "now"}))


@dataclass(frozen=True, slots=True)
class Found:
    """An order, and the generation of token that its cart takes; None when it has no cart."""

    order: Order
    cart_generation: int | None


async def find(connection: AsyncConnection, order_id: UUID) -> Found | None:
    """Return an order as it is now, not locked."""
    row = (await connection.execute(_FIND, {"id": order_id})).first()
    return None if row is None else Found(order_of(row), row.cart_generation)


async def lock(connection: AsyncConnection, order_id: UUID) -> tuple[Order | None, Cart | None]:
    """Lock the cart behind an order; return both as they are then, None where there is none."""
    cart_id = await connection.scalar(_LOCK, {"id": order_id})
    # Read by statements of their own: they see what whoever had the lock has committed.
    order = (await orders.by_ids(connection, [order_id])).get(order_id)
    cart = None if cart_id is None else await carts.load_by_id(connection, cart_id)
    return order, cart


async def create(connection: AsyncConnection, order: Order, cart: Cart) -> str:
    """Insert a draft with its cart and the lines of both; returns its number."""
    values = {
        **_order_values(order),
        **_cart_values(cart, order.placed_at),
        "channel_id": order.channel_id,
        "currency": order.currency,
    }
    return str((await connection.execute(_CREATE, values)).scalar_one())


async def save(connection: AsyncConnection, order: Order, cart: Cart, now: datetime) -> None:
    """Write a draft and its cart, which is locked, with the lines of both."""
    values = {
        **_order_values(order),
        **_cart_values(cart, now),
        "version": order.version,
        "cart_version": cart.version,
    }
    await connection.execute(_SAVE, values)


async def follow(connection: AsyncConnection, order: Order) -> None:
    """Write what a draft shows of its locked cart, but for the lines."""
    await connection.execute(_FOLLOW, {**_order_values(order), "version": order.version})


async def cancel(connection: AsyncConnection, order: Order, cart: Cart, now: datetime) -> None:
    """Write a canceled draft, and close its locked cart."""
    values = {
        "id": order.id,
        "version": order.version,
        "reason": order.reason,
        "cart_id": cart.id,
        "cart_version": cart.version,
        "now": now,
    }
    await connection.execute(_CANCEL, values)


def _order_values(order: Order) -> dict[str, Any]:
    billing = order.billing_address
    return {
        "id": order.id,
        "email": order.email,
        "shipping_address": json_text(order.shipping_address.to_json()),
        "billing_address": json_text(billing.to_json()) if billing else None,
        "delivery": json_text(order.delivery) if order.delivery else None,
        "subtotal_minor": order.subtotal_minor,
        "shipping_minor": order.shipping_minor,
        "tax_minor": order.tax_minor,
        "discount_minor": order.discount_minor,
        "total_minor": order.total_minor,
        "tax_included": order.tax_included,
        "note": order.note,
    }


def _cart_values(cart: Cart, now: datetime) -> dict[str, Any]:
    shipping = cart.shipping_address
    lines = [
        {
            "id": line.id,
            "order_line_id": new_id(),
            "variant_id": line.variant.id,
            "quantity": line.quantity,
            "unit_price_minor": line.unit_price_minor,
            "position": line.position,
            "price_fixed": line.price_fixed,
        }
        for line in cart.lines
    ]
    return {
        "cart_id": cart.id,
        "cart_address": json_text(shipping.to_json()) if shipping else None,
        "rate_id": cart.delivery_rate_id,
        "delivery_price_minor": cart.delivery_price_minor,
        "holds_stock": cart.holds_stock,
        "lines": json_text(lines),
        "now": now,
    }
