"""SQL of catalogue imports: what there is of many SKUs, and many rows written by one statement."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalog import Price, Product, Variant
from domain.catalog_import_plan import KnownProduct
from domain.kernel.money import Money
from persistence.catalog import (
    PRODUCT_COLUMNS,
    VARIANT_COLUMNS,
    price_record,
    product,
    variant,
    variant_record,
)
from persistence.catalog import create_variants as insert_variants
from persistence.json_text import json_text

T = TypeVar("T")

_CHUNK = 5_000
"""Rows a statement: enough to make round trips cheap, few enough to keep its parameter small."""

_VARIANTS = text(
    f"""
    SELECT {VARIANT_COLUMNS} FROM variants v WHERE v.sku = ANY (:skus) ORDER BY v.id FOR NO KEY UPDATE
    """
)
_PRODUCTS = text(
    f"""
    SELECT {PRODUCT_COLUMNS},
           (SELECT count(*) FROM variants v WHERE v.product_id = p.id AND v.archived_at IS NULL) AS used,
           (SELECT coalesce(max(position) + 1, 0) FROM variants v WHERE v.product_id = p.id) AS next
      FROM products p
     WHERE p.id IN (SELECT product_id FROM variants WHERE sku = ANY (:skus)
                     UNION SELECT id FROM products WHERE name = ANY (:names) AND archived_at IS NULL)
     ORDER BY p.id FOR NO KEY UPDATE
    """
)
_PRICES = text(
    """
    SELECT variant_id, channel_id, amount_minor, currency FROM prices
     WHERE variant_id = ANY (:variant_ids) AND channel_id = ANY (:channel_ids)
    """
)
_LEVELS = text(
    """
    SELECT variant_id, location_id, on_hand FROM stock_levels
     WHERE variant_id = ANY (:variant_ids) AND location_id = ANY (:location_ids)
     ORDER BY variant_id, location_id FOR NO KEY UPDATE
    """
)
_INSERT_PRODUCTS = text(
    """
    INSERT INTO products (id, name, description, created_at)
    SELECT id, name, description, :now
      FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (id uuid, name text, description text)
    """
)
_SAVE_PRODUCTS = text(
    """
    UPDATE products p SET name = r.name, description = r.description, version = r.version
      FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r
           (id uuid, name text, description text, version int)
     WHERE p.id = r.id
    """
)
_SAVE_VARIANTS = text(
    """
    UPDATE variants v
       SET name = r.name, barcode = r.barcode, weight_grams = r.weight_grams, length_mm = r.length_mm,
           width_mm = r.width_mm, height_mm = r.height_mm, version = r.version
      FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r
           (id uuid, name text, barcode text, weight_grams int, length_mm int, width_mm int,
            height_mm int, version int)
     WHERE v.id = r.id
    """
)
_SET_PRICES = text(
    """
    INSERT INTO prices (variant_id, channel_id, amount_minor, currency, changed_at)
    SELECT variant_id, channel_id, amount_minor, currency, :now
      FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r
           (variant_id uuid, channel_id uuid, amount_minor bigint, currency text)
    ON CONFLICT (variant_id, channel_id) DO UPDATE
       SET amount_minor = excluded.amount_minor, currency = excluded.currency,
           changed_at = excluded.changed_at
    """
)


async def lock_products(
    connection: AsyncConnection, skus: Sequence[str], names: Sequence[str]
) -> dict[UUID, KnownProduct]:
    """Lock and return the products of the SKUs that exist, and those called so, by id.

    Lock them before the variants.
    """
    found = await connection.execute(_PRODUCTS, {"skus": list(skus), "names": list(names)})
    return {row.id: KnownProduct(product(row), row.used, row.next) for row in found}


async def lock_variants(connection: AsyncConnection, skus: Sequence[str]) -> dict[str, Variant]:
    """Lock and return the variants that exist, archived ones too, by SKU."""
    return {row.sku: variant(row) for row in await connection.execute(_VARIANTS, {"skus": list(skus)})}


async def prices(
    connection: AsyncConnection, variant_ids: Sequence[UUID], channel_ids: Sequence[UUID]
) -> dict[tuple[UUID, UUID], Price]:
    """Return prices by variant and channel."""
    values = {"variant_ids": list(variant_ids), "channel_ids": list(channel_ids)}
    found = await connection.execute(_PRICES, values)
    return {
        (row.variant_id, row.channel_id): Price(
            row.variant_id, row.channel_id, Money(row.amount_minor, row.currency)
        )
        for row in found
    }


async def lock_levels(
    connection: AsyncConnection, variant_ids: Sequence[UUID], location_ids: Sequence[UUID]
) -> dict[tuple[UUID, UUID], int]:
    """Lock stock levels, in the order every change of stock locks them; returns units on hand."""
    values = {"variant_ids": list(variant_ids), "location_ids": list(location_ids)}
    found = await connection.execute(_LEVELS, values)
    return {(row.variant_id, row.location_id): row.on_hand for row in found}


async def create_products(connection: AsyncConnection, created: Sequence[Product], now: datetime) -> None:
    """Insert products."""
    for some in _chunks(created):
        await connection.execute(_INSERT_PRODUCTS, {"rows": _products(some), "now": now})


async def create_variants(
    connection: AsyncConnection, created: Sequence[Variant], now: datetime
) -> set[UUID]:
    """Insert variants; returns the ids of those whose SKU was free."""
    made: set[UUID] = set()
    for some in _chunks(created):
        made |= await insert_variants(connection, some, now)
    return made


async def save_products(connection: AsyncConnection, changed: Sequence[Product]) -> None:
    """Write products that were locked before."""
    for some in _chunks(changed):
        await connection.execute(_SAVE_PRODUCTS, {"rows": _products(some)})


async def save_variants(connection: AsyncConnection, changed: Sequence[Variant]) -> None:
    """Write variants that were locked before."""
    for some in _chunks(changed):
        rows = json_text([{**variant_record(one), "version": one.version} for one in some])
        await connection.execute(_SAVE_VARIANTS, {"rows": rows})


async def set_prices(connection: AsyncConnection, changed: Sequence[Price], now: datetime) -> None:
    """Write prices, new ones too."""
    for some in _chunks(changed):
        rows = json_text([price_record(price) for price in some])
        await connection.execute(_SET_PRICES, {"rows": rows, "now": now})


def _products(products: Sequence[Product]) -> str:
    listed: list[dict[str, Any]] = [
        {"id": one.id, "name": one.name, "description": one.description, "version": one.version}
        for one in products
    ]
    return json_text(listed)


def _chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK))
