"""Carts through GraphQL: every mutation, what it answers, holds and refuses."""

from typing import Any
from uuid import uuid4

import pytest

from domain.carts import MAX_LINE_QUANTITY
from persistence.database import Database
from services.access import ANONYMOUS
from tests import cart_flows as flow
from tests.factories import Shop, give_stock, make_location, make_shop, make_variant
from tests.statements import count_statements

ADDRESS = {
    "name": "Ada Byron",
    "line1": "10 Downing St",
    "city": "London",
    "postalCode": "SW1A 2AA",
    "country": "GB",
}


@pytest.fixture
async def shop(database: Database) -> Shop:
    """A shop with ten units of one variant at 10.00 USD."""
    return await make_shop(database, stock=10)


async def test_a_new_cart_holds_what_is_in_it(database: Database, shop: Shop) -> None:
    created = await flow.create(database, shop, 3)
    assert created["userErrors"] == []
    line = created["cart"]["lines"][0]
    assert (line["variant"]["sku"], line["quantity"]) == (shop.variant.sku, 3)
    assert line["total"] == {"amount": "30.00", "currency": "USD"}
    assert line["holdExpiresAt"] is not None
    assert created["cart"]["totals"]["total"]["amount"] == "30.00"
    assert created["cart"]["version"] == 1
    assert await flow.levels(database, shop.variant) == {"available": 7, "held": 3}
    assert await flow.read(database, created["cartToken"]) == created["cart"]


async def test_an_empty_cart_is_a_cart(database: Database, shop: Shop) -> None:
    created = await flow.create(database, shop)
    assert created["cart"]["lines"] == []
    assert created["cart"]["totals"]["total"]["amount"] == "0.00"
    assert created["cart"]["deliveryOptions"] == []


async def test_the_same_variant_is_one_line(database: Database, shop: Shop) -> None:
    created = await flow.create(database, shop, 1, 2)
    assert [line["quantity"] for line in created["cart"]["lines"]] == [3]
    added = await flow.add(database, created["cartToken"], shop.variant.sku, 4)
    assert [line["quantity"] for line in added["cart"]["lines"]] == [7]
    assert added["cart"]["version"] == 2
    assert await flow.levels(database, shop.variant) == {"available": 3, "held": 7}


async def test_short_stock_names_the_sku_and_changes_nothing(database: Database, shop: Shop) -> None:
    created = await flow.create(database, shop, 3)
    token = created["cartToken"]
    # The shopper's own three count as available.
    refused = await flow.add(database, token, shop.variant.sku, 8)
    assert refused["cart"] is None
    assert refused["userErrors"] == [
        {
            "__typename": "InsufficientStockError",
            "code": "INSUFFICIENT_STOCK",
            "message": f"11 of {shop.variant.sku} asked for, 10 available",
            "path": ["quantity"],
            "sku": shop.variant.sku,
            "requested": 11,
            "available": 10,
        }
    ]
    assert await flow.read(database, token) == created["cart"]
    assert await flow.levels(database, shop.variant) == {"available": 7, "held": 3}


async def test_a_new_cart_short_of_several_names_each_of_its_lines(database: Database, shop: Shop) -> None:
    other = await make_variant(database, shop.channel)
    refused = await flow.create_lines(
        database, shop, [(shop.variant.sku, 2), (other.sku, 1), (shop.variant.sku, 9)]
    )
    assert refused["cart"] is None
    assert refused["cartToken"] is None
    assert [
        (error["path"], error["sku"], error["requested"], error["available"])
        for error in refused["userErrors"]
    ] == [
        (["lines", "0", "quantity"], shop.variant.sku, 11, 10),
        (["lines", "1", "quantity"], other.sku, 1, 0),
    ]
    assert await flow.levels(database, shop.variant) == {"available": 10, "held": 0}


async def test_a_line_is_changed_and_removed(database: Database, shop: Shop) -> None:
    created = await flow.create(database, shop, 3)
    token, line = created["cartToken"], created["cart"]["lines"][0]["id"]
    more = await flow.update_line(database, token, line, 10)
    assert more["cart"]["lines"][0]["quantity"] == 10
    less = await flow.update_line(database, token, line, 2)
    assert less["cart"]["totals"]["subtotal"]["amount"] == "20.00"
    assert await flow.levels(database, shop.variant) == {"available": 8, "held": 2}
    gone = await flow.remove_line(database, token, line)
    assert gone["cart"]["lines"] == []
    assert gone["cart"]["version"] == 4
    assert await flow.levels(database, shop.variant) == {"available": 10, "held": 0}
    again = await flow.remove_line(database, token, line)
    assert [(error["code"], error["path"]) for error in again["userErrors"]] == [("NOT_FOUND", ["lineId"])]


