"""Routing as orders are placed: from the best locations, in the same transaction, with the reason kept."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import text

from domain.routing_decisions import RoutingDecision
from persistence import routing as rows
from persistence.database import Database
from services import reroutes, routing_batches
from services.access import SYSTEM
from services.order_placement import place
from services.payment_attempts import Placed
from tests.cart_flows import run_sql
from tests.checkouts import Shop, expire_holds, levels, make_ready_cart, make_stocked_shop, order_now, till
from tests.factories import give_stock
from tests.statements import count_statements
from tests.stocked import assert_explained


async def configured(database: Database, *units: int, parcel: tuple[int, ...] = (), split: int = 0) -> Shop:
    """Make a shop whose channel sends as cheaply as it can; `parcel` is what each location costs."""
    shop = await make_stocked_shop(database, *units)
    await run_sql(
        database,
        "INSERT INTO channel_routing (channel_id, strategy, split_penalty_minor)"
        " VALUES (:channel, 'cheapest', :split)",
        channel=shop.channel.id,
        split=split,
    )
    for location, cost in zip(shop.locations, parcel, strict=False):
        await run_sql(
            database,
            "INSERT INTO channel_location_routing (channel_id, location_id, parcel_minor)"
            " VALUES (:channel, :location, :cost)",
            channel=shop.channel.id,
            location=location.id,
            cost=cost,
        )
    return shop


def sent(placed: Placed, shop: Shop) -> list[int]:
    """Return how many units each of the shop's locations sends."""
    assert placed.placement is not None
    units: dict[UUID, int] = {}
    for part in placed.placement.fulfillment_orders:
        units[part.location_id] = sum(line.quantity for line in part.lines)
    return [units.get(where.id, 0) for where in shop.locations]


async def decision_of(database: Database, placed: Placed) -> RoutingDecision:
    """Return the decision that is stored with all parts of an order."""
    assert placed.placement is not None
    ids = [part.id for part in placed.placement.fulfillment_orders]
    async with database.read() as connection:
        found = await rows.by_parts(connection, ids)
    assert set(found) == set(ids)
    assert len({one.id for one in found.values()}) == 1
    return next(iter(found.values()))


async def test_an_order_leaves_from_the_cheapest_location_whatever_was_held(database: Database) -> None:
    shop = await configured(database, 5, 5, parcel=(700, 200))
    placed = await order_now(database, shop, 3)
    assert sent(placed, shop) == [0, 3]
    assert await levels(database, shop) == [(5, 0, 0), (2, 0, 3)]
    await assert_explained(database)
    decision = await decision_of(database, placed)
    assert (decision.cost, decision.bound, decision.proven) == (200, 200, True)
    assert decision.recomputed_cost == decision.cost
    by_location = {one.location_id: one for one in decision.sites}
    assert by_location[shop.locations[0].id].extra_cost == 500
    assert by_location[shop.locations[1].id].used


async def test_a_split_that_costs_more_than_it_saves_is_not_made(database: Database) -> None:
    shop = await configured(database, 6, 20, split=1)
    assert sent(await order_now(database, shop, 10), shop) == [0, 10]


async def test_a_channel_without_routing_keeps_its_order_of_locations(database: Database) -> None:
    shop = await make_stocked_shop(database, 6, 20)
    placed = await order_now(database, shop, 10)
    assert sent(placed, shop) == [6, 4]
    decision = await decision_of(database, placed)
    assert (decision.strategy, decision.method) == ("priority", "held")


async def test_a_location_that_does_not_ship_is_left_out(database: Database) -> None:
    shop = await make_stocked_shop(database, 5, 5)
    await run_sql(database, "UPDATE locations SET ships = false WHERE id = :id", id=shop.locations[0].id)
    assert sent(await order_now(database, shop, 2), shop) == [0, 2]


async def test_a_location_that_is_slow_but_keeps_the_promise_costs_nothing_for_it(database: Database) -> None:
    shop = await configured(database, 5, 5, parcel=(100, 150))
    await run_sql(database, "UPDATE channel_routing SET late_day_minor = 1000")
    await run_sql(
        database,
        "INSERT INTO location_closures (location_id, day)"
        " SELECT :id, current_date + n FROM generate_series(-1, 9) n",
        id=shop.locations[0].id,
    )
    promised = await make_ready_cart(database, shop, 1)
    await run_sql(database, "UPDATE delivery_rates SET min_days = 1, max_days = 2")
    unpromised = await make_ready_cart(database, shop, 1)
    slow = await place(till(database), promised, "sandbox", "ok", "promised")
    assert sent(slow, shop) == [1, 0], "the promise was given of where it was held"
    assert (await decision_of(database, slow)).cost == 100
    fast = await place(till(database), unpromised, "sandbox", "ok", "unpromised")
    assert sent(fast, shop) == [0, 1]
    assert slow.order is not None
    await reroutes.order(till(database, SYSTEM), slow.order.id, None, "again")
    assert await levels(database, shop) == [(4, 0, 1), (4, 0, 1)], "it is late from nowhere later either"


