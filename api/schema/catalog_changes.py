"""GraphQL inputs and payloads of changes to the catalogue. What an update leaves out stays as it is."""

import strawberry

from api.errors import UserError
from api.schema.catalog import BoxInput, ProductVariant, VariantCreateInput, VariantRef
from api.schema.values import MoneyInput, given
from domain.catalog import Box, ProductChanges, VariantChanges
from domain.kernel.changes import KEEP, Keep


@strawberry.input
class ProductUpdateInput:
    """Changes of a product."""

    id: strawberry.ID
    name: strawberry.Maybe[str]
    description: strawberry.Maybe[str | None]
    expected_version: int | None = None

    def to_changes(self) -> ProductChanges:
        """Return what shall change, still to be checked."""
        return ProductChanges(name=given(self.name), description=given(self.description))


@strawberry.input(description="Archives the product and its variants: orders and stock keep them.")
class ProductArchiveInput:
    """A product to archive."""

    id: strawberry.ID
    expected_version: int | None = None


@strawberry.input(description="A new variant of a product that exists.")
class VariantAddInput:
    """A variant to add."""

    product_id: strawberry.ID
    variant: VariantCreateInput


@strawberry.input
class VariantUpdateInput:
    """Changes of a variant; its SKU never changes."""

    variant: VariantRef
    name: strawberry.Maybe[str]
    barcode: strawberry.Maybe[str | None]
    weight_grams: strawberry.Maybe[int | None]
    box: strawberry.Maybe[BoxInput | None]
    tax_class: strawberry.Maybe[str]
    supplier_code: strawberry.Maybe[str | None]
    expected_version: int | None = None

    def to_changes(self) -> VariantChanges:
        """Return what shall change, still to be checked."""
        return VariantChanges(
            name=given(self.name),
            barcode=given(self.barcode),
            weight_grams=given(self.weight_grams),
            box=self._box(),
            tax_class=given(self.tax_class),
        )

    def _box(self) -> Box | Keep | None:
        if self.box is None:
            return KEEP
        return None if self.box.value is None else self.box.value.to_domain()


@strawberry.input
class VariantArchiveInput:
    """A variant to archive; its SKU stays taken."""

    variant: VariantRef
    expected_version: int | None = None


@strawberry.input(description="Without a price the variant is taken out of the channel.")
class VariantPriceSetInput:
    """A price to set."""

    variant: VariantRef
    channel: str
    price: MoneyInput | None = None
    expected_version: int | None = None


@strawberry.type
class VariantPayload:
    """A variant, or why there is none."""

    variant: ProductVariant | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
