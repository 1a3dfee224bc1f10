"""Delivery by zone, weight, volume and value: as staff set it up, and what carts are offered of it."""

from typing import Any

import pytest
from sqlalchemy import text

from api.scalars import encode_id
from domain.catalog import Box
from domain.delivery_zones import PostcodeRule
from persistence.database import Database
from services.access import Permission
from tests import cart_flows as flow
from tests import factories
from tests.delivery import (
    BRITISH,
    GERMAN,
    ISLANDER,
    amount,
    make_box,
    make_rate,
    make_zone,
    option_id,
    prices,
)
from tests.factories import Shop, make_shop, make_variant
from tests.statements import count_statements

ZONE = """
id version name countries regions position channel { slug }
postcodes { country first last } excludedPostcodes { country first last }
"""


def mutation(verb: str) -> str:
    return f"""
    mutation ($input: DeliveryZone{verb}Input!) {{
      deliveryZone{verb}(input: $input) {{ deliveryZone {{ {ZONE} }} userErrors {{ __typename path }} }}
    }}
    """


async def change(database: Database, verb: str, given: dict[str, Any]) -> dict[str, Any]:
    data = await factories.data_of(database, mutation(verb), {"input": given})
    return dict(data[f"deliveryZone{verb}"])


async def zones_of(database: Database, channel: str) -> list[dict[str, Any]]:
    document = f"query ($channel: String!) {{ deliveryZones(channel: $channel) {{ {ZONE} }} }}"
    return list((await factories.data_of(database, document, {"channel": channel}))["deliveryZones"])


@pytest.fixture
async def shop(database: Database) -> Shop:
    """A shop with a hundred units at 10.00 USD, and no rate but those a test makes."""
    made = await make_shop(database, stock=100)
    await flow.run_sql(database, "UPDATE delivery_rates SET archived_at = now() RETURNING id")
    return made


async def test_staff_add_change_and_archive_zones(database: Database, shop: Shop) -> None:
    given = {
        "channel": shop.channel.slug,
        "name": "Islands",
        "countries": ["de"],
        "postcodes": [{"country": "DE", "first": "25 980", "last": "25-999"}],
        "excludedPostcodes": [{"country": "DE", "first": "25990"}],
    }
    zone = (await change(database, "Create", given))["deliveryZone"]
    assert (zone["countries"], zone["version"], zone["channel"]) == (["DE"], 1, {"slug": shop.channel.slug})
    assert zone["postcodes"] == [{"country": "DE", "first": "25980", "last": "25999"}]

    changed = (await change(database, "Update", {"id": zone["id"], "name": "Sylt", "postcodes": []}))[
        "deliveryZone"
    ]
    assert (changed["name"], changed["postcodes"], changed["version"]) == ("Sylt", [], 2)
    assert changed["excludedPostcodes"] == [{"country": "DE", "first": "25990", "last": None}]
    assert await zones_of(database, shop.channel.slug) == [changed]

    stale = await change(database, "Archive", {"id": zone["id"], "expectedVersion": 1})
    assert [error["__typename"] for error in stale["userErrors"]] == ["VersionConflictError"]
    assert (await change(database, "Archive", {"id": zone["id"]}))["deliveryZone"]["version"] == 3
    assert await zones_of(database, shop.channel.slug) == []
    async with database.read() as connection:
        told = await connection.execute(
            text("SELECT kind, version FROM event_outbox WHERE aggregate = 'delivery_zone' ORDER BY id")
        )
        assert [tuple(row) for row in told] == [
            ("DeliveryZoneCreated", 1), ("DeliveryZoneUpdated", 2), ("DeliveryZoneArchived", 3),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"channel": "nowhere"}, ["channel"]),
        ({"name": ""}, ["name"]),
        ({"countries": []}, ["countries"]),
        ({"regions": ["DE"]}, ["regions"]),
        ({"postcodes": [{"country": "DE", "first": "1", "last": "20"}]}, ["postcodes", "0", "last"]),
        ({"excludedPostcodes": [{"country": "AT", "first": "1"}]}, ["excludedPostcodes", "0", "country"]),
        ({"position": 10**9}, ["position"]),
    ],
)
async def test_bad_input_names_its_field(
    database: Database, shop: Shop, given: dict[str, Any], path: list[str]
) -> None:
    usual = {"channel": shop.channel.slug, "name": "Zone", "countries": ["DE"]}
    answer = await change(database, "Create", {**usual, **given})
    assert [error["path"] for error in answer["userErrors"]] == [path]
    assert await zones_of(database, shop.channel.slug) == []


