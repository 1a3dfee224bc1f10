"""Root fields that change what is in the catalogue."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation
from api.scalars import decode_id
from api.schema.catalog import Product, ProductPayload, ProductVariant
from api.schema.catalog_changes import (
    ProductArchiveInput,
    ProductUpdateInput,
    VariantAddInput,
    VariantArchiveInput,
    VariantPayload,
    VariantPriceSetInput,
    VariantUpdateInput,
)
from api.schema.values import given
from services import catalog_changes
from services.access import Permission

_ACCESS = Permission.CATALOG_WRITE


@strawberry.type
class CatalogChangesMutation:
    """Mutations of what is in the catalogue."""

    @mutation(ProductPayload, _ACCESS)
    async def product_update(self, info: Info, input: ProductUpdateInput) -> ProductPayload | None:  # noqa: A002
        """Change a product's name or description."""
        product_id = decode_id("Product", input.id, "id")
        product = await catalog_changes.update_product(
            info.context.service, product_id, input.to_changes(), input.expected_version
        )
        return ProductPayload(product=Product.of(product))

    @mutation(ProductPayload, _ACCESS)
    async def product_archive(self, info: Info, input: ProductArchiveInput) -> ProductPayload | None:  # noqa: A002
        """Archive a product with its variants: no longer listed or sold."""
        product_id = decode_id("Product", input.id, "id")
        product = await catalog_changes.archive_product(
            info.context.service, product_id, input.expected_version
        )
        return ProductPayload(product=Product.of(product))

    @mutation(VariantPayload, _ACCESS)
    async def variant_create(self, info: Info, input: VariantAddInput) -> VariantPayload | None:  # noqa: A002
        """Add a variant to a product."""
        product_id = decode_id("Product", input.product_id, "productId")
        variant = await catalog_changes.create_variant(
            info.context.service, product_id, input.variant.to_domain()
        )
        return VariantPayload(variant=ProductVariant.of(variant))

    @mutation(VariantPayload, _ACCESS)
    async def variant_update(self, info: Info, input: VariantUpdateInput) -> VariantPayload | None:  # noqa: A002
        """Change what a variant is called, measures, is taxed as or bought from."""
        variant = await catalog_changes.update_variant(
            info.context.service,
            input.variant.to_domain("variant"),
            input.to_changes(),
            input.expected_version,
            given(input.supplier_code),
        )
        return VariantPayload(variant=ProductVariant.of(variant))

    @mutation(VariantPayload, _ACCESS)
    async def variant_archive(self, info: Info, input: VariantArchiveInput) -> VariantPayload | None:  # noqa: A002
        """Archive a variant: no longer listed or sold; its SKU stays taken."""
        variant = await catalog_changes.archive_variant(
            info.context.service, input.variant.to_domain("variant"), input.expected_version
        )
        return VariantPayload(variant=ProductVariant.of(variant))

    @mutation(VariantPayload, _ACCESS)
    async def variant_price_set(self, info: Info, input: VariantPriceSetInput) -> VariantPayload | None:  # noqa: A002
        """Set a variant's price in a channel, or take it out of the channel."""
        variant, channel = await catalog_changes.set_price(
            info.context.service,
            input.variant.to_domain("variant"),
            input.channel,
            input.price.to_domain() if input.price else None,
            input.expected_version,
        )
        return VariantPayload(variant=ProductVariant.of(variant, channel))
