"""Edits, checkouts, cancellations and sweeps at once: nobody waits for somebody who waits for them."""

import asyncio
from uuid import uuid4

from sqlalchemy import text

from domain.orders import Order
from persistence.database import Database
from tests.cart_flows import run_sql
from tests.checkouts import make_ready_cart, make_stocked_shop
from tests.factories import give_stock, make_variant
from tests.integration.test_money_together import edited
from tests.lock_waits import until_waiting
from tests.payments import capture_at
from tests.stored import apply_cards, assert_balanced, balance_of, buy, make_card, paid_with


async def test_an_edit_that_refunds_a_gift_card_and_a_checkout_with_it_do_not_wait_for_each_other(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 20)
    await capture_at(database, shop, "AT_PLACEMENT")
    pen = await make_variant(database, shop.channel, sku="PEN", price="3.00")
    await give_stock(database, pen, shop.locations[0], 5)
    code = await make_card(database, "60")
    placed = await buy(database, await paid_with(database, shop, code), key="first")
    assert isinstance(placed.order, Order)
    token = await make_ready_cart(database, shop, 1)
    await apply_cards(database, token, code)
    # So soon that the checkout has to hold anew.
    await run_sql(database, "UPDATE holds SET expires_at = now() + interval '1 minute'")
    async with database.transaction() as connection:
        await connection.execute(text("SELECT FROM stored_values FOR NO KEY UPDATE"))
        checkout = asyncio.create_task(buy(database, token, key=str(uuid4())))
        await until_waiting(database)
        add = [{"variant": {"sku": "PEN"}, "quantity": 1}]
        edit = asyncio.create_task(edited(database, placed.order, 1, add))
        await until_waiting(database, 2)
    bought, changed = await asyncio.gather(checkout, edit)
    assert bought.order is not None
    assert changed["userErrors"] == []
    # 60 less 18 of the order as it is now, and 15 of the other.
    assert await balance_of(database, code) == 2700
    await assert_balanced(database)
