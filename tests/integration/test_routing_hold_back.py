"""New orders held back for a batch: their stock is theirs at once, and nobody begins before it has come."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from domain.fulfillment import FulfillmentOrderStatus
from persistence.database import Database
from services import reroutes, routing_batches
from services.access import SYSTEM
from services.context import SystemClock
from services.order_placement import place
from services.payment_attempts import Placed
from tests.cart_flows import run_sql
from tests.checkouts import Shop, events, levels, make_ready_cart, order_now, till
from tests.factories import execute, give_stock
from tests.integration.test_routing import configured, sent
from tests.statements import count_statements
from tests.stocked import assert_explained

_UPDATE = """mutation ($input: ChannelRoutingUpdateInput!) { channelRoutingUpdate(input: $input) {
    routing { batches holdBackMinutes } userErrors { code path } } }"""


class Later:
    """A clock that runs so many minutes ahead."""

    def __init__(self, minutes: float) -> None:
        self._ahead = timedelta(minutes=minutes)

    def now(self) -> Any:
        return SystemClock().now() + self._ahead


async def holding_back(database: Database, *units: int, parcel: tuple[int, ...]) -> Shop:
    shop = await configured(database, *units, parcel=parcel)
    answer = await update(database, shop, batches=True, holdBackMinutes=15)
    assert answer == {"routing": {"batches": True, "holdBackMinutes": 15}, "userErrors": []}
    return shop


async def update(database: Database, shop: Shop, **changes: Any) -> Any:
    answer = await execute(database, _UPDATE, {"input": {"channel": shop.channel.slug, **changes}})
    assert answer.data is not None, answer
    return answer.data["channelRoutingUpdate"]


async def parts(database: Database, placed: Placed) -> list[tuple[str, list[str]]]:
    """Return status and open holds of an order's parts that are not canceled."""
    assert placed.order is not None
    async with database.read() as connection:
        rows = await connection.execute(
            text(
                "SELECT f.status, array_remove(array_agg(h.code), NULL) AS holds FROM fulfillment_orders f"
                " LEFT JOIN order_holds h ON h.fulfillment_order_id = f.id AND h.released_at IS NULL"
                " WHERE f.order_id = :id AND f.status <> 'CANCELED' GROUP BY f.id"
            ),
            {"id": placed.order.id},
        )
        return [(row.status, row.holds) for row in rows]


HELD = [("ON_HOLD", ["ROUTING_BATCH"])]
RELEASED: list[tuple[str, list[str]]] = [("OPEN", [])]


async def batch(database: Database, minutes: float) -> int:
    return await routing_batches.decide_new(till(database, SYSTEM, clock=Later(minutes)))


async def test_orders_wait_with_their_stock_for_the_batch_that_decides_them_together(
    database: Database,
) -> None:
    shop = await holding_back(database, 1, 5, parcel=(100, 300))
    first, second = await order_now(database, shop, 1), await order_now(database, shop, 2)
    assert (sent(first, shop), sent(second, shop)) == ([1, 0], [0, 2])
    assert await levels(database, shop) == [(0, 0, 1), (3, 0, 2)], "stock is committed at once"
    assert await parts(database, first) == await parts(database, second) == HELD
    await give_stock(database, shop.variant, shop.locations[0], 2)

    assert await batch(database, 14) == 0
    assert await parts(database, second) == HELD, "it is not time yet"
    assert await batch(database, 16) == 1
    assert await levels(database, shop) == [(0, 0, 3), (5, 0, 0)]
    assert await parts(database, first) == await parts(database, second) == RELEASED
    assert second.order is not None
    told = [kind for kind, _ in await events(database, second.order.id)]
    assert told[-2:] == ["FulfillmentOrderRerouted", "OrderHoldReleased"]
    assert [version for _, version in await events(database, second.order.id)][-2:] == [2, 3]
    await assert_explained(database)


async def test_what_no_batch_has_come_for_is_released_without(database: Database) -> None:
    shop = await holding_back(database, 5, 5, parcel=(100, 300))
    placed = await order_now(database, shop, 1)
    assert await routing_batches.release_overdue(till(database, SYSTEM, clock=Later(24))) == 0
    assert await parts(database, placed) == HELD
    assert await routing_batches.release_overdue(till(database, SYSTEM, clock=Later(26))) == 1
    assert await parts(database, placed) == RELEASED


async def test_what_a_channel_held_back_is_released_once_it_holds_nothing_back(database: Database) -> None:
    shop = await holding_back(database, 5, parcel=(100,))
    placed = await order_now(database, shop, 1)
    assert (await update(database, shop, holdBackMinutes=0))["userErrors"] == []
    assert await routing_batches.release_overdue(till(database, SYSTEM)) == 1
    assert await parts(database, placed) == RELEASED
    assert await parts(database, await order_now(database, shop, 1)) == RELEASED


async def test_an_order_held_back_moves_where_its_location_closes(database: Database) -> None:
    shop = await holding_back(database, 5, 5, parcel=(100, 300))
    placed = await order_now(database, shop, 1)
    await run_sql(database, "UPDATE locations SET ships = false WHERE id = :id", id=shop.locations[0].id)
    assert await reroutes.reroute_due(till(database, SYSTEM)) == 1
    assert await levels(database, shop) == [(5, 0, 0), (4, 0, 1)]
    assert await parts(database, placed) == HELD
    assert await batch(database, 16) == 0
    assert await parts(database, placed) == RELEASED


async def test_an_order_that_is_not_paid_yet_stays_on_hold_for_that_after_the_batch(
    database: Database,
) -> None:
    shop = await holding_back(database, 5, parcel=(100,))
    await run_sql(database, "UPDATE channels SET hold_unpaid = true")
    token = await make_ready_cart(database, shop, 1)
    placed = await place(till(database), token, "manual", "invoice", "key")
    assert [(status, sorted(holds)) for status, holds in await parts(database, placed)] == [
        ("ON_HOLD", ["ROUTING_BATCH", "UNPAID"])
    ]
    await batch(database, 16)
    assert await parts(database, placed) == [("ON_HOLD", ["UNPAID"])]


async def test_holding_back_adds_no_statement_to_placing(database: Database) -> None:
    shop = await holding_back(database, 5, 5, parcel=(200, 700))
    token = await make_ready_cart(database, shop, 1)
    with count_statements(database) as statements:
        placed = await place(till(database), token, "manual", "invoice", "key")
    assert len(statements) == 11, statements
    assert placed.placement is not None
    assert placed.placement.fulfillment_orders[0].status is FulfillmentOrderStatus.ON_HOLD


@pytest.mark.parametrize(
    "changes",
    [{"holdBackMinutes": 241}, {"holdBackMinutes": -1}, {"batches": False}, {"strategy": "NEAREST"}],
)
async def test_orders_are_held_back_for_four_hours_at_most_and_for_batches_alone(
    database: Database, changes: dict[str, Any]
) -> None:
    shop = await holding_back(database, 5, parcel=(100,))
    answer = await update(database, shop, **changes)
    assert answer["userErrors"] == [{"code": "INVALID_INPUT", "path": ["holdBackMinutes"]}]
