"""SQL of changes to products, variants and prices: lock, save, archive."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalog import Price, Product, Variant, VariantRef
from domain.kernel.money import Money
from persistence.catalog import PRODUCT_COLUMNS, VARIANT_COLUMNS, product, variant

_LOCK_PRODUCT = text(
    f"SELECT {PRODUCT_COLUMNS} FROM products p WHERE p.id = :id AND p.archived_at IS NULL FOR NO KEY UPDATE"
)
_LOCK_VARIANT = text(
    f"""
    SELECT {VARIANT_COLUMNS} FROM variants v
     WHERE (v.id = :id OR v.sku = :sku) AND v.archived_at IS NULL FOR NO KEY UPDATE
    """
)
_SAVE_PRODUCT = text(
    "UPDATE products SET name = :name, description = :description, version = :version WHERE id = :id"
)
_ARCHIVE_PRODUCT = text("UPDATE products SET archived_at = :now, version = :version WHERE id = :id")
_ARCHIVE_VARIANT = text("UPDATE variants SET archived_at = :now, version = :version WHERE id = :id")
_ARCHIVE_VARIANTS_OF = text(
    """
    UPDATE variants SET archived_at = :now, version = version + 1
     WHERE product_id = :id AND archived_at IS NULL RETURNING sku
    """
)
_PLACES = text(
    """
    SELECT count(*) AS used, coalesce(max(position) + 1, 0) AS next FROM variants
     WHERE product_id = :id AND archived_at IS NULL
    """
)
_PRICE_OF = text(
    "SELECT amount_minor, currency FROM prices WHERE variant_id = :variant_id AND channel_id = :channel_id"
)
_SET_PRICE = text(
    """
    INSERT INTO prices (variant_id, channel_id, amount_minor, currency, changed_at)
    VALUES (:variant_id, :channel_id, :amount_minor, :currency, :now)
    ON CONFLICT (variant_id, channel_id) DO UPDATE
       SET amount_minor = excluded.amount_minor, currency = excluded.currency,
           changed_at = excluded.changed_at
    """
)
_REMOVE_PRICE = text("DELETE FROM prices WHERE variant_id = :variant_id AND channel_id = :channel_id")
_TOUCH_VARIANT = text("UPDATE variants SET version = :version WHERE id = :id")


async def lock_product(connection: AsyncConnection, product_id: UUID) -> Product | None:
    """Lock a product that is in use, so that nobody else changes it or its list of variants."""
    row = (await connection.execute(_LOCK_PRODUCT, {"id": product_id})).first()
    return None if row is None else product(row)


async def lock_variant(connection: AsyncConnection, ref: VariantRef) -> Variant | None:
    """Lock a variant that is in use, with its prices."""
    row = (await connection.execute(_LOCK_VARIANT, {"id": ref.id, "sku": ref.sku})).first()
    return None if row is None else variant(row)


async def save_product(connection: AsyncConnection, changed: Product) -> None:
    """Write a product that was locked before."""
    values = {
        "id": changed.id,
        "name": changed.name,
        "description": changed.description,
        "version": changed.version,
    }
    await connection.execute(_SAVE_PRODUCT, values)


async def archive_product(connection: AsyncConnection, gone: Product, now: datetime) -> list[str]:
    """Archive a product with its variants; returns their SKUs."""
    await connection.execute(_ARCHIVE_PRODUCT, {"id": gone.id, "version": gone.version, "now": now})
    skus = await connection.execute(_ARCHIVE_VARIANTS_OF, {"id": gone.id, "now": now})
    return sorted(row.sku for row in skus)


async def archive_variant(connection: AsyncConnection, gone: Variant, now: datetime) -> None:
    """Archive a variant that was locked before."""
    await connection.execute(_ARCHIVE_VARIANT, {"id": gone.id, "version": gone.version, "now": now})


async def variant_places(connection: AsyncConnection, product_id: UUID) -> tuple[int, int]:
    """Return how many variants a product has in use, and the position of the next one."""
    row = (await connection.execute(_PLACES, {"id": product_id})).one()
    return row.used, row.next


async def price_of(connection: AsyncConnection, variant_id: UUID, channel_id: UUID) -> Money | None:
    """Return a variant's price in a channel."""
    row = (await connection.execute(_PRICE_OF, {"variant_id": variant_id, "channel_id": channel_id})).first()
    return None if row is None else Money(row.amount_minor, row.currency)


async def set_price(connection: AsyncConnection, price: Price, version: int, now: datetime) -> None:
    """Write the price of a variant that was locked before, and the variant's version."""
    values: dict[str, Any] = {"variant_id": price.variant_id, "channel_id": price.channel_id, "now": now}
    values |= {"amount_minor": price.money.amount_minor, "currency": price.money.currency}
    await connection.execute(_SET_PRICE, values)
    await connection.execute(_TOUCH_VARIANT, {"id": price.variant_id, "version": version})


async def remove_price(connection: AsyncConnection, variant_id: UUID, channel_id: UUID, version: int) -> None:
    """Take a variant that was locked before out of a channel."""
    await connection.execute(_REMOVE_PRICE, {"variant_id": variant_id, "channel_id": channel_id})
    await connection.execute(_TOUCH_VARIANT, {"id": variant_id, "version": version})
