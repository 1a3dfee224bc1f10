"""Suppliers: made, changed, archived, and named by variants, through GraphQL on a real database."""

from typing import Any

import pytest

from api.scalars import encode_id
from domain.catalog_import import ImportRefused, read_table
from persistence.database import Database
from services import catalog_import, suppliers
from services.access import ANONYMOUS, Permission
from tests.cart_flows import run_sql
from tests.factories import (
    data_of,
    execute,
    make_app,
    make_channel,
    make_context,
    make_product,
    variant_draft,
)
from tests.statements import count_statements

BUYER = make_app(Permission.SUPPLIERS_READ, Permission.SUPPLIERS_WRITE, Permission.CATALOG_WRITE)
ERRORS = "userErrors { __typename code path }"
SUPPLIER = f"supplier {{ id code name version archived }} {ERRORS}"
VARIANT = f"variant {{ sku version supplier {{ code }} }} {ERRORS}"
KINDS = {
    "supplierCreate": ("SupplierCreateInput", SUPPLIER),
    "supplierUpdate": ("SupplierUpdateInput", SUPPLIER),
    "supplierArchive": ("SupplierArchiveInput", SUPPLIER),
    "productCreate": (
        "ProductCreateInput",
        f"product {{ id variants {{ sku supplier {{ code }} }} }} {ERRORS}",
    ),
    "variantCreate": ("VariantAddInput", VARIANT),
    "variantUpdate": ("VariantUpdateInput", VARIANT),
}


async def change(database: Database, field: str, **given: Any) -> dict[str, Any]:
    kind, shown = KINDS[field]
    document = f"mutation ($input: {kind}!) {{ {field}(input: $input) {{ {shown} }} }}"
    return dict((await data_of(database, document, {"input": given}, BUYER))[field])


async def made(database: Database, *codes: str) -> list[str]:
    """Make suppliers; returns their ids as the API names them."""
    context = make_context(database)
    return [encode_id("Supplier", (await suppliers.create(context, code, code)).id) for code in codes]


def refusal(answer: dict[str, Any]) -> tuple[str, list[str]]:
    (error,) = answer["userErrors"]
    return error["code"], error["path"]


async def test_a_supplier_is_made_changed_and_archived(database: Database) -> None:
    answer = await change(database, "supplierCreate", code="LOOM", name=" The Loom ")
    loom = answer["supplier"]
    assert (loom["code"], loom["name"], loom["version"], loom["archived"]) == ("LOOM", "The Loom", 1, False)
    wrong = await change(database, "supplierUpdate", id=loom["id"], name="Sons", expectedVersion=2)
    assert refusal(wrong) == ("VERSION_CONFLICT", ["expectedVersion"])
    sons = (await change(database, "supplierUpdate", id=loom["id"], name="Sons", expectedVersion=1))[
        "supplier"
    ]
    assert (sons["name"], sons["version"]) == ("Sons", 2)
    again = await change(database, "supplierUpdate", id=loom["id"], name="Sons")
    assert again["supplier"]["version"] == 2
    gone = (await change(database, "supplierArchive", id=loom["id"]))["supplier"]
    assert (gone["archived"], gone["version"]) == (True, 3)
    for field in ("supplierUpdate", "supplierArchive"):
        assert refusal(await change(database, field, id=loom["id"])) == ("NOT_FOUND", ["id"])
    told = (
        "SELECT kind, version, payload ->> 'code' FROM event_outbox WHERE aggregate = 'supplier' ORDER BY id"
    )
    assert [tuple(row) for row in await run_sql(database, told)] == [
        ("SupplierCreated", 1, "LOOM"),
        ("SupplierUpdated", 2, "LOOM"),
        ("SupplierArchived", 3, "LOOM"),
    ]


async def test_a_supplier_that_cannot_be_names_its_field(database: Database) -> None:
    for code, name, path in (
        ("", "x", "code"),
        ("a b", "x", "code"),
        ("-a", "x", "code"),
        ("a" * 64, "x", "code"),
        ("a", " ", "name"),
        ("a", "\0", "name"),
    ):
        answer = await change(database, "supplierCreate", code=code, name=name)
        assert refusal(answer) == ("INVALID_INPUT", [path])


