"""Root fields of the catalogue."""

from uuid import UUID

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import PUBLIC, mutation, query
from api.schema.catalog import Product, ProductCreateInput, ProductPayload, ProductVariant, VariantRef
from api.schema.product_lists import ProductConnection, ProductFilter
from domain.kernel.errors import NotFound
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from domain.product_lists import ProductOrder
from services import catalog, channels, product_lists
from services.access import Permission


@strawberry.type
class CatalogQuery:
    """Queries of the catalogue."""

    @query(PUBLIC)
    async def products(
        self,
        info: Info,
        channel: str,
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
        filter: ProductFilter | None = None,  # noqa: A002
        order_by: ProductOrder = ProductOrder.OLDEST,
    ) -> ProductConnection:
        """A channel's products in a stable order, with their variants' prices and availability."""
        service = info.context.service
        shape = (str, UUID) if order_by is ProductOrder.NAME else (UUID,)
        request = page_request(order_by, shape, first, after)
        narrowed = filter or ProductFilter()
        as_of = service.now()
        sold_in, rows = await product_lists.page(
            service, channel, order_by, narrowed.to_domain(), narrowed.prices, request.size, request.after
        )
        return ProductConnection.of(rows, sold_in, order_by, request, as_of)

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
