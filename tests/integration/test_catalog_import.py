"""Importing a catalogue into a real database: all of it or nothing, again and again."""

import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bench._environment import child_environment
from domain.catalog_import import ImportRefused, read_table
from domain.kernel.errors import AccessDenied
from persistence.database import Database
from services import catalog_import
from services.access import Permission
from services.catalog_import import ImportReport
from tests import cart_flows as flow
from tests import factories, warm
from tests.statements import count_statements
from tests.stocked import assert_explained

ALL_OF_IT = """
SELECT p.name AS product, p.description, p.version AS product_version, v.sku, v.name, v.barcode,
       v.weight_grams, v.version, x.amount_minor
  FROM variants v JOIN products p ON p.id = v.product_id LEFT JOIN prices x ON x.variant_id = v.id
 ORDER BY v.sku
"""


async def run(database: Database, *rows: dict[str, Any], dry_run: bool = False) -> ImportReport:
    table, errors = read_table(enumerate(rows, 2))
    return await catalog_import.run(factories.make_context(database), table, errors, dry_run=dry_run)


async def refused(database: Database, *rows: dict[str, Any]) -> list[tuple[int, str]]:
    before = await catalogue(database)
    with pytest.raises(ImportRefused) as refusal:
        await run(database, *rows)
    assert await catalogue(database) == before
    return [(error.row, error.column) for error in refusal.value.errors]


async def catalogue(database: Database) -> list[dict[str, Any]]:
    async with database.read() as connection:
        return [dict(row._mapping) for row in await connection.execute(text(ALL_OF_IT))]


async def kinds(database: Database) -> Counter[str]:
    async with database.read() as connection:
        rows = await connection.execute(
            text("SELECT kind FROM event_outbox WHERE aggregate IN ('catalog', 'stock')")
        )
        return Counter(row.kind for row in rows)


async def shop(database: Database) -> tuple[str, str]:
    """Make a channel in yen and a location; returns the columns of their prices and stock."""
    location = await factories.make_location(database)
    channel = await factories.make_channel(database, currency="JPY")
    return f"price:{channel.slug}", f"stock:{location.code}"


async def test_an_import_creates_products_variants_prices_and_stock(database: Database) -> None:
    price, stock = await shop(database)
    report = await run(
        database,
        {"sku": "S", "product": "Shirt", "name": "Small", "description": "Cotton", price: "1500", stock: "5"},
        {"sku": "L", "product": "Shirt", "name": "Large", "weight_grams": "200", stock: "0"},
        {"sku": "M", "name": "Mug", "barcode": "4006381333931", price: "900"},
    )
    assert (report.products_created, report.variants_created) == (2, 3)
    assert (report.prices_set, report.levels_changed) == (2, 1)
    found = {row["sku"]: row for row in await catalogue(database)}
    assert [(found[sku]["product"], found[sku]["name"]) for sku in "SLM"] == [
        ("Shirt", "Small"),
        ("Shirt", "Large"),
        ("Mug", "Mug"),
    ]
    assert (found["S"]["amount_minor"], found["M"]["amount_minor"]) == (1500, 900)
    assert (found["L"]["description"], found["L"]["weight_grams"]) == ("Cotton", 200)
    assert await kinds(database) == {"ProductCreated": 2, "StockChanged": 1}
    async with database.read() as connection:
        level = (await connection.execute(text("SELECT available, on_hand FROM stock_levels"))).one()
        ledger = (
            await connection.execute(text("SELECT quantity, reason, source_kind FROM stock_movements"))
        ).one()
        audited = await connection.scalar(
            text("SELECT count(*) FROM audit_entries WHERE target_kind = 'variant'")
        )
    assert tuple(level) == (5, 5)
    assert tuple(ledger) == (5, "COUNTED", "import")
    assert audited == 3 + 2


async def test_importing_the_same_again_changes_nothing(database: Database) -> None:
    price, stock = await shop(database)
    rows = [{"sku": f"A{number}", "name": f"Mug {number}", price: "10", stock: "3"} for number in range(5)]
    await run(database, *rows)
    before, told = await catalogue(database), await kinds(database)
    report = await run(database, *rows)
    assert report == ImportReport(0, 0, 0, 0, 0, 0, dry_run=False)
    assert (await catalogue(database), await kinds(database)) == (before, told)


async def test_importing_again_updates_by_sku_and_leaves_what_is_empty(database: Database) -> None:
    price, stock = await shop(database)
    await run(
        database, {"sku": "A", "name": "Mug", "barcode": "1", "weight_grams": "5", price: "10", stock: "3"}
    )
    report = await run(database, {"sku": "A", "name": "Cup", "barcode": "", price: "11", stock: "1"})
    assert report == ImportReport(0, 1, 0, 1, 1, 1, dry_run=False)
    (row,) = await catalogue(database)
    assert (row["product"], row["name"], row["barcode"], row["weight_grams"]) == ("Cup", "Cup", "1", 5)
    assert (row["version"], row["product_version"], row["amount_minor"]) == (2, 2, 11)
    assert await kinds(database) == {
        "ProductCreated": 1,
        "ProductUpdated": 1,
        "VariantUpdated": 1,
        "PriceChanged": 1,
        "StockChanged": 2,
    }


