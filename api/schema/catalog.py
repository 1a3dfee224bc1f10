"""GraphQL types of the catalogue."""

from typing import Any, cast
from uuid import UUID

import strawberry
from graphql.pyutils import Undefined

from api.context import Info
from api.errors import UserError
from api.plans import PRESET
from api.scalars import decode_id, encode_id
from api.schema.availability import Availability
from api.schema.suppliers import Supplier
from api.schema.values import Money, MoneyInput, Node
from domain import catalog as domain
from domain.channels import Channel
from domain.kernel.errors import InvalidInput
from services.access import Permission


@strawberry.type(description="The outer size of one packed unit, in millimetres.")
class Box:
    """A size."""

    length_mm: int
    width_mm: int
    height_mm: int

    @classmethod
    def of(cls, box: domain.Box) -> "Box":
        """Return the GraphQL form of a box."""
        return cls(length_mm=box.length_mm, width_mm=box.width_mm, height_mm=box.height_mm)


@strawberry.type
class ProductVariant(Node):
    """What is sold, stocked and shipped: one SKU."""

    sku: str
    name: str
    barcode: str | None
    weight_grams: int | None
    box: Box | None
    version: int
    tax_class: str = strawberry.field(description="Which tax rates it takes; `standard` unless said.")
    row_id: strawberry.Private[UUID]
    product_id: strawberry.Private[UUID]
    channel: strawberry.Private[Channel | None]
    # What came with the row; otherwise Undefined, and loaded when asked for.
    known_product: strawberry.Private[Any] = Undefined
    known_price: strawberry.Private[Any] = Undefined
    known_availability: strawberry.Private[Any] = Undefined

    @classmethod
    def of(
        cls,
        variant: domain.Variant,
        channel: Channel | None = None,
        parent: "Product | None" = None,
    ) -> "ProductVariant":
        """Return the GraphQL form of a variant, priced in `channel` (null: in none)."""
        box = variant.box
        return cls(
            id=encode_id("ProductVariant", variant.id),
            sku=variant.sku,
            name=variant.name,
            barcode=variant.barcode,
            weight_grams=variant.weight_grams,
            box=None if box is None else Box.of(box),
            version=variant.version,
            tax_class=variant.tax_class,
            row_id=variant.id,
            product_id=variant.product_id,
            channel=channel,
            known_product=parent or Undefined,
        )

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="The product it is a variant of.", metadata={PRESET: "known_product"}
    )
    async def product(self, info: Info) -> "Product":
        """Return the product."""
        if self.known_product is not Undefined:
            return cast("Product", self.known_product)
        loaders = info.context.loaders
        product = await loaders.products().load(self.product_id)
        assert product is not None, "a foreign key holds every variant to its product"  # noqa: S101
        # One for all of its variants, who would otherwise each show a list of each other of their own.
        return loaders.shown((Product, product.id, self.channel), lambda: Product.of(product, self.channel))

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="Price in the channel the query named; null where none is named or none is set.",
        metadata={PRESET: "known_price"},
    )
    async def price(self, info: Info) -> Money | None:
        """Return the price."""
        if self.known_price is not Undefined or self.channel is None:
            return self.known_price or None
        money = await info.context.loaders.prices(self.channel.id).load(self.row_id)
        return None if money is None else Money.of(money)

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="Units on sale in the channel the query named; null where none is named.",
        metadata={PRESET: "known_availability"},
    )
    async def availability(self, info: Info) -> Availability | None:
        """Return the availability."""
        if self.known_availability is not Undefined or self.channel is None:
            return self.known_availability or None
        as_of = info.context.service.now()
        units = await info.context.loaders.units(self.channel.id).load(self.row_id)
        return Availability(sku=self.sku, channel=self.channel.slug, available=units or 0, as_of=as_of)

    @strawberry.field(description="Whether it is sold beyond its stock.")  # type: ignore[untyped-decorator]
    async def backorder(self, info: Info) -> bool:
        """Return whether carts may have more units than are in stock."""
        policy = await info.context.loaders.backorder_policies().load(self.sku)
        return policy is not None and policy.allowed

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="Whom it is bought from, for whoever has suppliers.read; null: it names nobody."
    )
    async def supplier(self, info: Info) -> Supplier | None:
        """Return the supplier, for whom it concerns."""
        if not info.context.actor.may(Permission.SUPPLIERS_READ):
            return None
        found = await info.context.loaders.suppliers_of().load(self.row_id)
        return None if found is None else Supplier.of(found)


