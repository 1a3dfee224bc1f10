"""The catalogue: products, their variants (what is sold and stocked), and prices per channel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.channels import Channel, money_in
from domain.kernel.changes import KEEP, Keep, kept
from domain.kernel.errors import InvalidInput, NotFound, under
from domain.kernel.money import Amount, Money
from domain.kernel.quantities import require_storable, require_text
from domain.taxes import STANDARD, check_class

MAX_NAME_LENGTH = 300
MAX_DESCRIPTION_LENGTH = 20_000
MAX_SKU_LENGTH = 100
MAX_BARCODE_LENGTH = 64
MAX_VARIANTS = 200
MAX_WEIGHT_GRAMS = 100_000_000
MAX_SIDE_MM = 100_000


@dataclass(frozen=True, slots=True)
class Product:
    """What a shop shows: a name over one or more variants."""

    id: UUID
    name: str
    description: str | None = None
    version: int = 1
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """The outer size of one packed unit, in millimetres."""

    length_mm: int
    width_mm: int
    height_mm: int


@dataclass(frozen=True, slots=True)
class Variant:
    """What is sold, stocked and shipped: one SKU."""

    id: UUID
    product_id: UUID
    sku: str
    name: str
    barcode: str | None = None
    weight_grams: int | None = None
    box: Box | None = None
    position: int = 0
    version: int = 1
    archived: bool = False
    tax_class: str = STANDARD
    supplier_id: UUID | None = None
    """Whom it is bought from."""


@dataclass(frozen=True, slots=True)
class VariantRef:
    """How a client names a variant: by id or by SKU, exactly one of them."""

    id: UUID | None = None
    sku: str | None = None

    def __str__(self) -> str:
        return self.sku if self.sku is not None else str(self.id)


@dataclass(frozen=True, slots=True)
class PriceDraft:
    """A price as a client sends it, in the channel of this slug."""

    channel: str
    price: Amount


@dataclass(frozen=True, slots=True)
class VariantDraft:
    """A variant that does not exist yet, as a client sends it; without a name it takes the product's."""

    sku: str
    name: str | None = None
    prices: Sequence[PriceDraft] = ()
    barcode: str | None = None
    weight_grams: int | None = None
    box: Box | None = None
    tax_class: str = STANDARD
    supplier_code: str | None = None


@dataclass(frozen=True, slots=True)
class ProductDraft:
    """A product that does not exist yet, as a client sends it."""

    name: str
    description: str | None = None
    variants: Sequence[VariantDraft] = ()


@dataclass(frozen=True, slots=True)
class ProductChanges:
    """What shall become of a product; KEEP leaves a field as it is."""

    name: str | Keep = KEEP
    description: str | Keep | None = KEEP


@dataclass(frozen=True, slots=True)
class VariantChanges:
    """What shall become of a variant; KEEP leaves a field as it is. A SKU never changes."""

    name: str | Keep = KEEP
    barcode: str | Keep | None = KEEP
    weight_grams: int | Keep | None = KEEP
    box: Box | Keep | None = KEEP
    tax_class: str | Keep = KEEP
    supplier_id: UUID | Keep | None = KEEP


@dataclass(frozen=True, slots=True)
class Price:
    """What a variant costs in a channel, in the channel's currency."""

    variant_id: UUID
    channel_id: UUID
    money: Money


def check_product(draft: ProductDraft) -> ProductDraft:
    """Return the draft cleaned; raises InvalidInput naming the field (variants.0.sku, ...)."""
    name = check_name(draft.name)
    if not draft.variants:
        raise InvalidInput("a product needs at least one variant", "variants")
    if len(draft.variants) > MAX_VARIANTS:
        raise InvalidInput(f"a product has at most {MAX_VARIANTS} variants", "variants")
    variants: list[VariantDraft] = []
    seen: set[str] = set()
    for index, variant in enumerate(draft.variants):
        with under("variants", str(index)):
            checked = check_variant(variant, name)
            if checked.sku in seen:
                raise InvalidInput(f"{checked.sku!r} is named twice", "sku")
        seen.add(checked.sku)
        variants.append(checked)
    return ProductDraft(name, check_description(draft.description), variants)


