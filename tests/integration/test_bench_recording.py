"""A benchmark's limit is one only if the statements sent again do the work that they did at first."""

from sqlalchemy import text

from bench import _pgbench, _shop, fulfillment
from bench._recording import replay
from bench.checkout import recorded
from persistence.database import Database
from tests.checkouts import levels, make_stocked_shop, order_now
from tests.factories import give_stock, make_channel, make_location, make_variant
from tests.shipping import check_units, order_of
from tests.stocked import assert_explained

COUNTS = """
    SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM sandbox_charges),
           (SELECT count(*) FROM carts WHERE status = 'COMPLETED'),
           (SELECT count(*) FROM payment_transactions WHERE status = 'SUCCEEDED'),
           (SELECT sum(committed) / 3 FROM stock_levels)
"""


async def orders_placed(database: Database) -> int:
    """Return how many orders there are, after checking that nothing is missing of any."""
    async with database.read() as connection:
        counts = set((await connection.execute(text(COUNTS))).one())
    await assert_explained(database)
    [count] = counts
    return int(count)


async def test_each_recording_sent_again_places_an_order(database: Database, database_url: str) -> None:
    location = await make_location(database)
    channel = await make_channel(database, _shop.CHANNEL)
    variants = [await make_variant(database, channel) for _ in range(2)]
    for variant in variants:
        await give_stock(database, variant, location, 1_000_000)
    flows = await recorded(database_url, [variant.sku for variant in variants], clients=2)
    at_first = await orders_placed(database)
    assert await replay(database_url, flows, seconds=0.5) > 0
    by_driver = await orders_placed(database)
    assert by_driver > at_first + 2
    if await _pgbench.run(database_url, flows, seconds=1) is not None:
        assert await orders_placed(database) > by_driver + 2


async def test_each_fulfilment_sent_again_ships_an_order_of_its_own(
    database: Database, database_url: str
) -> None:
    shop = await make_stocked_shop(database, 50)
    placed = [await order_now(database, shop, 2) for _ in range(8)]
    todo = await fulfillment.waiting(database_url)
    assert len(todo) == len(placed)
    assert await fulfillment.bare(database_url, todo, clients=2) > 0
    for one in placed:
        assert one.order is not None
        sent = await order_of(database, one.order.id)
        assert (sent.status, sent.fulfillment_status) == ("COMPLETED", "FULFILLED")
    assert await levels(database, shop) == [(34, 0, 0)]
    await check_units(database)
    await assert_explained(database)
