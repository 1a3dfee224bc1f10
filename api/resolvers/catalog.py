"""Root fields of the catalogue."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import PUBLIC, mutation, query
from api.schema.catalog import Product, ProductCreateInput, ProductPayload, ProductVariant, VariantRef
from domain.kernel.errors import NotFound
from services import catalog, channels
from services.access import Permission


@strawberry.type
class CatalogQuery:
    """Queries of the catalogue."""

    @query(PUBLIC)
    async def product_variant(self, info: Info, variant: VariantRef, channel: str) -> ProductVariant | None:
        """One variant with its price and availability in a channel; null when there is none."""
        service = info.context.service
        try:
            ref = variant.to_domain("variant")
        except NotFound:
            return None
        sold_in = await channels.get(service, channel)
        found = await catalog.find_variant(service, ref)
        return None if found is None else ProductVariant.of(found, sold_in)


@strawberry.type
class CatalogMutation:
    """Mutations of the catalogue."""

    @mutation(ProductPayload, Permission.CATALOG_WRITE)
    async def product_create(self, info: Info, input: ProductCreateInput) -> ProductPayload | None:  # noqa: A002
        """Create a product with its variants and their prices."""
        product, variants = await catalog.create_product(info.context.service, input.to_domain())
        return ProductPayload(product=Product.of(product, variants=variants))
