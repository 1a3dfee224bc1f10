"""Fulfillment orders before they are sent: units go from part to part, and none is lost."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from domain.fulfillment import FulfillmentOrderStatus, HoldKind
from domain.kernel.errors import IllegalTransition, InsufficientStock, InvalidInput, NotFound
from domain.order_edits import NewQuantity
from domain.orders import OrderFulfillmentStatus, OrderStatus
from persistence.database import Database
from services import fulfillment, order_edits, order_holds, shipment_sweeps
from services.order_edits import Wanted
from tests.cart_flows import run_sql
from tests.checkouts import LaterClock, events, levels, make_stocked_shop
from tests.factories import make_location
from tests.payments import check_sums, staff
from tests.shipping import (
    check_units,
    customers_units,
    fulfill,
    order_of,
    pack,
    part_at,
    parts_of,
    placed_order,
    shown,
)
from tests.statements import count_statements
from tests.stocked import assert_explained

OPEN, HOLD, CLOSED = (
    FulfillmentOrderStatus.OPEN,
    FulfillmentOrderStatus.ON_HOLD,
    FulfillmentOrderStatus.CLOSED,
)


@pytest.mark.parametrize("short", [0, 2])
async def test_ten_units_of_six_and_twenty_leave_both_warehouses(database: Database, short: int) -> None:
    shop = await make_stocked_shop(database, 6, 20)
    order = await placed_order(database, shop=shop, quantity=10)
    context = staff(database)
    assert await levels(database, shop) == [(0, 0, 6), (16, 0, 4)]
    assert sorted(await shown(database, order.id, shop)) == [(0, "OPEN", 6, 0), (1, "OPEN", 4, 0)]
    parts = (await parts_of(database, order.id)).fulfillment_orders
    near = next(one for one in parts if one.location_id == shop.locations[0].id)
    await fulfillment.start(context, near.id, None, str(uuid4()))
    if short:
        units = {near.lines[0].id: short}
        with count_statements(database) as statements:
            await fulfillment.incomplete(
                context, near.id, units, "the shelf is empty", None, str(uuid4()), lost=True
            )
        assert len(statements) <= 11, statements
    for part in (await parts_of(database, order.id)).fulfillment_orders:
        await fulfill(context, part)
    after = await order_of(database, order.id)
    assert (after.status, after.fulfillment_status) == (
        OrderStatus.COMPLETED,
        OrderFulfillmentStatus.FULFILLED,
    )
    assert await customers_units(database, order.id) == {
        shop.locations[0].id: 6 - short,
        shop.locations[1].id: 4 + short,
    }
    assert await levels(database, shop) == [(0, 0, 0), (16 - short, 0, 0)]
    await check_units(database)
    await check_sums(database)
    await assert_explained(database)


async def test_units_that_no_other_location_has_wait_for_stock_where_they_were_lost(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 5, 1)
    order = await placed_order(database, shop=shop, quantity=5)
    part = await part_at(database, order.id)
    await fulfillment.incomplete(
        staff(database), part.id, {part.lines[0].id: 3}, "not there", None, "key", lost=True
    )
    assert await shown(database, order.id, shop) == [
        (0, "OPEN", 2, 0),
        (0, "ON_HOLD", 2, 2),
        (1, "OPEN", 1, 0),
    ]
    assert await levels(database, shop) == [(0, 0, 2), (0, 0, 1)]
    await check_units(database)
    await assert_explained(database)


async def test_what_a_location_gives_back_waits_for_staff_where_no_other_has_it(database: Database) -> None:
    shop = await make_stocked_shop(database, 5, 1)
    order = await placed_order(database, shop=shop, quantity=5)
    context, part = staff(database), await part_at(database, order.id)
    await fulfillment.cancel(context, part.id, "the roof leaks", None, "key")
    assert await shown(database, order.id, shop) == [
        (0, "CANCELED", 0, 0),
        (0, "ON_HOLD", 4, 0),
        (1, "OPEN", 1, 0),
    ]
    waiting = next(
        one for one in (await parts_of(database, order.id)).fulfillment_orders if one.status is HOLD
    )
    assert [(hold.kind, hold.note) for hold in waiting.holds] == [(HoldKind.OTHER, "the roof leaks")]
    await order_holds.release(context, waiting.holds[0].id, None, None, "release")
    assert (await order_of(database, order.id)).fulfillment_status is OrderFulfillmentStatus.UNFULFILLED
    assert await levels(database, shop) == [(1, 0, 4), (0, 0, 1)]
    told = [kind for kind, _ in await events(database, order.id)]
    assert told[1:4] == ["FulfillmentOrderCanceled", "FulfillmentOrderRerouted", "OrderHeld"]
    await check_units(database)


async def test_what_is_packed_is_not_given_up(database: Database) -> None:
    shop = await make_stocked_shop(database, 5, 9)
    order = await placed_order(database, shop=shop, quantity=5)
    context, part = staff(database), await part_at(database, order.id)
    await pack(context, part, 2)
    with pytest.raises(IllegalTransition, match="sent or packed"):
        await fulfillment.cancel(context, part.id, "why", None, "key")
    await fulfillment.incomplete(context, part.id, None, "no hands", None, "other")
    assert await shown(database, order.id, shop) == [(0, "IN_PROGRESS", 2, 0), (1, "OPEN", 3, 0)]
    assert await levels(database, shop) == [(3, 0, 2), (6, 0, 3)]
    await check_units(database)


async def test_a_part_that_has_sent_all_it_will_is_incomplete(database: Database) -> None:
    shop = await make_stocked_shop(database, 5, 9)
    order = await placed_order(database, shop=shop, quantity=5)
    context, part = staff(database), await part_at(database, order.id)
    await fulfill(context, part, 2)
    await fulfillment.incomplete(context, part.id, None, "no hands", None, "key")
    assert await shown(database, order.id, shop) == [(0, "INCOMPLETE", 2, 0), (1, "OPEN", 3, 0)]
    with pytest.raises(IllegalTransition, match="INCOMPLETE"):
        await fulfillment.incomplete(context, part.id, None, "no hands", None, "again")
    last = await fulfill(context, (await parts_of(database, order.id)).fulfillment_orders[1])
    assert last.order.status is OrderStatus.COMPLETED
    await check_units(database)


async def test_a_part_is_split_and_merged_again(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    order = await placed_order(database, shop=shop, quantity=5)
    context, part = staff(database), await part_at(database, order.id)
    with count_statements(database) as statements:
        changed = await fulfillment.split(context, part.id, {part.lines[0].id: 2}, None, "key")
    assert len(statements) <= 8, statements
    again = await fulfillment.split(context, part.id, {part.lines[0].id: 2}, None, "key")
    assert [one.id for one in again.parts] == [one.id for one in changed.parts]
    assert await shown(database, order.id, shop) == [(0, "OPEN", 3, 0), (0, "OPEN", 2, 0)]
    with pytest.raises(InvalidInput, match="nothing would be left"):
        await fulfillment.split(context, part.id, {part.lines[0].id: 3}, None, "all")
    with pytest.raises(InvalidInput) as caught:
        await fulfillment.split(context, part.id, {part.lines[0].id: 4}, None, "more")
    assert caught.value.path == ("lines", "0", "quantity")
    ids = [one.id for one in changed.parts]
    await fulfillment.merge(context, ids, None, "merge")
    assert await shown(database, order.id, shop) == [(0, "OPEN", 5, 0), (0, "CANCELED", 0, 0)]
    with pytest.raises(InvalidInput):
        await fulfillment.merge(context, [ids[0], ids[0]], None, "twice")
    with pytest.raises(NotFound):
        await fulfillment.merge(context, [ids[0], uuid4()], None, "unknown")
    await fulfillment.start(context, ids[0], None, "start")
    with pytest.raises(IllegalTransition, match="somebody works on"):
        await fulfillment.split(context, ids[0], {part.lines[0].id: 1}, None, "late")
    await check_units(database)


async def test_a_part_moves_to_a_location_that_has_its_units(database: Database) -> None:
    shop = await make_stocked_shop(database, 5, 3, 9)
    order = await placed_order(database, shop=shop, quantity=5)
    context, part = staff(database), await part_at(database, order.id)
    with pytest.raises(InsufficientStock) as caught:
        await fulfillment.move(context, part.id, shop.locations[1].code, None, None, "key")
    assert (caught.value.requested, caught.value.available) == (5, 3)
    assert await levels(database, shop) == [(0, 0, 5), (3, 0, 0), (9, 0, 0)]
    with count_statements(database) as statements:
        moved = await fulfillment.move(context, part.id, shop.locations[2].code, None, None, "key")
    assert len(statements) <= 9, statements
    assert moved.parts[0].id == part.id
    assert await levels(database, shop) == [(5, 0, 0), (3, 0, 0), (4, 0, 5)]
    await fulfillment.move(context, part.id, shop.locations[1].code, {part.lines[0].id: 3}, None, "some")
    assert await shown(database, order.id, shop) == [(2, "OPEN", 2, 0), (1, "OPEN", 3, 0)]
    with pytest.raises(NotFound):
        await fulfillment.move(context, part.id, "nowhere", None, None, "nowhere")
    with pytest.raises(InvalidInput):
        await fulfillment.move(context, part.id, shop.locations[2].code, None, None, "same")
    empty = await make_location(database)
    with pytest.raises(InsufficientStock):
        await fulfillment.move(context, part.id, empty.code, None, None, "empty")
    await run_sql(database, "UPDATE locations SET ships = false WHERE id = :id", id=shop.locations[2].id)
    with pytest.raises(InvalidInput, match="sends no parcels"):
        await fulfillment.move(context, part.id, shop.locations[2].code, None, None, "counter")
    with pytest.raises(InvalidInput, match="name one line"):
        await fulfillment.split(context, part.id, {}, None, "nothing")
    with pytest.raises(InvalidInput, match="at least 1"):
        await fulfillment.split(context, part.id, {part.lines[0].id: 0}, None, "none")
    await check_units(database)
    await assert_explained(database)


async def test_a_part_that_was_begun_leaves_its_rest_elsewhere(database: Database) -> None:
    shop = await make_stocked_shop(database, 5, 9)
    order = await placed_order(database, shop=shop, quantity=5)
    context, part = staff(database), await part_at(database, order.id)
    await fulfill(context, part, 1)
    await pack(context, await part_at(database, order.id), 1)
    moved = await fulfillment.move(context, part.id, shop.locations[1].code, None, None, "key")
    assert moved.parts[0].id != part.id
    assert await shown(database, order.id, shop) == [(0, "IN_PROGRESS", 2, 0), (1, "OPEN", 3, 0)]
    await check_units(database)


async def test_a_part_that_is_put_off_opens_by_itself(database: Database) -> None:
    order = await placed_order(database)
    context, part = staff(database), await part_at(database, order.id)
    later = datetime.now(UTC) + timedelta(hours=2)
    put_off = await fulfillment.reschedule(context, part.id, later, None, "key")
    assert put_off.order.fulfillment_status is OrderFulfillmentStatus.SCHEDULED
    with pytest.raises(IllegalTransition, match="SCHEDULED"):
        await fulfill(context, part)
    assert await fulfillment.release_due(context) == 0
    assert await fulfillment.release_due(staff(database, clock=LaterClock(3))) == 1
    assert (await part_at(database, order.id)).status is OPEN
    assert [kind for kind, _ in await events(database, order.id)][1:] == [
        "FulfillmentOrderRescheduled",
        "FulfillmentOrderReleased",
    ]
    assert (await fulfill(context, part)).parts[0].status is CLOSED


async def test_an_order_completes_when_the_rest_of_it_is_edited_away(database: Database) -> None:
    shop = await make_stocked_shop(database, 3, 5)
    order = await placed_order(database, shop=shop, quantity=3)
    context, part = staff(database), await part_at(database, order.id)
    sent = await fulfill(context, part, 2)
    changed = await fulfillment.incomplete(context, part.id, None, "no hands", None, "key")
    wanted = Wanted(order.id, [NewQuantity(part.lines[0].order_line_id, 2)])
    assert changed.order.version > sent.order.version
    await order_edits.commit(context, wanted, "two are enough", changed.order.version, "edit")
    assert (await order_of(database, order.id)).status is OrderStatus.OPEN
    assert await shipment_sweeps.complete(context) == 1
    assert (await order_of(database, order.id)).status is OrderStatus.COMPLETED
    assert (await events(database, order.id))[-1][0] == "OrderCompleted"
    assert await shipment_sweeps.complete(context) == 0
    await check_units(database)
    await check_sums(database)