async def test_an_outdated_version_is_refused(database: Database, shop: Shop) -> None:
    created = await flow.create(database, shop, 3)
    token, line = created["cartToken"], created["cart"]["lines"][0]["id"]
    assert (await flow.update_line(database, token, line, 4, expectedVersion=1))["userErrors"] == []
    for change in (
        await flow.update_line(database, token, line, 5, expectedVersion=1),
        await flow.remove_line(database, token, line, expectedVersion=0),
    ):
        assert change["userErrors"][0]["code"] == "VERSION_CONFLICT"
        assert change["userErrors"][0]["currentVersion"] == 2
        assert change["userErrors"][0]["path"] == ["expectedVersion"]
    assert (await flow.read(database, token))["lines"][0]["quantity"] == 4


async def test_the_price_is_todays_when_the_line_changes(database: Database, shop: Shop) -> None:
    created = await flow.create(database, shop, 1)
    token, line = created["cartToken"], created["cart"]["lines"][0]["id"]
    await flow.reprice(database, shop, 1250)
    assert (await flow.read(database, token))["lines"][0]["unitPrice"]["amount"] == "10.00"
    changed = await flow.update_line(database, token, line, 2)
    assert changed["cart"]["totals"]["subtotal"]["amount"] == "25.00"


async def test_details_are_set_kept_and_cleared(database: Database, shop: Shop) -> None:
    token = (await flow.create(database, shop, 1))["cartToken"]
    first = await flow.update(database, token, email=" ada@example.org ", shippingAddress=ADDRESS)
    assert first["userErrors"] == []
    assert first["cart"]["email"] == "ada@example.org"
    assert first["cart"]["shippingAddress"]["postalCode"] == "SW1A 2AA"
    second = await flow.update(database, token, billingAddress=ADDRESS, email=None)
    assert second["cart"]["email"] is None
    assert second["cart"]["shippingAddress"] == second["cart"]["billingAddress"]
    assert second["cart"]["version"] == 3
    assert await flow.read(database, token) == second["cart"]


@pytest.mark.parametrize(
    ("details", "path"),
    [
        ({"email": "nobody"}, ["email"]),
        ({"email": ""}, ["email"]),
        ({"email": "a\0b@example.org"}, ["email"]),
        ({"shippingAddress": {**ADDRESS, "country": "ZZ"}}, ["shippingAddress", "country"]),
        ({"billingAddress": {**ADDRESS, "postalCode": "1"}}, ["billingAddress", "postalCode"]),
    ],
)
async def test_bad_details_are_named(
    database: Database, shop: Shop, details: dict[str, Any], path: list[str]
) -> None:
    token = (await flow.create(database, shop, 1))["cartToken"]
    refused = await flow.update(database, token, **details)
    assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [("INVALID_INPUT", path)]
    assert (await flow.read(database, token))["version"] == 1


@pytest.mark.parametrize("quantity", [0, -1, 1_000_000_000, MAX_LINE_QUANTITY + 1])
async def test_a_quantity_out_of_bounds_is_refused(database: Database, shop: Shop, quantity: int) -> None:
    refused = await flow.create(database, shop, quantity)
    assert refused["userErrors"][0]["code"] == "INVALID_INPUT"
    assert refused["userErrors"][0]["path"] == ["lines", "0", "quantity"]
    token = (await flow.create(database, shop, 1))["cartToken"]
    added = await flow.add(database, token, shop.variant.sku, quantity)
    assert [(error["code"], error["path"]) for error in added["userErrors"]] == [
        ("INVALID_INPUT", ["quantity"])
    ]


@pytest.mark.parametrize("sku", ["no-such-sku", "", "a\0b", "\ud800", "x" * 1_000_000])
async def test_an_unknown_sku_is_not_found(database: Database, shop: Shop, sku: str) -> None:
    refused = await flow.create_lines(database, shop, [(sku, 1)], idempotencyKey=str(uuid4()))
    assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [
        ("NOT_FOUND", ["lines", "0", "variant"])
    ]
    token = (await flow.create(database, shop, 1))["cartToken"]
    added = await flow.add(database, token, sku, 1, idempotencyKey="1")
    assert [(error["code"], error["path"]) for error in added["userErrors"]] == [("NOT_FOUND", ["variant"])]