async def test_a_full_day_sends_later_orders_elsewhere(database: Database) -> None:
    shop = await make_stocked_shop(database, 5, 5)
    await run_sql(database, "UPDATE locations SET daily_capacity = 1 WHERE id = :id", id=shop.locations[0].id)
    assert sent(await order_now(database, shop, 1), shop) == [1, 0]
    assert sent(await order_now(database, shop, 1), shop) == [0, 1]


async def test_holds_that_ended_are_secured_again_and_routed(database: Database) -> None:
    shop = await configured(database, 5, 5, parcel=(700, 200))
    token = await make_ready_cart(database, shop, 4)
    await expire_holds(database)
    placed = await place(till(database), token, "sandbox", "ok", "key")
    assert sent(placed, shop) == [0, 4]
    assert await levels(database, shop) == [(5, 0, 0), (1, 0, 4)]


async def test_stock_that_somebody_else_has_locked_is_not_waited_for(database: Database) -> None:
    shop = await configured(database, 5, 5, parcel=(700, 200))
    token = await make_ready_cart(database, shop, 3)
    async with database.transaction() as connection:
        await connection.execute(
            text("SELECT 1 FROM stock_levels WHERE location_id = :id FOR NO KEY UPDATE"),
            {"id": shop.locations[1].id},
        )
        placed = await asyncio.wait_for(place(till(database), token, "sandbox", "ok", "key"), 5)
    assert sent(placed, shop) == [3, 0]
    decision = await decision_of(database, placed)
    assert (decision.method, decision.cost, decision.bound, decision.proven) == ("held", 700, 200, False)


@pytest.mark.parametrize(("parcel", "statements"), [((200, 700), 11), ((700, 200), 12)])
async def test_routing_adds_a_statement_only_where_units_move(
    database: Database, parcel: tuple[int, int], statements: int
) -> None:
    shop = await configured(database, 5, 5, parcel=parcel)
    token = await make_ready_cart(database, shop, 3)
    with count_statements(database) as sent_statements:
        await place(till(database), token, "manual", "invoice", "key")
    assert len(sent_statements) == statements, sent_statements


async def test_buyers_at_once_never_take_more_than_there_is(database: Database) -> None:
    shop = await configured(database, 6, 6, 6, parcel=(900, 500, 100))
    tokens = [await make_ready_cart(database, shop, 1) for _ in range(18)]
    placed = await asyncio.gather(
        *(place(till(database), token, "sandbox", "ok", f"key {n}") for n, token in enumerate(tokens))
    )
    assert all(one.order for one in placed)
    units = [sum(column) for column in zip(*(sent(one, shop) for one in placed), strict=True)]
    assert await levels(database, shop) == [(6 - n, 0, n) for n in units]
    assert sum(units) == 18
    await assert_explained(database)


async def test_a_unit_goes_where_it_saves_most_when_orders_are_decided_together(database: Database) -> None:
    shop = await configured(database, 1, 5, parcel=(100, 300))
    await run_sql(
        database, "UPDATE channel_routing SET batches = true WHERE channel_id = :id", id=shop.channel.id
    )
    first = await order_now(database, shop, 1)
    second = await order_now(database, shop, 2)
    assert (sent(first, shop), sent(second, shop)) == ([1, 0], [0, 2])
    assert await routing_batches.decide_new(till(database, SYSTEM)) == 0, "there is nothing better"
    await give_stock(database, shop.variant, shop.locations[0], 2)
    assert await routing_batches.decide_new(till(database, SYSTEM)) == 1
    assert await levels(database, shop) == [(0, 0, 3), (5, 0, 0)]
    assert second.order is not None
    async with database.read() as connection:
        [reason] = (
            await connection.scalars(
                text(
                    "SELECT d.reason FROM fulfillment_orders f JOIN routing_decisions d"
                    " ON d.id = f.routing_decision_id WHERE f.order_id = :id AND f.status = 'OPEN'"
                ),
                {"id": second.order.id},
            )
        ).all()
    assert reason == "BATCHED"
    assert await routing_batches.decide_new(till(database, SYSTEM)) == 0
    await assert_explained(database)


async def test_deciding_together_makes_nothing_dearer_and_loses_no_unit(database: Database) -> None:
    shop = await configured(database, 3, 3, parcel=(100, 300))
    await run_sql(
        database,
        "UPDATE channel_routing SET batches = true, split_penalty_minor = 50 WHERE channel_id = :id",
        id=shop.channel.id,
    )
    orders = [await order_now(database, shop, 2) for _ in range(3)]
    assert all(one.order for one in orders)
    before = await total_cost(database)
    await routing_batches.decide_new(till(database, SYSTEM))
    assert await total_cost(database) <= before
    assert sum(committed for _, _, committed in await levels(database, shop)) == 6
    await assert_explained(database)


async def total_cost(database: Database) -> float:
    """Return what all parts that are to be sent cost by the decisions that made them."""
    async with database.read() as connection:
        return float(
            await connection.scalar(
                text(
                    "SELECT sum(cost) FROM routing_decisions WHERE id IN (SELECT routing_decision_id"
                    " FROM fulfillment_orders WHERE status IN ('OPEN', 'ON_HOLD'))"
                )
            )
            or 0
        )
