"""A catalogue is imported while the shop is open: selling goes on, and nobody deadlocks."""

import asyncio
from uuid import uuid4

from sqlalchemy import text

from domain.catalog_import import read_table
from persistence.database import Database
from services import catalog_import
from services.catalog_import import ImportReport
from services.order_placement import place
from tests import cart_flows as flow
from tests.checkouts import make_ready_cart, make_stocked_shop, till
from tests.factories import give_stock, make_context, make_shop, make_variant
from tests.lock_waits import until_waiting
from tests.stocked import assert_explained

PATIENCE_SECONDS = 5


async def run(database: Database, *rows: dict[str, str]) -> ImportReport:
    table, errors = read_table(enumerate(rows, 2))
    return await catalog_import.run(make_context(database), table, errors)


async def test_selling_goes_on_while_an_import_has_not_committed(database: Database) -> None:
    shop = await make_shop(database, stock=10)
    counted = await make_variant(database, shop.channel)
    await give_stock(database, counted, shop.location, 5)
    token = (await flow.create(database, shop))["cartToken"]
    price, stock = f"price:{shop.channel.slug}", f"stock:{shop.location.code}"
    rows = [
        {"sku": shop.variant.sku, "name": "Renamed", price: "11"},
        {"sku": counted.sku, "name": "Counted", stock: "7"},
    ]
    async with database.transaction() as connection:
        # The import comes as far as the level of what it counts, and waits there.
        await connection.execute(
            text("SELECT 1 FROM stock_levels WHERE variant_id = :id FOR UPDATE"), {"id": counted.id}
        )
        importing = asyncio.create_task(run(database, *rows))
        await until_waiting(database)
        added = await asyncio.wait_for(
            flow.add(database, token, shop.variant.sku, 2), timeout=PATIENCE_SECONDS
        )
        assert added["userErrors"] == []
        assert not importing.done()
    assert (await importing).levels_changed == 1


async def test_an_import_beside_carts_and_orders_does_not_deadlock(database: Database) -> None:
    shop = await make_stocked_shop(database, 1_000)
    [location] = shop.locations
    price, stock = f"price:{shop.channel.slug}", f"stock:{location.code}"
    others = [{"sku": f"OTHER-{number}", "name": f"Mug {number}", price: "9"} for number in range(300)]
    await run(database, *others)

    async def order() -> None:
        token = await make_ready_cart(database, shop, 1)
        assert (await place(till(database), token, "sandbox", "ok", str(uuid4()))).order is not None

    async def add() -> None:
        created = await flow.create_in(database, shop.channel.slug, [])
        answer = await flow.add(database, created["cartToken"], shop.variant.sku, 1)
        assert answer["userErrors"] == []

    for turn in range(4):
        rows = [{**row, price: f"{10 + turn}"} for row in others]
        rows.append({"sku": shop.variant.sku, price: f"{20 + turn}", stock: f"{1_001 + turn}"})
        # Whoever deadlocks is aborted by PostgreSQL and raises here.
        await asyncio.gather(run(database, *rows), *(work() for _ in range(8) for work in (order, add)))
    await assert_explained(database)
