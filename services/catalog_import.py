"""The use case of importing a catalogue: everything is checked, then all of it is written or nothing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from domain.catalog import Product, Variant
from domain.catalog_import import ImportRefused, ImportRow, RowError
from domain.catalog_import_plan import Known, Plan, PlannedCount, plan
from domain.kernel.events import Event
from domain.locations import is_code
from persistence import audit as audit_rows
from persistence import catalog_import as rows
from persistence import channels
from persistence.audit import AuditEntry
from persistence.stock_losses import Place
from services import audit, stock_counts, suppliers
from services.access import Permission, require
from services.catalog_changes import price_changed
from services.context import ServiceContext, Transaction

Progress = Callable[[str], None]
"""Told what the import is doing now, for people."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or in a dry run would do."""

    products_created: int
    products_updated: int
    variants_created: int
    variants_updated: int
    prices_set: int
    levels_changed: int
    dry_run: bool


class _Undo(Exception):
    """Ends a dry run: everything was done for real, and is rolled back."""

    def __init__(self, report: ImportReport) -> None:
        super().__init__()
        self.report = report


async def run(
    context: ServiceContext,
    table: Sequence[ImportRow],
    errors: Sequence[RowError] = (),
    *,
    dry_run: bool = False,
    progress: Progress = lambda _doing: None,
) -> ImportReport:
    """Create what is new of `table` and change what differs, by SKU, in one transaction.

    `errors` are those found while reading it; with them, or with those found here, nothing is
    written. A dry run does everything and takes it back. Raises ImportRefused.
    """
    require(context.actor, Permission.CATALOG_WRITE)
    if any(row.stock for row in table):
        require(context.actor, Permission.STOCK_WRITE)
    try:
        async with context.transaction() as transaction:
            return await _run(transaction, table, errors, dry_run, progress)
    except _Undo as undo:
        return undo.report


async def _run(
    transaction: Transaction,
    table: Sequence[ImportRow],
    errors: Sequence[RowError],
    dry_run: bool,
    progress: Progress,
) -> ImportReport:
    progress("Checking against the catalogue")
    work = plan(table, await _known(transaction, table))
    if errors or work.errors:
        raise ImportRefused([*errors, *work.errors])
    progress("Writing products and prices")
    await _write(transaction, work)
    progress("Writing events")
    transaction.emit(*_events(transaction, work))
    await audit_rows.append(transaction.connection, _audit(transaction, work))
    # Last, as whoever sells what is counted waits from here to the commit.
    progress("Writing stock")
    changed = await _count(transaction, work.counts)
    report = ImportReport(
        products_created=len(work.new_products),
        products_updated=len(work.changed_products),
        variants_created=len(work.new_variants),
        variants_updated=len(work.changed_variants),
        prices_set=len(work.prices),
        levels_changed=changed,
        dry_run=dry_run,
    )
    if dry_run:
        raise _Undo(report)
    return report


async def _known(transaction: Transaction, table: Sequence[ImportRow]) -> Known:
    connection = transaction.connection
    skus = [row.sku for row in table]
    slugs = sorted({slug for row in table for slug in row.prices})
    codes = sorted({code for row in table for code in row.stock if is_code(code)})
    sold_in = await channels.by_slugs(connection, slugs)
    names = sorted({row.product for row in table if row.product is not None})
    products = await rows.lock_products(connection, skus, names)
    variants = await rows.lock_variants(connection, skus)
    prices = await rows.prices(
        connection, [one.id for one in variants.values()], [one.id for one in sold_in.values()]
    )
    locations = await channels.location_ids_by_code(connection, codes)
    bought_from = await suppliers.in_use(connection, (row.supplier_code for row in table))
    return Known(sold_in, locations, products, variants, bought_from, prices)


async def _write(transaction: Transaction, work: Plan) -> None:
    connection, now = transaction.connection, transaction.now
    await rows.create_products(connection, work.new_products, now)
    await rows.save_products(connection, [after for _, after in work.changed_products])
    created = await rows.create_variants(connection, work.new_variants, now)
    taken = [variant.sku for variant in work.new_variants if variant.id not in created]
    if taken:
        # Created by somebody else since we looked.
        raise ImportRefused([RowError(0, "sku", f"{sku!r} was created meanwhile") for sku in taken])
    await rows.save_variants(connection, [after for _, after in work.changed_variants])
    await rows.set_prices(connection, [planned.price for planned in work.prices], now)


async def _count(transaction: Transaction, counts: Sequence[PlannedCount]) -> int:
    """Book what was counted; returns changed levels."""
    if not counts:
        return 0
    counted = {Place(count.variant.id, count.location_id): count.units for count in counts}
    return await stock_counts.book(transaction, counted, source_kind="import")


def _events(transaction: Transaction, work: Plan) -> Iterator[Event]:
    new = {product.id for product in work.new_products}
    skus: dict[UUID, list[str]] = {product.id: [] for product in work.new_products}
    for variant in work.new_variants:
        if variant.product_id in new:
            skus[variant.product_id].append(variant.sku)
    for product in work.new_products:
        yield _event(transaction, "ProductCreated", product, {"name": product.name, "skus": skus[product.id]})
    for _, product in work.changed_products:
        yield _event(transaction, "ProductUpdated", product, {"name": product.name})
    for variant in work.new_variants:
        if variant.product_id not in new:
            yield _event(transaction, "VariantCreated", variant, {"sku": variant.sku})
    changed = {after.id: after for _, after in work.changed_variants}
    for before, after in work.changed_variants:
        if replace(before, version=after.version) != after:
            yield _event(transaction, "VariantUpdated", after, {"sku": after.sku})
    for planned in work.prices:
        if planned.variant.id in changed:
            after = changed[planned.variant.id]
            yield price_changed(transaction, after, planned.channel, planned.before, planned.price)


def _event(transaction: Transaction, kind: str, target: Product | Variant, payload: dict[str, Any]) -> Event:
    return Event(kind, "catalog", target.id, target.version, transaction.now, None, payload)


def _audit(transaction: Transaction, work: Plan) -> list[AuditEntry]:
    entries = [
        audit.entry(transaction, "ProductCreated", "product", product.id, after=product)
        for product in work.new_products
    ]
    entries += [
        audit.entry(transaction, "VariantCreated", "variant", variant.id, after=variant)
        for variant in work.new_variants
    ]
    entries += [
        audit.entry(transaction, "ProductUpdated", "product", after.id, before, after)
        for before, after in work.changed_products
    ]
    entries += [
        audit.entry(transaction, "VariantUpdated", "variant", after.id, before, after)
        for before, after in work.changed_variants
    ]
    entries += [
        audit.entry(transaction, "PriceChanged", "variant", planned.variant.id, planned.before, planned.price)
        for planned in work.prices
    ]
    return entries
