"""SQL of carts: a cart is read, or locked and read, with all that is decided on in one statement.

Locking and reading in one statement has a trap: where the lock had to be waited for, the cart's
own row is the newest, but the rows joined to it are as they were before the wait. Every change of
a cart, its lines or its holds raises the cart's version, so a version that moved meanwhile shows
that this happened, and the cart is read again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, Text, TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.addresses import Address
from domain.cart_details import Details
from domain.carts import Cart, CartLine, Offer
from domain.catalog import VariantRef
from domain.channels import Channel
from domain.delivery_options import DeliveryRules
from domain.discounts import Candidate
from domain.inventory import HoldPolicy
from domain.pricing import PricingRules
from domain.shipping import DeliveryRate
from domain.tax_quotes import KeptQuote
from persistence import delivery_rules
from persistence.cart_rows import cart_of, offer_of
from persistence.catalog import VARIANT_COLUMNS
from persistence.pickups import goes_to_sql, place_sql
from persistence.pricing import candidate_of, candidate_sql, rules_of, rules_sql

_RULES = rules_sql("ch", "c.email", cart="c.id", address=goes_to_sql("c"), quote="c.tax_quote")
_DELIVERY = f"{delivery_rules.RATES_OF_CHANNEL},{delivery_rules.rules_sql('ch', 'c')},{place_sql('c')}"


def _loading(cart: str, *, expiry: str = "h.expires_at", extra: str = "") -> TextClause:
    """Compose the one way a cart is read; `cart` selects its row, `expiry` says when a hold ends."""
    return text(
        f"""
