"""Changes of the catalogue, through GraphQL on a real database."""

from typing import Any

import pytest
from sqlalchemy import text

from api.scalars import encode_id
from domain.catalog import Product, Variant
from persistence.database import Database
from services.access import ANONYMOUS, Permission
from tests import factories

ERRORS = "userErrors { __typename code path }"
VARIANT = (
    "variant { sku name barcode weightGrams box { lengthMm widthMm heightMm } version price { amount } }"
)
PRODUCT = "product { id name description version archived variants { sku } }"
FIELDS = {
    "productUpdate": ("ProductUpdateInput", PRODUCT),
    "productArchive": ("ProductArchiveInput", PRODUCT),
    "variantCreate": ("VariantAddInput", VARIANT),
    "variantUpdate": ("VariantUpdateInput", VARIANT),
    "variantArchive": ("VariantArchiveInput", VARIANT),
    "variantPriceSet": ("VariantPriceSetInput", VARIANT),
}


def document(field: str) -> str:
    kind, shown = FIELDS[field]
    return f"mutation ($input: {kind}!) {{ {field}(input: $input) {{ {shown} {ERRORS} }} }}"


async def change(database: Database, field: str, **given: Any) -> dict[str, Any]:
    return dict((await factories.data_of(database, document(field), {"input": given}))[field])


async def product(database: Database, **prices: str) -> tuple[Product, Variant]:
    priced = {slug: (amount, "USD") for slug, amount in prices.items()}
    made, (variant,) = await factories.make_product(database, factories.variant_draft(prices=priced))
    return made, variant


async def told(database: Database, target: Product | Variant) -> list[tuple[str, int]]:
    """Return kind and version of the events about one aggregate, oldest first."""
    async with database.read() as connection:
        rows = await connection.execute(
            text("SELECT kind, version FROM event_outbox WHERE aggregate_id = :id ORDER BY id"),
            {"id": target.id},
        )
        return [(row.kind, row.version) for row in rows]


async def audited(database: Database, action: str) -> tuple[Any, Any]:
    async with database.read() as connection:
        row = (
            await connection.execute(
                text("SELECT before, after FROM audit_entries WHERE action = :action"), {"action": action}
            )
        ).one()
        return row.before, row.after


def version_of(answer: dict[str, Any], field: str) -> int:
    assert answer["userErrors"] == []
    return int(answer[field]["version"])


async def test_a_product_changes_what_is_named_and_keeps_the_rest(database: Database) -> None:
    made, _ = await product(database)
    product_id = encode_id("Product", made.id)
    answer = await change(database, "productUpdate", id=product_id, description="Blue", expectedVersion=1)
    assert version_of(answer, "product") == 2
    assert (answer["product"]["name"], answer["product"]["description"]) == (made.name, "Blue")
    answer = await change(database, "productUpdate", id=product_id, name="Mug", description=None)
    assert version_of(answer, "product") == 3
    assert (answer["product"]["name"], answer["product"]["description"]) == ("Mug", None)
    assert version_of(await change(database, "productUpdate", id=product_id, name="Mug"), "product") == 3
    assert await told(database, made) == [("ProductCreated", 1), ("ProductUpdated", 2), ("ProductUpdated", 3)]


async def test_an_archived_product_is_gone_from_lists_and_cannot_change(database: Database) -> None:
    channel = await factories.make_channel(database)
    made, variant = await product(database, **{channel.slug: "1"})
    product_id = encode_id("Product", made.id)
    answer = await change(database, "productArchive", id=product_id)
    assert (answer["product"]["archived"], answer["product"]["variants"]) == (True, [])
    listed = f'query {{ products(channel: "{channel.slug}") {{ edges {{ node {{ id }} }} }} }}'
    assert (await factories.data_of(database, listed))["products"]["edges"] == []
    archived = listed.replace('")', '", filter: {archived: true})')
    assert len((await factories.data_of(database, archived))["products"]["edges"]) == 1
    attempts: dict[str, dict[str, Any]] = {
        "productUpdate": {"id": product_id, "name": "x"},
        "productArchive": {"id": product_id},
        "variantCreate": {"productId": product_id, "variant": {"sku": "new", "prices": []}},
        "variantUpdate": {"variant": {"sku": variant.sku}, "name": "x"},
        "variantPriceSet": {"variant": {"sku": variant.sku}, "channel": channel.slug},
    }
    for field, given in attempts.items():
        (error,) = (await change(database, field, **given))["userErrors"]
        assert error["code"] == "NOT_FOUND"


