"""Placing orders while others want the same stock: everybody locks levels in one order."""

import asyncio

from sqlalchemy import text

from persistence.database import Database
from services.order_placement import place
from services.payment_sweep import settle_due
from tests import cart_flows as flow
from tests.checkouts import (
    cart_status,
    expire_holds,
    later,
    levels,
    make_ready_cart,
    make_stocked_shop,
    till,
)
from tests.lock_waits import until_waiting


async def test_securing_again_what_was_lost_does_not_deadlock_with_a_cart(database: Database) -> None:
    shop = await make_stocked_shop(database, 1, 2)
    near, far = shop.locations
    assert near.id < far.id, "levels are locked near first"
    token = await make_ready_cart(database, shop, 3)
    await place(till(database), token, "sandbox", "timeout", "key")
    await expire_holds(database, near)  # it began earlier, or its units were lost
    other = (await flow.create_in(database, shop.channel.slug, []))["cartToken"]

    async with database.transaction() as connection:
        # Both have to wait for the far level, so that neither is done before the other begins.
        await connection.execute(
            text("SELECT 1 FROM stock_levels WHERE location_id = :id FOR UPDATE"), {"id": far.id}
        )
        settling = asyncio.create_task(settle_due(later(database)))
        await until_waiting(database, 1)
        adding = asyncio.create_task(flow.add(database, other, shop.variant.sku, 1))
        await until_waiting(database, 2)
    # Whoever deadlocks is aborted by PostgreSQL and raises here.
    assert await settling == 1
    assert [error["code"] for error in (await adding)["userErrors"]] == ["INSUFFICIENT_STOCK"]
    assert await cart_status(database, token) == "COMPLETED"
    assert await levels(database, shop) == [(0, 0, 1), (0, 0, 2)]