async def test_what_the_channel_does_not_sell_is_not_found(database: Database, shop: Shop) -> None:
    unpriced = await make_variant(database)
    await give_stock(database, unpriced, shop.location, 5)
    refused = await flow.create_lines(database, shop, [(unpriced.sku, 1)])
    assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [
        ("NOT_FOUND", ["lines", "0", "variant"])
    ]


@pytest.mark.parametrize("slug", ["nowhere", "", "A\0", "\udfff"])
async def test_an_unknown_channel_is_not_found(database: Database, slug: str) -> None:
    refused = await flow.create_in(database, slug, [])
    assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [("NOT_FOUND", ["channel"])]


@pytest.mark.parametrize("token", ["", "x", "\ud800", "é", "A" * 52, "A" * 1_000_000])
async def test_a_foreign_token_names_nothing(database: Database, shop: Shop, token: str) -> None:
    assert await flow.read(database, token) is None
    refused = await flow.add(database, token, shop.variant.sku, 1)
    assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [
        ("NOT_FOUND", ["cartToken"])
    ]


async def test_a_revoked_token_names_nothing(database: Database, shop: Shop) -> None:
    token = (await flow.create(database, shop, 1))["cartToken"]
    assert (await flow.add(database, token, shop.variant.sku, 1, idempotencyKey="k"))["userErrors"] == []
    await flow.run_sql(database, "UPDATE carts SET token_generation = 2")
    assert await flow.read(database, token) is None
    for key in ("k", "l"):
        refused = await flow.add(database, token, shop.variant.sku, 1, idempotencyKey=key)
        assert (refused["cart"], refused["userErrors"][0]["path"]) == (None, ["cartToken"])


async def test_a_repeated_creation_returns_the_same_cart_and_token(database: Database, shop: Shop) -> None:
    key = str(uuid4())
    first = await flow.create(database, shop, 2, idempotencyKey=key)
    second = await flow.create(database, shop, 2, idempotencyKey=key)
    assert first == second
    assert await flow.levels(database, shop.variant) == {"available": 8, "held": 2}
    other = await flow.create(database, shop, 3, idempotencyKey=key)
    assert other["userErrors"][0]["code"] == "IDEMPOTENCY_KEY_REUSED"
    guessable = await flow.create(database, shop, 1, idempotencyKey="1")
    assert guessable["userErrors"][0]["path"] == ["idempotencyKey"]


async def test_a_repeated_change_happens_once(database: Database, shop: Shop) -> None:
    created = await flow.create(database, shop, 1)
    token, line = created["cartToken"], created["cart"]["lines"][0]["id"]
    for _ in range(2):
        added = await flow.add(database, token, shop.variant.sku, 2, idempotencyKey="a")
        assert added["cart"]["lines"][0]["quantity"] == 3
    for _ in range(2):
        changed = await flow.update_line(database, token, line, 5, idempotencyKey="a")
        assert changed["cart"]["version"] == 3
    for _ in range(2):
        removed = await flow.remove_line(database, token, line, idempotencyKey="a")
        assert removed["cart"]["version"] == 4
    reused = await flow.add(database, token, shop.variant.sku, 3, idempotencyKey="a")
    assert reused["userErrors"][0]["code"] == "IDEMPOTENCY_KEY_REUSED"
    blank = await flow.add(database, token, shop.variant.sku, 3, idempotencyKey=" ")
    assert blank["userErrors"][0]["path"] == ["idempotencyKey"]
    # Another cart's key is another key.
    other = (await flow.create(database, shop))["cartToken"]
    assert (await flow.add(database, other, shop.variant.sku, 3, idempotencyKey="a"))["userErrors"] == []


async def test_a_refusal_is_not_remembered_under_its_key(database: Database, shop: Shop) -> None:
    token = (await flow.create(database, shop))["cartToken"]
    assert (await flow.add(database, token, shop.variant.sku, 11, idempotencyKey="k"))["cart"] is None
    await give_stock(database, shop.variant, shop.location, 1)
    retried = await flow.add(database, token, shop.variant.sku, 11, idempotencyKey="k")
    assert retried["cart"]["lines"][0]["quantity"] == 11


