"""Use cases that change what is in the catalogue; each leaves an event and an audit entry."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from domain import catalog as decide
from domain.catalog import (
    Price,
    PriceDraft,
    Product,
    ProductChanges,
    Variant,
    VariantChanges,
    VariantDraft,
    VariantRef,
)
from domain.channels import Channel, is_slug
from domain.kernel.changes import KEEP, Keep, check_version
from domain.kernel.errors import InvalidInput, NotFound, under
from domain.kernel.events import Event
from domain.kernel.money import Amount
from domain.kernel.quantities import is_storable
from persistence import catalog, channels
from persistence import catalog_changes as rows
from services import audit, suppliers
from services.access import Permission, require
from services.catalog import insert_variants, named_channels, new_variant, sku_taken
from services.context import ServiceContext, Transaction


async def update_product(
    context: ServiceContext, product_id: UUID, changes: ProductChanges, expected_version: int | None = None
) -> Product:
    """Change a product; raises NotFound, VersionConflict, and InvalidInput naming the field."""
    require(context.actor, Permission.CATALOG_WRITE)
    async with context.transaction() as transaction:
        product = await _locked_product(transaction, product_id, expected_version, "id")
        changed = decide.change_product(product, changes)
        if changed is not product:
            await rows.save_product(transaction.connection, changed)
            await audit.record(transaction, "ProductUpdated", "product", product.id, product, changed)
            _tell(transaction, "ProductUpdated", product.id, changed.version, {"name": changed.name})
    return changed


async def archive_product(
    context: ServiceContext, product_id: UUID, expected_version: int | None = None
) -> Product:
    """Archive a product and its variants: no longer listed or sold; orders and stock keep them.

    Raises NotFound and VersionConflict.
    """
    require(context.actor, Permission.CATALOG_WRITE)
    async with context.transaction() as transaction:
        product = await _locked_product(transaction, product_id, expected_version, "id")
        gone = replace(product, archived=True, version=product.version + 1)
        skus = await rows.archive_product(transaction.connection, gone, transaction.now)
        await audit.record(transaction, "ProductArchived", "product", product.id, product, gone)
        _tell(transaction, "ProductArchived", product.id, gone.version, {"name": gone.name, "skus": skus})
    return gone


async def create_variant(context: ServiceContext, product_id: UUID, draft: VariantDraft) -> Variant:
    """Add a variant to a product; raises NotFound and InvalidInput naming the field."""
    require(context.actor, Permission.CATALOG_WRITE)
    async with context.transaction() as transaction:
        product = await _locked_product(transaction, product_id, None, "productId")
        used, position = await rows.variant_places(transaction.connection, product.id)
        if used >= decide.MAX_VARIANTS:
            raise InvalidInput(f"has {decide.MAX_VARIANTS} variants, the most there may be", "productId")
        with under("variant"):
            draft = decide.check_variant(draft, product.name)
            bought_from = await suppliers.in_use(transaction.connection, [draft.supplier_code])
            variant = new_variant(product, draft, position, suppliers.named(draft.supplier_code, bought_from))
            prices = decide.check_prices(draft.prices, await named_channels(transaction, [draft]), variant.id)
            if await insert_variants(transaction, [variant], prices) is not None:
                raise sku_taken(variant)
        await audit.record(transaction, "VariantCreated", "variant", variant.id, after=variant)
        _tell(transaction, "VariantCreated", variant.id, variant.version, {"sku": variant.sku})
    return variant


async def update_variant(
    context: ServiceContext,
    ref: VariantRef,
    changes: VariantChanges,
    expected_version: int | None = None,
    supplier_code: str | Keep | None = KEEP,
) -> Variant:
    """Change a variant, also whom it is bought from (None: nobody is named).

    Raises NotFound, VersionConflict, and InvalidInput naming the field.
    """
    require(context.actor, Permission.CATALOG_WRITE)
    async with context.transaction() as transaction:
        variant = await _locked_variant(transaction, ref, expected_version)
        if supplier_code is not KEEP:
            bought_from = await suppliers.in_use(transaction.connection, [supplier_code])
            changes = replace(changes, supplier_id=suppliers.named(supplier_code, bought_from))
        changed = decide.change_variant(variant, changes)
        if changed is not variant:
            await catalog.save_variants(transaction.connection, [changed])
            await audit.record(transaction, "VariantUpdated", "variant", variant.id, variant, changed)
            _tell(transaction, "VariantUpdated", variant.id, changed.version, {"sku": variant.sku})
    return changed


async def archive_variant(
    context: ServiceContext, ref: VariantRef, expected_version: int | None = None
) -> Variant:
    """Archive a variant: no longer listed or sold, its SKU stays taken; raises NotFound, VersionConflict."""
    require(context.actor, Permission.CATALOG_WRITE)
    async with context.transaction() as transaction:
        variant = await _locked_variant(transaction, ref, expected_version)
        gone = replace(variant, archived=True, version=variant.version + 1)
        await rows.archive_variant(transaction.connection, gone, transaction.now)
        await audit.record(transaction, "VariantArchived", "variant", variant.id, variant, gone)
        _tell(transaction, "VariantArchived", variant.id, gone.version, {"sku": variant.sku})
    return gone


async def set_price(
    context: ServiceContext,
    ref: VariantRef,
    channel_slug: str,
    amount: Amount | None,
    expected_version: int | None = None,
) -> tuple[Variant, Channel]:
    """Set a variant's price in a channel; None takes it out of the channel.

    Carts keep the price their line was added at. Raises NotFound, VersionConflict, and
    InvalidInput for an amount that is not one of the channel's currency.
    """
    require(context.actor, Permission.CATALOG_WRITE)
    async with context.transaction() as transaction:
        variant = await _locked_variant(transaction, ref, expected_version)
        connection = transaction.connection
        channel = await channels.by_slug(connection, channel_slug) if is_slug(channel_slug) else None
        if channel is None:
            raise NotFound("no channel has this slug", "channel")
        before = await _price(transaction, variant, channel)
        after = None
        if amount is not None:
            draft = PriceDraft(channel_slug, amount)
            after = decide.check_price(draft, {channel_slug: channel}, variant.id)
        if before == after:
            return variant, channel
        changed = replace(variant, version=variant.version + 1)
        if after is None:
            await rows.remove_price(connection, variant.id, channel.id, changed.version)
        else:
            await rows.set_price(connection, after, changed.version, transaction.now)
        await audit.record(transaction, "PriceChanged", "variant", variant.id, before, after)
        transaction.emit(price_changed(transaction, changed, channel, before, after))
    return changed, channel


async def _locked_product(
    transaction: Transaction, product_id: UUID, expected_version: int | None, path: str
) -> Product:
    product = await rows.lock_product(transaction.connection, product_id)
    if product is None:
        raise NotFound("no product has this id", path)
    check_version(product.version, expected_version)
    return product


async def _locked_variant(transaction: Transaction, ref: VariantRef, expected_version: int | None) -> Variant:
    variant = None
    if ref.sku is None or is_storable(ref.sku):
        variant = await rows.lock_variant(transaction.connection, ref)
    if variant is None:
        raise NotFound(f"there is no variant {str(ref)[:64]!r}", "variant")
    check_version(variant.version, expected_version)
    return variant


async def _price(transaction: Transaction, variant: Variant, channel: Channel) -> Price | None:
    money = await rows.price_of(transaction.connection, variant.id, channel.id)
    return None if money is None else Price(variant.id, channel.id, money)


def price_changed(
    transaction: Transaction, variant: Variant, channel: Channel, before: Price | None, after: Price | None
) -> Event:
    """Return the event of a price that was set, changed or removed; `variant` is as it is now."""
    payload = {
        "sku": variant.sku,
        "channel": channel.slug,
        "currency": channel.currency,
        "beforeMinor": before and before.money.amount_minor,
        "afterMinor": after and after.money.amount_minor,
    }
    return Event("PriceChanged", "catalog", variant.id, variant.version, transaction.now, channel.id, payload)


def _tell(
    transaction: Transaction,
    kind: str,
    target_id: UUID,
    version: int,
    payload: dict[str, Any],
) -> None:
    transaction.emit(Event(kind, "catalog", target_id, version, transaction.now, None, payload))
