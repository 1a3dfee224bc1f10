"""Many at once: whoever comes second finds what the first has made of the order, and no unit leaves twice."""

import asyncio
from uuid import uuid4

import pytest

from domain.catalog import VariantRef
from domain.inventory import AdjustReason
from domain.kernel.errors import DomainError, IllegalTransition, InvalidInput
from domain.order_edits import NewQuantity
from domain.orders import OrderStatus
from domain.shipments import ShipmentStatus
from persistence import tracking as tracking_rows
from persistence.database import Database
from services import fulfillment, inventory, label_calls, order_edits, orders, stock_losses, tracking
from services.order_edits import Wanted
from services.orders import OrderRef
from services.shipment_changes import Sent
from tests.checkouts import Shop, levels, make_stocked_shop
from tests.labeled import packed_parcels, parcel
from tests.payments import check_sums, staff
from tests.shipping import (
    check_units,
    customers_units,
    fulfill,
    hand_over,
    order_of,
    pack,
    part_at,
    parts_of,
    placed_order,
)
from tests.stocked import assert_explained
from tests.tracked import carrier_desk, said


async def _checked(database: Database) -> None:
    await check_units(database)
    await check_sums(database)
    await assert_explained(database)


async def test_eight_clients_send_one_order_once(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    order = await placed_order(database, shop=shop, quantity=3)
    part = await part_at(database, order.id)
    done = await asyncio.gather(*(fulfill(staff(database), part) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(one, Sent) for one in done) == 1
    assert sum(isinstance(one, DomainError) for one in done) == 7
    assert await customers_units(database, order.id) == {shop.locations[0].id: 3}
    assert (await order_of(database, order.id)).status is OrderStatus.COMPLETED
    await _checked(database)


async def test_eight_clients_with_one_key_get_one_parcel(database: Database) -> None:
    order = await placed_order(database, quantity=3)
    part = await part_at(database, order.id)
    done = await asyncio.gather(*(fulfill(staff(database), part, 1, key="key") for _ in range(8)))
    assert len({one.shipments[0].id for one in done}) == 1
    await _checked(database)


async def test_single_units_sent_at_once_take_the_whole_total(database: Database) -> None:
    order = await placed_order(database, quantity=4)
    part = await part_at(database, order.id)
    await asyncio.gather(*(fulfill(staff(database), part, 1) for _ in range(4)))
    [payment] = (await parts_of(database, order.id)).payments
    assert payment.captured_minor == order.total_minor
    assert (await order_of(database, order.id)).status is OrderStatus.COMPLETED
    await _checked(database)


async def test_a_parcel_is_handed_over_or_its_order_canceled(database: Database) -> None:
    shop = await make_stocked_shop(database, 100)
    outcomes = set()
    for round_ in range(4):
        order = await placed_order(database, shop=shop)
        packed = await pack(staff(database), await part_at(database, order.id), 2)
        both = [
            hand_over(staff(database), packed.shipments[0].id),
            orders.cancel(staff(database), OrderRef(id=order.id), "changed their mind", None, str(uuid4())),
        ]
        results = await asyncio.gather(*(both if round_ % 2 else reversed(both)), return_exceptions=True)
        assert sum(isinstance(one, IllegalTransition) for one in results) == 1
        outcomes.add((await order_of(database, order.id)).status)
    assert outcomes <= {OrderStatus.COMPLETED, OrderStatus.CANCELED}
    await _checked(database)


async def test_a_unit_is_sent_or_edited_away(database: Database) -> None:
    shop = await make_stocked_shop(database, 100)
    for _ in range(4):
        order = await placed_order(database, shop=shop, quantity=3)
        part = await part_at(database, order.id)
        wanted = Wanted(order.id, [NewQuantity(part.lines[0].order_line_id, 1)])
        results = await asyncio.gather(
            fulfill(staff(database), part, 2),
            order_edits.commit(staff(database), wanted, "one is enough", 1, str(uuid4())),
            return_exceptions=True,
        )
        assert sum(isinstance(one, DomainError) for one in results) == 1, results
    await _checked(database)


async def test_a_unit_is_sent_or_lost(database: Database) -> None:
    for _ in range(4):
        shop = await make_stocked_shop(database, 3)
        order = await placed_order(database, shop=shop, quantity=3)
        part = await part_at(database, order.id)
        sent, _lost = await asyncio.gather(
            fulfill(staff(database), part, 2),
            lose(database, shop, 2),
            return_exceptions=True,
        )
        if isinstance(sent, Exception):
            assert isinstance(sent, (IllegalTransition, InvalidInput))
            assert await customers_units(database, order.id) == {}
        else:
            assert await customers_units(database, order.id) == {shop.locations[0].id: 2}
    await _checked(database)


async def test_units_move_away_or_are_sent(database: Database) -> None:
    shop = await make_stocked_shop(database, 20, 100)
    for _ in range(4):
        order = await placed_order(database, shop=shop)
        part = await part_at(database, order.id)
        code = shop.locations[1].code
        await asyncio.gather(
            fulfill(staff(database), part),
            fulfillment.move(staff(database), part.id, code, None, None, str(uuid4())),
            return_exceptions=True,
        )
        assert sum((await customers_units(database, order.id)).values()) == 2
    await _checked(database)


async def test_what_was_lost_is_not_sent_until_it_is_made_good(database: Database) -> None:
    shop = await make_stocked_shop(database, 3)
    order = await placed_order(database, shop=shop, quantity=3)
    packed = await pack(staff(database), await part_at(database, order.id), 3)
    await lose(database, shop, 1)
    with pytest.raises(IllegalTransition, match="ON_HOLD"):
        await hand_over(staff(database), packed.shipments[0].id)
    await inventory.adjust(
        staff(database),
        VariantRef(id=shop.variant.id),
        shop.locations[0].code,
        1,
        AdjustReason.FOUND,
        str(uuid4()),
    )
    assert await stock_losses.refill(staff(database)) == 1
    sent = await hand_over(staff(database), packed.shipments[0].id)
    assert sent.order.status is OrderStatus.COMPLETED
    assert await levels(database, shop) == [(0, 0, 0)]
    await _checked(database)


async def lose(database: Database, shop: Shop, units: int) -> None:
    """Count units out at the shop's first location."""
    ref, code = VariantRef(id=shop.variant.id), shop.locations[0].code
    await inventory.adjust(staff(database), ref, code, -units, AdjustReason.LOST, str(uuid4()))


async def test_a_parcel_still_lacks_what_it_lost_when_the_rest_moves_away(database: Database) -> None:
    shop = await make_stocked_shop(database, 5, 9)
    order = await placed_order(database, shop=shop, quantity=5)
    part = await part_at(database, order.id)
    packed = await pack(staff(database), part, 4)
    await lose(database, shop, 2)

    await fulfillment.move(staff(database), part.id, shop.locations[1].code, None, None, "key")

    assert await levels(database, shop) == [(0, 0, 3), (8, 0, 1)]
    with pytest.raises(IllegalTransition):
        await hand_over(staff(database), packed.shipments[0].id)
    await _checked(database)


async def test_carriers_staff_and_customers_at_one_order_never_deadlock(
    database: Database,
) -> None:
    order_id, ids = await packed_parcels(database, 1, 1, 1)
    desk = carrier_desk(database)
    await label_calls.buy_due(desk)
    parcels = [await parcel(database, order_id, one) for one in ids]
    kinds = [ShipmentStatus.IN_TRANSIT, ShipmentStatus.OUT_FOR_DELIVERY, ShipmentStatus.DELIVERED]
    for at, one in enumerate(parcels):
        updates = [said(one, kind, f"{at}-{kind}", tracking_number=one.tracking_number) for kind in kinds]
        async with desk.read() as connection:
            await tracking_rows.store(connection, "sandbox", updates, now=desk.now())
    [line] = (await parts_of(database, order_id)).fulfillment_orders[0].lines
    edit = Wanted(order_id, [NewQuantity(line.order_line_id, 4)])

    async def edited() -> None:
        version = (await order_of(database, order_id)).version
        await order_edits.commit(staff(database), edit, "one more", version, str(uuid4()))

    done = await asyncio.wait_for(
        asyncio.gather(
            *(tracking.apply_due(desk) for _ in range(4)),
            *(hand_over(staff(database), one) for one in ids),
            *(edited() for _ in range(4)),
            *(orders.cancel(staff(database), OrderRef(id=order_id), "no", None, str(n)) for n in range(2)),
            stock_losses.refill(staff(database)),
            tracking.tell_late(desk),
            return_exceptions=True,
        ),
        20,
    )
    strange = [one for one in done if isinstance(one, BaseException) and not isinstance(one, DomainError)]
    assert strange == [], "a deadlock is one"
    await tracking.apply_due(desk)
    after = [(await parcel(database, order_id, one)).status for one in ids]
    assert set(after) <= {ShipmentStatus.DELIVERED, ShipmentStatus.CANCELED}
    await _checked(database)
