"""Two processes that route over one stock at the same time: nothing is promised twice, nothing is lost."""

import asyncio
import json
import sys
from pathlib import Path

from sqlalchemy import text

from persistence.database import Database
from tests import programs
from tests.cart_flows import run_sql
from tests.checkouts import levels, make_ready_cart
from tests.integration.test_routing import configured
from tests.stocked import assert_explained

_COMMITTED = text(
    """
    SELECT l.id, coalesce(sum(n.quantity - n.quantity_short), 0) AS units
      FROM locations l
      LEFT JOIN fulfillment_orders f ON f.location_id = l.id AND f.status IN ('OPEN', 'ON_HOLD')
      LEFT JOIN fulfillment_order_lines n ON n.fulfillment_order_id = f.id
     GROUP BY l.id
    """
)
_ORDERED = text(
    """
    SELECT o.id, sum(l.quantity) AS units,
           (SELECT sum(n.quantity) FROM fulfillment_orders f JOIN fulfillment_order_lines n
                ON n.fulfillment_order_id = f.id
             WHERE f.order_id = o.id AND f.status IN ('OPEN', 'ON_HOLD')) AS in_parts
      FROM orders o JOIN order_lines l ON l.order_id = o.id GROUP BY o.id
    """
)


async def test_two_processes_routing_at_once_never_over_commit(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    shop = await configured(database, 9, 7, 8, 6, parcel=(900, 500, 100, 300), split=50)
    await run_sql(database, "UPDATE channel_routing SET batches = true")
    # All there is, held by them.
    tokens = [await make_ready_cart(database, shop, 1 + number % 3) for number in range(15)]
    # What is held there can leave from nowhere else, unless another order makes room.
    await run_sql(database, "UPDATE locations SET ships = false WHERE id = :id", id=shop.locations[1].id)
    go = tmp_path / "go"
    shares = [tokens[0::2], tokens[1::2]]
    plans = [{"database_url": database_url, "tokens": share, "go": str(go)} for share in shares]
    commands = [[sys.executable, "-m", "tests.routers", json.dumps(plan)] for plan in plans]

    with (
        programs.running(commands[0], tmp_path, "first", {}) as first,
        programs.running(commands[1], tmp_path, "second", {}) as second,
    ):
        await asyncio.to_thread(first.wait_for, 1)
        await asyncio.to_thread(second.wait_for, 1)
        go.touch()
        told = [(await asyncio.to_thread(one.finish))[-1] for one in (first, second)]

    assert [one["placed"] for one in told] == [len(share) for share in shares]
    found = await levels(database, shop)
    assert all(available >= 0 and not held for available, held, _ in found)
    assert [available + committed for available, _, committed in found] == [9, 7, 8, 6]
    assert sum(committed for _, _, committed in found) == sum(1 + number % 3 for number in range(15)) == 30
    async with database.read() as connection:
        parts = {row.id: row.units for row in await connection.execute(_COMMITTED)}
        orders = (await connection.execute(_ORDERED)).all()
    assert [parts[where.id] for where in shop.locations] == [committed for _, _, committed in found]
    assert len(orders) == 15
    assert all(one.units == one.in_parts for one in orders)
    await assert_explained(database)
