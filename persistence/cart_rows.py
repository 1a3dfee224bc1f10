"""From what the statements of carts return to dataclasses.

Lines, variants and rates come packed as one JSON array each: a cart of 1,500 lines is one row.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from domain.addresses import Address
from domain.carts import Cart, CartLine, CartStatus, Offer
from domain.catalog import Box, Variant
from domain.channels import Channel
from domain.shipping import DeliveryRate
from persistence.pricing import rules_of

RATES_OF_CHANNEL = """
       (SELECT json_agg(json_build_array(
                   r.id, r.carrier, r.service, r.price_minor, r.countries, r.min_weight_grams,
                   r.max_weight_grams, r.min_value_minor, r.max_value_minor, r.min_days, r.max_days)
                   ORDER BY r.position, r.price_minor, r.id)
          FROM delivery_rates r WHERE r.channel_id = ch.id AND r.archived_at IS NULL) AS rates"""
"""The rate table of a channel `ch`."""


def cart_of(row: Row[*tuple[Any, ...]]) -> Cart:
    """Return the cart of a row that the loading statement read."""
    return Cart(
        id=row.id,
        channel=Channel(row.channel_id, row.slug, row.name, row.currency, row.channel_version),
        channel_archived=row.channel_archived,
        status=CartStatus(row.status),
        version=row.version,
        token_generation=row.token_generation,
        created_at=row.created_at,
        active_at=row.active_at,
        email=row.email,
        locale=row.locale,
        lines=tuple(_line(record) for record in row.lines or ()),
        shipping_address=_address(row.shipping_address),
        billing_address=_address(row.billing_address),
        delivery_rate_id=row.delivery_rate_id,
        delivery_price_minor=row.delivery_price_minor,
        order_id=row.order_id,
        holds_stock=row.holds_stock,
        rates=rates_of(row.rates),
        rules=rules_of(row),
        priced_at=row.read_at,
    )


def _line(record: list[Any]) -> CartLine:
    line_id, quantity, price, position, offered, held, expires, fixed, *variant = record
    return CartLine(
        UUID(line_id),
        _variant(variant),
        quantity,
        price,
        position,
        offered,
        held or 0,
        datetime.fromisoformat(expires) if expires else None,
        fixed,
    )


def offer_of(record: list[Any]) -> Offer:
    """Return a variant and its price."""
    price, *variant = record
    return Offer(_variant(variant), price)


def _variant(record: list[Any]) -> Variant:
    # In the order of persistence.catalog.VARIANT_COLUMNS.
    (
        one,
        product,
        sku,
        name,
        barcode,
        weight,
        length,
        width,
        height,
        position,
        version,
        archived_at,
        tax_class,
    ) = record
    box = None if length is None else Box(length, width, height)
    archived = archived_at is not None
    return Variant(
        UUID(one), UUID(product), sku, name, barcode, weight, box, position, version, archived, tax_class
    )


def rates_of(packed: list[list[Any]] | None) -> tuple[DeliveryRate, ...]:
    """Return a channel's rate table, as RATES_OF_CHANNEL packed it."""
    return tuple(
        DeliveryRate(UUID(one), carrier, service, price, frozenset(countries) if countries else None, *bands)
        for one, carrier, service, price, countries, *bands in packed or ()
    )


def _address(stored: dict[str, Any] | None) -> Address | None:
    return Address.from_json(stored) if stored else None
