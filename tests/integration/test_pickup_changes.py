"""What a store does with an order that is collected: ready, given out to a code, given up, reminded of."""

import asyncio
from uuid import uuid4

import pytest

from domain.fulfillment import FulfillmentOrderStatus
from domain.kernel.errors import (
    IllegalTransition,
    InvalidInput,
    PickupCodeRefused,
)
from domain.notifications import NotificationKind
from domain.orders import OrderFulfillmentStatus, OrderPaymentStatus, OrderStatus
from domain.shipments import ShipmentStatus
from persistence.database import Database
from providers.messages.rendering import Renderer
from services import fulfillment, notifications, orders, pickups, shipment_changes
from services.orders import OrderRef
from tests.cart_flows import run_sql
from tests.checkouts import events, later, levels, order_now
from tests.factories import make_context
from tests.pickups import (
    code_for,
    collected_order,
    desk,
    give_out,
    make_ready,
    make_store_shop,
)
from tests.shipping import check_units, customers_units, fulfill, order_of, pack, part_at, parts_of
from tests.statements import count_statements

WRONG = "000000"


async def test_what_is_ready_waits_with_its_units_committed(database: Database) -> None:
    shop = await make_store_shop(database, 10, 10)
    order, part = await collected_order(database, shop)

    with count_statements(database) as statements:
        sent = await make_ready(database, part)

    assert len(statements) == 7, statements
    assert [one.status for one in sent.shipments] == [ShipmentStatus.AVAILABLE_FOR_PICKUP]
    assert await levels(database, shop) == [(10, 0, 0), (8, 0, 2)]
    assert (await order_of(database, order.id)).fulfillment_status is OrderFulfillmentStatus.IN_PROGRESS
    kinds = [kind for kind, _ in await events(database, order.id)]
    assert kinds[-2:] == ["FulfillmentOrderReady", "ShipmentAvailableForPickup"]
    again = await make_ready(database, part)
    assert [one.id for one in again.shipments] == [one.id for one in sent.shipments]
    await check_units(database)


async def test_the_right_code_gives_it_out_and_takes_the_money(database: Database) -> None:
    shop = await make_store_shop(database, 10, 10)
    order, part = await collected_order(database, shop)
    sent = await make_ready(database, part)

    with count_statements(database) as statements:
        given = await give_out(database, part, code_for(database, sent))

    assert len(statements) == 18, statements
    assert given.parts[0].status is FulfillmentOrderStatus.CLOSED
    assert given.shipments[0].status is ShipmentStatus.DELIVERED
    after = await order_of(database, order.id)
    assert after.fulfillment_status is OrderFulfillmentStatus.DELIVERED
    assert (after.payment_status, after.status) == (OrderPaymentStatus.PAID, OrderStatus.COMPLETED)
    assert await levels(database, shop) == [(10, 0, 0), (8, 0, 0)]
    assert await customers_units(database, order.id) == {shop.locations[1].id: 2}
    kinds = [kind for kind, _ in await events(database, order.id)]
    assert {"ShipmentDelivered", "FulfillmentOrderCollected", "FulfillmentOrderClosed"} <= set(kinds)
    assert "ShipmentShipped" not in kinds
    parcel = (await parts_of(database, order.id)).shipments[0]
    assert parcel.shipped_at == parcel.delivered_at is not None
    await check_units(database)


async def test_it_is_given_out_once_however_often_and_at_once(database: Database) -> None:
    order, part = await collected_order(database)
    code = code_for(database, await make_ready(database, part))

    await asyncio.gather(*(give_out(database, part, code) for _ in range(4)))
    await give_out(database, part, None)

    assert sum((await customers_units(database, order.id)).values()) == 2
    assert [kind for kind, _ in await events(database, order.id)].count("FulfillmentOrderCollected") == 1


