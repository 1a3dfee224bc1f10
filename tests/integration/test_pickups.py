"""Click and collect: a store keeps what a cart has, and gives it out to whoever shows the code."""

import asyncio
from uuid import uuid4

import pytest

from domain.backorders import BackorderPolicy
from domain.catalog import VariantRef
from domain.fulfillment import DeliveryMethod
from domain.kernel.errors import (
    CartIncomplete,
    InsufficientStock,
    NotFound,
)
from domain.order_edits import NewQuantity
from domain.pickups import Near, PickupAvailability
from persistence.database import Database
from services import backorder_policies, carts, order_edits, pickup_places
from services.order_placement import place
from tests import drafts
from tests.cart_flows import run_sql
from tests.checkouts import levels, make_ready_cart, make_stocked_shop, till
from tests.factories import make_context, make_tax_rate
from tests.pickups import (
    collect_at,
    collected_order,
    desk,
    make_store,
    make_store_shop,
)
from tests.shipping import part_at, parts_of
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
    delivered, token = [await make_ready_cart(database, shop, 2) for _ in range(2)]
    await collect_at(database, token, shop)

    with count_statements(database) as usual:
        await place(till(database), delivered, "sandbox", "ok", str(uuid4()))
    with count_statements(database) as statements:
        placed = await place(till(database), token, "sandbox", "ok", str(uuid4()))

    order = placed.order
    assert order is not None
    assert len(statements) == len(usual), statements
    assert (order.shipping_address.name, order.shipping_address.city) == ("Ada Lovelace", "München")
    assert order.shipping_address.company is None
    assert (order.shipping_minor, order.total_minor) == (0, 2000)
    assert order.delivery is not None
    assert (order.delivery["carrier"], order.delivery["priceMinor"]) == ("Pickup", 0)
    part = await part_at(database, order.id)
    assert (part.delivery_method, part.location_id) == (DeliveryMethod.PICKUP, shop.locations[1].id)
    assert part.promised_until is not None
    assert await levels(database, shop) == [(8, 0, 2), (3, 0, 2)]


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
    berlin = Near(52.5, 13.4)

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
    assert len(statements) == 1, statements


async def test_what_a_cart_holds_in_a_store_can_be_collected_there(database: Database) -> None:
    shop = await make_store_shop(database, 10, 3)
    token = await make_ready_cart(database, shop, 3)
    await collect_at(database, token, shop)

    with pytest.raises(NotFound):
        await pickup_places.offers(till(database), "no-such", [], None, None, 20)
    (offer,) = await pickup_places.offers(till(database), None, [], token, None, 20)
    (others,) = await pickup_places.offers(
        till(database), shop.channel.slug, [(shop.variant.sku, 1)], None, None, 20
    )

    assert (offer.items[0].available, offer.is_complete) == (3, True)
    assert (others.items[0].availability, others.is_complete) == (PickupAvailability.OUT, False)


async def test_what_is_collected_is_taxed_where_the_store_is(database: Database) -> None:
    shop = await make_store_shop(database, 10, 10)
    await make_tax_rate(database, shop.channel, "10", "GB")
    await make_tax_rate(database, shop.channel, "19", "DE")
    token = await make_ready_cart(database, shop, 1, shipping_minor=0)
    before = await carts.get(till(database), token)
    assert before is not None

    cart = await collect_at(database, token, shop)
    placed = await place(till(database), token, "sandbox", "ok", str(uuid4()))

    assert (before.totals.tax_minor, cart.totals.tax_minor) == (100, 190)
    assert placed.order is not None
    assert placed.order.tax_minor == 190


async def test_what_an_edit_adds_to_it_comes_from_the_store_too(database: Database) -> None:
    shop = await make_store_shop(database, 10, 3)
    order, _ = await collected_order(database, shop, 2)
    (line,) = await run_sql(database, "SELECT id FROM order_lines WHERE order_id = :id", id=order.id)

    async def edit_to(units: int) -> None:
        wanted = order_edits.Wanted(order.id, [NewQuantity(line.id, units)])
        await order_edits.commit(desk(database), wanted, "more", order.version, str(uuid4()))

    with pytest.raises(InsufficientStock):
        await edit_to(4)
    await edit_to(3)

    assert await levels(database, shop) == [(10, 0, 0), (0, 0, 3)]
    parts = (await parts_of(database, order.id)).fulfillment_orders
    assert {part.delivery_method for part in parts} == {DeliveryMethod.PICKUP}


async def test_a_draft_is_collected_until_staff_choose_how_it_is_delivered(database: Database) -> None:
    shop = await make_store_shop(database, 10, 5)
    made = await drafts.ready(database, shop, 2, holdStock=True)
    token = made["cartToken"]
    await collect_at(database, token, shop)
    assert await levels(database, shop) == [(10, 0, 0), (3, 2, 0)]
    (kept,) = await run_sql(database, "SELECT delivery, shipping_address FROM orders")
    assert (kept.delivery["carrier"], kept.shipping_address["city"]) == ("Pickup", "München")

    option = await drafts.standard_option(database, shop)
    order = {**made["order"], "version": made["order"]["version"] + 1}
    assert (await drafts.update(database, order, deliveryOptionId=option))["userErrors"] == []

    cart = await carts.get(till(database), token)
    assert cart is not None
    assert (cart.pickup, cart.delivery_rate is not None) == (None, True)
    assert await levels(database, shop) == [(8, 2, 0), (5, 0, 0)]
