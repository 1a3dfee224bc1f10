"""Delivery options of a cart: recomputed with it, chosen, dropped when they no longer apply."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from api.scalars import encode_id
from domain.kernel.money import Amount
from domain.shipping import DeliveryRate
from persistence.database import Database
from services import shipping
from services.shipping import RateChanges
from tests import cart_flows as flow
from tests.factories import Shop, make_context, make_shop
from tests.statements import count_statements

GERMAN = {"name": "Ada", "line1": "Am Markt 1", "city": "Berlin", "postalCode": "10117", "country": "DE"}
BRITISH = {**GERMAN, "city": "London", "postalCode": "SW1A 2AA", "country": "GB"}


@pytest.fixture
async def shop(database: Database) -> Shop:
    """A shop with a hundred units at 10.00 USD, and the one free worldwide rate of a new channel."""
    return await make_shop(database, stock=100)


async def make_rate(database: Database, shop: Shop, price: str, **changes: Any) -> DeliveryRate:
    """Add a rate to the shop's table."""
    given = RateChanges(carrier="Post", service=price, price=Amount(Decimal(price), "USD"), **changes)
    return (await shipping.create(make_context(database), shop.channel.slug, given))[1]


def option_id(rate: DeliveryRate) -> str:
    """Return what clients call a rate."""
    return encode_id("DeliveryOption", rate.id)


def prices(cart: dict[str, Any]) -> list[str]:
    """Return the prices of a cart's options, in their order."""
    return [option["price"]["amount"] for option in cart["deliveryOptions"]]


async def test_options_follow_the_address_and_the_value(database: Database, shop: Shop) -> None:
    await make_rate(database, shop, "4.90", countries=["DE"], position=1)
    await make_rate(database, shop, "9.90", max_value=Amount(Decimal("50.00"), "USD"), position=2)
    created = await flow.create(database, shop, 1)
    assert prices(created["cart"]) == ["0.00", "9.90"]
    token, line = created["cartToken"], created["cart"]["lines"][0]["id"]
    assert prices((await flow.update(database, token, shippingAddress=GERMAN))["cart"]) == [
        "0.00",
        "4.90",
        "9.90",
    ]
    assert prices((await flow.update_line(database, token, line, 5))["cart"]) == ["0.00", "4.90"]
    assert prices((await flow.update(database, token, shippingAddress=BRITISH))["cart"]) == ["0.00"]
    assert prices((await flow.remove_line(database, token, line))["cart"]) == []


async def test_the_chosen_option_is_in_the_totals(database: Database, shop: Shop) -> None:
    rate = await make_rate(database, shop, "4.90", min_days=2, max_days=4)
    token = (await flow.create(database, shop, 2))["cartToken"]
    with count_statements(database) as sent:
        selected = await flow.select(database, token, option_id(rate))
    assert len(sent) <= 4, sent
    cart = selected["cart"]
    assert cart["deliveryOption"]["price"]["amount"] == "4.90"
    assert cart["totals"]["shipping"]["amount"] == "4.90"
    assert cart["totals"]["total"]["amount"] == "24.90"
    assert cart["version"] == 2
    assert await flow.read(database, token) == cart
    event = (await flow.cart_events(database))[-1]
    assert (event.kind, event.version) == ("CartDeliveryOptionSelected", 2)


async def test_a_change_drops_an_option_that_no_longer_applies(database: Database, shop: Shop) -> None:
    rate = await make_rate(database, shop, "4.90", countries=["DE"])
    created = await flow.create(database, shop, 1)
    token = created["cartToken"]
    await flow.update(database, token, shippingAddress=GERMAN)
    await flow.select(database, token, option_id(rate))
    moved = await flow.update(database, token, shippingAddress=BRITISH)
    assert moved["cart"]["deliveryOption"] is None
    assert moved["cart"]["totals"]["shipping"]["amount"] == "0.00"
    # Dropped for good: moving back does not bring back what the shopper has seen go.
    back = await flow.update(database, token, shippingAddress=GERMAN)
    assert back["cart"]["deliveryOption"] is None


async def test_a_new_price_counts_from_then_on(database: Database, shop: Shop) -> None:
    rate = await make_rate(database, shop, "4.90")
    token = (await flow.create(database, shop, 1))["cartToken"]
    await flow.select(database, token, option_id(rate))
    cheaper = RateChanges(price=Amount(Decimal("3.90"), "USD"))
    await shipping.update(make_context(database), rate.id, cheaper)
    assert (await flow.read(database, token))["totals"]["total"]["amount"] == "13.90"
    await shipping.archive(make_context(database), rate.id)
    cart = await flow.read(database, token)
    assert (cart["deliveryOption"], cart["totals"]["total"]["amount"]) == (None, "10.00")


async def test_an_option_that_is_not_the_carts_is_not_found(database: Database, shop: Shop) -> None:
    foreign = await make_rate(database, await make_shop(database), "1.00")
    german = await make_rate(database, shop, "4.90", countries=["DE"])
    token = (await flow.create(database, shop, 1))["cartToken"]
    for option in (option_id(foreign), option_id(german), encode_id("DeliveryOption", UUID(int=1))):
        refused = await flow.select(database, token, option)
        assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [
            ("NOT_FOUND", ["deliveryOptionId"])
        ]
    malformed = await flow.select(database, token, "4.90")
    assert [(error["code"], error["path"]) for error in malformed["userErrors"]] == [
        ("INVALID_INPUT", ["deliveryOptionId"])
    ]
    assert (await flow.read(database, token))["version"] == 1