async def test_a_code_stays_taken_and_lists_go_on_from_it(database: Database) -> None:
    ids = await made(database, "A", "B", "C", "D")
    await change(database, "supplierArchive", id=ids[1])
    assert refusal(await change(database, "supplierCreate", code="B", name="b")) == (
        "INVALID_INPUT",
        ["code"],
    )
    listed = "query ($after: String) { suppliers(first: 2, after: $after) { edges { node { code } }"
    listed += " pageInfo { hasNextPage endCursor } } }"
    codes, after = [], None
    while True:
        page = (await data_of(database, listed, {"after": after}, BUYER))["suppliers"]
        codes += [edge["node"]["code"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert codes == ["A", "C", "D"]
    for actor in (ANONYMOUS, make_app(Permission.CATALOG_WRITE)):
        assert (await execute(database, listed, {}, actor)).errors is not None
    assert (await execute(database, listed, {"after": "x"}, BUYER)).errors is not None


async def test_variants_name_their_supplier_and_may_change_it(database: Database) -> None:
    await made(database, "LOOM", "MILL")
    answer = await change(
        database,
        "productCreate",
        name="Shirt",
        variants=[{"sku": "S", "prices": [], "supplierCode": "LOOM"}, {"sku": "M", "prices": []}],
    )
    product = answer["product"]
    assert product["variants"] == [
        {"sku": "S", "supplier": {"code": "LOOM"}},
        {"sku": "M", "supplier": None},
    ]
    large = {"sku": "L", "prices": [], "supplierCode": "MILL"}
    added = await change(database, "variantCreate", productId=product["id"], variant=large)
    assert added["variant"]["supplier"] == {"code": "MILL"}
    for code, version in (("MILL", 2), ("MILL", 2), (None, 3)):
        changed = await change(database, "variantUpdate", variant={"sku": "S"}, supplierCode=code)
        shown = {"code": code} if code else None
        assert changed["variant"] == {"sku": "S", "version": version, "supplier": shown}
    kept = await change(database, "variantUpdate", variant={"sku": "L"}, name="Large")
    assert kept["variant"]["supplier"] == {"code": "MILL"}


async def test_only_a_supplier_in_use_can_be_named(database: Database) -> None:
    gone, _ = await made(database, "GONE", "LOOM")
    product, (variant,) = await make_product(database, variant_draft())
    await change(database, "variantUpdate", variant={"sku": variant.sku}, supplierCode="GONE")
    await change(database, "supplierArchive", id=gone)
    # Who names it already keeps it.
    kept = await change(database, "variantUpdate", variant={"sku": variant.sku}, name="x")
    assert kept["variant"]["supplier"] == {"code": "GONE"}
    for code in ("GONE", "NONE", "a b", "\0", ""):
        draft = {"sku": "NEW", "prices": [], "supplierCode": code}
        refused = await change(database, "productCreate", name="x", variants=[draft])
        assert refusal(refused) == ("NOT_FOUND", ["variants", "0", "supplierCode"])
        refused = await change(
            database, "variantCreate", productId=encode_id("Product", product.id), variant=draft
        )
        assert refusal(refused) == ("NOT_FOUND", ["variant", "supplierCode"])
        refused = await change(database, "variantUpdate", variant={"sku": variant.sku}, supplierCode=code)
        assert refusal(refused) == ("NOT_FOUND", ["supplierCode"])


async def test_suppliers_of_many_variants_are_one_statement_and_no_shoppers_business(
    database: Database,
) -> None:
    await made(database, "LOOM")
    await make_channel(database, "web")
    _, (variant, *_) = await make_product(
        database, *(variant_draft(supplier_code="LOOM" if number else None) for number in range(4))
    )
    asked = 'query ($sku: String!) { productVariant(variant: { sku: $sku }, channel: "web") {'
    asked += " product { variants { supplier { name } } } } }"
    variables = {"sku": variant.sku}
    with count_statements(database) as statements:
        shown = (await data_of(database, asked, variables, BUYER))["productVariant"]["product"]["variants"]
    assert [one["supplier"] for one in shown] == [None, *[{"name": "LOOM"}] * 3]
    # The channel, the variant, its product, that one's variants, and the suppliers of all of them.
    assert len(statements) == 5, statements
    for actor in (ANONYMOUS, make_app(Permission.CATALOG_WRITE)):
        shown = (await data_of(database, asked, variables, actor))["productVariant"]["product"]["variants"]
        assert [one["supplier"] for one in shown] == [None] * 4


async def test_imports_name_suppliers_and_leave_them_where_they_name_none(database: Database) -> None:
    await made(database, "LOOM", "MILL")

    async def run(*rows: dict[str, Any]) -> None:
        table, errors = read_table(enumerate(rows, 2))
        await catalog_import.run(make_context(database), table, errors)

    async def named() -> dict[str, str | None]:
        found = "SELECT v.sku, s.code FROM variants v LEFT JOIN suppliers s ON s.id = v.supplier_id"
        return {row.sku: row.code for row in await run_sql(database, found)}

    await run({"sku": "S", "name": "Shirt", "supplierCode": "LOOM"}, {"sku": "M", "name": "Mug"})
    assert await named() == {"S": "LOOM", "M": None}
    await run({"sku": "S", "supplier_code": ""}, {"sku": "M", "supplier_code": "MILL"})
    assert await named() == {"S": "LOOM", "M": "MILL"}
    with pytest.raises(ImportRefused) as refused:
        await run({"sku": "S", "supplier_code": "MILL"}, {"sku": "M", "supplier_code": "none\0"})
    assert [(error.row, error.column) for error in refused.value.errors] == [(3, "supplier_code")]
    assert await named() == {"S": "LOOM", "M": "MILL"}
