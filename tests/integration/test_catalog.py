"""Products and variants, through GraphQL on a real database."""

from typing import Any

import pytest
from sqlalchemy import text

from persistence.database import Database
from services.access import ANONYMOUS, Permission
from tests import factories

CREATE = """
mutation ($input: ProductCreateInput!) {
  productCreate(input: $input) {
    product { id name description version variants { id sku name weightGrams barcode box { lengthMm }
              product { name } price { amount } } }
    userErrors { __typename code message path }
  }
}
"""
VARIANT = """
query ($variant: VariantRef!, $channel: String!) {
  productVariant(variant: $variant, channel: $channel) {
    id sku price { amount currency } availability { sku channel available asOf } product { name }
  }
}
"""


async def create(database: Database, **given: Any) -> dict[str, Any]:
    data = await factories.data_of(database, CREATE, {"input": given})
    return dict(data["productCreate"])


def variant(sku: str, *prices: tuple[str, str, str], **given: Any) -> dict[str, Any]:
    listed = [
        {"channel": channel, "price": {"amount": amount, "currency": currency}}
        for channel, amount, currency in prices
    ]
    return {"sku": sku, "prices": listed, **given}


async def test_a_product_is_created_with_variants_and_exact_prices(database: Database) -> None:
    dollars = await factories.make_channel(database, currency="USD")
    yen = await factories.make_channel(database, currency="JPY")
    dinars = await factories.make_channel(database, currency="KWD")
    sku = factories.unique("SKU")
    prices = [(dollars.slug, "12.5", "USD"), (yen.slug, "1500", "JPY"), (dinars.slug, "3.125", "KWD")]
    answer = await create(
        database,
        name=" Mug ",
        description="Blue",
        variants=[
            variant(sku, *prices, weightGrams=350, barcode="4006381333931", box=None),
            variant(sku + "-L", name="Mug, large", box={"lengthMm": 100, "widthMm": 90, "heightMm": 80}),
        ],
    )
    assert answer["userErrors"] == []
    product = answer["product"]
    assert (product["name"], product["description"], product["version"]) == ("Mug", "Blue", 1)
    assert [(one["sku"], one["name"]) for one in product["variants"]] == [
        (sku, "Mug"),
        (sku + "-L", "Mug, large"),
    ]
    assert product["variants"][0]["price"] is None
    assert product["variants"][1]["box"] == {"lengthMm": 100}
    for channel, amount in ((dollars, "12.50"), (yen, "1500"), (dinars, "3.125")):
        found = await factories.data_of(database, VARIANT, {"variant": {"sku": sku}, "channel": channel.slug})
        assert found["productVariant"]["price"] == {"amount": amount, "currency": channel.currency}
    async with database.read() as connection:
        kinds = await connection.execute(text("SELECT kind FROM event_outbox WHERE aggregate = 'catalog'"))
        assert [row.kind for row in kinds] == ["ProductCreated"]


@pytest.mark.parametrize(
    ("channel", "amount", "currency", "typename", "field"),
    [
        ("nowhere", "1", "USD", "NotFoundError", ["channel"]),
        ("a\0b", "1", "USD", "NotFoundError", ["channel"]),
        (None, "1", "EUR", "InvalidInputError", ["price", "currency"]),
        (None, "1", "XXXX", "InvalidInputError", ["price", "currency"]),
        (None, "1.005", "USD", "InvalidInputError", ["price", "amount"]),
        (None, "-1", "USD", "InvalidInputError", ["price", "amount"]),
        (None, "1e30", "USD", "InvalidInputError", ["price", "amount"]),
        (None, "1e999999", "USD", "InvalidInputError", ["price", "amount"]),
        (None, "NaN", "USD", "InvalidInputError", ["price", "amount"]),
    ],
)
async def test_a_wrong_price_names_its_field(
    database: Database, channel: str | None, amount: str, currency: str, typename: str, field: list[str]
) -> None:
    dollars = await factories.make_channel(database, currency="USD")
    wrong = variant(factories.unique("SKU"), (channel or dollars.slug, amount, currency))
    answer = await create(database, name="Mug", variants=[variant(factories.unique("SKU")), wrong])
    assert answer["product"] is None
    (error,) = answer["userErrors"]
    assert (error["__typename"], error["path"]) == (typename, ["variants", "1", "prices", "0", *field])


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"name": " "}, ["name"]),
        ({"name": "a\0"}, ["name"]),
        ({"name": "x" * 1_000_000}, ["name"]),
        ({"variants": []}, ["variants"]),
        ({"variants": [variant("")]}, ["variants", "0", "sku"]),
        ({"variants": [variant("a\nb")]}, ["variants", "0", "sku"]),
        ({"variants": [variant("same"), variant("same")]}, ["variants", "1", "sku"]),
        ({"variants": [variant("a", weightGrams=-1)]}, ["variants", "0", "weightGrams"]),
        (
            {"variants": [variant("a", box={"lengthMm": 0, "widthMm": 1, "heightMm": 1})]},
            ["variants", "0", "box", "lengthMm"],
        ),
    ],
)
async def test_bad_input_names_its_field(database: Database, given: dict[str, Any], path: list[str]) -> None:
    answer = await create(database, **{"name": "Mug", "variants": [variant("ok")], **given})
    assert answer["product"] is None
    assert [(error["__typename"], error["path"]) for error in answer["userErrors"]] == [
        ("InvalidInputError", path)
    ]
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM products")) == 0


async def test_a_taken_sku_changes_nothing(database: Database) -> None:
    taken = await factories.make_variant(database)
    answer = await create(database, name="Mug", variants=[variant("free"), variant(taken.sku)])
    assert [error["path"] for error in answer["userErrors"]] == [["variants", "1", "sku"]]
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM products")) == 1


async def test_availability_is_the_sum_over_the_channels_locations(database: Database) -> None:
    near, far, other = [await factories.make_location(database) for _ in range(3)]
    channel = await factories.make_channel(database, location_codes=[near.code, far.code])
    sold = await factories.make_variant(database, channel)
    for location, units in ((near, 3), (far, 4), (other, 50)):
        await factories.give_stock(database, sold, location, units)
    found = await factories.data_of(
        database, VARIANT, {"variant": {"sku": sold.sku}, "channel": channel.slug}, ANONYMOUS
    )
    availability = found["productVariant"]["availability"]
    assert (availability["sku"], availability["channel"], availability["available"]) == (
        sold.sku,
        channel.slug,
        7,
    )
    by_id = {"variant": {"id": found["productVariant"]["id"]}, "channel": channel.slug}
    assert (await factories.data_of(database, VARIANT, by_id))["productVariant"]["sku"] == sold.sku


@pytest.mark.parametrize("sku", ["unknown", "a\0b", "\ud800"])
async def test_an_unknown_variant_is_null(database: Database, sku: str) -> None:
    channel = await factories.make_channel(database)
    found = await factories.data_of(database, VARIANT, {"variant": {"sku": sku}, "channel": channel.slug})
    assert found["productVariant"] is None


async def test_creating_needs_the_permission(database: Database) -> None:
    given = {"input": {"name": "Mug", "variants": [variant("a")]}}
    for actor in (ANONYMOUS, factories.make_app(Permission.STOCK_WRITE)):
        result = await factories.execute(database, CREATE, given, actor)
        assert result.errors
        assert result.data == {"productCreate": None}
    allowed = factories.make_app(Permission.CATALOG_WRITE)
    assert (await factories.data_of(database, CREATE, given, allowed))["productCreate"]["userErrors"] == []