WITH cart AS ({cart})
SELECT c.id, c.status, c.version, c.token_generation, c.created_at, c.active_at, c.email, c.locale,
       c.customer_group,
       c.shipping_address, c.billing_address, c.delivery_rate_id, c.delivery_quote_id,
       c.delivery_price_minor, c.order_id,
       c.holds_stock,
       seen.version AS seen_version, ch.id AS channel_id, ch.slug, ch.name, ch.currency,
       ch.version AS channel_version, ch.archived_at IS NOT NULL AS channel_archived,
       (SELECT json_agg(json_build_array(
                   l.id, l.quantity, l.unit_price_minor, l.position, p.amount_minor, h.held, h.expires,
                   l.price_fixed, {VARIANT_COLUMNS}) ORDER BY l.position)
          FROM cart_lines l JOIN variants v ON v.id = l.variant_id
          LEFT JOIN prices p ON p.variant_id = l.variant_id AND p.channel_id = ch.id
          LEFT JOIN (SELECT h.cart_line_id, sum(h.quantity) AS held, min({expiry}) AS expires
                       FROM holds h WHERE h.cart_id = c.id AND h.status = 'HELD'
                      GROUP BY h.cart_line_id) h ON h.cart_line_id = l.id
         WHERE l.cart_id = c.id) AS lines,{_DELIVERY},{_RULES}, now() AS read_at{extra}
  FROM cart c JOIN carts seen ON seen.id = c.id JOIN channels ch ON ch.id = c.channel_id"""
    )


# As stock_hold renews: never past the maximum, and never taking away what was given for a payment.
_RENEWED = "greatest(h.expires_at, least(:expires, h.held_at + :longest))"
_TOUCHED = """UPDATE carts SET version = version + 1, active_at = :now{changes}
              WHERE id = :id AND token_generation = :generation RETURNING *"""
# The cart's row is locked before its holds: `renewed` reads from `cart`.
_RENEW = f"""), renewed AS (
    UPDATE holds h SET expires_at = {_RENEWED} FROM cart c WHERE h.cart_id = c.id AND h.status = 'HELD'
"""
_FOUND = f""",
       (SELECT json_build_array(p.amount_minor, {VARIANT_COLUMNS})
          FROM variants v LEFT JOIN prices p ON p.variant_id = v.id AND p.channel_id = ch.id
         WHERE v.id = coalesce(CAST(:variant AS uuid), (SELECT id FROM variants WHERE sku = :sku))
       ) AS found"""
_DETAILS = """,
    email = CASE WHEN :sets_email THEN :email ELSE email END,
    locale = CASE WHEN :sets_locale THEN :locale ELSE locale END,
    shipping_address = CASE WHEN :sets_shipping THEN CAST(:shipping AS jsonb) ELSE shipping_address END,
    billing_address = CASE WHEN :sets_billing THEN CAST(:billing AS jsonb) ELSE billing_address END"""

# What staff ask for delivery is for the rate they chose.
_OWN_PRICE = """delivery_price_minor = CASE WHEN coalesce(delivery_rate_id, delivery_quote_id) = :rate
                                THEN delivery_price_minor END"""
# What is no rate is what a carrier quoted for the cart; whether there is such is seen from the quotes.
_CHOSEN = f"""delivery_rate_id = (SELECT id FROM delivery_rates WHERE id = :rate),
    delivery_quote_id = (SELECT CAST(:rate AS uuid)
                          WHERE NOT EXISTS (SELECT FROM delivery_rates WHERE id = :rate)), {_OWN_PRICE}"""
_RATE = f""",
    {_CHOSEN},
    pickup_location_id = NULL, pickup_contact = NULL"""
# Of the row as it was when the statement began.
_WAS_COLLECTED = """,
       (SELECT k.pickup_location_id IS NOT NULL FROM carts k WHERE k.id = c.id) AS was_collected"""

_READ = _loading("SELECT * FROM carts WHERE id = ANY (:ids)")
_READ_AGAIN = _loading("SELECT * FROM carts WHERE id = :id" + _RENEW, expiry=_RENEWED)
_TOUCH = _loading(_TOUCHED.format(changes=""), expiry=_RENEWED)
_TOUCH_AND_FIND = _loading(_TOUCHED.format(changes=""), expiry=_RENEWED, extra=_FOUND)
_TOUCH_WITH_DETAILS = _loading(_TOUCHED.format(changes=_DETAILS) + _RENEW, expiry=_RENEWED)
_FOUND_CODE = f""",
       (SELECT {candidate_sql("c.email")} FROM discounts d
         WHERE d.channel_id = ch.id AND lower(d.code) = lower(:code)) AS found"""
_TOUCH_WITH_CODE = _loading(_TOUCHED.format(changes="") + _RENEW, expiry=_RENEWED, extra=_FOUND_CODE)
_TOUCH_WITH_RATE = _loading(
    _TOUCHED.format(changes=_RATE) + _RENEW,
    expiry=_RENEWED,
    extra=_WAS_COLLECTED,
)
_OFFERS = text(
    f"""
SELECT ch.id, ch.slug, ch.name, ch.currency, ch.version,{delivery_rules.RATES_OF_CHANNEL},
       {delivery_rules.rules_sql("ch", None)},
       {rules_sql("ch", "CAST(:email AS text)", cart=None, address=None)},
       (SELECT json_agg(json_build_array(p.amount_minor, {VARIANT_COLUMNS}))
          FROM variants v LEFT JOIN prices p ON p.variant_id = v.id AND p.channel_id = ch.id
         WHERE v.id = ANY (:ids) OR v.sku = ANY (:skus)) AS offers
  FROM channels ch WHERE ch.slug = :slug AND ch.archived_at IS NULL"""
)
_SAVE_LINES = """
    INSERT INTO cart_lines (id, cart_id, variant_id, quantity, unit_price_minor, position)
    SELECT l.id, CAST(:cart AS uuid), l.variant, l.quantity, l.price, l.position
      FROM unnest(CAST(:lines AS uuid[]), CAST(:variants AS uuid[]), CAST(:quantities AS int[]),
                  CAST(:prices AS bigint[]), CAST(:positions AS int[]))
           AS l (id, variant, quantity, price, position)
    ON CONFLICT (cart_id, variant_id)
    DO UPDATE SET quantity = excluded.quantity, unit_price_minor = excluded.unit_price_minor"""
_SAVE = text(_SAVE_LINES)
_CREATE = text(
    """WITH cart AS (
    INSERT INTO carts (id, channel_id, status, version, token_generation, currency, email, locale,
                       address_number, created_at, active_at)
    VALUES (:cart, :channel, :status, :version, :generation, :currency, :email, :locale, :address_number,
            :now, :now))"""
    + _SAVE_LINES
)
_GENERATION = text("SELECT token_generation FROM carts WHERE id = :id")
_REMOVE_LINE = text("DELETE FROM cart_lines WHERE id = :id")
_KEEP_QUOTE = text("UPDATE carts SET tax_quote = CAST(:quote AS jsonb) WHERE id = :id")
_SET_GROUP = text("UPDATE carts SET customer_group = :group WHERE id = :id").bindparams(
    bindparam("group", type_=Text())
)
_SETTLE = text(
    f"""
    UPDATE carts SET status = :status, {_CHOSEN},
           abandoned_at = CASE WHEN :status = 'ABANDONED' THEN abandoned_at END
     WHERE id = :id
    """
)


@dataclass(frozen=True, slots=True)
class Touch:
    """A change of a cart by whoever holds its token: which cart, when, and how long holds last."""

    cart_id: UUID
    generation: int
    policy: HoldPolicy
    now: datetime

    def values(self, **more: object) -> dict[str, Any]:
        """Return the parameters every touching statement takes."""
        return {
            "id": self.cart_id,
            "generation": self.generation,
            "now": self.now,
            "expires": self.policy.expiry(self.now),
            "longest": self.policy.longest,
            **more,
        }


@dataclass(frozen=True, slots=True)
class Shelf:
    """A channel, its rate table, what it prices by, and the variants asked for as it offers them."""

    channel: Channel
    rates: tuple[DeliveryRate, ...]
    delivery_rules: DeliveryRules
    rules: PricingRules
    offers: dict[VariantRef, Offer]


async def load_by_id(connection: AsyncConnection, cart_id: UUID) -> Cart | None:
    """Return a cart as it is now, not locked."""
    return (await load_by_ids(connection, [cart_id])).get(cart_id)


async def load_by_ids(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Cart]:
    """Return carts by id, not locked."""
    return {row.id: cart_of(row) for row in await connection.execute(_READ, {"ids": list(ids)})}


async def generation(connection: AsyncConnection, cart_id: UUID) -> int | None:
    """Return the generation of token that a cart takes now, None when there is no such cart."""
    found: int | None = await connection.scalar(_GENERATION, {"id": cart_id})
    return found


async def touch(connection: AsyncConnection, change: Touch) -> Cart | None:
    """Lock a cart for a change of its lines: its version one higher; `hold` then renews its holds.

    The lines' `hold_expires_at` is when their holds end once renewed. None when the token names
    no cart.
    """
    return await _touched(connection, change, (await connection.execute(_TOUCH, change.values())).first())


async def touch_and_find(
    connection: AsyncConnection, change: Touch, ref: VariantRef
) -> tuple[Cart | None, Offer | None]:
    """Lock a cart like `touch`, and find a variant as its channel offers it."""
    values = change.values(variant=ref.id, sku=ref.sku)
    row = (await connection.execute(_TOUCH_AND_FIND, values)).first()
    offer = offer_of(row.found) if row is not None and row.found else None
    return await _touched(connection, change, row), offer


async def touch_with_details(connection: AsyncConnection, change: Touch, details: Details) -> Cart | None:
    """Lock a cart, set its details, renew its holds, and return it so."""
    values = change.values(
        sets_email="email" in details.names,
        email=details.email,
        sets_locale="locale" in details.names,
        locale=details.locale,
        sets_shipping="shippingAddress" in details.names,
        shipping=_address_json(details.shipping_address),
        sets_billing="billingAddress" in details.names,
        billing=_address_json(details.billing_address),
    )
    return await _touched(connection, change, (await connection.execute(_TOUCH_WITH_DETAILS, values)).first())


async def touch_with_rate(
    connection: AsyncConnection, change: Touch, rate_id: UUID
) -> tuple[Cart | None, bool]:
    """Lock a cart, set its delivery rate (still to be checked), renew its holds, and return it so.

    And whether it may have been collected before, so that its stock has to come from elsewhere now.
    """
    row = (await connection.execute(_TOUCH_WITH_RATE, change.values(rate=rate_id))).first()
    moves = row is not None and (row.was_collected or row.version != row.seen_version + 1)
    return await _touched(connection, change, row), moves


async def touch_and_find_code(
    connection: AsyncConnection, change: Touch, code: str
) -> tuple[Cart | None, Candidate | None]:
    """Lock a cart, renew its holds, and find the discount that its channel has under a code."""
    row = (await connection.execute(_TOUCH_WITH_CODE, change.values(code=code))).first()
    found = candidate_of(row.found) if row is not None and row.found else None
    return await _touched(connection, change, row), found


async def shelf(
    connection: AsyncConnection, slug: str, refs: Sequence[VariantRef], email: str | None = None
) -> Shelf | None:
    """Return a channel and what it offers of the variants named; None when there is no such channel.

    Discounts are as they are for who buys with this e-mail address.
    """
    values = {
        "email": email,
        "slug": slug,
        "ids": [ref.id for ref in refs if ref.id is not None],
        "skus": [ref.sku for ref in refs if ref.sku is not None],
    }
    row = (await connection.execute(_OFFERS, values)).first()
    if row is None:
        return None
    found = [offer_of(record) for record in row.offers or ()]
    by_ref = {VariantRef(id=offer.variant.id): offer for offer in found}
    by_ref |= {VariantRef(sku=offer.variant.sku): offer for offer in found}
    channel = Channel(row.id, row.slug, row.name, row.currency, row.version)
    rates, delivery = delivery_rules.rates_of(row.rates), delivery_rules.rules_of(row)
    return Shelf(channel, rates, delivery, rules_of(row), by_ref)


async def create(connection: AsyncConnection, cart: Cart, address_number: int | None = None) -> None:
    """Insert a cart with its lines; the number is kept to count what its address holds."""
    values = {
        "channel": cart.channel.id,
        "status": cart.status.value,
        "version": cart.version,
        "generation": cart.token_generation,
        "currency": cart.currency,
        "email": cart.email,
        "locale": cart.locale,
        "address_number": address_number,
        "now": cart.created_at,
    }
    await connection.execute(_CREATE, {**values, **_line_values(cart.id, cart.lines)})


async def save_lines(connection: AsyncConnection, cart_id: UUID, lines: Sequence[CartLine]) -> None:
    """Insert lines, or change those that are there."""
    await connection.execute(_SAVE, _line_values(cart_id, lines))


async def remove_line(connection: AsyncConnection, line_id: UUID) -> None:
    """Delete one line."""
    await connection.execute(_REMOVE_LINE, {"id": line_id})


async def settle(connection: AsyncConnection, cart: Cart) -> None:
    """Store the status and delivery rate that a change has led to."""
    values = {"id": cart.id, "status": cart.status.value, "rate": cart.delivery_rate_id}
    await connection.execute(_SETTLE, values)


async def set_customer_group(connection: AsyncConnection, cart_id: UUID, group: str | None) -> None:
    """Say of a cart that is locked which customer group buys."""
    await connection.execute(_SET_GROUP, {"id": cart_id, "group": group})


async def keep_tax_quote(connection: AsyncConnection, cart_id: UUID, quote: KeptQuote) -> None:
    """Store what the tax service has said of a cart that is locked."""
    await connection.execute(_KEEP_QUOTE, {"id": cart_id, "quote": orjson.dumps(quote.to_json()).decode()})


async def _touched(
    connection: AsyncConnection, change: Touch, row: Row[*tuple[Any, ...]] | None
) -> Cart | None:
    if row is None:
        return None
    if row.version != row.seen_version + 1:
        row = (await connection.execute(_READ_AGAIN, change.values())).one()
    return replace(cart_of(row), priced_at=change.now)


def _line_values(cart_id: UUID, lines: Sequence[CartLine]) -> dict[str, Any]:
    return {
        "cart": cart_id,
        "lines": [line.id for line in lines],
        "variants": [line.variant.id for line in lines],
        "quantities": [line.quantity for line in lines],
        "prices": [line.unit_price_minor for line in lines],
        "positions": [line.position for line in lines],
    }


def _address_json(address: Address | None) -> str | None:
    return None if address is None else orjson.dumps(address.to_json()).decode()
