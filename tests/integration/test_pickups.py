"""Click and collect: a store keeps what a cart has, and gives it out to whoever shows the code."""

import asyncio
from uuid import uuid4

import pytest

from domain.backorders import BackorderPolicy
from domain.catalog import VariantRef
from domain.fulfillment import DeliveryMethod, FulfillmentOrderStatus
from domain.kernel.errors import (
    CartIncomplete,
    IllegalTransition,
    InsufficientStock,
    NotFound,
    PickupCodeRefused,
)
from domain.orders import OrderFulfillmentStatus, OrderPaymentStatus, OrderStatus
from domain.pickups import PickupAvailability
from domain.shipments import ShipmentStatus
from persistence.database import Database
from services import backorder_policies, carts, orders, pickup_places, pickups, shipment_changes
from services.order_placement import place
from services.orders import OrderRef
from tests.cart_flows import run_sql
from tests.checkouts import events, later, levels, make_ready_cart, make_stocked_shop, order_now, till
from tests.factories import make_context
from tests.pickups import (
    code_for,
    collect_at,
    collected_order,
    desk,
    give_out,
    make_ready,
    make_store,
    make_store_shop,
)
from tests.shipping import check_units, customers_units, order_of, part_at, parts_of
from tests.statements import count_statements

WRONG = "not a code"


async def test_a_cart_that_is_collected_holds_all_its_units_in_the_store(database: Database) -> None:
    shop = await make_store_shop(database, 10, 5)
    token = await make_ready_cart(database, shop, 3)
    assert await levels(database, shop) == [(7, 3, 0), (5, 0, 0)]

    with count_statements(database) as statements:
        cart = await collect_at(database, token, shop)

    assert await levels(database, shop) == [(10, 0, 0), (2, 3, 0)]
    assert cart.pickup is not None
    assert cart.pickup.code == shop.locations[1].code
    assert (cart.delivery_rate_id, cart.totals.shipping_minor) == (None, 0)
    assert len(statements) == 7, statements


async def test_a_store_that_lacks_units_is_refused_and_nothing_is_moved(database: Database) -> None:
    shop = await make_store_shop(database, 10, 2)
    token = await make_ready_cart(database, shop, 3)

    with pytest.raises(InsufficientStock) as refused:
        await collect_at(database, token, shop)

    assert (refused.value.sku, refused.value.requested, refused.value.available) == (shop.variant.sku, 3, 2)
    assert await levels(database, shop) == [(7, 3, 0), (2, 0, 0)]
    cart = await carts.get(till(database), token)
    assert cart is not None
    assert cart.pickup is None
    assert cart.delivery_rate is not None


async def test_units_sold_beyond_the_stock_are_not_promised_in_a_store(database: Database) -> None:
    shop = await make_store_shop(database, 10, 2)
    await backorder_policies.set_policy(
        make_context(database), VariantRef(id=shop.variant.id), BackorderPolicy(allowed=True)
    )
    token = await make_ready_cart(database, shop, 3)

    with pytest.raises(InsufficientStock):
        await collect_at(database, token, shop)


async def test_only_a_store_of_the_channel_that_hands_out_can_be_chosen(database: Database) -> None:
    shop = await make_store_shop(database, 10, 5)
    elsewhere = await make_store_shop(database, 10, 5)
    token = await make_ready_cart(database, shop, 1)

    for code in (shop.locations[0].code, elsewhere.locations[1].code, "NOWHERE", "\x00"):
        with pytest.raises(NotFound) as refused:
            await pickup_places.select(till(database), token, code, None)
        assert refused.value.path == ("locationCode",)


async def test_of_two_shoppers_one_gets_the_last_unit_of_a_store(database: Database) -> None:
    shop = await make_store_shop(database, 10, 1)
    tokens = [await make_ready_cart(database, shop, 1) for _ in range(2)]

    outcomes = await asyncio.gather(
        *(collect_at(database, token, shop) for token in tokens), return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in outcomes) == ["Cart", "InsufficientStock"]
    assert await levels(database, shop) == [(9, 1, 0), (0, 1, 0)]


async def test_choosing_delivery_again_gives_the_store_its_units_back(database: Database) -> None:
    shop = await make_store_shop(database, 10, 5)
    token = await make_ready_cart(database, shop, 3)
    before = await carts.get(till(database), token)
    assert before is not None
    await collect_at(database, token, shop, "Grace Hopper")

    cart = await carts.select_delivery_option(till(database), token, before.applicable_rates[0].id)

    assert cart.pickup is None
    assert cart.destination == before.shipping_address
    assert await levels(database, shop) == [(7, 3, 0), (5, 0, 0)]