async def test_a_wrong_code_is_counted_and_after_five_none_is_good(database: Database) -> None:
    order, part = await collected_order(database)
    code = code_for(database, await make_ready(database, part))
    left = []
    for no_code in ("", "12345", "12345x"):
        with pytest.raises(InvalidInput):
            await give_out(database, part, no_code)
    for _ in range(5):
        with pytest.raises(PickupCodeRefused) as refused:
            await give_out(database, part, WRONG)
        left.append(refused.value.attempts_left)

    with pytest.raises(PickupCodeRefused) as locked:
        await give_out(database, part, code)

    assert left == [4, 3, 2, 1, 0]
    assert locked.value.attempts_left == 0
    assert await customers_units(database, order.id) == {}
    # Who has seen a passport needs no code.
    await give_out(database, part, None)
    assert sum((await customers_units(database, order.id)).values()) == 2


async def test_codes_guessed_at_once_are_counted_one_by_one(database: Database) -> None:
    _, part = await collected_order(database)
    await make_ready(database, part)

    outcomes = await asyncio.gather(
        *(give_out(database, part, WRONG) for _ in range(7)), return_exceptions=True
    )

    left = sorted(one.attempts_left for one in outcomes if isinstance(one, PickupCodeRefused))
    assert left == [0, 0, 0, 1, 2, 3, 4]
    counted = await run_sql(database, "SELECT wrong_codes FROM pickups")
    assert [row.wrong_codes for row in counted] == [5]


async def test_what_waits_is_not_handed_to_a_carrier(database: Database) -> None:
    _, part = await collected_order(database)
    sent = await make_ready(database, part)

    with pytest.raises(IllegalTransition):
        await shipment_changes.hand_over(make_context(database), sent.shipments[0].id, None, str(uuid4()))


async def test_what_waits_can_be_unpacked_and_made_ready_again_with_another_code(database: Database) -> None:
    order, part = await collected_order(database)
    first = await make_ready(database, part)
    await shipment_changes.cancel(make_context(database), first.shipments[0].id, None, str(uuid4()))

    second = await make_ready(database, part)

    codes = [
        pickups.code_of(make_context(database), one.id) for one in (first.shipments[0], second.shipments[-1])
    ]
    assert codes[0] != codes[1]
    assert all(len(code) == 6 and code.isdigit() for code in codes)
    with pytest.raises(PickupCodeRefused):
        await give_out(database, part, codes[0])
    await give_out(database, part, codes[1])
    assert sum((await customers_units(database, order.id)).values()) == 2


async def test_a_shopper_may_cancel_while_it_waits(database: Database) -> None:
    shop = await make_store_shop(database, 10, 10)
    order, part = await collected_order(database, shop)
    code = code_for(database, await make_ready(database, part))

    await orders.cancel(desk(database), OrderRef(id=order.id), "no", None, "k1")

    assert await levels(database, shop) == [(10, 0, 0), (10, 0, 0)]
    assert [one.status for one in (await parts_of(database, order.id)).shipments] == [ShipmentStatus.CANCELED]
    with pytest.raises(IllegalTransition):
        await give_out(database, part, code)


async def test_canceling_and_collecting_at_once_do_one_of_them(database: Database) -> None:
    shop = await make_store_shop(database, 10, 10)
    order, part = await collected_order(database, shop)
    code = code_for(database, await make_ready(database, part))
    staff = desk(database)

    outcomes = await asyncio.gather(
        give_out(database, part, code),
        orders.cancel(staff, OrderRef(id=order.id), "no", None, "k2"),
        return_exceptions=True,
    )

    assert sum(isinstance(one, IllegalTransition) for one in outcomes) == 1, outcomes
    gone = sum((await customers_units(database, order.id)).values())
    assert await levels(database, shop) == [(10, 0, 0), (10 - gone, 0, 0)]


