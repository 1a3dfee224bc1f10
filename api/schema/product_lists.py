"""GraphQL types of product lists, made straight from the rows of a page."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any

import strawberry
from sqlalchemy import Row

from api.pagination import PageInfo, PageRequest, cursor
from api.scalars import encode_id
from api.schema.availability import Availability
from api.schema.catalog import Box, Product, ProductVariant
from api.schema.values import Money
from domain.channels import Channel
from domain.product_lists import ProductFilter as DomainProductFilter
from domain.product_lists import ProductOrder
from services.product_lists import PriceRange

strawberry.enum(ProductOrder, name="ProductOrder", description="How a list of products is sorted.")


@strawberry.input(description="What narrows a list of products; all of it has to be true of a product.")
class ProductFilter:
    """A filter of products."""

    search: str | None = strawberry.field(
        default=None,
        description="Words of name and description, the beginning of a SKU (in either case), or a barcode.",
    )
    skus: list[str] | None = strawberry.field(
        default=None, description="Has a variant with one of these SKUs; at most 500."
    )
    in_stock: bool = strawberry.field(
        default=False, description="Has a variant on sale, at a price within the range if one is given."
    )
    min_price: Decimal | None = strawberry.field(
        default=None, description="Has a variant that costs at least this, in the channel's currency."
    )
    max_price: Decimal | None = strawberry.field(
        default=None, description="Has a variant that costs at most this, in the channel's currency."
    )
    unpriced: bool = strawberry.field(
        default=False, description="Also products without a price in the channel (staff)."
    )
    archived: bool = strawberry.field(
        default=False, description="Archived products instead of those in use (staff)."
    )

    def to_domain(self) -> DomainProductFilter:
        """Return the filter, still to be checked, without its prices."""
        return DomainProductFilter(
            search=self.search,
            skus=self.skus,
            in_stock=self.in_stock,
            unpriced=self.unpriced,
            archived=self.archived,
        )

    @property
    def prices(self) -> PriceRange:
        """The range of prices, still to be checked."""
        return PriceRange(self.min_price, self.max_price)


@strawberry.type
class ProductEdge:
    """A product and its place in the list."""

    cursor: str
    node: Product


@strawberry.type
class ProductConnection:
    """A page of products."""

    edges: list[ProductEdge]
    page_info: PageInfo

    @classmethod
    def of(
        cls,
        rows: Sequence[Row[*tuple[Any, ...]]],
        channel: Channel,
        order: ProductOrder,
        request: PageRequest,
        as_of: datetime,
    ) -> "ProductConnection":
        """Return the page that `rows`, one a variant, make up."""
        edges: list[ProductEdge] = []
        by_name = order is ProductOrder.NAME
        for product_id, group in groupby(rows, attrgetter("product_id")):
            if len(edges) == request.size:
                return cls._page(edges, request, has_next=True)
            variants = list(group)
            key = (variants[0].product_name, product_id) if by_name else (product_id,)
            node = _product(variants, channel, as_of)
            edges.append(ProductEdge(cursor=cursor(order, *key), node=node))
        return cls._page(edges, request, has_next=False)

    @classmethod
    def _page(cls, edges: list[ProductEdge], request: PageRequest, *, has_next: bool) -> "ProductConnection":
        cursors = [edge.cursor for edge in edges]
        resumed = request.after is not None
        return cls(edges=edges, page_info=PageInfo.of(cursors, has_next=has_next, resumed=resumed))


def _product(rows: Sequence[Row[*tuple[Any, ...]]], channel: Channel, as_of: datetime) -> Product:
    row = rows[0]
    product = Product(
        id=encode_id("Product", row.product_id),
        name=row.product_name,
        description=row.description,
        version=row.product_version,
        archived=row.product_archived,
        row_id=row.product_id,
        channel=channel,
    )
    product.known_variants = [_variant(row, channel, product, as_of) for row in rows if row.id is not None]
    return product


def _variant(
    row: Row[*tuple[Any, ...]], channel: Channel, product: Product, as_of: datetime
) -> ProductVariant:
    amount = row.amount_minor
    price = None if amount is None else Money.of_minor(amount, channel.currency)
    return ProductVariant(
        id=encode_id("ProductVariant", row.id),
        sku=row.sku,
        name=row.name,
        barcode=row.barcode,
        weight_grams=row.weight_grams,
        box=None if row.length_mm is None else _box(row),
        version=row.version,
        tax_class=row.tax_class,
        row_id=row.id,
        product_id=row.product_id,
        channel=channel,
        known_product=product,
        known_price=price,
        known_availability=Availability(
            sku=row.sku, channel=channel.slug, available=row.available, as_of=as_of
        ),
    )


def _box(row: Row[*tuple[Any, ...]]) -> Box:
    return Box(length_mm=row.length_mm, width_mm=row.width_mm, height_mm=row.height_mm)