async def test_zones_need_the_permission(database: Database, shop: Shop) -> None:
    given = {"input": {"channel": shop.channel.slug, "name": "Zone", "countries": ["DE"]}}
    stranger = factories.make_app(Permission.CATALOG_WRITE)
    assert (await factories.execute(database, mutation("Create"), given, stranger)).errors


async def test_a_zone_with_rates_is_not_archived(database: Database, shop: Shop) -> None:
    zone = await make_zone(database, shop, "DE")
    await make_rate(database, shop, "4.90", zone_id=zone.id)
    answer = await change(database, "Archive", {"id": encode_id("DeliveryZone", zone.id)})
    assert [error["path"] for error in answer["userErrors"]] == [["id"]]


async def test_a_rate_is_of_a_zone_of_its_own_channel(database: Database, shop: Shop) -> None:
    foreign = await make_zone(database, await make_shop(database), "DE")
    document = """mutation ($input: DeliveryRateCreateInput!) {
        deliveryRateCreate(input: $input) { deliveryRate { zoneId } userErrors { __typename path } } }"""
    given = {
        "channel": shop.channel.slug,
        "carrier": "Post",
        "service": "Parcel",
        "price": {"amount": "4.90", "currency": "USD"},
        "zoneId": encode_id("DeliveryZone", foreign.id),
    }
    answer = (await factories.data_of(database, document, {"input": given}))["deliveryRateCreate"]
    assert answer == {
        "deliveryRate": None,
        "userErrors": [{"__typename": "NotFoundError", "path": ["zoneId"]}],
    }

    own = encode_id("DeliveryZone", (await make_zone(database, shop, "DE")).id)
    both = {**given, "zoneId": own, "countries": ["DE"]}
    answer = (await factories.data_of(database, document, {"input": both}))["deliveryRateCreate"]
    assert [error["path"] for error in answer["userErrors"]] == [["countries"]]
    answer = (await factories.data_of(database, document, {"input": {**given, "zoneId": own}}))[
        "deliveryRateCreate"
    ]
    assert answer["deliveryRate"] == {"zoneId": own}


async def test_a_cart_is_offered_the_rates_of_the_first_zone_that_has_its_address(
    database: Database, shop: Shop
) -> None:
    country = await make_zone(database, shop, "DE", position=2)
    islands = await make_zone(
        database, shop, "DE", position=1, postcodes=_codes(("DE", "25980", "25999")), name="Islands"
    )
    await make_rate(database, shop, "4.90", zone_id=country.id)
    await make_rate(database, shop, "19.90", zone_id=islands.id)
    created = await flow.create(database, shop, 1)
    token = created["cartToken"]
    assert prices(created["cart"]) == []
    assert prices((await flow.update(database, token, shippingAddress=GERMAN))["cart"]) == ["4.90"]
    assert prices((await flow.update(database, token, shippingAddress=ISLANDER))["cart"]) == ["19.90"]
    assert prices((await flow.update(database, token, shippingAddress=BRITISH))["cart"]) == []


async def test_an_option_is_dropped_when_its_zone_no_longer_has_the_address(
    database: Database, shop: Shop
) -> None:
    zone = await make_zone(database, shop, "DE")
    rate = await make_rate(database, shop, "4.90", zone_id=zone.id)
    token = (await flow.create(database, shop, 1))["cartToken"]
    await flow.update(database, token, shippingAddress=GERMAN)
    chosen = await flow.select(database, token, option_id(rate))
    assert chosen["cart"]["deliveryOption"]["price"]["amount"] == "4.90"
    assert (await flow.update(database, token, shippingAddress=BRITISH))["cart"]["deliveryOption"] is None