async def test_what_is_not_collected_goes_back_on_sale_and_its_money_back(database: Database) -> None:
    shop = await make_store_shop(database, 10, 10)
    order, part = await collected_order(database, shop)
    await make_ready(database, part)
    staff = desk(database)

    sent = await pickups.not_collected(staff, part.id, "nobody came", None, "k3")
    again = await pickups.not_collected(staff, part.id, "nobody came", None, "k3")

    assert sent.parts[0].status is again.parts[0].status is FulfillmentOrderStatus.CANCELED
    assert [one.status for one in sent.shipments] == [ShipmentStatus.CANCELED]
    after = await order_of(database, order.id)
    assert (after.status, after.payment_status) == (OrderStatus.CANCELED, OrderPaymentStatus.VOIDED)
    assert after.reason == "nobody came"
    assert await levels(database, shop) == [(10, 0, 0), (10, 0, 0)]
    kinds = [kind for kind, _ in await events(database, order.id)]
    assert kinds.count("FulfillmentOrderNotCollected") == kinds.count("OrderCanceled") == 1


async def test_only_what_waits_is_collected_or_given_up(database: Database) -> None:
    _, part = await collected_order(database)
    staff = desk(database)

    with pytest.raises(IllegalTransition):
        await give_out(database, part, None)
    with pytest.raises(IllegalTransition):
        await pickups.not_collected(staff, part.id, "nobody came", None, "k4")


async def test_what_is_sent_is_never_made_ready(database: Database) -> None:
    shop = await make_store_shop(database, 10, 10)
    placed = await order_now(database, shop, 1)
    assert placed.order is not None
    part = await part_at(database, placed.order.id)

    with pytest.raises(IllegalTransition):
        await make_ready(database, part)


async def test_staff_are_told_of_what_waits_too_long_each_time_once(database: Database) -> None:
    order, part = await collected_order(database)
    await make_ready(database, part)
    staff = make_context(database).actor

    async def told() -> int:
        return [kind for kind, _ in await events(database, order.id)].count("FulfillmentOrderPickupOverdue")

    await pickups.remind(later(database, hours=6 * 24, actor=staff))
    assert await told() == 0
    await asyncio.gather(*(pickups.remind(later(database, hours=8 * 24, actor=staff)) for _ in range(2)))
    assert await told() == 1
    await pickups.remind(later(database, hours=16 * 24, actor=staff))
    assert await told() == 2
    await give_out(database, part, None)
    await pickups.remind(later(database, hours=30 * 24, actor=staff))
    assert await told() == 2


async def test_the_mail_that_it_is_ready_names_the_store_and_the_code(database: Database) -> None:
    shop = await make_store_shop(database, 10, 10)
    order, part = await collected_order(database, shop)
    code = code_for(database, await make_ready(database, part))

    told = await notifications.preview(
        make_context(database), order.number, NotificationKind.READY_FOR_PICKUP, "de"
    )

    text = Renderer().render(told).text
    assert f"Abholcode: {code}" in text
    assert f"Abholung bei\n  {shop.locations[1].name}\n  Marienplatz 1" in text
    assert "Lieferadresse" not in text
    assert "Pickup" not in text


async def test_what_is_collected_is_neither_sent_nor_moved_by_hand(database: Database) -> None:
    shop = await make_store_shop(database, 10, 10)
    order, part = await collected_order(database, shop)
    staff = desk(database)
    with pytest.raises(IllegalTransition, match="its customer collects it") as refused:
        await fulfill(staff, part)
    assert refused.value.path == ("id",)
    with pytest.raises(IllegalTransition, match="its customer collects it") as refused:
        await pack(staff, part, 1)
    assert refused.value.path == ("fulfillmentOrderId",)
    warehouse = shop.locations[0].code
    for units in (None, {part.lines[0].id: 1}):
        with pytest.raises(IllegalTransition, match="its customer collects it"):
            await fulfillment.move(staff, part.id, warehouse, units, None, str(uuid4()))
    assert await part_at(database, order.id) == part
    assert await levels(database, shop) == [(10, 0, 0), (8, 0, 2)]