@pytest.mark.parametrize("status", ["CHECKOUT", "COMPLETED", "EXPIRED", "MERGED"])
async def test_a_closed_cart_takes_no_changes(database: Database, shop: Shop, status: str) -> None:
    created = await flow.create(database, shop, 1)
    token, line = created["cartToken"], created["cart"]["lines"][0]["id"]
    await flow.run_sql(database, f"UPDATE carts SET status = '{status}', order_id = id")
    for refused in (
        await flow.add(database, token, shop.variant.sku, 1),
        await flow.update_line(database, token, line, 1),
        await flow.remove_line(database, token, line),
        await flow.update(database, token, email="ada@example.org"),
    ):
        assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [
            ("CART_CLOSED", ["cartToken"])
        ]
    assert (await flow.read(database, token))["version"] == 1


async def test_ten_of_six_and_twenty_hold_six_and_four(database: Database, shop: Shop) -> None:
    near, far = await make_location(database), await make_location(database)
    variant = await make_variant(database, shop.channel)
    await flow.serve_from(database, shop.channel, [near, far])
    await give_stock(database, variant, near, 6)
    await give_stock(database, variant, far, 20)
    await flow.create_lines(database, shop, [(variant.sku, 10)])
    assert await flow.held_by_location(database, variant) == {near.code: 6, far.code: 4}


async def test_every_change_is_an_event_of_the_carts_stream(database: Database, shop: Shop) -> None:
    created = await flow.create(database, shop, 2)
    token, line = created["cartToken"], created["cart"]["lines"][0]["id"]
    await flow.add(database, token, shop.variant.sku, 1)
    await flow.update_line(database, token, line, 5)
    await flow.update(database, token, email="ada@example.org")
    await flow.remove_line(database, token, line)
    events = await flow.cart_events(database)
    assert [
        (event.kind, event.version, event.payload.get("sku"), event.payload.get("quantity"))
        for event in events
    ] == [
        ("CartCreated", 1, None, None),
        ("CartLineAdded", 1, shop.variant.sku, 2),
        ("CartLineAdded", 2, shop.variant.sku, 1),
        ("CartLineUpdated", 3, shop.variant.sku, 5),
        ("CartUpdated", 4, None, None),
        ("CartLineRemoved", 5, shop.variant.sku, 5),
    ]
    assert all(event.channel_id == shop.channel.id for event in events)
    assert "ada@" not in repr([event.payload for event in events])


async def test_no_operation_sends_more_statements_than_it_needs(database: Database, shop: Shop) -> None:
    with count_statements(database) as sent:
        created = await flow.create(database, shop, 1, idempotencyKey=str(uuid4()), actor=ANONYMOUS)
    assert len(sent) <= 7, sent
    token = created["cartToken"]
    other = await make_variant(database, shop.channel)
    await give_stock(database, other, shop.location, 5)
    with count_statements(database) as sent:
        await flow.add(database, token, other.sku, 1, idempotencyKey="a")
    assert len(sent) <= 7, sent
    with count_statements(database) as sent:
        await flow.update(database, token, email="ada@example.org", shippingAddress=ADDRESS)
    assert len(sent) <= 4, sent
    with count_statements(database) as sent:
        await flow.read(database, token)
    assert len(sent) <= 1, sent


async def test_a_shopper_keeps_what_is_held_where_the_channel_no_longer_sells_from(
    database: Database,
) -> None:
    shop = await make_shop(database, stock=6)
    other = await make_location(database)
    created = await flow.create(database, shop, 6)
    token, line = created["cartToken"], created["cart"]["lines"][0]["id"]
    await flow.serve_from(database, shop.channel, [other])
    # Nothing is to be had elsewhere: the shopper's own units are still theirs, and no more.
    assert (await flow.update_line(database, token, line, 5))["userErrors"] == []
    assert await flow.held_by_location(database, shop.variant) == {shop.location.code: 5}
    more = await flow.update_line(database, token, line, 6)
    assert [(error["requested"], error["available"]) for error in more["userErrors"]] == [(6, 5)]
    # What can be had elsewhere is taken there, and only the rest kept.
    await give_stock(database, shop.variant, other, 3)
    assert (await flow.update_line(database, token, line, 7))["userErrors"] == []
    assert await flow.held_by_location(database, shop.variant) == {shop.location.code: 4, other.code: 3}
    assert await flow.levels(database, shop.variant) == {"available": 2, "held": 7}
