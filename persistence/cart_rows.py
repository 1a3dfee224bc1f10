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
from persistence import delivery_rules
from persistence.pickups import place_of
from persistence.pricing import rules_of


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
        customer_group=row.customer_group,
        lines=tuple(_line(record) for record in row.lines or ()),
        shipping_address=_address(row.shipping_address),
        billing_address=_address(row.billing_address),
        delivery_rate_id=row.delivery_rate_id or row.delivery_quote_id,
        delivery_price_minor=row.delivery_price_minor,
        order_id=row.order_id,
        holds_stock=row.holds_stock,
        rates=delivery_rules.rates_of(row.rates),
        delivery_rules=delivery_rules.rules_of(row),
        rules=rules_of(row),
        pickup=place_of(row.pickup),
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
        supplier,
    ) = record
    box = None if length is None else Box(length, width, height)
    archived = archived_at is not None
    return Variant(
        UUID(one),
        UUID(product),
        sku,
        name,
        barcode,
        weight,
        box,
        position,
        version,
        archived,
        tax_class,
        UUID(supplier) if supplier else None,
    )


def _address(stored: dict[str, Any] | None) -> Address | None:
    return Address.from_json(stored) if stored else None
