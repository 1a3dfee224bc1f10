"""Counts of a catalogue import: what is missing is booked, and whoever has to do without is told."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from domain.catalog_import import read_table
from domain.fulfillment import FulfillmentOrderStatus
from domain.kernel.errors import InsufficientStock
from persistence import orders as order_rows
from persistence.database import Database
from services import catalog_import, stock_losses
from services.catalog_import import ImportReport
from services.context import Transaction
from services.stock_losses import Locked, Owners
from tests.checkouts import Shop, make_ready_cart, make_stocked_shop, order_now, till
from tests.factories import give_stock, make_context
from tests.stocked import assert_explained


async def count(database: Database, shop: Shop, *units: int, dry_run: bool = False) -> ImportReport:
    """Import how many units of the shop's variant there are at each of its locations."""
    columns = {f"stock:{at.code}": str(n) for at, n in zip(shop.locations, units, strict=True)}
    table, errors = read_table([(2, {"sku": shop.variant.sku, **columns})])
    return await catalog_import.run(make_context(database), table, errors, dry_run=dry_run)


async def levels(database: Database, shop: Shop) -> list[tuple[int, int, int]]:
    """Return available, held and committed of each location, once they are explained by the ledger."""
    await assert_explained(database)
    async with database.read() as connection:
        rows = await connection.execute(
            text("SELECT location_id, available, held, committed FROM stock_levels WHERE variant_id = :id"),
            {"id": shop.variant.id},
        )
        found = {row[0]: tuple(row[1:]) for row in rows}
    return [found[at.id] for at in shop.locations]


async def told(database: Database, kind: str) -> list[tuple[UUID, dict[str, Any]]]:
    async with database.read() as connection:
        rows = await connection.execute(
            text("SELECT aggregate_id, payload FROM event_outbox WHERE kind = :kind ORDER BY id"),
            {"kind": kind},
        )
        return [(row.aggregate_id, row.payload) for row in rows]


def cart_of(database: Database, token: str) -> UUID:
    subject = till(database).environment.tokens.read("cart", token)
    assert subject is not None
    return subject.id


async def test_a_count_below_what_is_held_releases_the_newest_hold_and_tells_its_shopper(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 6)
    await make_ready_cart(database, shop, 3)
    newer = await make_ready_cart(database, shop, 2)
    report = await count(database, shop, 4)
    assert report.levels_changed == 1
    assert await levels(database, shop) == [(0, 4, 0)]
    [(cart, payload)] = await told(database, "CartHoldReleased")
    assert cart == cart_of(database, newer)
    assert (payload["sku"], payload["quantity"]) == (shop.variant.sku, 1)
    async with database.read() as connection:
        ledger = await connection.execute(
            text("SELECT from_state, quantity, reason, source_kind FROM stock_movements"
                 " WHERE to_state = 'adjustment' ORDER BY from_state")
        )  # fmt: skip
        assert [tuple(row) for row in ledger] == [
            ("available", 1, "COUNTED", "import"),
            ("held", 1, "COUNTED", "import"),
        ]


async def test_a_count_of_nothing_puts_the_orders_of_every_location_on_hold(database: Database) -> None:
    shop = await make_stocked_shop(database, 2, 3)
    placed = await order_now(database, shop, 5)
    assert placed.order is not None
    await count(database, shop, 0, 1)
    assert await levels(database, shop) == [(0, 0, 0), (0, 0, 1)]
    async with database.transaction() as connection:
        found = await order_rows.lock(connection, placed.order.id)
    assert found is not None
    order, parts = found
    assert order.version == placed.order.version + 1
    assert {part.status for part in parts.fulfillment_orders} == {FulfillmentOrderStatus.ON_HOLD}
    assert sum(line.quantity_short for part in parts.fulfillment_orders for line in part.lines) == 4
    [(order_id, payload)] = await told(database, "FulfillmentOrderHeld")
    assert (order_id, payload["sku"], payload["quantity"]) == (order.id, shop.variant.sku, 4)
    await count(database, shop, 2, 3)
    assert await stock_losses.refill(make_context(database)) == 1
    assert await levels(database, shop) == [(0, 0, 2), (0, 0, 3)]


async def test_one_location_gains_while_another_loses(database: Database) -> None:
    shop = await make_stocked_shop(database, 1, 5)
    await make_ready_cart(database, shop, 3)
    assert (await count(database, shop, 7, 1)).levels_changed == 2
    assert await levels(database, shop) == [(6, 1, 0), (0, 1, 0)]


async def test_a_dry_run_of_a_loss_releases_nothing(database: Database) -> None:
    shop = await make_stocked_shop(database, 2)
    await make_ready_cart(database, shop, 2)
    assert (await count(database, shop, 0, dry_run=True)).levels_changed == 1
    assert await levels(database, shop) == [(0, 2, 0)]
    assert await told(database, "CartHoldReleased") == []


async def test_who_came_between_two_tries_is_found_by_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await make_stocked_shop(database, 1)
    tokens = [await make_ready_cart(database, shop, 1)]
    lock, locked = stock_losses.lock, []

    async def lock_while_another_buys(transaction: Transaction, owners: Owners) -> Locked:
        found = await lock(transaction, owners)
        locked.append(len(owners.carts))
        if len(locked) == 2:  # the first hold's cart is locked now, the level is not yet
            await give_stock(database, shop.variant, shop.locations[0], 2)
            tokens.append(await make_ready_cart(database, shop, 2))
        return found

    monkeypatch.setattr(stock_losses, "lock", lock_while_another_buys)
    await count(database, shop, 0)
    assert locked == [0, 1, 2]
    assert await levels(database, shop) == [(0, 0, 0)]
    released = await told(database, "CartHoldReleased")
    assert [cart for cart, _ in released] == [cart_of(database, token) for token in reversed(tokens)]


async def test_counts_race_with_shoppers(database: Database) -> None:
    shop = await make_stocked_shop(database, 20, 20)

    async def shopper(number: int) -> None:
        try:
            if number % 2:
                await make_ready_cart(database, shop, 3)
            else:
                await order_now(database, shop, 2)
        except (AssertionError, InsufficientStock):
            return  # nothing left for this one

    async def counter() -> None:
        for units in (15, 9, 12, 4):
            await count(database, shop, units, units)

    async with asyncio.timeout(60):
        await asyncio.gather(*(shopper(number) for number in range(12)), counter())
    await assert_explained(database)
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT sum(on_hand) FROM stock_levels")) == 8
