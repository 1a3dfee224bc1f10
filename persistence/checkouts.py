"""SQL of the till: a cart with all that is decided on as it is ordered, locked and read in one statement."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.addresses import Address
from domain.approvals import RuleKind, has_kind
from domain.carts import CartStatus
from domain.catalog import Box
from domain.channels import CapturePolicy
from domain.checkouts import Checkout, CheckoutLine
from domain.orders import OrderStatus
from persistence import checkout_risk, delivery_rules
from persistence.pickups import goes_to_sql, place_of, place_sql
from persistence.pricing import rules_of, rules_sql

_RULES = rules_sql("h", "c.email", cart="c.id", address=goes_to_sql("c"), quote="c.tax_quote")
_DELIVERY = f"{delivery_rules.rules_sql('h', 'c')},{place_sql('c')}"
# A row that another transaction had locked is read anew after the wait, but the subqueries are as
# of the statement's start: `seen_version` tells, and then the statement is run again.
_LOAD = text(
    f"""
    SELECT c.id, c.channel_id, c.status, c.version, c.token_generation, c.currency, c.email,
           c.customer_id, c.customer_group, c.shipping_address, c.billing_address,
           h.review_from_minor, h.capture_policy, h.archived_at IS NOT NULL AS channel_archived,
           h.payment_terms_days, c.delivery_quote_id, c.delivery_price_minor,
           d.id AS draft_id, d.status AS draft_status, d.version AS draft_version,
           (SELECT {delivery_rules.RATE_JSON} FROM delivery_rates r
             WHERE r.id = c.delivery_rate_id AND r.archived_at IS NULL) AS rate,{_DELIVERY},
           EXISTS (SELECT FROM cart_stored_values a WHERE a.cart_id = c.id) AS has_stored_values,
           (SELECT k.version FROM carts k WHERE k.id = c.id) AS seen_version,{checkout_risk.RISK_SQL},
           {_RULES},
           (SELECT jsonb_agg(jsonb_build_array(
                       l.id, l.variant_id, v.sku,
                       CASE WHEN v.name IN ('', p.name) THEN p.name ELSE p.name || ', ' || v.name END,
                       l.quantity, l.unit_price_minor, l.position, coalesce(v.weight_grams, 0),
                       v.archived_at IS NULL AND s.variant_id IS NOT NULL, coalesce(o.held, 0),
                       extract(epoch FROM o.expires_at), v.tax_class, v.length_mm, v.width_mm,
                       v.height_mm) ORDER BY l.position, l.id)
              FROM cart_lines l
              JOIN variants v ON v.id = l.variant_id
              JOIN products p ON p.id = v.product_id
              LEFT JOIN prices s ON s.variant_id = l.variant_id AND s.channel_id = c.channel_id
              LEFT JOIN (SELECT cart_line_id, sum(quantity) AS held, min(expires_at) AS expires_at
                           FROM holds WHERE cart_id = :cart_id AND status = 'HELD'
                          GROUP BY cart_line_id) o ON o.cart_line_id = l.id
             WHERE l.cart_id = c.id) AS lines
      FROM carts c
      JOIN channels h ON h.id = c.channel_id
      LEFT JOIN orders d ON d.id = c.order_id
     WHERE c.id = :cart_id
       FOR NO KEY UPDATE OF c
    """
).bindparams(*checkout_risk.RISK_PARAMETERS)


async def lock(
    connection: AsyncConnection, cart_id: UUID, *, now: datetime, client_number: int | None = None
) -> Checkout | None:
    """Lock a cart and return it as it goes through the till; None when there is none.

    Where rules count orders, no other cart of the same shopper passes until the transaction ends;
    `client_number` stands for the address it is ordered from, if the cart has none yet.
    """
    values = {"cart_id": cart_id, "now": now, "client_number": client_number}
    while True:
        row = (await connection.execute(_LOAD, values)).first()
        if row is None or row.version == row.seen_version:
            return _checkout(row) if row else None


def _checkout(row: Row[*tuple[Any, ...]]) -> Checkout:
    rules = checkout_risk.rules_of(row)
    pickup = place_of(row.pickup)
    return Checkout(
        cart_id=row.id,
        channel_id=row.channel_id,
        channel_archived=row.channel_archived,
        status=CartStatus(row.status),
        version=row.version,
        token_generation=row.token_generation,
        currency=row.currency,
        email=row.email,
        customer_id=row.customer_id,
        customer_group=row.customer_group,
        shipping_address=pickup.destination if pickup else _address(row.shipping_address),
        billing_address=_address(row.billing_address),
        delivery=delivery_rules.rate_of(row.rate) if row.rate else None,
        delivery_rules=delivery_rules.rules_of(row),
        delivery_quote_id=row.delivery_quote_id,
        delivery_price_minor=row.delivery_price_minor,
        review_from_minor=row.review_from_minor,
        capture_policy=CapturePolicy(row.capture_policy),
        lines=_lines(row.lines or ()),
        rules=rules_of(row),
        order_id=row.draft_id,
        order_status=OrderStatus(row.draft_status) if row.draft_id else None,
        order_version=row.draft_version or 0,
        approval_rules=rules,
        history=checkout_risk.history_of(row),
        # Not kept of anybody where nothing is counted by it.
        client_number=row.client_number if has_kind(rules, RuleKind.VELOCITY) else None,
        hold_unpaid=row.hold_unpaid,
        payment_terms_days=row.payment_terms_days,
        has_stored_values=row.has_stored_values,
        pickup=pickup,
    )


def _lines(records: Sequence[Sequence[Any]]) -> tuple[CheckoutLine, ...]:
    return tuple(
        CheckoutLine(
            UUID(line_id),
            UUID(variant_id),
            sku,
            name,
            quantity,
            unit_price_minor,
            position,
            weight_grams,
            sold,
            held,
            datetime.fromtimestamp(expires, UTC) if expires is not None else None,
            tax_class,
            None if length is None else Box(length, width, height),
        )
        for (
            line_id,
            variant_id,
            sku,
            name,
            quantity,
            unit_price_minor,
            position,
            weight_grams,
            sold,
            held,
            expires,
            tax_class,
            length,
            width,
            height,
        ) in records
    )


def _address(record: dict[str, Any] | None) -> Address | None:
    return Address.from_json(record) if record else None