async def test_what_only_a_store_has_that_sends_nothing_cannot_be_delivered(database: Database) -> None:
    shop = await make_store_shop(database, 3, 5)
    token = await make_ready_cart(database, shop, 3)
    rate = (await carts.get(till(database), token)).applicable_rates[0].id  # type: ignore[union-attr]
    await collect_at(database, token, shop)
    other = await make_ready_cart(database, shop, 3)

    with pytest.raises(InsufficientStock):
        await carts.select_delivery_option(till(database), token, rate)

    assert await levels(database, shop) == [(0, 3, 0), (2, 3, 0)]
    assert other


async def test_an_order_that_is_collected_goes_to_the_store_in_the_shoppers_name(database: Database) -> None:
    shop = await make_store_shop(database, 10, 5)
    token = await make_ready_cart(database, shop, 2)
    await collect_at(database, token, shop)

    with count_statements(database) as statements:
        placed = await place(till(database), token, "sandbox", "ok", str(uuid4()))

    order = placed.order
    assert order is not None
    assert len(statements) <= 40, statements
    assert (order.shipping_address.name, order.shipping_address.city) == ("Ada Lovelace", "München")
    assert order.shipping_address.company is None
    assert (order.shipping_minor, order.total_minor) == (0, 2000)
    assert order.delivery is not None
    assert (order.delivery["carrier"], order.delivery["priceMinor"]) == ("Pickup", 0)
    part = await part_at(database, order.id)
    assert (part.delivery_method, part.location_id) == (DeliveryMethod.PICKUP, shop.locations[1].id)
    assert part.promised_until is not None
    assert await levels(database, shop) == [(10, 0, 0), (3, 0, 2)]


async def test_a_cart_without_an_address_needs_only_the_name_of_who_collects(database: Database) -> None:
    shop = await make_store_shop(database, 10, 5)
    token = await make_ready_cart(database, shop, 1)
    await run_sql(database, "UPDATE carts SET shipping_address = NULL")
    await collect_at(database, token, shop)

    with pytest.raises(CartIncomplete) as refused:
        await place(till(database), token, "sandbox", "ok", str(uuid4()))
    assert refused.value.missing == ("contactName",)

    await collect_at(database, token, shop, "Grace Hopper")
    placed = await place(till(database), token, "sandbox", "ok", str(uuid4()))
    assert placed.order is not None
    assert placed.order.shipping_address.name == "Grace Hopper"


async def test_a_store_that_stopped_handing_out_is_no_delivery_any_more(database: Database) -> None:
    shop = await make_store_shop(database, 10, 5)
    token = await make_ready_cart(database, shop, 1)
    rate = (await carts.get(till(database), token)).applicable_rates[0].id  # type: ignore[union-attr]
    await collect_at(database, token, shop)
    await run_sql(database, "UPDATE locations SET pickup = false WHERE id = :id", id=shop.locations[1].id)

    with pytest.raises(CartIncomplete) as refused:
        await place(till(database), token, "sandbox", "ok", str(uuid4()))
    assert refused.value.missing == ("deliveryOption",)

    await carts.select_delivery_option(till(database), token, rate)
    assert await levels(database, shop) == [(9, 1, 0), (5, 0, 0)]


async def test_stores_are_listed_with_what_they_have_the_nearest_first(database: Database) -> None:
    shop = await make_stocked_shop(database, 50, 4, 9, 0)
    for at, point in ((1, (48.137, 11.575)), (2, (52.52, 13.405)), (3, None)):
        await make_store(database, shop, at, point=point)
    berlin = pickup_places.Near(52.5, 13.4)

    with count_statements(database) as statements:
        found = await pickup_places.offers(
            till(database), shop.channel.slug, [(shop.variant.sku, 5)], None, berlin, 20
        )

    places = [shop.locations[at].code for at in (2, 1, 3)]
    assert [one.place.code for one in found] == places
    assert [one.items[0].availability for one in found] == [
        PickupAvailability.IN_STOCK,
        PickupAvailability.LOW,
        PickupAvailability.OUT,
    ]
    assert [one.is_complete for one in found] == [True, False, False]
    assert 2_000 < (found[0].distance_meters or 0) < 2_500
    assert 500_000 < (found[1].distance_meters or 0) < 510_000
    assert found[2].distance_meters is None
    assert len(statements) <= 3, statements


async def test_what_a_cart_holds_in_a_store_can_be_collected_there(database: Database) -> None:
    shop = await make_store_shop(database, 10, 3)
    token = await make_ready_cart(database, shop, 3)
    await collect_at(database, token, shop)

    (offer,) = await pickup_places.offers(till(database), None, [], token, None, 20)
    (others,) = await pickup_places.offers(
        till(database), shop.channel.slug, [(shop.variant.sku, 1)], None, None, 20
    )

    assert (offer.items[0].available, offer.is_complete) == (3, True)
    assert (others.items[0].availability, others.is_complete) == (PickupAvailability.OUT, False)


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

    assert len(statements) <= 24, statements
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
