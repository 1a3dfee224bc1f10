"""`ordertide check stock`: silent about good stock, exact about bad."""

import orjson
from sqlalchemy import text

from persistence.database import Database
from tests import cart_flows as flow
from tests.commands import ordertide
from tests.factories import Shop, make_shop


async def test_stock_that_is_explained_passes(database: Database, database_url: str) -> None:
    shop = await make_shop(database, stock=10)
    await flow.create(database, shop, 3)
    said = await ordertide(database_url, "check", "stock")
    assert (said.returncode, said.stdout) == (0, "1 levels equal their ledger of 2 movements\n"), said.stderr


async def test_a_level_its_ledger_does_not_explain_is_named(database: Database, database_url: str) -> None:
    shop = await make_shop(database, stock=10)
    await spoil(database, "UPDATE stock_levels SET available = available + 2")
    said = await ordertide(database_url, "check", "stock")
    assert said.returncode == 1
    assert said.stdout == f"{named(shop)}: 12 available, but the movements account for 10\n"


async def test_held_units_without_a_hold_are_named(database: Database, database_url: str) -> None:
    shop = await make_shop(database, stock=10)
    await flow.create(database, shop, 3)
    await spoil(database, "UPDATE holds SET status = 'RELEASED', ended_at = now()")
    said = await ordertide(database_url, "check", "stock", "--json")
    assert said.returncode == 1
    [found] = orjson.loads(said.stdout)["discrepancies"]
    assert (found["sku"], found["state"], found["level"], found["explained"], found["explained_by"]) == (
        shop.variant.sku,
        "held",
        3,
        0,
        "holds",
    )


async def test_movements_and_holds_without_a_level_are_named(database: Database, database_url: str) -> None:
    shop = await make_shop(database, stock=10)
    await spoil(database, "DELETE FROM stock_levels")
    said = await ordertide(database_url, "check", "stock")
    assert said.returncode == 1
    assert said.stdout == f"{named(shop)}: 0 available, but the movements account for 10\n"


def named(shop: Shop) -> str:
    return f"{shop.variant.sku} at {shop.location.code}"


async def spoil(database: Database, statement: str) -> None:
    async with database.transaction() as connection:
        await connection.execute(text(statement))