async def test_a_variant_is_added_changed_and_archived(database: Database) -> None:
    channel = await factories.make_channel(database)
    made, first = await product(database)
    product_id, sku = encode_id("Product", made.id), factories.unique("SKU")
    price = {"channel": channel.slug, "price": {"amount": "3", "currency": "USD"}}
    added = await change(
        database,
        "variantCreate",
        productId=product_id,
        variant={"sku": sku, "prices": [price], "name": "Large"},
    )
    assert version_of(added, "variant") == 1
    box = {"lengthMm": 3, "widthMm": 2, "heightMm": 1}
    answer = await change(
        database, "variantUpdate", variant={"sku": sku}, weightGrams=500, box=box, barcode="4006381333931"
    )
    assert version_of(answer, "variant") == 2
    assert answer["variant"] | {"name": "Large", "box": box, "weightGrams": 500} == answer["variant"]
    answer = await change(database, "variantUpdate", variant={"sku": sku}, box=None, barcode=None)
    assert (answer["variant"]["box"], answer["variant"]["barcode"]) == (None, None)
    assert answer["variant"]["weightGrams"] == 500
    assert version_of(await change(database, "variantArchive", variant={"sku": sku}), "variant") == 4
    shown = await change(database, "productUpdate", id=product_id)
    assert [one["sku"] for one in shown["product"]["variants"]] == [first.sku]
    again = await change(database, "variantCreate", productId=product_id, variant={"sku": sku, "prices": []})
    assert [error["path"] for error in again["userErrors"]] == [["variant", "sku"]]


async def test_a_price_change_is_told_and_audited(database: Database) -> None:
    channel = await factories.make_channel(database)
    _, variant = await product(database, **{channel.slug: "10"})
    given = {"variant": {"sku": variant.sku}, "channel": channel.slug}
    money = {"amount": "12.5", "currency": "USD"}
    answer = await change(database, "variantPriceSet", **given, price=money, expectedVersion=1)
    assert (version_of(answer, "variant"), answer["variant"]["price"]) == (2, {"amount": "12.50"})
    assert version_of(await change(database, "variantPriceSet", **given, price=money), "variant") == 2
    before, after = await audited(database, "PriceChanged")
    assert (before["money"]["amount_minor"], after["money"]["amount_minor"]) == (1000, 1250)
    async with database.read() as connection:
        row = (
            await connection.execute(
                text("SELECT channel_id, payload FROM event_outbox WHERE kind = 'PriceChanged'")
            )
        ).one()
    assert row.channel_id == channel.id
    assert (row.payload["beforeMinor"], row.payload["afterMinor"]) == (1000, 1250)
    removed = await change(database, "variantPriceSet", **given)
    assert (version_of(removed, "variant"), removed["variant"]["price"]) == (3, None)
    assert await told(database, variant) == [("PriceChanged", 2), ("PriceChanged", 3)]


@pytest.mark.parametrize(
    ("field", "given", "path"),
    [
        ("productUpdate", {"name": ""}, ["name"]),
        ("productUpdate", {"id": "garbage"}, ["id"]),
        ("productUpdate", {"expectedVersion": 2}, ["expectedVersion"]),
        ("variantCreate", {"variant": {"sku": "", "prices": []}}, ["variant", "sku"]),
        (
            "variantCreate",
            {
                "variant": {
                    "sku": "x",
                    "prices": [{"channel": "no", "price": {"amount": "1", "currency": "USD"}}],
                }
            },
            ["variant", "prices", "0", "channel"],
        ),
        ("variantUpdate", {"variant": {"sku": "unknown"}}, ["variant"]),
        ("variantUpdate", {"variant": {"id": "garbage"}}, ["variant", "id"]),
        ("variantUpdate", {"weightGrams": -1}, ["weightGrams"]),
        ("variantUpdate", {"box": {"lengthMm": 1, "widthMm": 1, "heightMm": 0}}, ["box", "heightMm"]),
        ("variantPriceSet", {"channel": "nowhere"}, ["channel"]),
        ("variantPriceSet", {"price": {"amount": "1", "currency": "EUR"}}, ["price", "currency"]),
        ("variantPriceSet", {"price": {"amount": "1.001", "currency": "USD"}}, ["price", "amount"]),
    ],
)
async def test_bad_input_names_its_field(
    database: Database, field: str, given: dict[str, Any], path: list[str]
) -> None:
    channel = await factories.make_channel(database)
    made, variant = await product(database)
    known: dict[str, dict[str, Any]] = {
        "productUpdate": {"id": encode_id("Product", made.id)},
        "variantCreate": {"productId": encode_id("Product", made.id)},
        "variantUpdate": {"variant": {"sku": variant.sku}},
        "variantPriceSet": {"variant": {"sku": variant.sku}, "channel": channel.slug},
    }
    answer = await change(database, field, **{**known[field], **given})
    assert [error["path"] for error in answer["userErrors"]] == [path]
    assert await told(database, variant) == []


@pytest.mark.parametrize("field", list(FIELDS))
async def test_every_change_needs_the_permission(database: Database, field: str) -> None:
    given: dict[str, dict[str, Any]] = {
        "productUpdate": {"id": "x"},
        "productArchive": {"id": "x"},
        "variantCreate": {"productId": "x", "variant": {"sku": "s", "prices": []}},
        "variantUpdate": {"variant": {"sku": "s"}},
        "variantArchive": {"variant": {"sku": "s"}},
        "variantPriceSet": {"variant": {"sku": "s"}, "channel": "c"},
    }
    for actor in (ANONYMOUS, factories.make_app(Permission.STOCK_WRITE)):
        result = await factories.execute(database, document(field), {"input": given[field]}, actor)
        assert result.errors
