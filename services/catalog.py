"""Use cases of the catalogue: create, read and change products, variants and prices."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from domain import catalog as decide
from domain.catalog import Price, Product, ProductDraft, Variant, VariantDraft, VariantRef
from domain.channels import Channel, is_slug
from domain.kernel.errors import InvalidInput, under
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.quantities import is_storable
from persistence import catalog as rows
from persistence import channels
from services import audit, suppliers
from services.access import Permission, require
from services.context import ServiceContext, Transaction


async def create_product(context: ServiceContext, draft: ProductDraft) -> tuple[Product, list[Variant]]:
    """Create a product with its variants and their prices.

    Raises InvalidInput or NotFound naming the field, such as variants.0.prices.0.channel, for bad
    text, a SKU that is taken, a channel that does not exist or a currency that is not its own.
    """
    require(context.actor, Permission.CATALOG_WRITE)
    draft = decide.check_product(draft)
    product = Product(new_id(), draft.name, draft.description)
    async with context.transaction() as transaction:
        known = await named_channels(transaction, draft.variants)
        bought_from = await suppliers.in_use(
            transaction.connection, (one.supplier_code for one in draft.variants)
        )
        variants: list[Variant] = []
        prices: list[Price] = []
        for position, one in enumerate(draft.variants):
            with under("variants", str(position)):
                variant = new_variant(product, one, position, suppliers.named(one.supplier_code, bought_from))
                variants.append(variant)
                prices += decide.check_prices(one.prices, known, variant.id)
        await rows.create_product(transaction.connection, product, transaction.now)
        taken = await insert_variants(transaction, variants, prices)
        if taken is not None:
            raise sku_taken(variants[taken], "variants", str(taken))
        await audit.record(transaction, "ProductCreated", "product", product.id, after=product)
        transaction.emit(
            Event(
                kind="ProductCreated",
                aggregate="catalog",
                aggregate_id=product.id,
                version=product.version,
                occurred_at=transaction.now,
                payload={"name": product.name, "skus": [variant.sku for variant in variants]},
            )
        )
    return product, variants


async def find_variant(context: ServiceContext, ref: VariantRef) -> Variant | None:
    """Return the variant that `ref` names, unless it is archived."""
    if ref.sku is not None and not is_storable(ref.sku):
        return None
    async with context.read() as connection:
        found = await rows.variants_by_ref(connection, [ref])
    variant = found.get(ref)
    return None if variant is None or variant.archived else variant


async def named_channels(transaction: Transaction, drafts: Sequence[VariantDraft]) -> Mapping[str, Channel]:
    """Return the channels that exist of those the drafts' prices name, by slug."""
    named = (price.channel for draft in drafts for price in draft.prices)
    slugs = {slug for slug in named if is_slug(slug)}
    return await channels.by_slugs(transaction.connection, sorted(slugs)) if slugs else {}


async def insert_variants(
    transaction: Transaction, variants: Sequence[Variant], prices: Sequence[Price]
) -> int | None:
    """Insert variants and their prices; returns the place of the first whose SKU is taken, if any."""
    created = await rows.create_variants(transaction.connection, variants, transaction.now)
    for place, variant in enumerate(variants):
        if variant.id not in created:
            return place
    await rows.create_prices(transaction.connection, prices, transaction.now)
    return None


def sku_taken(variant: Variant, *path: str) -> InvalidInput:
    """Return the error of a SKU that another variant has, archived ones too."""
    return InvalidInput(f"a variant with the SKU {variant.sku!r} exists already", *path, "sku")


def new_variant(product: Product, draft: VariantDraft, position: int, supplier_id: UUID | None) -> Variant:
    """Return the variant that a checked draft describes, bought from the supplier that it names."""
    return Variant(
        id=new_id(),
        product_id=product.id,
        sku=draft.sku,
        name=product.name if draft.name is None else draft.name,
        barcode=draft.barcode,
        weight_grams=draft.weight_grams,
        box=draft.box,
        position=position,
        tax_class=draft.tax_class,
        supplier_id=supplier_id,
    )
