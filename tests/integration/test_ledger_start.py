"""Where the ledger comes to a shop that sells already: revision 0017 down and up again, over real orders."""

import importlib

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, text

from persistence.database import Database
from persistence.migrate import migrate
from services import orders
from services.access import SYSTEM
from services.orders import OrderRef
from tests.books import lines
from tests.checkouts import make_stocked_shop, order_now, till

revision = importlib.import_module("migrations.versions.0017_ledger")


async def test_the_books_begin_with_the_orders_that_stand(fresh_database_url: str) -> None:
    database = Database(fresh_database_url)
    shop = await make_stocked_shop(database, 9)
    stands, waits, gone, imported = [
        (await order_now(database, shop, units, method)).order
        for units, method in ((1, "ok"), (2, "review"), (1, "ok"), (1, "ok"))
    ]
    assert stands is not None
    assert waits is not None
    assert gone is not None
    assert imported is not None
    await orders.cancel(till(database, SYSTEM), OrderRef(id=gone.id), "too late", None, "key")
    async with database.transaction() as connection:
        taxed = (
            "UPDATE orders SET tax_minor = 200, discount_minor = 100, total_minor = total_minor + 100"
            " WHERE id = :id"
        )
        await connection.execute(text(taxed), {"id": stands.id})
        await connection.execute(
            text("UPDATE orders SET imported = true WHERE id = :id"), {"id": imported.id}
        )

    async with database.engine.begin() as plain:
        await plain.run_sync(_again)

    assert await lines(database) == [
        ("ORDER_PLACED", "RECEIVABLE", 1600),
        ("ORDER_PLACED", "SALES", -1000),
        ("ORDER_PLACED", "SHIPPING", -500),
        ("ORDER_PLACED", "TAX", -200),
        ("ORDER_PLACED", "DISCOUNT", 100),
        ("ORDER_PLACED", "RECEIVABLE", 2500),
        ("ORDER_PLACED", "SALES", -2000),
        ("ORDER_PLACED", "SHIPPING", -500),
    ]
    await migrate(fresh_database_url)
    await database.close()


def _again(connection: Connection) -> None:
    with Operations.context(MigrationContext.configure(connection)):
        revision.downgrade()
        revision.upgrade()
