"""SQL of products, variants and prices: rows in, dataclasses out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalog import Box, Price, Product, Variant, VariantRef
from domain.kernel.money import Money
from persistence.json_text import json_text

PRODUCT_COLUMNS = "p.id, p.name, p.description, p.version, p.archived_at"
VARIANT_COLUMNS = """
    v.id, v.product_id, v.sku, v.name, v.barcode, v.weight_grams, v.length_mm, v.width_mm,
    v.height_mm, v.position, v.version, v.archived_at, v.tax_class, v.supplier_id
"""
"""The columns of a variant `v`; carts pack them into JSON in this order."""
_INSERT_PRODUCT = text(
    "INSERT INTO products (id, name, description, created_at) VALUES (:id, :name, :description, :now)"
)
# One parameter however many rows, so that the statement is always the same text. A SKU that is
# taken is left out of what is returned, even when a concurrent transaction has just taken it.
_INSERT_VARIANTS = text(
    """
    INSERT INTO variants (id, product_id, sku, name, barcode, weight_grams, length_mm, width_mm,
                          height_mm, position, tax_class, supplier_id, created_at)
    SELECT id, product_id, sku, name, barcode, weight_grams, length_mm, width_mm, height_mm,
           position, tax_class, supplier_id, :now
      FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r
           (id uuid, product_id uuid, sku text, name text, barcode text, weight_grams int,
            length_mm int, width_mm int, height_mm int, position int, tax_class text, supplier_id uuid)
     ORDER BY sku
    ON CONFLICT (sku) DO NOTHING RETURNING id
    """
)
_SAVE_VARIANTS = text(
    """
    UPDATE variants v
       SET name = r.name, barcode = r.barcode, weight_grams = r.weight_grams, length_mm = r.length_mm,
           width_mm = r.width_mm, height_mm = r.height_mm, tax_class = r.tax_class,
           supplier_id = r.supplier_id, version = r.version
      FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r
           (id uuid, name text, barcode text, weight_grams int, length_mm int, width_mm int,
            height_mm int, tax_class text, supplier_id uuid, version int)
     WHERE v.id = r.id
    """
)
_INSERT_PRICES = text(
    """
    INSERT INTO prices (variant_id, channel_id, amount_minor, currency, changed_at)
    SELECT variant_id, channel_id, amount_minor, currency, :now
      FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r
           (variant_id uuid, channel_id uuid, amount_minor bigint, currency text)
    """
)
_PRODUCTS_BY_ID = text(f"SELECT {PRODUCT_COLUMNS} FROM products p WHERE p.id = ANY (:ids)")
_VARIANTS_BY_ID = text(f"SELECT {VARIANT_COLUMNS} FROM variants v WHERE v.id = ANY (:ids)")
_VARIANTS_BY_REF = text(
    f"SELECT {VARIANT_COLUMNS} FROM variants v WHERE v.id = ANY (:ids) UNION "
    f"SELECT {VARIANT_COLUMNS} FROM variants v WHERE v.sku = ANY (:skus)"
)
_PRICES_OF = text(
    """
    SELECT variant_id, amount_minor, currency FROM prices
     WHERE channel_id = :channel_id AND variant_id = ANY (:variant_ids)
    """
)
_VARIANTS_OF = text(
    f"""
    SELECT {VARIANT_COLUMNS} FROM variants v
     WHERE v.product_id = ANY (:ids) AND v.archived_at IS NULL ORDER BY v.product_id, v.position, v.sku
    """
)


async def create_product(connection: AsyncConnection, product: Product, now: datetime) -> None:
    """Insert a product, without its variants."""
    values = {"id": product.id, "name": product.name, "description": product.description, "now": now}
    await connection.execute(_INSERT_PRODUCT, values)


async def create_variants(
    connection: AsyncConnection, variants: Sequence[Variant], now: datetime
) -> set[UUID]:
    """Insert variants; returns the ids of those whose SKU was free."""
    values = {"rows": json_text([variant_record(variant) for variant in variants]), "now": now}
    return {row.id for row in await connection.execute(_INSERT_VARIANTS, values)}


async def save_variants(connection: AsyncConnection, changed: Sequence[Variant]) -> None:
    """Write variants that were locked before."""
    records = [{**variant_record(variant), "version": variant.version} for variant in changed]
    await connection.execute(_SAVE_VARIANTS, {"rows": json_text(records)})


async def create_prices(connection: AsyncConnection, prices: Sequence[Price], now: datetime) -> None:
    """Insert prices of variants that have none yet in those channels."""
    if prices:
        values = {"rows": json_text([price_record(price) for price in prices]), "now": now}
        await connection.execute(_INSERT_PRICES, values)


async def products_by_id(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Product]:
    """Return products by id, archived ones too (the caller decides who may see those)."""
    return {row.id: product(row) for row in await connection.execute(_PRODUCTS_BY_ID, {"ids": list(ids)})}


async def variants_by_id(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Variant]:
    """Return variants by id, archived ones too (old carts and stock name them)."""
    return {row.id: variant(row) for row in await connection.execute(_VARIANTS_BY_ID, {"ids": list(ids)})}


async def variants_by_ref(
    connection: AsyncConnection, refs: Sequence[VariantRef]
) -> dict[VariantRef, Variant]:
    """Return the variants that exist, by the reference that named them, archived ones too."""
    values = {
        "ids": [ref.id for ref in refs if ref.id is not None],
        "skus": [ref.sku for ref in refs if ref.sku is not None],
    }
    found = [variant(row) for row in await connection.execute(_VARIANTS_BY_REF, values)]
    known = {VariantRef(id=one.id): one for one in found} | {VariantRef(sku=one.sku): one for one in found}
    return {ref: known[ref] for ref in refs if ref in known}


async def variants_of(connection: AsyncConnection, product_ids: Sequence[UUID]) -> dict[UUID, list[Variant]]:
    """Return the variants of products that are not archived, in their order, by product."""
    found: dict[UUID, list[Variant]] = {product_id: [] for product_id in product_ids}
    for row in await connection.execute(_VARIANTS_OF, {"ids": list(product_ids)}):
        found[row.product_id].append(variant(row))
    return found


async def prices_of(
    connection: AsyncConnection, channel_id: UUID, variant_ids: Sequence[UUID]
) -> dict[UUID, Money]:
    """Return prices in one channel by variant; variants without a price there are left out."""
    values = {"channel_id": channel_id, "variant_ids": list(variant_ids)}
    found = await connection.execute(_PRICES_OF, values)
    return {row.variant_id: Money(row.amount_minor, row.currency) for row in found}


def product(row: Row[*tuple[Any, ...]]) -> Product:
    """Return the product of a row that has all its columns."""
    return Product(row.id, row.name, row.description, row.version, row.archived_at is not None)


def variant(row: Row[*tuple[Any, ...]]) -> Variant:
    """Return the variant of a row that has all its columns."""
    return Variant(
        id=row.id,
        product_id=row.product_id,
        sku=row.sku,
        name=row.name,
        barcode=row.barcode,
        weight_grams=row.weight_grams,
        box=None if row.length_mm is None else Box(row.length_mm, row.width_mm, row.height_mm),
        position=row.position,
        version=row.version,
        archived=row.archived_at is not None,
        tax_class=row.tax_class,
        supplier_id=row.supplier_id,
    )


def price_record(price: Price) -> dict[str, Any]:
    """Return a price as the JSON record the price statements take."""
    return {
        "variant_id": price.variant_id,
        "channel_id": price.channel_id,
        "amount_minor": price.money.amount_minor,
        "currency": price.money.currency,
    }


def variant_record(row: Variant) -> dict[str, Any]:
    """Return a variant as the JSON record the variant statements take."""
    return {
        "id": row.id,
        "product_id": row.product_id,
        "sku": row.sku,
        "name": row.name,
        "barcode": row.barcode,
        "weight_grams": row.weight_grams,
        "length_mm": row.box and row.box.length_mm,
        "width_mm": row.box and row.box.width_mm,
        "height_mm": row.box and row.box.height_mm,
        "position": row.position,
        "tax_class": row.tax_class,
        "supplier_id": row.supplier_id,
    }
