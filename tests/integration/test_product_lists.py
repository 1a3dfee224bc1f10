"""Lists of products: pages, filters, sorting and their cost, through GraphQL on a real database."""

from typing import Any

import pytest

from domain.catalog import Variant
from domain.channels import Channel
from domain.inventory import MAX_ON_HAND
from persistence import availability
from persistence.database import Database
from services.access import ANONYMOUS, Permission
from tests import factories
from tests.statements import count_statements

LIST = """
query ($channel: String!, $first: Int, $after: String, $filter: ProductFilter,
       $orderBy: ProductOrder! = OLDEST) {
  products(channel: $channel, first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    edges { cursor node { id name description variants {
      id sku name price { amount currency } availability { sku channel available asOf } product { name } } } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""


async def page(database: Database, channel: Channel, **given: Any) -> dict[str, Any]:
    actor = given.pop("actor", ANONYMOUS)
    data = await factories.data_of(database, LIST, {"channel": channel.slug, **given}, actor)
    return dict(data["products"])


async def names(database: Database, channel: Channel, **given: Any) -> list[str]:
    found = await page(database, channel, first=100, **given)
    return [edge["node"]["name"] for edge in found["edges"]]


async def filtered(database: Database, channel: Channel, **narrowed: Any) -> list[str]:
    return await names(database, channel, filter=narrowed, orderBy="NAME")


async def sell(database: Database, channel: Channel, name: str, price: str = "10", **changes: Any) -> Variant:
    description = changes.pop("description", None)
    draft = factories.variant_draft(
        changes.pop("sku", None), {channel.slug: (price, channel.currency)}, **changes
    )
    return (await factories.make_product(database, draft, name=name, description=description))[1][0]


async def test_twenty_products_with_price_and_availability_take_one_statement(database: Database) -> None:
    location = await factories.make_location(database)
    channel = await factories.make_channel(database)
    for number in range(25):
        sold = await sell(database, channel, f"Product {number}", price=f"{number}.5")
        await factories.give_stock(database, sold, location, number + 1)
    with count_statements(database) as statements:
        found = await page(database, channel)
    assert len(statements) <= 6, statements
    assert len(statements) == 1, statements
    assert len(found["edges"]) == 20
    third = found["edges"][2]["node"]["variants"][0]
    assert third["price"] == {"amount": "2.50", "currency": "USD"}
    assert (third["availability"]["available"], third["availability"]["channel"]) == (3, channel.slug)
    assert third["product"] == {"name": "Product 2"}
    edges = found["edges"]
    assert found["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": edges[0]["cursor"],
        "endCursor": edges[-1]["cursor"],
    }


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("OLDEST", ["b", "a", "c", "a"]),
        ("NEWEST", ["a", "c", "a", "b"]),
        ("NAME", ["a", "a", "b", "c"]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 4])
async def test_pages_of_any_size_make_up_the_whole_list(
    database: Database, order: str, expected: list[str], size: int
) -> None:
    channel = await factories.make_channel(database)
    for name in ("b", "a", "c", "a"):
        await sell(database, channel, name)
    seen: list[str] = []
    ids: set[str] = set()
    after = None
    while True:
        found = await page(database, channel, first=size, after=after, orderBy=order)
        seen += [edge["node"]["name"] for edge in found["edges"]]
        ids |= {edge["node"]["id"] for edge in found["edges"]}
        assert found["pageInfo"]["hasPreviousPage"] is (after is not None)
        if not found["pageInfo"]["hasNextPage"]:
            break
        after = found["pageInfo"]["endCursor"]
    assert seen == expected
    assert len(ids) == 4


async def test_a_product_has_all_its_variants_in_order(database: Database) -> None:
    channel, other = [await factories.make_channel(database) for _ in range(2)]
    drafts = [
        factories.variant_draft("S", {channel.slug: ("1", "USD")}, name="Small"),
        factories.variant_draft("L", {other.slug: ("3", "USD")}, name="Large"),
    ]
    await factories.make_product(database, *drafts, name="Shirt")
    (edge,) = (await page(database, channel))["edges"]
    variants = edge["node"]["variants"]
    assert [(one["sku"], one["price"]) for one in variants] == [
        ("S", {"amount": "1.00", "currency": "USD"}),
        ("L", None),
    ]


async def test_what_a_channel_does_not_sell_is_for_staff(database: Database) -> None:
    channel, other = [await factories.make_channel(database) for _ in range(2)]
    await sell(database, channel, "sold")
    await sell(database, other, "elsewhere")
    assert await names(database, channel) == ["sold"]
    staff = factories.make_app(Permission.CATALOG_WRITE)
    assert await names(database, channel, filter={"unpriced": True}, actor=staff) == ["sold", "elsewhere"]
    result = await factories.execute(
        database, LIST, {"channel": channel.slug, "filter": {"unpriced": True}}, ANONYMOUS
    )
    assert result.errors


async def test_search_finds_words_beginnings_skus_and_barcodes(database: Database) -> None:
    channel = await factories.make_channel(database)
    await sell(database, channel, "WHITE HANGING HEART T-LIGHT HOLDER", sku="85123A", barcode="4006381333931")
    await sell(database, channel, "Red heart", description="A lantern, don't drop: 100%", sku="a_b")
    await sell(database, channel, "Blue mug", sku="aXb")
    white, red, blue = "WHITE HANGING HEART T-LIGHT HOLDER", "Red heart", "Blue mug"
    for search, expected in {
        "heart": [red, white],
        "HEA": [red, white],
        "heart lant": [red],
        "t-light": [white],
        "don't": [red],
        "85123": [white],
        "85123a": [white],
        "4006381333931": [white],
        "a_": [red],
        "100%": [red],
        "   ": [blue, red, white],
        "nothing": [],
        "&|!:*()<->'\\": [],
        "mug:*B": [],
    }.items():
        assert await filtered(database, channel, search=search) == expected, search


async def test_filters_by_sku_price_and_stock_combine(database: Database) -> None:
    location = await factories.make_location(database)
    channel = await factories.make_channel(database, currency="KWD")
    for name, price, units in (("a", "1.000", 0), ("b", "2.500", 3), ("c", "2.501", 1)):
        sold = await sell(database, channel, name, price, sku=f"sku-{name}")
        if units:
            await factories.give_stock(database, sold, location, units)
    assert await filtered(database, channel, skus=["sku-a", "sku-c", "unknown"]) == ["a", "c"]
    assert await filtered(database, channel, inStock=True) == ["b", "c"]
    assert await filtered(database, channel, minPrice="1.001", maxPrice="2.5") == ["b"]
    assert await filtered(database, channel, inStock=True, minPrice="2.501", search="c") == ["c"]
    assert await filtered(database, channel, skus=[]) == []


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"first": 0}, ["first"]),
        ({"first": -1}, ["first"]),
        ({"first": 101}, ["first"]),
        ({"after": "garbage"}, ["after"]),
        ({"after": ""}, ["after"]),
        ({"after": "W10="}, ["after"]),
        ({"after": "WyJPTERFU1QiLCAxXQ=="}, ["after"]),
        ({"filter": {"search": "x" * 201}}, ["filter", "search"]),
        ({"filter": {"skus": ["x"] * 501}}, ["filter", "skus"]),
        ({"filter": {"minPrice": "1.001"}}, ["filter", "minPrice", "amount"]),
        ({"filter": {"minPrice": "sNaN"}}, ["filter", "minPrice", "amount"]),
        ({"filter": {"maxPrice": "1e999999"}}, ["filter", "maxPrice", "amount"]),
        ({"filter": {"maxPrice": "-1"}}, ["filter", "maxPrice", "amount"]),
        ({"channel": "nowhere"}, ["channel"]),
    ],
)
async def test_bad_input_names_its_argument(
    database: Database, given: dict[str, Any], path: list[str]
) -> None:
    channel = await factories.make_channel(database)
    result = await factories.execute(database, LIST, {"channel": channel.slug, **given}, ANONYMOUS)
    assert result.errors
    (error,) = result.errors
    assert getattr(error.original_error, "path", None) == tuple(path)


async def test_a_cursor_belongs_to_one_order(database: Database) -> None:
    channel = await factories.make_channel(database)
    await sell(database, channel, "a")
    after = (await page(database, channel))["pageInfo"]["endCursor"]
    given = {"channel": channel.slug, "after": after, "orderBy": "NAME"}
    assert (await factories.execute(database, LIST, given, ANONYMOUS)).errors


async def test_products_created_between_pages_are_not_doubled_or_skipped(database: Database) -> None:
    channel = await factories.make_channel(database)
    before = {(await sell(database, channel, f"p{number}")).sku for number in range(6)}
    for order in ("OLDEST", "NEWEST", "NAME"):
        seen: list[str] = []
        after = None
        more = True
        while more:
            found = await page(database, channel, first=2, after=after, orderBy=order)
            seen += [edge["node"]["variants"][0]["sku"] for edge in found["edges"]]
            after, more = found["pageInfo"]["endCursor"], found["pageInfo"]["hasNextPage"]
            if len(seen) < 8:
                await sell(database, channel, "new")
        assert len(seen) == len(set(seen))
        assert before <= set(seen)


async def test_more_units_than_a_number_can_say_are_the_most_it_can(database: Database) -> None:
    channel = await factories.make_channel(database)
    sold = await factories.make_variant(database, channel)
    for _ in range(3):
        await factories.give_stock(database, sold, await factories.make_location(database), MAX_ON_HAND)
    one = """query ($c: String!, $s: String!) {
        productVariant(variant: { sku: $s }, channel: $c) { availability { available } }
        products(channel: $c) { edges { node { variants { availability { available } } } } } }"""
    found = await factories.data_of(database, one, {"c": channel.slug, "s": sold.sku})
    most = {"availability": {"available": 2**31 - 1}}
    assert found["productVariant"] == most
    assert found["products"]["edges"] == [{"node": {"variants": [most]}}]
    async with database.read() as connection:
        by_sku = await availability.units_by_sku(connection, channel.id, [sold.sku])
    assert by_sku == {sold.sku: (sold.id, 2**31 - 1)}
