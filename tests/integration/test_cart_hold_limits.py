"""What keeps one shopper from holding a shop: the maximum of a hold goes on whatever they do."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from domain.carts import CartLimits
from domain.inventory import HoldPolicy
from domain.kernel.errors import InsufficientStock, PaymentDeclined
from persistence.database import Database
from services import cart_sweeps
from services.order_placement import place
from tests import cart_flows as flow
from tests.checkouts import till
from tests.clocks import StoppedClock
from tests.factories import Shop, give_stock, make_app, make_context, make_location, make_shop
from tests.statements import count_statements

HOLDS = HoldPolicy(seconds=60, max_seconds=150)
ADDRESS_INPUT = {
    "name": "Ada",
    "line1": "12 St James's Square",
    "city": "London",
    "country": "GB",
    "postalCode": "SW1Y 4LE",
}


@pytest.fixture
def clock() -> StoppedClock:
    """A clock at a fixed moment."""
    return StoppedClock(datetime(2030, 1, 1, 12, tzinfo=UTC))


async def busy_for(database: Database, clock: StoppedClock, token: str, seconds: int) -> None:
    """Change a cart often enough that its holds go on."""
    for _ in range(seconds // 50):
        clock.go_on(50)
        await flow.update(database, token, email="ada@example.org", clock=clock, holds=HOLDS)


async def test_removing_a_line_and_adding_it_again_does_not_begin_anew(
    database: Database, clock: StoppedClock
) -> None:
    shop = await make_shop(database, stock=10)
    timed: dict[str, Any] = {"clock": clock, "holds": HOLDS}
    created = await flow.create(database, shop, 4, **timed)
    token, line = created["cartToken"], created["cart"]["lines"][0]["id"]
    await busy_for(database, clock, token, 100)
    assert (await flow.remove_line(database, token, line, **timed))["userErrors"] == []
    clock.go_on(30)
    again = (await flow.add(database, token, shop.variant.sku, 4, **timed))["cart"]["lines"]
    clock.go_on(20)
    assert [one["holdExpiresAt"] for one in again] == [clock.at.isoformat()]
    # The maximum is over: the sweep ends the hold, and neither way of adding brings it back.
    assert await cart_sweeps.expire_holds(make_context(database, **timed)) == 1
    for line in (again[0]["id"], None):
        if line:
            await flow.remove_line(database, token, line, **timed)
        added = await flow.add(database, token, shop.variant.sku, 1, **timed)
        assert added["userErrors"] == []
        assert added["cart"]["lines"][0]["holdExpiresAt"] is None
    assert await flow.levels(database, shop.variant) == {"available": 10, "held": 0}


async def test_a_hold_that_moves_to_another_location_goes_on(database: Database, clock: StoppedClock) -> None:
    shop = await make_shop(database, stock=10)
    other = await make_location(database)
    await give_stock(database, shop.variant, other, 10)
    timed: dict[str, Any] = {"clock": clock, "holds": HOLDS}
    created = await flow.create(database, shop, 4, **timed)
    token, line = created["cartToken"], created["cart"]["lines"][0]["id"]
    await busy_for(database, clock, token, 100)
    await flow.serve_from(database, shop.channel, [other])
    moved = (await flow.update_line(database, token, line, 5, **timed))["cart"]["lines"][0]
    assert await flow.held_by_location(database, shop.variant) == {other.code: 5}
    clock.go_on(50)
    assert moved["holdExpiresAt"] == clock.at.isoformat()


async def test_a_line_whose_maximum_is_over_lets_go_with_the_next_change_of_it(
    database: Database, clock: StoppedClock
) -> None:
    shop = await make_shop(database, stock=10)
    timed: dict[str, Any] = {"clock": clock, "holds": HOLDS}
    created = await flow.create(database, shop, 4, **timed)
    token, line = created["cartToken"], created["cart"]["lines"][0]["id"]
    await busy_for(database, clock, token, 150)
    # No sweep came between.
    changed = await flow.update_line(database, token, line, 5, **timed)
    assert changed["cart"]["lines"][0]["holdExpiresAt"] is None
    assert await flow.levels(database, shop.variant) == {"available": 10, "held": 0}


async def test_a_line_that_rests_has_to_be_in_stock(database: Database, clock: StoppedClock) -> None:
    shop, token, timed = await resting(database, clock)
    await flow.create(database, shop, 7)
    late = await flow.update(database, token, email="bob@example.org", **timed)
    assert [(error["code"], error["requested"], error["available"]) for error in late["userErrors"]] == [
        ("INSUFFICIENT_STOCK", 4, 3)
    ]
    with pytest.raises(InsufficientStock):
        await place(till(database, **timed), token, "sandbox", "ok", str(uuid4()))


async def test_a_line_that_rests_can_be_ordered(database: Database, clock: StoppedClock) -> None:
    shop, token, timed = await resting(database, clock)
    placed = await place(till(database, **timed), token, "sandbox", "ok", str(uuid4()))
    assert placed.order is not None
    assert await flow.levels(database, shop.variant) == {"available": 6, "held": 0}


async def test_a_payment_holds_past_the_maximum_and_changes_do_not_prolong_it(
    database: Database, clock: StoppedClock
) -> None:
    shop, token, timed = await resting(database, clock)
    with pytest.raises(PaymentDeclined):
        await place(till(database, **timed), token, "sandbox", "decline", str(uuid4()))
    assert await flow.levels(database, shop.variant) == {"available": 6, "held": 4}
    ends = clock.at.replace(minute=clock.at.minute + 1)
    clock.go_on(59)
    kept = await flow.update(database, token, email="bob@example.org", **timed)
    assert kept["cart"]["lines"][0]["holdExpiresAt"] == ends.isoformat()
    assert await flow.read(database, token, **timed) == kept["cart"]
    clock.go_on(1)
    assert await cart_sweeps.expire_holds(make_context(database, **timed)) == 1


async def resting(database: Database, clock: StoppedClock) -> tuple[Shop, str, dict[str, Any]]:
    """Return a shop of ten, and a cart of four that was busy until its maximum ended its hold."""
    shop = await make_shop(database, stock=10)
    timed: dict[str, Any] = {"clock": clock, "holds": HOLDS}
    token = (await flow.create(database, shop, 4, **timed))["cartToken"]
    given = await flow.update(database, token, shippingAddress=ADDRESS_INPUT, **timed)
    option = given["cart"]["deliveryOptions"][0]["id"]
    await flow.select(database, token, option, **timed)
    await busy_for(database, clock, token, 150)
    assert await cart_sweeps.expire_holds(make_context(database, **timed)) == 1
    rests = await flow.update(database, token, email="ada@example.org", **timed)
    assert rests["cart"]["lines"][0]["holdExpiresAt"] is None
    return shop, token, timed


async def test_a_cart_holds_so_many_units_and_no_more(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    limited: dict[str, Any] = {"cart_limits": CartLimits(units=5)}
    refused = await flow.create(database, shop, 3, 3, **limited)
    assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [
        ("INVALID_INPUT", ["lines", "1", "quantity"])
    ]
    created = await flow.create(database, shop, 4, **limited)
    token, line = created["cartToken"], created["cart"]["lines"][0]["id"]
    for refused in (
        await flow.add(database, token, shop.variant.sku, 2, **limited),
        await flow.update_line(database, token, line, 6, **limited),
    ):
        assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [
            ("INVALID_INPUT", ["quantity"])
        ]
    assert await flow.levels(database, shop.variant) == {"available": 6, "held": 4}


SHARED: dict[str, Any] = {"cart_limits": CartLimits(held_per_address=5), "address": "203.0.113.7"}


async def test_carts_of_one_address_hold_so_many_units_together(database: Database) -> None:
    shop = await make_shop(database, stock=30)
    first = await flow.create(database, shop, 3, **SHARED)
    second = await flow.create(database, shop, 2, **SHARED)
    third = await flow.create(database, shop, 1, **SHARED)
    assert [(error["code"], error["path"]) for error in third["userErrors"]] == [
        ("INVALID_INPUT", ["lines", "0", "quantity"])
    ]
    more = await flow.add(database, second["cartToken"], shop.variant.sku, 1, **SHARED)
    assert [(error["code"], error["path"]) for error in more["userErrors"]] == [
        ("INVALID_INPUT", ["quantity"])
    ]
    # Others are not concerned, nor an app that asks for many shoppers from one address.
    for other in ({"address": "203.0.113.8"}, {"actor": make_app()}, {"address": None}):
        assert (await flow.create(database, shop, 5, **{**SHARED, **other}))["userErrors"] == []
    # What one cart lets go of another may hold.
    line = first["cart"]["lines"][0]["id"]
    fewer = await flow.update_line(database, first["cartToken"], line, 1, **SHARED)
    assert fewer["userErrors"] == []
    assert (await flow.add(database, second["cartToken"], shop.variant.sku, 2, **SHARED))["userErrors"] == []
    # A limit that was lowered locks nobody out of putting a cart right.
    lower = {**SHARED, "cart_limits": CartLimits(held_per_address=1)}
    gone = await flow.remove_line(database, first["cartToken"], line, **lower)
    assert gone["userErrors"] == []


async def test_carts_of_one_address_at_once_do_not_pass_its_limit(database: Database) -> None:
    shop = await make_shop(database, stock=100)
    answers = await asyncio.gather(*(flow.create(database, shop, 1, **SHARED) for _ in range(20)))
    assert [answer["userErrors"] for answer in answers].count([]) == 5
    assert await flow.levels(database, shop.variant) == {"available": 95, "held": 5}


async def test_addresses_are_kept_only_where_they_are_counted_and_not_as_they_are(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    with count_statements(database) as without:
        await flow.create(database, shop, 1, address="203.0.113.7")
    with count_statements(database) as counting:
        await flow.create(database, shop, 1, **SHARED)
    assert len(counting) == len(without) + 2
    rows = await flow.run_sql(database, "SELECT to_jsonb(c) AS cart FROM carts c ORDER BY id")
    assert [row.cart["address_number"] is None for row in rows] == [True, False]
    assert not any("203.0.113.7" in str(row.cart) for row in rows)