async def test_a_new_sku_joins_the_product_its_row_names(database: Database) -> None:
    await run(database, {"sku": "S", "product": "Shirt"})
    await run(database, {"sku": "S", "product": "Shirt"}, {"sku": "L", "product": "Shirt", "name": "Large"})
    assert {row["product"] for row in await catalogue(database)} == {"Shirt"}
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM products")) == 1
    assert await kinds(database) == {"ProductCreated": 1, "VariantCreated": 1}


async def test_a_new_sku_joins_the_one_product_that_is_called_so(database: Database) -> None:
    await run(database, {"sku": "S", "product": "Shirt"})
    await run(database, {"sku": "L", "product": "Shirt"})
    assert await kinds(database) == {"ProductCreated": 1, "VariantCreated": 1}
    await factories.make_product(database, name="Shirt")
    assert await refused(database, {"sku": "XL", "product": "Shirt"}) == [(2, "product")]
    report = await run(database, {"sku": "XL", "product": "Shirt"}, {"sku": "S", "product": "Shirt"})
    assert (report.products_created, report.variants_created) == (0, 1)


async def test_a_dry_run_tries_everything_and_keeps_nothing(database: Database) -> None:
    price, stock = await shop(database)
    report = await run(database, {"sku": "A", "name": "Mug", price: "10", stock: "3"}, dry_run=True)
    assert report == ImportReport(1, 0, 1, 0, 1, 1, dry_run=True)
    assert await catalogue(database) == []
    assert await kinds(database) == {}


async def test_one_wrong_row_keeps_all_others_out(database: Database) -> None:
    price, _ = await shop(database)
    good = {"sku": "A", "name": "Mug", price: "10"}
    bad = {"sku": "B", "name": "Cup", price: "10.5", "price:nowhere": "1", "stock:NOWHERE": "1"}
    worse = {"sku": "C", "name": "Pot", price: "-1", "weight_grams": "heavy"}
    assert await refused(database, good, bad, worse, {"sku": "D"}) == [
        (3, price),
        (3, "price:nowhere"),
        (3, "stock:NOWHERE"),
        (4, "weight_grams"),
        (5, "name"),
    ]
    assert await catalogue(database) == []


async def test_what_was_archived_and_what_contradicts_is_refused(database: Database) -> None:
    await run(database, {"sku": "A", "name": "Mug"}, {"sku": "B", "product": "Pot"})
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE variants SET archived_at = now() WHERE sku = 'A'"))
    assert await refused(database, {"sku": "A", "name": "Cup"}) == [(2, "sku")]
    rows = [
        {"sku": "B", "product": "Pot", "description": "x"},
        {"sku": "C", "product": "Pot", "description": "y"},
    ]
    assert await refused(database, *rows) == [(3, "description")]


async def test_importing_needs_the_permissions(database: Database) -> None:
    _, stock = await shop(database)
    table, _ = read_table([(2, {"sku": "A", "name": "Mug", stock: "1"})])
    with pytest.raises(AccessDenied):
        await catalog_import.run(
            factories.make_context(database, factories.make_app(Permission.CATALOG_WRITE)), table
        )


async def test_statements_do_not_grow_with_the_rows(database: Database) -> None:
    price, stock = await shop(database)
    rows = [{"sku": f"A{number}", "name": "Mug", price: "1", stock: "1"} for number in range(300)]
    with count_statements(database) as statements:
        await run(database, *rows)
    assert len(statements) <= 16, statements


async def test_statements_do_not_grow_with_the_counts_that_miss_held_units(database: Database) -> None:
    shop = await factories.make_shop(database)
    skus = [f"H{number}" for number in range(30)]
    for sku in skus:
        variant = await factories.make_variant(database, shop.channel, sku=sku)
        await factories.give_stock(database, variant, shop.location, 4)
    for offset in range(0, 30, 10):
        made = await flow.create_lines(database, shop, [(sku, 3) for sku in skus[offset : offset + 10]])
        assert not made["userErrors"]
    column = f"stock:{shop.location.code}"
    with count_statements(database) as statements:
        report = await run(database, *({"sku": sku, column: "2"} for sku in skus))
    assert report.levels_changed == 30
    assert len(statements) <= 30, statements
    await assert_explained(database)


def test_the_command_imports_a_file_and_shows_errors(fresh_database_url: str, tmp_path: Path) -> None:
    environment = child_environment(database_url=fresh_database_url, secret_key=factories.SECRET_KEY)

    def ordertide(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return warm.run(arguments, environment)

    good, bad = tmp_path / "good.csv", tmp_path / "bad.jsonl"
    good.write_text("sku,name\nA,Mug\nB,Cup\n", encoding="utf-8")
    bad.write_text('{"sku": "C", "name": "Pot"}\n{"sku": "D", "weight_grams": "x"}\n', encoding="utf-8")
    imported = ordertide("import", "catalog", str(good))
    assert (imported.returncode, "2 products created" in imported.stdout) == (0, True), imported.stderr
    assert "0 products created" in ordertide("import", "catalog", str(good)).stdout
    refusal = ordertide("import", "catalog", str(bad))
    assert refusal.returncode == 2
    assert "weight_grams" in refusal.stderr
    assert "Traceback" not in refusal.stderr
