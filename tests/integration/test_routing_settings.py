"""What a channel says about routing, previews, and decisions as staff and shoppers see them, over GraphQL."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from api.scalars import encode_id
from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.ids import new_id
from persistence.database import Database
from services import reroutes
from services.access import ANONYMOUS, SYSTEM, Actor, Permission
from tests import factories
from tests.cart_flows import run_sql
from tests.checkouts import Shop, levels, make_ready_cart, make_stocked_shop, order_now, till
from tests.statements import count_statements

UPDATE = """
mutation ($input: ChannelRoutingUpdateInput!) {
  channelRoutingUpdate(input: $input) {
    routing {
      isSet strategy splitPenalty { amount } parcelCost { amount } version
      locations { location { code } parcelCost { amount } unitCost { amount } priority countries }
    }
    userErrors { __typename path }
  }
}
"""
READ = "query ($channel: String!) { channelRouting(channel: $channel) { isSet strategy version } }"
DECISION = """
  strategy method proven cost { amount } bound { amount }
  alternatives { location { code } used extraCost { amount } reasons { note skus } units { sku quantity } }
"""
PREVIEW = f"""
query ($input: RoutingPreviewInput!) {{ routingPreview(input: $input) {{ {DECISION} short {{ sku }} }} }}
"""
ORDER = (
    f"query ($id: ID!) {{ order(ref: {{id: $id}}) {{ fulfillmentOrders {{ routing {{ {DECISION} }} }} }} }}"
)
BY_TOKEN = "query ($t: String!) { order(ref: {token: $t}) { fulfillmentOrders { routing { method } } } }"
REROUTE = """
mutation ($input: OrderRerouteInput!) {
  orderReroute(input: $input) { order { version } unfillable { sku quantity reason text }
    userErrors { __typename path } }
}
"""
UNFILLABLE = """
query ($first: Int, $after: String) {
  unfillableOrders(first: $first, after: $after) {
    edges { cursor node { order { id } reasons { sku quantity reason } } } pageInfo { hasNextPage }
  }
}
"""
ADDRESS = {"name": "Ada", "line1": "1 High St", "city": "London", "postalCode": "SW1Y 4LE", "country": "GB"}


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


async def update(database: Database, shop: Shop, **given: Any) -> dict[str, Any]:
    values = {"input": {"channel": shop.channel.slug, **given}}
    return dict((await factories.data_of(database, UPDATE, values))["channelRoutingUpdate"])


async def configured(database: Database, *units: int) -> Shop:
    """Make a shop where a parcel costs 9.00 from the first location and 2.00 from the others."""
    shop = await make_stocked_shop(database, *units)
    costs = [
        {"locationId": encode_id("Location", one.id), "parcelCost": usd("9.00" if at == 0 else "2.00")}
        for at, one in enumerate(shop.locations)
    ]
    answer = await update(database, shop, splitPenalty=usd("1.50"), locations=costs)
    assert answer["userErrors"] == []
    return shop


async def test_a_channel_says_what_parcels_cost_it(database: Database) -> None:
    shop = await make_stocked_shop(database, 1, 1)
    before = await factories.data_of(database, READ, {"channel": shop.channel.slug})
    assert before["channelRouting"] == {"isSet": False, "strategy": "PRIORITY", "version": 1}
    site = {
        "locationId": encode_id("Location", shop.locations[0].id),
        "parcelCost": usd("1.20"),
        "priority": 3,
        "countries": ["FR", "DE", "DE"],
    }
    answer = await update(database, shop, splitPenalty=usd("5"), locations=[site])
    assert answer["routing"] == {
        "isSet": True,
        "strategy": "CHEAPEST",
        "splitPenalty": {"amount": "5.00"},
        "parcelCost": {"amount": "0.00"},
        "version": 1,
        "locations": [
            {
                "location": {"code": shop.locations[0].code},
                "parcelCost": {"amount": "1.20"},
                "unitCost": {"amount": "0.00"},
                "priority": 3,
                "countries": ["DE", "FR"],
            }
        ],
    }
    again = await update(database, shop, strategy="NEAREST", expectedVersion=1)
    assert (again["routing"]["strategy"], again["routing"]["version"]) == ("NEAREST", 2)
    assert again["routing"]["splitPenalty"] == {"amount": "5.00"}
    assert len(again["routing"]["locations"]) == 1


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"splitPenalty": {"amount": "1", "currency": "EUR"}}, ["splitPenalty", "currency"]),
        ({"parcelCost": usd("-1")}, ["parcelCost", "amount"]),
        ({"kilogramCost": usd("0.001")}, ["kilogramCost", "amount"]),
        ({"channel": "no-such"}, ["channel"]),
        ({"channel": "\u0000"}, ["channel"]),
        ({"expectedVersion": 5}, ["expectedVersion"]),
        ({"locations": [{"locationId": "x"}]}, ["locations", "0", "locationId"]),
        (
            {"locations": [{"locationId": encode_id("Location", new_id())}]},
            ["locations", "0", "locationId"],
        ),
        ({"locations": [{"locationId": "HERE", "priority": -1}]}, ["locations", "0", "priority"]),
        ({"locations": [{"locationId": "HERE", "countries": ["de"]}]}, ["locations", "0", "countries"]),
        ({"locations": [{"locationId": "HERE", "countries": ["ZZ"]}]}, ["locations", "0", "countries"]),
        (
            {"locations": [{"locationId": "HERE"}, {"locationId": "HERE"}]},
            ["locations", "1", "locationId"],
        ),
        (
            {"locations": [{"locationId": "HERE", "unitCost": usd("-2")}]},
            ["locations", "0", "unitCost", "amount"],
        ),
    ],
)
async def test_settings_that_cannot_be_are_refused(
    database: Database, given: dict[str, Any], path: list[str]
) -> None:
    shop = await make_stocked_shop(database, 1)
    here = encode_id("Location", shop.locations[0].id)
    if "locations" in given:
        sites = [
            {**one, "locationId": here if one["locationId"] == "HERE" else one["locationId"]}
            for one in given["locations"]
        ]
        given = {**given, "locations": sites}
    answer = await update(database, shop, **given)
    assert answer["routing"] is None
    assert [one["path"] for one in answer["userErrors"]] == [path]


async def test_a_cart_is_previewed_and_nothing_changes(database: Database) -> None:
    shop = await configured(database, 5, 5)
    token = await make_ready_cart(database, shop, 3)
    before = await levels(database, shop)
    answer = (await factories.data_of(database, PREVIEW, {"input": {"cartToken": token}}))["routingPreview"]
    assert (answer["strategy"], answer["proven"], answer["cost"]["amount"]) == ("cheapest", True, "2.00")
    first, second = answer["alternatives"]
    assert first == {
        "location": {"code": shop.locations[0].code},
        "used": False,
        "extraCost": {"amount": "7.00"},
        "reasons": [{"note": "DEARER", "skus": []}],
        "units": [],
    }
    assert second["units"] == [{"sku": shop.variant.sku, "quantity": 3}]
    assert await levels(database, shop) == before
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM routing_decisions")) == 0


async def test_goods_are_previewed_by_address(database: Database) -> None:
    shop = await configured(database, 5, 2)
    line = {"variant": {"sku": shop.variant.sku}, "quantity": 8}
    given = {"channel": shop.channel.slug, "lines": [line], "address": ADDRESS}
    answer = (await factories.data_of(database, PREVIEW, {"input": given}))["routingPreview"]
    assert answer["cost"]["amount"] == "12.50"
    assert answer["short"] == [{"sku": shop.variant.sku}]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"cartToken": "nonsense"},
        {"channel": "\u0000", "lines": [{"variant": {"sku": "x"}, "quantity": 1}], "address": ADDRESS},
        {"channel": "x", "lines": [], "address": ADDRESS},
        {"channel": "x", "lines": [{"variant": {"sku": "x"}, "quantity": 0}], "address": ADDRESS},
        {"channel": "x", "lines": [{"variant": {"sku": "\u0000"}, "quantity": 1}], "address": ADDRESS},
        {"channel": "x", "lines": [{"variant": {"id": "x"}, "quantity": 1}], "address": ADDRESS},
    ],
)
async def test_a_preview_of_nonsense_is_an_error_that_says_so(
    database: Database, given: dict[str, Any]
) -> None:
    result = await factories.execute(database, PREVIEW, {"input": given})
    assert result.errors is not None
    assert isinstance(result.errors[0].original_error, InvalidInput | NotFound)


@pytest.mark.parametrize(
    "actor", [ANONYMOUS, factories.make_app(Permission.ORDERS_READ, Permission.CARTS_READ)]
)
async def test_shoppers_and_others_learn_nothing_of_routing(database: Database, actor: Actor) -> None:
    shop = await configured(database, 5, 5)
    token = await make_ready_cart(database, shop, 1)
    asked: list[tuple[str, dict[str, Any]]] = [
        (PREVIEW, {"input": {"cartToken": token}}),
        (READ, {"channel": shop.channel.slug}),
        (UPDATE, {"input": {"channel": shop.channel.slug}}),
        (UNFILLABLE, {}),
        (REROUTE, {"input": {"id": encode_id("Order", new_id()), "idempotencyKey": str(uuid4())}}),
    ]
    for document, values in asked:
        assert (await factories.execute(database, document, values, actor)).errors is not None


async def test_staff_see_why_a_part_is_sent_from_where_it_is(database: Database) -> None:
    shop = await configured(database, 5, 5, 0)
    placed = await order_now(database, shop, 3)
    assert placed.order is not None
    values = {"id": encode_id("Order", placed.order.id)}
    with count_statements(database) as statements:
        [part] = (await factories.data_of(database, ORDER, values))["order"]["fulfillmentOrders"]
    assert len(statements) <= 12, statements
    assert part["routing"]["cost"] == part["routing"]["bound"] == {"amount": "2.00"}
    notes = [[one["note"] for one in site["reasons"]] for site in part["routing"]["alternatives"]]
    assert notes == [["DEARER"], [], ["NO_STOCK"]]
    shopper = await factories.data_of(database, BY_TOKEN, {"t": placed.order_token}, ANONYMOUS)
    assert shopper["order"]["fulfillmentOrders"] == [{"routing": None}]


async def test_an_order_is_routed_again_and_listed_where_nobody_can_send_it(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    ids = []
    for _ in range(3):
        placed = await order_now(database, shop, 1)
        assert placed.order is not None
        ids.append(encode_id("Order", placed.order.id))
    await run_sql(database, "UPDATE locations SET ships = false WHERE id = :id", id=shop.locations[0].id)
    for order_id in ids:
        given = {"input": {"id": order_id, "idempotencyKey": str(uuid4())}}
        answer = (await factories.data_of(database, REROUTE, given))["orderReroute"]
        assert answer["userErrors"] == []
        assert answer["unfillable"] == [
            {"sku": shop.variant.sku, "quantity": 1, "reason": "DOES_NOT_SHIP", "text": "It does not ship."}
        ]
    seen: list[str] = []
    page: dict[str, Any] = {"edges": [{"cursor": None}]}
    for _ in range(2):
        values = {"first": 2, "after": page["edges"][-1]["cursor"]}
        page = (await factories.data_of(database, UNFILLABLE, values))["unfillableOrders"]
        seen += [edge["node"]["order"]["id"] for edge in page["edges"]]
    assert (seen, page["pageInfo"]["hasNextPage"]) == (ids, False)
    bad = {"input": {"id": encode_id("Order", new_id()), "idempotencyKey": str(uuid4())}}
    answer = (await factories.data_of(database, REROUTE, bad))["orderReroute"]
    assert answer["userErrors"] == [{"__typename": "NotFoundError", "path": ["id"]}]
    assert await reroutes.reroute_due(till(database, SYSTEM)) == 0
