"""Goods received for many SKUs at once."""

from sqlalchemy import text

from persistence.database import Database
from services import deliveries
from services.deliveries import Shelf
from tests.factories import make_context, make_location, make_shop, make_variant


async def test_shelves_are_filled_up_to_what_they_lack(database: Database) -> None:
    shop = await make_shop(database, stock=4)
    empty = await make_variant(database, shop.channel)
    second = await make_location(database)
    context = make_context(database)
    shelves = [
        Shelf(shop.variant.sku, shop.location.code, 10),
        Shelf(empty.sku, shop.location.code, 3),
        Shelf(empty.sku, second.code, 2),
    ]

    assert await deliveries.fill_up(context, shelves) == 6 + 3 + 2
    assert await deliveries.fill_up(context, shelves) == 0
    assert await levels(database) == {
        (shop.variant.sku, shop.location.code): 10,
        (empty.sku, shop.location.code): 3,
        (empty.sku, second.code): 2,
    }


async def test_fuller_shelves_and_unknown_ones_are_left_alone(database: Database) -> None:
    shop = await make_shop(database, stock=4)
    shelves = [
        Shelf(shop.variant.sku, shop.location.code, 3),
        Shelf("no such sku", shop.location.code, 3),
        Shelf(shop.variant.sku, "nowhere", 3),
    ]

    assert await deliveries.fill_up(make_context(database), shelves) == 0
    assert await levels(database) == {(shop.variant.sku, shop.location.code): 4}


async def test_what_was_received_is_in_the_ledger_by_its_delivery(database: Database) -> None:
    shop = await make_shop(database, stock=0)

    await deliveries.fill_up(make_context(database), [Shelf(shop.variant.sku, shop.location.code, 7)])

    async with database.read() as connection:
        rows = await connection.execute(
            text(
                "SELECT from_state, to_state, quantity, reason FROM stock_movements"
                " WHERE source_kind = 'delivery'"
            )
        )
        assert [tuple(row) for row in rows] == [("supplier", "available", 7, "RECEIVED")]


async def levels(database: Database) -> dict[tuple[str, str], int]:
    """Return available units by SKU and location code."""
    async with database.read() as connection:
        rows = await connection.execute(
            text(
                "SELECT v.sku, l.code, s.available FROM stock_levels s"
                " JOIN variants v ON v.id = s.variant_id JOIN locations l ON l.id = s.location_id"
            )
        )
        return {(row[0], row[1]): row[2] for row in rows}
