"""Carts under races: many requests at once, real transactions, exact results."""

import asyncio
from uuid import UUID, uuid4

from sqlalchemy import text

from domain.inventory import HoldPolicy
from persistence import carts as rows
from persistence.carts import Touch
from persistence.database import Database
from services.context import SystemClock
from tests import cart_flows as flow
from tests.factories import give_stock, make_shop, make_variant
from tests.lock_waits import until_waiting


async def test_fifty_carts_and_the_last_unit(database: Database) -> None:
    shop = await make_shop(database, stock=1)
    answers = await asyncio.gather(*(flow.create(database, shop, 1) for _ in range(50)))
    errors = [answer["userErrors"] for answer in answers]
    assert errors.count([]) == 1
    assert [error["code"] for one in errors for error in one] == ["INSUFFICIENT_STOCK"] * 49
    assert await flow.levels(database, shop.variant) == {"available": 0, "held": 1}


async def test_two_tabs_lose_no_change(database: Database) -> None:
    shop = await make_shop(database, stock=100)
    token = (await flow.create(database, shop, 1))["cartToken"]
    answers = await asyncio.gather(*(flow.add(database, token, shop.variant.sku, 1) for _ in range(20)))
    assert all(answer["userErrors"] == [] for answer in answers)
    # Each answer shows the cart as its own change left it.
    seen = sorted((answer["cart"]["version"], answer["cart"]["lines"][0]["quantity"]) for answer in answers)
    assert seen == [(number + 1, number + 1) for number in range(1, 21)]
    newest = next(answer["cart"] for answer in answers if answer["cart"]["version"] == 21)
    assert await flow.read(database, token) == newest
    assert await flow.levels(database, shop.variant) == {"available": 79, "held": 21}


async def test_two_tabs_adding_different_variants_make_two_lines(database: Database) -> None:
    shop = await make_shop(database, stock=5)
    others = [await make_variant(database, shop.channel) for _ in range(6)]
    for variant in others:
        await give_stock(database, variant, shop.location, 1)
    token = (await flow.create(database, shop))["cartToken"]
    answers = await asyncio.gather(*(flow.add(database, token, variant.sku, 1) for variant in others))
    assert sorted(len(answer["cart"]["lines"]) for answer in answers) == [1, 2, 3, 4, 5, 6]
    newest = next(answer["cart"] for answer in answers if answer["cart"]["version"] == 7)
    assert await flow.read(database, token) == newest
    lines = newest["lines"]
    assert {line["variant"]["sku"] for line in lines} == {variant.sku for variant in others}


async def test_the_same_key_at_once_makes_one_cart(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    key = str(uuid4())
    answers = await asyncio.gather(*(flow.create(database, shop, 2, idempotencyKey=key) for _ in range(10)))
    assert len({answer["cartToken"] for answer in answers}) == 1
    assert all(answer == answers[0] for answer in answers)
    assert await flow.levels(database, shop.variant) == {"available": 8, "held": 2}
    token = answers[0]["cartToken"]
    added = await asyncio.gather(
        *(flow.add(database, token, shop.variant.sku, 3, idempotencyKey="k") for _ in range(10))
    )
    assert {answer["cart"]["lines"][0]["quantity"] for answer in added} == {5}
    assert await flow.levels(database, shop.variant) == {"available": 5, "held": 5}


async def test_crossed_orders_of_lines_do_not_deadlock(database: Database) -> None:
    shop = await make_shop(database, stock=1_000)
    variants = [shop.variant, *[await make_variant(database, shop.channel) for _ in range(9)]]
    for variant in variants[1:]:
        await give_stock(database, variant, shop.location, 1_000)
    lines = [(variant.sku, 1) for variant in variants]
    answers = await asyncio.gather(
        *(flow.create_lines(database, shop, lines if number % 2 else lines[::-1]) for number in range(40))
    )
    assert all(answer["userErrors"] == [] for answer in answers)
    for variant in variants:
        assert await flow.levels(database, variant) == {"available": 960, "held": 40}


async def test_who_waited_for_the_lock_sees_what_the_other_changed(database: Database) -> None:
    """The joined rows of the statement that waited are old; the moved version gives them away."""
    shop = await make_shop(database, stock=10)
    created = await flow.create(database, shop, 1)
    cart_id = await _only_cart(database)
    touch = Touch(cart_id, 1, HoldPolicy(900, 7200), SystemClock().now())

    async with database.transaction() as first:
        await rows.touch(first, touch)
        await first.execute(text("UPDATE cart_lines SET quantity = 7"))
        second = asyncio.create_task(_touch_quantity(database, touch))
        await until_waiting(database)
    assert await second == (7, 3)
    assert created["cart"]["lines"][0]["quantity"] == 1


async def _touch_quantity(database: Database, touch: Touch) -> tuple[int, int]:
    async with database.transaction() as connection:
        cart = await rows.touch(connection, touch)
    assert cart is not None
    return cart.lines[0].quantity, cart.version


async def _only_cart(database: Database) -> UUID:
    (row,) = await flow.run_sql(database, "SELECT id FROM carts")
    return UUID(str(row.id))
