"""What an import has to do: the rows of a file held against what there is already."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from domain.catalog import (
    MAX_VARIANTS,
    Price,
    Product,
    ProductChanges,
    Variant,
    VariantChanges,
    change_product,
    change_variant,
)
from domain.catalog_import import ImportRow, RowError
from domain.channels import Channel, money_in
from domain.kernel.changes import KEEP
from domain.kernel.errors import InvalidInput
from domain.kernel.ids import new_id
from domain.kernel.money import Amount


@dataclass(frozen=True, slots=True)
class KnownProduct:
    """A product that the file tells of, how many variants it has, and where the next one goes."""

    product: Product
    variants: int = 0
    next_position: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """What there is of everything that the file names; prices by variant and channel."""

    channels: Mapping[str, Channel]
    locations: Mapping[str, UUID]
    products: Mapping[UUID, KnownProduct]
    variants: Mapping[str, Variant]
    suppliers: Mapping[str, UUID]
    prices: Mapping[tuple[UUID, UUID], Price]


@dataclass(frozen=True, slots=True)
class PlannedPrice:
    """A price that differs from what there is (`before`, None: there is none)."""

    variant: Variant
    channel: Channel
    price: Price
    before: Price | None


@dataclass(frozen=True, slots=True)
class PlannedCount:
    """Units counted at a location, as the row says."""

    row: int
    column: str
    variant: Variant
    location_id: UUID
    units: int


@dataclass(slots=True)
class Plan:
    """What has to be written; nothing of it may be while there are errors."""

    new_products: list[Product] = field(default_factory=list)
    changed_products: list[tuple[Product, Product]] = field(default_factory=list)
    new_variants: list[Variant] = field(default_factory=list)
    changed_variants: list[tuple[Variant, Variant]] = field(default_factory=list)
    prices: list[PlannedPrice] = field(default_factory=list)
    counts: list[PlannedCount] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)


def plan(table: Iterable[ImportRow], known: Known) -> Plan:
    """Return what has to be done so that the catalogue says what the table says."""
    planner = _Planner(known)
    for rows in _groups(table):
        planner.group(rows)
    return planner.finish()


def _groups(table: Iterable[ImportRow]) -> Iterable[list[ImportRow]]:
    """Return rows by the product they name; a row that names none is on its own."""
    groups: dict[str | tuple[str], list[ImportRow]] = {}
    for row in table:
        groups.setdefault((row.sku,) if row.product is None else row.product, []).append(row)
    return groups.values()


@dataclass(slots=True)
class _Draft:
    """A product on its way: what it was (None: new), and what rows want it to be."""

    product: Product
    is_new: bool
    variants: int
    next_position: int
    name: tuple[str, int] | None = None
    description: tuple[str, int] | None = None


class _Planner:
    """Gathers the plan and every error on the way to it."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._plan = Plan()
        self._drafts: dict[UUID, _Draft] = {}
        self._by_name: dict[str, list[UUID]] = {}
        for product_id, one in known.products.items():
            if not one.product.archived:
                self._by_name.setdefault(one.product.name, []).append(product_id)

    def group(self, rows: list[ImportRow]) -> None:
        old = [row for row in rows if row.sku in self._known.variants]
        drafts = [self._draft_of(self._known.variants[row.sku].product_id) for row in old]
        draft = drafts[0] if drafts else self._named_draft(rows[0])
        for row, one in zip(old, drafts, strict=True):
            self._tell(one, row)
            self._change(row, one)
        for row in rows:
            if row.sku not in self._known.variants and draft is not None:
                self._tell(draft, row)
                self._create(row, draft)

    def finish(self) -> Plan:
        for draft in self._drafts.values():
            changes = ProductChanges(
                name=draft.name[0] if draft.name else KEEP,
                description=draft.description[0] if draft.description else KEEP,
            )
            after = change_product(draft.product, changes)
            if draft.is_new:
                self._plan.new_products.append(replace(after, version=1))
            elif after is not draft.product:
                self._plan.changed_products.append((draft.product, after))
        return self._plan

    def _draft_of(self, product_id: UUID) -> _Draft:
        draft = self._drafts.get(product_id)
        if draft is None:
            known = self._known.products[product_id]
            draft = _Draft(known.product, False, known.variants, known.next_position)
            self._drafts[product_id] = draft
        return draft

    def _named_draft(self, row: ImportRow) -> _Draft | None:
        """Return the product that a row names, where no row of its group has a SKU that exists."""
        called_so = [] if row.product is None else self._by_name.get(row.product, [])
        if not called_so:
            return self._new_draft(row)
        if len(called_so) > 1:
            self._fail(
                row, "product", f"{len(called_so)} products are called so: name a SKU of the right one too"
            )
            return None
        return self._draft_of(called_so[0])

    def _new_draft(self, row: ImportRow) -> _Draft | None:
        name = row.product or row.name
        if name is None:
            self._fail(row, "name", "a SKU that is new needs a product or a name")
            return None
        product = Product(new_id(), name)
        draft = self._drafts[product.id] = _Draft(product, True, 0, 0)
        return draft

    def _tell(self, draft: _Draft, row: ImportRow) -> None:
        """Let a row say what its product is called and how it is described."""
        # Alone and without a product of its own name, a variant's name is its product's.
        name = row.name if row.product is None and draft.variants <= 1 else row.product
        draft.name = self._agreed(draft.name, name, row, "product")
        draft.description = self._agreed(draft.description, row.description, row, "description")

    def _agreed(
        self, told: tuple[str, int] | None, again: str | None, row: ImportRow, column: str
    ) -> tuple[str, int] | None:
        if again is None:
            return told
        if told is not None and told[0] != again:
            self._fail(row, column, f"differs from row {told[1]}, of the same product")
        return told or (again, row.row)

    def _create(self, row: ImportRow, draft: _Draft) -> None:
        if draft.variants >= MAX_VARIANTS:
            self._fail(row, "product", f"has {MAX_VARIANTS} variants, the most there may be")
            return
        variant = Variant(
            id=new_id(),
            product_id=draft.product.id,
            sku=row.sku,
            name=row.name or draft.product.name,
            barcode=row.barcode,
            weight_grams=row.weight_grams,
            box=row.box,
            position=draft.next_position,
            supplier_id=self._supplier(row),
        )
        draft.variants += 1
        draft.next_position += 1
        self._plan.new_variants.append(variant)
        self._price(row, variant)
        self._count(row, variant)

    def _change(self, row: ImportRow, draft: _Draft) -> None:
        before = self._known.variants[row.sku]
        if before.archived or draft.product.archived:
            self._fail(row, "sku", "was archived, and cannot be changed or sold")
            return
        changes = VariantChanges(
            name=row.name or KEEP,
            barcode=row.barcode or KEEP,
            weight_grams=KEEP if row.weight_grams is None else row.weight_grams,
            box=row.box or KEEP,
            supplier_id=self._supplier(row) or KEEP,
        )
        after = change_variant(before, changes)
        if self._price(row, before) and after is before:
            after = replace(before, version=before.version + 1)
        if after is not before:
            self._plan.changed_variants.append((before, after))
        self._count(row, after)

    def _supplier(self, row: ImportRow) -> UUID | None:
        if row.supplier_code is None:
            return None
        supplier_id = self._known.suppliers.get(row.supplier_code)
        if supplier_id is None:
            self._fail(row, "supplier_code", f"no supplier in use has the code {row.supplier_code[:64]!r}")
        return supplier_id

    def _price(self, row: ImportRow, variant: Variant) -> int:
        """Plan the prices of a row that differ; returns how many."""
        planned = 0
        for slug, amount in row.prices.items():
            column = row.price_columns[slug]
            channel = self._known.channels.get(slug)
            if channel is None:
                self._fail(row, column, f"no channel has the slug {slug!r}")
                continue
            try:
                money = money_in(channel, Amount(amount, channel.currency))
            except InvalidInput as error:
                self._fail(row, column, error.message)
                continue
            price = Price(variant.id, channel.id, money)
            before = self._known.prices.get((variant.id, channel.id))
            if price != before:
                self._plan.prices.append(PlannedPrice(variant, channel, price, before))
                planned += 1
        return planned

    def _count(self, row: ImportRow, variant: Variant) -> None:
        for code, units in row.stock.items():
            column = f"stock:{code}"
            location_id = self._known.locations.get(code)
            if location_id is None:
                self._fail(row, column, f"no location has the code {code[:64]!r}")
            else:
                self._plan.counts.append(PlannedCount(row.row, column, variant, location_id, units))

    def _fail(self, row: ImportRow, column: str, message: str) -> None:
        self._plan.errors.append(RowError(row.row, column, message))
