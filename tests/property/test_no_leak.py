"""Nobody is told what they would be refused, whoever they share a run with and whatever is taken away."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persistence.database import Database
from services.access import Permission
from tests import cart_flows as flow
from tests.checkouts import make_stocked_shop, order_now
from tests.entitled import DEEP, SHALLOW, subscription_names
from tests.factories import make_context, make_shop
from tests.in_process import processes
from tests.leak_ground import FOLLOWED, TRACKING, VALUES, Ground
from tests.leaks import World
from tests.shipping import pack, part_at

CARTS, ORDERS, CHANNELS = Permission.CARTS_READ, Permission.ORDERS_READ, Permission.CHANNELS_WRITE
STOCK = Permission.STOCK_READ
PERMISSIONS = st.sampled_from(
    (
        (),
        (CARTS,),
        (ORDERS,),
        (STOCK,),
        (CARTS, CHANNELS),
        (ORDERS, CHANNELS),
        (CARTS, ORDERS),
        (CARTS, ORDERS, CHANNELS, STOCK),
    )
)
VIEWERS = 4
WHO, PROCESS, WHERE = st.integers(0, VIEWERS - 1), st.integers(0, 1), st.integers(0, 1)
ARRIVAL = st.tuples(st.none() | PERMISSIONS, PROCESS)
AGGREGATE = st.sampled_from(("cart", "order", "shipment"))
WHAT = (
    st.sampled_from([*FOLLOWED, *VALUES, "cartUpdated", "orderUpdated", "orderUpdated", "shipmentUpdated"]),
    WHERE,
    st.sampled_from(
        ("token", "token", "token", "id", "number", "old token", "another's token", *TRACKING, *TRACKING[:1])
    ),
    st.sampled_from((DEEP, DEEP, SHALLOW)),
    st.none() | st.integers(0, 12),
)
SUBSCRIBE = st.tuples(st.just(World.subscribe), WHO, *WHAT)
SUBSCRIBE_ALL = st.tuples(st.just(World.subscribe_all), *WHAT)
UNSUBSCRIBE = st.tuples(st.just(World.unsubscribe), st.integers(0, 9))
HAPPEN = st.tuples(st.just(World.happen), AGGREGATE, WHERE)
RESTOCK = st.tuples(st.just(World.restock))
REVOKE = st.tuples(st.just(World.revoke), WHO)
PERMIT = st.tuples(st.just(World.permit), WHO, PERMISSIONS)
RETOKEN = st.tuples(st.just(World.retoken), AGGREGATE, WHERE)
SETTLE = st.tuples(st.just(World.settle))
OFTEN = (HAPPEN,) * 8 + (SETTLE, SUBSCRIBE, SUBSCRIBE_ALL) * 2
STEP = st.one_of(*OFTEN, UNSUBSCRIBE, RESTOCK, REVOKE, PERMIT, RETOKEN)


@pytest.fixture
async def ground(database: Database) -> Ground:
    """Two orders and the carts they were, once for all examples, and a shop with stock."""
    shop = await make_stocked_shop(database, 9)
    placed = [(await order_now(database, shop, 1)).order for _ in range(2)]
    numbers = {order.id: order.number for order in placed if order}
    carts = [row.id for row in await flow.run_sql(database, "SELECT id FROM carts ORDER BY id")]
    parcels = {}
    for order_id in numbers:
        sent = await pack(make_context(database), await part_at(database, order_id), 1)
        parcels[order_id] = sent.shipments[0].id
    generations = dict.fromkeys([*carts, *numbers, *parcels.values()], 1)
    stock = await make_shop(database, stock=1)
    return Ground(carts, list(numbers), numbers, stock, generations, parcels)


def test_every_subscription_of_the_schema_is_tried() -> None:
    assert FOLLOWED.keys() | VALUES == set(subscription_names())


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    arrivals=st.lists(ARRIVAL, min_size=VIEWERS, max_size=VIEWERS),
    watched=st.lists(SUBSCRIBE_ALL, min_size=3, max_size=5),
    steps=st.lists(STEP, min_size=30, max_size=60),
)
async def test_nobody_is_told_what_they_would_be_refused(
    database: Database,
    ground: Ground,
    arrivals: list[tuple[Any, int]],
    watched: list[tuple[Any, ...]],
    steps: list[tuple[Any, ...]],
) -> None:
    async with processes(database) as (before,):
        start = before.feed.head
        world = World(database, ground, [before], start)
        # Older than what processes keep in memory, so that who resumes reads the table.
        for aggregate in ("cart", "order", "cart"):
            await world.happen(aggregate, 0)
    async with processes(database, 2) as running:
        world = World(database, ground, running, start)
        for permissions, process in arrivals:
            await world.arrive(permissions, process)
        await world.settle()
        for do, *arguments in watched + steps:
            await do(world, *arguments)
        await world.settle()
        await world.leave()