@strawberry.type
class Product(Node):
    """What a shop shows: a name over one or more variants."""

    name: str
    description: str | None
    version: int
    archived: bool
    row_id: strawberry.Private[UUID]
    channel: strawberry.Private[Channel | None]
    # What came with the row; otherwise Undefined, and loaded when asked for.
    known_variants: strawberry.Private[Any] = Undefined

    @classmethod
    def of(
        cls,
        product: domain.Product,
        channel: Channel | None = None,
        variants: list[domain.Variant] | None = None,
    ) -> "Product":
        """Return the GraphQL form of a product, its variants priced in `channel` (null: in none)."""
        made = cls(
            id=encode_id("Product", product.id),
            name=product.name,
            description=product.description,
            version=product.version,
            archived=product.archived,
            row_id=product.id,
            channel=channel,
        )
        if variants is not None:
            made.known_variants = [ProductVariant.of(variant, channel, parent=made) for variant in variants]
        return made

    @strawberry.field(  # type: ignore[untyped-decorator]
        description="Its variants that are not archived, in their order.",
        metadata={PRESET: "known_variants"},
    )
    async def variants(self, info: Info) -> list[ProductVariant]:
        """Return the variants."""
        if self.known_variants is not Undefined:
            return cast("list[ProductVariant]", self.known_variants)
        variants = await info.context.loaders.variants_of().load(self.row_id)
        if self.known_variants is Undefined:
            self.known_variants = [
                ProductVariant.of(variant, self.channel, parent=self) for variant in variants or []
            ]
        return cast("list[ProductVariant]", self.known_variants)


@strawberry.input(one_of=True, description="A variant by id or by SKU.")
class VariantRef:
    """Exactly one way to name a variant."""

    id: strawberry.Maybe[strawberry.ID]
    sku: strawberry.Maybe[str]

    def to_domain(self, *path: str) -> domain.VariantRef:
        """Return the reference; raises InvalidInput or NotFound for an id that is not a variant's."""
        if self.sku is not None:
            return domain.VariantRef(sku=self.sku.value)
        if self.id is None:
            raise InvalidInput("name the variant by id or by sku", *path)
        return domain.VariantRef(id=decode_id("ProductVariant", self.id.value, *path, "id"))


@strawberry.input
class BoxInput:
    """The outer size of one packed unit, in millimetres."""

    length_mm: int
    width_mm: int
    height_mm: int

    def to_domain(self) -> domain.Box:
        """Return the box, still to be checked."""
        return domain.Box(self.length_mm, self.width_mm, self.height_mm)


@strawberry.input
class VariantPriceInput:
    """A price in one channel, in that channel's currency."""

    channel: str
    price: MoneyInput

    def to_domain(self) -> domain.PriceDraft:
        """Return the price, still to be checked."""
        return domain.PriceDraft(self.channel, self.price.to_domain())


@strawberry.input
class VariantCreateInput:
    """A new variant; without a name it takes its product's."""

    sku: str
    prices: list[VariantPriceInput]
    name: str | None = None
    weight_grams: int | None = None
    barcode: str | None = None
    box: BoxInput | None = None
    tax_class: str = "standard"
    supplier_code: str | None = None

    def to_domain(self) -> domain.VariantDraft:
        """Return the draft, still to be checked."""
        return domain.VariantDraft(
            sku=self.sku,
            name=self.name,
            prices=[price.to_domain() for price in self.prices],
            barcode=self.barcode,
            weight_grams=self.weight_grams,
            box=self.box.to_domain() if self.box else None,
            tax_class=self.tax_class,
            supplier_code=self.supplier_code,
        )


@strawberry.input
class ProductCreateInput:
    """A new product with its variants."""

    name: str
    variants: list[VariantCreateInput]
    description: str | None = None

    def to_domain(self) -> domain.ProductDraft:
        """Return the draft, still to be checked."""
        return domain.ProductDraft(
            self.name, self.description, [variant.to_domain() for variant in self.variants]
        )


@strawberry.type
class ProductPayload:
    """A product, or why there is none."""

    product: Product | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