def check_variant(draft: VariantDraft, product_name: str) -> VariantDraft:
    """Return the draft cleaned and named; raises InvalidInput naming the field."""
    return replace(
        draft,
        sku=check_sku(draft.sku),
        name=product_name if draft.name is None else check_name(draft.name),
        barcode=check_barcode(draft.barcode),
        weight_grams=check_weight(draft.weight_grams),
        box=check_box(draft.box),
        tax_class=check_class(draft.tax_class),
    )


def check_prices(
    drafts: Sequence[PriceDraft], channels: Mapping[str, Channel], variant_id: UUID
) -> list[Price]:
    """Return the prices of one variant, exact in each channel's currency.

    Raises NotFound for a channel that does not exist and InvalidInput for a currency that is not
    the channel's, an amount with too many decimals or below zero, or a channel named twice.
    """
    prices: list[Price] = []
    seen: set[UUID] = set()
    for index, draft in enumerate(drafts):
        with under("prices", str(index)):
            price = check_price(draft, channels, variant_id)
            if price.channel_id in seen:
                raise InvalidInput(f"{draft.channel!r} is named twice", "channel")
        seen.add(price.channel_id)
        prices.append(price)
    return prices


def check_price(draft: PriceDraft, channels: Mapping[str, Channel], variant_id: UUID) -> Price:
    """Return one price; see check_prices."""
    channel = channels.get(draft.channel)
    if channel is None:
        raise NotFound(f"no channel has the slug {draft.channel[:64]!r}", "channel")
    return Price(variant_id, channel.id, money_in(channel, draft.price, "price"))


def change_product(product: Product, changes: ProductChanges) -> Product:
    """Return the product changed, one version later if anything differs; raises InvalidInput."""
    changed = replace(
        product,
        name=product.name if changes.name is KEEP else check_name(changes.name),
        description=product.description
        if changes.description is KEEP
        else check_description(changes.description),
    )
    return product if changed == product else replace(changed, version=product.version + 1)


def change_variant(variant: Variant, changes: VariantChanges) -> Variant:
    """Return the variant changed, one version later if anything differs; raises InvalidInput."""
    changed = replace(
        variant,
        name=variant.name if changes.name is KEEP else check_name(changes.name),
        barcode=variant.barcode if changes.barcode is KEEP else check_barcode(changes.barcode),
        weight_grams=check_weight(kept(changes.weight_grams, variant.weight_grams)),
        box=check_box(kept(changes.box, variant.box)),
        tax_class=variant.tax_class if changes.tax_class is KEEP else check_class(changes.tax_class),
        supplier_id=kept(changes.supplier_id, variant.supplier_id),
    )
    return variant if changed == variant else replace(changed, version=variant.version + 1)


def check_name(name: str) -> str:
    """Return a product's or variant's name cleaned; raises InvalidInput."""
    return require_text(name, MAX_NAME_LENGTH, "name")


def check_description(description: str | None) -> str | None:
    """Return the description, blank as None; raises InvalidInput."""
    cleaned = (description or "").strip()
    return require_storable(cleaned, MAX_DESCRIPTION_LENGTH, "description") or None


def check_sku(sku: str) -> str:
    """Return the SKU cleaned: printable, without spaces at its ends; raises InvalidInput."""
    cleaned = require_text(sku, MAX_SKU_LENGTH, "sku")
    if not cleaned.isprintable():
        raise InvalidInput("must be printable text", "sku")
    return cleaned


def check_barcode(barcode: str | None) -> str | None:
    """Return the barcode, blank as None; raises InvalidInput."""
    cleaned = (barcode or "").strip()
    return require_storable(cleaned, MAX_BARCODE_LENGTH, "barcode") or None


def check_weight(weight_grams: int | None) -> int | None:
    """Return the weight; raises InvalidInput when it is below zero or absurd."""
    if weight_grams is not None and not 0 <= weight_grams <= MAX_WEIGHT_GRAMS:
        raise InvalidInput(f"must be between 0 and {MAX_WEIGHT_GRAMS}", "weightGrams")
    return weight_grams


def check_box(box: Box | None) -> Box | None:
    """Return the box; raises InvalidInput naming the side that is not a size."""
    if box is not None:
        sides = {"lengthMm": box.length_mm, "widthMm": box.width_mm, "heightMm": box.height_mm}
        for name, side in sides.items():
            if not 1 <= side <= MAX_SIDE_MM:
                raise InvalidInput(f"must be between 1 and {MAX_SIDE_MM}", "box", name)
    return box
