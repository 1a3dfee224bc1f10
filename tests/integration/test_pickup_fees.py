"""What collecting costs, and when a store hands out: told to shoppers, and kept by their orders."""

from datetime import time
from typing import Any
from uuid import uuid4

from api.scalars import encode_id
from domain.opening_hours import OpenSpan
from persistence.database import Database
from services import carts
from services.access import ANONYMOUS, Permission
from services.order_placement import place
from tests.checkouts import Shop, events, make_ready_cart, till
from tests.factories import data_of, execute, make_app, make_tax_rate
from tests.pickups import collect_at, make_store_shop
from tests.shipping import order_of
from tests.statements import count_statements

STAFF = make_app(Permission.SHIPPING_WRITE, Permission.LOCATIONS_WRITE, Permission.STOCK_READ)
SET = """mutation ($input: PickupFeeSetInput!) { pickupFeeSet(input: $input) {
    pickupFee { locationCode fee { amount } } userErrors { path } } }"""
PLACES = """query ($channel: String!, $sku: String!) {
    pickupLocations(channel: $channel, lines: [{ sku: $sku }]) { place {
        fee { amount currency } openingHours { weekday opens closes } closedDays readyFrom } } }"""


async def set_fee(database: Database, shop: Shop, fee: str, **other: str) -> dict[str, Any]:
    given = {
        "channel": shop.channel.slug,
        "locationCode": shop.locations[1].code,
        "fee": {"amount": fee, "currency": "USD"},
        **other,
    }
    return dict((await data_of(database, SET, {"input": given}, STAFF))["pickupFeeSet"])


async def shown(database: Database, shop: Shop) -> dict[str, Any]:
    """Return the one store as a shopper sees it."""
    values = {"channel": shop.channel.slug, "sku": shop.variant.sku}
    [offer] = (await data_of(database, PLACES, values, ANONYMOUS))["pickupLocations"]
    return dict(offer["place"])


async def test_an_order_that_is_collected_costs_the_stores_fee_and_its_tax(database: Database) -> None:
    shop = await make_store_shop(database, 10, 10)
    await make_tax_rate(database, shop.channel, "19", "DE", applies_to_shipping=True)
    assert (await set_fee(database, shop, "2.00"))["pickupFee"]["fee"] == {"amount": "2.00"}
    assert (await shown(database, shop))["fee"] == {"amount": "2.00", "currency": "USD"}
    token = await make_ready_cart(database, shop, 1)

    with count_statements(database) as statements:
        cart = await collect_at(database, token, shop)
    assert len(statements) == 7, statements
    assert (cart.totals.shipping_minor, cart.totals.tax_minor, cart.totals.total_minor) == (200, 228, 1428)

    placed = await place(till(database), token, "sandbox", "ok", str(uuid4()))
    assert placed.order is not None
    assert placed.order.totals == cart.totals
    assert placed.order.delivery is not None
    assert placed.order.delivery["priceMinor"] == 200
    await set_fee(database, shop, "3.00")
    assert (await order_of(database, placed.order.id)).total_minor == 1428


async def test_staff_set_a_fee_once_and_take_it_away(database: Database) -> None:
    shop = await make_store_shop(database, 10, 10)
    location = shop.locations[1].id
    for fee in ("2.00", "2.00", "0"):
        await set_fee(database, shop, fee)
    assert [version for kind, version in await events(database, location) if kind == "LocationUpdated"] == [
        2,
        3,
    ]
    assert (await shown(database, shop))["fee"] is None
    token = await make_ready_cart(database, shop, 1)
    await set_fee(database, shop, "1.00")
    await collect_at(database, token, shop)
    await set_fee(database, shop, "4.00")
    cart = await carts.get(till(database), token)
    assert cart is not None
    assert cart.totals.shipping_minor == 400
    document = "query ($channel: String!) { pickupFees(channel: $channel) { locationCode fee { amount } } }"
    listed = await data_of(database, document, {"channel": shop.channel.slug}, STAFF)
    assert listed["pickupFees"] == [{"locationCode": shop.locations[1].code, "fee": {"amount": "4.00"}}]
    for field, wrong in {"channel": "no-such", "locationCode": "NOWHERE"}.items():
        [error] = (await set_fee(database, shop, "1", **{field: wrong}))["userErrors"]
        assert error["path"] == [field]
    [error] = (await set_fee(database, shop, "-1"))["userErrors"]
    assert error["path"][0] == "fee"
    refused = await execute(database, document, {"channel": shop.channel.slug}, make_app())
    assert refused.errors is not None


async def test_shoppers_see_when_a_store_is_open(database: Database) -> None:
    shop = await make_store_shop(database, 10, 10)
    document = """mutation ($input: LocationRulesUpdateInput!) { locationRulesUpdate(input: $input) {
        location { rules { openingHours { weekday } } } userErrors { path } } }"""
    hours = [{"weekday": day, "opens": "10:00:00", "closes": "19:30:00"} for day in range(1, 8)]
    given = {
        "id": encode_id("Location", shop.locations[1].id),
        "openingHours": hours,
        "closures": [{"day": "2999-12-24"}],
    }
    changed = await data_of(database, document, {"input": given}, STAFF)
    assert changed["locationRulesUpdate"]["userErrors"] == []
    assert len(changed["locationRulesUpdate"]["location"]["rules"]["openingHours"]) == 7
    place_shown = await shown(database, shop)
    assert place_shown["openingHours"] == hours
    assert place_shown["closedDays"] == ["2999-12-24"]
    opens = place_shown["readyFrom"].partition("T")[2]
    assert time(10) <= time.fromisoformat(opens[:8]) <= time(19, 30)
    cart = await collect_at(database, await make_ready_cart(database, shop, 1), shop)
    assert cart.pickup is not None
    assert cart.pickup.hours[0] == OpenSpan(1, time(10), time(19, 30))
    given["openingHours"] = [{**hours[0], "closes": "09:00"}]
    [error] = (await data_of(database, document, {"input": given}, STAFF))["locationRulesUpdate"][
        "userErrors"
    ]
    assert error["path"] == ["openingHours", "0", "closes"]
