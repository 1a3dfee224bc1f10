"""SQL of placing an order: the cart at the till, the payment's intent, and the order in one statement."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.carts import TRANSITIONS, CartStatus
from domain.checkouts import Checkout
from domain.order_placement import Allocation, Placement
from domain.payments import TRANSACTION_TRANSITIONS, Payment, TransactionStatus
from domain.routing_problem import RoutingFacts
from persistence import order_adjustments
from persistence.discount_uses import USED
from persistence.json_text import json_text
from persistence.order_reviews import placing
from persistence.payments import WITHOUT_SECRETS
from persistence.routing import (
    DECISIONS_SQL,
    FACTS_PARAMETERS,
    FACTS_SQL,
    decision_values,
    facts_of,
    facts_values,
)
from persistence.status_changes import changes_to

_CART_ID = bindparam("cart_id", type_=Uuid())
_NOW = bindparam("now", type_=DateTime(timezone=True))
_MINOR = bindparam("amount_minor", type_=BigInteger())
_CLIENT = bindparam("client_number", type_=BigInteger())

_START = text(
    """
    WITH cart AS (
        UPDATE carts SET status = 'CHECKOUT', version = version + 1, active_at = :now, abandoned_at = NULL,
               address_number = coalesce(address_number, :client_number)
         WHERE id = :cart_id
    ), payment AS (
        INSERT INTO payments (id, cart_id, provider, method, status, currency, amount_minor, placement,
                              provider_reference, created_at, buyer_reference)
        VALUES (:payment_id, :cart_id, :provider, :method, 'PENDING', :currency, :amount_minor,
                CAST(:placement AS jsonb), :reference, :now, :buyer_reference)
    )
    INSERT INTO payment_transactions (id, payment_id, kind, status, amount_minor, requested_at,
                                      next_attempt_at)
    VALUES (:transaction_id, :payment_id, 'AUTHORIZATION', 'REQUESTED', :amount_minor, :now,
            :next_attempt_at)
    """
).bindparams(
    _CART_ID,
    _NOW,
    _MINOR,
    _CLIENT,
    *(bindparam(name, type_=Text()) for name in ("reference", "buyer_reference")),
)
# The subquery locks the cart, then the transaction, before the function is called for the one row.
_MAY_COMPLETE = changes_to(CartStatus.COMPLETED, TRANSITIONS, CartStatus.CHECKOUT)
_MAY_SUCCEED = changes_to(
    TransactionStatus.SUCCEEDED,
    TRANSACTION_TRANSITIONS,
    TransactionStatus.REQUESTED,
    TransactionStatus.ACTION_REQUIRED,
)
_CLAIM_AND_COMMIT = text(
    f"""
    SELECT c.line, c.variant, c.location, c.quantity,
           CASE WHEN row_number() OVER () = 1 THEN {FACTS_SQL} END AS facts
      FROM (SELECT k.id FROM carts k JOIN payment_transactions t ON t.id = :transaction_id
             WHERE k.id = :cart_id AND k.status {_MAY_COMPLETE} AND t.status {_MAY_SUCCEED}
               FOR NO KEY UPDATE) locked
      LEFT JOIN LATERAL stock_commit_holds(locked.id, :order_id, :actor, :now) c ON true
    """
).bindparams(_CART_ID, *FACTS_PARAMETERS)
# A draft becomes the order under its own number, one version on; whatever is not a draft is left.
_SAVE = text(
    f"""
    WITH cart AS (
        UPDATE carts SET status = 'COMPLETED', version = version + 1, order_id = :id, closed_at = :now
         WHERE id = :cart_id
        RETURNING version
    ), placed AS (
        INSERT INTO orders (id, number, channel_id, cart_id, customer_id, status, payment_status,
               fulfillment_status, email, client_number, currency, shipping_address, billing_address,
               delivery, subtotal_minor, shipping_minor, tax_minor, discount_minor, total_minor, placed_at,
               tax_included, locale)
        VALUES (:id, coalesce((SELECT o.number FROM orders o WHERE o.id = :id),
                              nextval('order_numbers')::text), :channel_id, :cart_id, :customer_id, :status,
               :payment_status, :fulfillment_status, :email, :client_number, :currency,
               CAST(:shipping_address AS jsonb),
               CAST(:billing_address AS jsonb), CAST(:delivery AS jsonb), :subtotal_minor, :shipping_minor,
               :tax_minor, :discount_minor, :total_minor, :now,
               :tax_included, (SELECT k.locale FROM carts k WHERE k.id = :cart_id))
        ON CONFLICT (id) DO UPDATE
           SET status = excluded.status, payment_status = excluded.payment_status,
               fulfillment_status = excluded.fulfillment_status, email = excluded.email,
               client_number = excluded.client_number,
               customer_id = excluded.customer_id, shipping_address = excluded.shipping_address,
               billing_address = excluded.billing_address, delivery = excluded.delivery,
               subtotal_minor = excluded.subtotal_minor, shipping_minor = excluded.shipping_minor,
               tax_minor = excluded.tax_minor, discount_minor = excluded.discount_minor,
               total_minor = excluded.total_minor, tax_included = excluded.tax_included,
               locale = excluded.locale, placed = true,
               placed_at = excluded.placed_at,
               version = orders.version + 1
         WHERE orders.status = 'DRAFT'
        RETURNING number, version, drafted_at, note
    ), drafted AS (
        DELETE FROM order_lines WHERE order_id = :id
    ), lines AS (
        INSERT INTO order_lines (id, order_id, variant_id, sku, name, quantity, unit_price_minor,
               total_minor, position, discount_minor, tax_minor)
        SELECT id, :id, variant_id, sku, name, quantity, unit_price_minor, quantity * unit_price_minor,
               position, discount_minor, tax_minor
          FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS l (id uuid, variant_id uuid, sku text,
               name text, quantity int, unit_price_minor bigint, position int, discount_minor bigint,
               tax_minor bigint)
    ), adjustments AS (
        INSERT INTO order_adjustments (order_id, position, order_line_id, kind, source_id, label, code,
               percent, amount_minor)
        SELECT :id, position, order_line_id, kind, source_id, label, code, parts_per_million / 10000.0,
               amount_minor
          FROM jsonb_to_recordset(CAST(:adjustments AS jsonb)) AS a (position int, order_line_id uuid,
               kind text, source_id uuid, label text, code text, parts_per_million int, amount_minor bigint)
    ), {USED}, routing AS ({DECISIONS_SQL}), parts AS (
        INSERT INTO fulfillment_orders (id, order_id, location_id, status, delivery_method, created_at,
               promised_from, promised_until, routing_decision_id)
        SELECT id, :id, location_id, status, delivery_method, :now, promised_from, promised_until,
               routing_decision_id
          FROM jsonb_to_recordset(CAST(:parts AS jsonb)) AS f (id uuid, location_id uuid, status text,
               delivery_method text, promised_from timestamptz, promised_until timestamptz,
               routing_decision_id uuid)
    ), part_lines AS (
        INSERT INTO fulfillment_order_lines (id, fulfillment_order_id, order_line_id, variant_id, sku,
               quantity)
        SELECT id, fulfillment_order_id, order_line_id, variant_id, sku, quantity
          FROM jsonb_to_recordset(CAST(:part_lines AS jsonb)) AS f (id uuid, fulfillment_order_id uuid,
               order_line_id uuid, variant_id uuid, sku text, quantity int)
    ), review AS (
        INSERT INTO order_reviews (order_id, decision, reasons, state, due_at, created_at)
        SELECT :id, decision, reasons, state, due_at, :now
          FROM jsonb_to_recordset(CAST(:reviews AS jsonb)) AS r (decision text, reasons jsonb, state text,
               due_at timestamptz)
    ), part_holds AS (
        INSERT INTO order_holds (id, order_id, fulfillment_order_id, kind, of_review, code, created_by,
               created_at)
        SELECT id, :id, fulfillment_order_id, kind, of_review, code, created_by, :now
          FROM jsonb_to_recordset(CAST(:holds AS jsonb)) AS h (id uuid, fulfillment_order_id uuid,
               kind text, of_review boolean, code text, created_by text)
    ), paid AS (
        UPDATE payments SET order_id = :id, status = :paid_status, authorized_minor = :authorized_minor,
               provider_reference = :reference, expires_at = :expires_at, due_at = :due_at,
               version = version + 1,
               placement = {WITHOUT_SECRETS}
         WHERE id = :payment_id
    ), tendered AS (
        UPDATE payments SET order_id = :id, version = version + 1 WHERE id = ANY (:tender_ids)
    ), settled AS (
        UPDATE payment_transactions SET status = 'SUCCEEDED', settled_at = :now,
               amount_minor = :authorized_minor, provider_reference = :reference
         WHERE id = :transaction_id
    )
    SELECT placed.*, cart.version AS cart_version FROM placed, cart
    """
).bindparams(
    _CART_ID,
    _NOW,
    _CLIENT,
    bindparam("id", type_=Uuid()),
    bindparam("reference", type_=Text()),
    bindparam("authorized_minor", type_=BigInteger()),
    bindparam("expires_at", type_=DateTime(timezone=True)),
    bindparam("due_at", type_=DateTime(timezone=True)),
    bindparam("tender_ids", type_=ARRAY(Uuid)),
)


@dataclass(frozen=True, slots=True)
class Saved:
    """What the database gave an order when it was written."""

    number: str
    cart_version: int
    version: int
    drafted_at: datetime | None
    note: str | None


async def start(
    connection: AsyncConnection,
    checkout: Checkout,
    payment: Payment,
    transaction_id: UUID,
    *,
    placement: dict[str, Any],
    now: datetime,
    next_attempt_at: datetime,
) -> None:
    """Write the intent to authorize `payment`, and move the locked cart to CHECKOUT."""
    await connection.execute(
        _START,
        {
            "cart_id": checkout.cart_id,
            "payment_id": payment.id,
            "transaction_id": transaction_id,
            "provider": payment.provider,
            "method": payment.method,
            "currency": payment.currency,
            "amount_minor": payment.amount_minor,
            "placement": json_text(placement),
            "client_number": checkout.client_number,
            "reference": payment.reference,
            "buyer_reference": payment.buyer_reference,
            "now": now,
            "next_attempt_at": next_attempt_at,
        },
    )


async def commit_stock(
    connection: AsyncConnection,
    checkout: Checkout,
    transaction_id: UUID,
    order_id: UUID,
    *,
    actor: str,
    now: datetime,
) -> tuple[list[Allocation], RoutingFacts] | None:
    """Lock the cart and its open transaction, and commit what the cart holds to the order.

    Returns that, and what decides where it is sent from, as it was before. None when the transaction has
    been settled by somebody else: then nothing was changed.
    """
    address = checkout.shipping_address
    if address is None:
        raise ValueError("a checkout is checked to be ready before it is placed")
    values = {
        **facts_values(checkout.channel_id, [line.variant_id for line in checkout.lines], address, now),
        "cart_id": checkout.cart_id,
        "transaction_id": transaction_id,
        "order_id": order_id,
        "actor": actor,
    }
    rows = (await connection.execute(_CLAIM_AND_COMMIT, values)).all()
    if not rows:
        return None
    facts = next(facts_of(row.facts, address.country) for row in rows if row.facts is not None)
    return [Allocation(*row[:4]) for row in rows if row.line is not None], facts


async def save(
    connection: AsyncConnection,
    checkout: Checkout,
    placement: Placement,
    transaction_id: UUID,
    reference: str,
) -> Saved:
    """Write the order with its lines and fulfillment orders, complete the cart, settle the payment."""
    order, (payment, *tenders) = placement.order, placement.payments
    values = {
        "id": order.id,
        "cart_id": checkout.cart_id,
        "customer_id": checkout.customer_id,
        "channel_id": order.channel_id,
        "status": order.status.value,
        "payment_status": order.payment_status.value,
        "fulfillment_status": order.fulfillment_status.value,
        "email": order.email,
        "client_number": checkout.client_number,
        "currency": order.currency,
        "shipping_address": json_text(order.shipping_address.to_json()),
        "billing_address": json_text(order.billing_address.to_json()) if order.billing_address else None,
        "delivery": json_text(order.delivery) if order.delivery else None,
        "subtotal_minor": order.subtotal_minor,
        "shipping_minor": order.shipping_minor,
        "tax_minor": order.tax_minor,
        "discount_minor": order.discount_minor,
        "total_minor": order.total_minor,
        "tax_included": order.tax_included,
        "now": order.placed_at,
        "tender_ids": [tender.id for tender in tenders],
        "payment_id": payment.id,
        "paid_status": payment.status.value,
        "authorized_minor": payment.authorized_minor,
        "expires_at": payment.expires_at,
        "due_at": payment.due_at,
        "reference": reference,
        "transaction_id": transaction_id,
        **_children(placement),
        **placing(placement.review, placement.fulfillment_orders),
    }
    row = (await connection.execute(_SAVE, values)).one()
    return Saved(row.number, row.cart_version, row.version, row.drafted_at, row.note)


def _children(placement: Placement) -> dict[str, str]:
    return {
        "decisions": decision_values(*([placement.routing] if placement.routing else ())),
        "lines": json_text(placement.lines),
        "adjustments": json_text(
            [order_adjustments.record(position, one) for position, one in enumerate(placement.adjustments)]
        ),
        "parts": json_text(
            [
                {
                    "id": part.id,
                    "location_id": part.location_id,
                    "status": part.status,
                    "delivery_method": part.delivery_method,
                    "promised_from": part.promised_from,
                    "promised_until": part.promised_until,
                    "routing_decision_id": placement.routing.id if placement.routing else None,
                }
                for part in placement.fulfillment_orders
            ]
        ),
        "part_lines": json_text(
            [
                {
                    "id": line.id,
                    "fulfillment_order_id": part.id,
                    "order_line_id": line.order_line_id,
                    "variant_id": line.variant_id,
                    "sku": line.sku,
                    "quantity": line.quantity,
                }
                for part in placement.fulfillment_orders
                for line in part.lines
            ]
        ),
    }