@pytest.mark.parametrize(
    ("currency", "base", "per_kilogram", "expected"),
    [("JPY", "500", "120", "740"), ("KWD", "1.250", "0.125", "1.500"), ("USD", "4.90", "1.10", "7.10")],
)
async def test_each_kilogram_above_what_is_included_costs_more_in_any_currency(
    database: Database, currency: str, base: str, per_kilogram: str, expected: str
) -> None:
    shop = await make_shop(database, currency=currency)
    heavy = await make_variant(database, shop.channel, weight_grams=1_700, price="1000")
    await factories.give_stock(database, heavy, shop.location, 5)
    await make_rate(
        database, shop, base, included_weight_grams=2_000, per_kilogram=amount(shop, per_kilogram)
    )
    created = await flow.create_lines(database, shop, [(heavy.sku, 2)])
    # 3.4 kg: two kilograms begun above two.
    assert expected in prices(created["cart"])


async def test_volume_has_bands_too(database: Database, shop: Shop) -> None:
    pillow = await make_variant(database, shop.channel, box=Box(400, 400, 100))
    await factories.give_stock(database, pillow, shop.location, 9)
    await make_rate(database, shop, "4.90", max_volume_ml=32_000)
    await make_rate(database, shop, "9.90", min_volume_ml=32_000)
    one = await flow.create_lines(database, shop, [(pillow.sku, 1)])
    two = await flow.create_lines(database, shop, [(pillow.sku, 2)])
    assert prices(one["cart"]) == ["4.90"]
    assert prices(two["cart"]) == ["9.90"]


async def test_rates_weigh_the_packed_parcels_and_charge_for_space(database: Database, shop: Shop) -> None:
    pillow = await make_variant(database, shop.channel, box=Box(400, 400, 100), weight_grams=300)
    await factories.give_stock(database, pillow, shop.location, 9)
    await make_box(database, 400, 400, 250, own=400)
    await make_rate(database, shop, "5.00", per_kilogram=amount(shop, "1.00"))
    await make_rate(database, shop, "6.00", per_kilogram=amount(shop, "1.00"), dimensional_divisor=5_000)
    # Two boxes of 40 l: 2 x (400 + 2 x 300 or 300) g, and 2 x 8 kg of space.
    created = await flow.create_lines(database, shop, [(pillow.sku, 4)])
    assert prices(created["cart"]) == ["7.00", "22.00"]


async def test_delivery_is_free_from_what_the_goods_cost_after_discounts(
    database: Database, shop: Shop
) -> None:
    rate = await make_rate(database, shop, "4.90", free_from=amount(shop, "50.00"))
    created = await flow.create(database, shop, 5)
    token = created["cartToken"]
    assert prices(created["cart"]) == ["0.00"]
    await flow.select(database, token, option_id(rate))
    await factories.make_discount(database, shop.channel)
    reduced = await flow.read(database, token)
    assert prices(reduced) == ["4.90"]
    assert reduced["totals"]["discount"]["amount"] == "5.00"
    assert reduced["totals"]["total"]["amount"] == "49.90"
    line = created["cart"]["lines"][0]["id"]
    assert prices((await flow.update_line(database, token, line, 6))["cart"]) == ["0.00"]


async def test_zones_and_boxes_cost_a_cart_no_statement(database: Database, shop: Shop) -> None:
    zone = await make_zone(database, shop, "DE", postcodes=_codes(("DE", "1", None)))
    await make_box(database, 100, 100, 100)
    rate = await make_rate(database, shop, "4.90", zone_id=zone.id)
    token = (await flow.create(database, shop, 1))["cartToken"]
    with count_statements(database) as sent:
        await flow.update(database, token, shippingAddress=GERMAN)
    assert len(sent) <= 4, sent
    with count_statements(database) as sent:
        await flow.read(database, token)
    assert len(sent) == 1, sent
    with count_statements(database) as sent:
        await flow.select(database, token, option_id(rate))
    assert len(sent) <= 4, sent


def _codes(*rules: tuple[str, str, str | None]) -> list[Any]:
    return [PostcodeRule(*rule) for rule in rules]
