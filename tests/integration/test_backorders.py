"""Backorders: what is sold beyond its stock waits for it, opens by itself, and no level goes below zero."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from domain.backorders import BackorderPolicy
from domain.cart_details import Details
from domain.catalog import VariantRef
from domain.kernel.errors import InsufficientStock, InvalidInput, NotFound
from domain.kernel.ids import new_id
from domain.orders import Order, OrderFulfillmentStatus, OrderStatus
from persistence import backorders
from persistence import stock_losses as stock_losses_rows
from persistence.database import Database
from services import backorder_policies, backorder_sweeps, carts, fulfillment, orders, stock_losses
from services.carts import Wanted
from services.order_placement import place
from services.orders import OrderRef
from tests.cart_flows import run_sql
from tests.checkouts import ADDRESS, LaterClock, Shop, events, levels, make_stocked_shop, till
from tests.factories import data_of, give_stock, make_context
from tests.payments import check_sums, staff
from tests.shipping import check_units, fulfill, order_of, part_at, parts_of, shown
from tests.statements import count_statements
from tests.stocked import assert_explained

MANY_WAIT = """
    WITH parts AS (
        INSERT INTO fulfillment_orders (id, order_id, location_id, status, created_at)
        SELECT gen_random_uuid(), f.order_id, f.location_id, f.status, f.created_at
          FROM fulfillment_orders f, generate_series(1, 2000) WHERE f.status = 'SCHEDULED' RETURNING id
    )
    INSERT INTO fulfillment_order_lines (id, fulfillment_order_id, order_line_id, variant_id, sku, quantity,
           quantity_short)
    SELECT gen_random_uuid(), parts.id, l.order_line_id, l.variant_id, l.sku, 2, 2
      FROM fulfillment_order_lines l, parts WHERE l.quantity_short > 0 RETURNING id
"""

MANY_ARE_THERE = """
    WITH others AS (
        INSERT INTO variants (id, product_id, sku, name, created_at)
        SELECT gen_random_uuid(), product_id, sku || '-' || n, name, created_at
          FROM variants, generate_series(1, 2000) n
        RETURNING id
    )
    INSERT INTO stock_levels (id, variant_id, location_id, available)
    SELECT gen_random_uuid(), o.id, l.id, 5 FROM others o, locations l RETURNING id
"""


def _rows_read(plan: dict[str, Any], table: str) -> int:
    """Return how many rows of a table the parts of a plan have read."""
    here = plan["Actual Rows"] * plan["Actual Loops"] if plan.get("Relation Name") == table else 0
    return int(here) + sum(_rows_read(one, table) for one in plan.get("Plans", ()))


async def allow(
    database: Database, shop: Shop, limit: int | None = None, available_from: datetime | None = None
) -> None:
    """Let a shop sell its variant beyond its stock."""
    policy = BackorderPolicy(True, limit, available_from)
    await backorder_policies.set_policy(make_context(database), VariantRef(id=shop.variant.id), policy)


async def buy(database: Database, shop: Shop, quantity: int) -> Order:
    """Order units as a shopper does, from an empty cart on."""
    context = till(database)
    wanted = [Wanted(VariantRef(id=shop.variant.id), quantity)]
    _, token = await carts.create(context, shop.channel.slug, wanted, "ada@example.com", str(uuid4()))
    details = Details(frozenset({"shippingAddress"}), shipping_address=ADDRESS)
    await carts.update(context, token, details)
    rate = new_id()
    await run_sql(
        database,
        "INSERT INTO delivery_rates (id, channel_id, carrier, service, price_minor, created_at)"
        " VALUES (:id, :channel, 'Test Post', 'Standard', 500, now()) RETURNING id",
        id=rate,
        channel=shop.channel.id,
    )
    await carts.select_delivery_option(context, token, rate)
    placed = await place(context, token, "sandbox", "ok", str(uuid4()))
    assert placed.order is not None
    return placed.order


async def test_units_beyond_the_stock_wait_for_it_and_open_by_themselves(database: Database) -> None:
    shop = await make_stocked_shop(database, 6)
    await allow(database, shop)
    order = await buy(database, shop, 10)
    assert await shown(database, order.id, shop) == [(0, "OPEN", 6, 0), (0, "SCHEDULED", 4, 4)]
    assert await levels(database, shop) == [(0, 0, 6)]
    context = staff(database)
    assert await stock_losses.refill(context) == 0
    first = await fulfill(context, await part_at(database, order.id))
    assert first.order.fulfillment_status is OrderFulfillmentStatus.PARTIALLY_FULFILLED
    await give_stock(database, shop.variant, shop.locations[0], 3)
    assert await stock_losses.refill(context) == 1
    assert await shown(database, order.id, shop) == [(0, "CLOSED", 6, 0), (0, "SCHEDULED", 4, 1)]
    await give_stock(database, shop.variant, shop.locations[0], 3)
    assert await stock_losses.refill(context) == 1
    assert await shown(database, order.id, shop) == [(0, "CLOSED", 6, 0), (0, "OPEN", 4, 0)]
    assert "FulfillmentOrderReleased" in [kind for kind, _ in await events(database, order.id)]
    last = await fulfill(context, await part_at(database, order.id, 1))
    assert last.order.status is OrderStatus.COMPLETED
    assert await levels(database, shop) == [(2, 0, 0)]
    await check_units(database)
    await check_sums(database)
    await assert_explained(database)


async def test_who_waits_longest_is_served_first(database: Database) -> None:
    shop = await make_stocked_shop(database, 0)
    await give_stock(database, shop.variant, shop.locations[0], 1)
    await allow(database, shop)
    older, newer = await buy(database, shop, 3), await buy(database, shop, 2)
    await give_stock(database, shop.variant, shop.locations[0], 3)
    await stock_losses.refill(staff(database))
    assert (await parts_of(database, older.id)).fulfillment_orders[-1].status == "OPEN"
    assert [part.status for part in (await parts_of(database, newer.id)).fulfillment_orders] == ["SCHEDULED"]
    assert (await order_of(database, newer.id)).fulfillment_status is OrderFulfillmentStatus.SCHEDULED
    await check_units(database)


async def test_a_limit_holds_however_many_ask_at_once(database: Database) -> None:
    shop = await make_stocked_shop(database, 1)
    await allow(database, shop, limit=3)
    with pytest.raises(InsufficientStock):
        await buy(database, shop, 5)
    results = await asyncio.gather(*(buy(database, shop, 1) for _ in range(7)), return_exceptions=True)
    placed = [one for one in results if isinstance(one, Order)]
    assert len(placed) == 4, "one unit is there, and three more may wait"
    assert all(isinstance(one, (Order, Exception)) for one in results)
    assert await levels(database, shop) == [(0, 0, 1)]
    await check_units(database)


async def test_what_is_not_sold_beyond_its_stock_is_refused_as_before(database: Database) -> None:
    shop = await make_stocked_shop(database, 1)
    with pytest.raises(InsufficientStock) as caught:
        await buy(database, shop, 2)
    assert (caught.value.requested, caught.value.available) == (2, 1)


async def test_a_preorder_is_not_sent_before_its_day(database: Database) -> None:
    shop = await make_stocked_shop(database, 1)
    await allow(database, shop, available_from=datetime.now(UTC) + timedelta(hours=2))
    order = await buy(database, shop, 2)
    await give_stock(database, shop.variant, shop.locations[0], 1)
    await stock_losses.refill(staff(database))
    assert await shown(database, order.id, shop) == [(0, "OPEN", 1, 0), (0, "SCHEDULED", 1, 0)]
    assert await fulfillment.release_due(staff(database)) == 0
    assert await fulfillment.release_due(staff(database, clock=LaterClock(3))) == 1
    assert await shown(database, order.id, shop) == [(0, "OPEN", 1, 0), (0, "OPEN", 1, 0)]


async def test_canceling_gives_back_only_what_was_there(database: Database) -> None:
    shop = await make_stocked_shop(database, 2)
    await allow(database, shop)
    order = await buy(database, shop, 5)
    await orders.cancel(staff(database), OrderRef(id=order.id), "changed their mind", None, "key")
    assert await levels(database, shop) == [(2, 0, 0)]
    await check_units(database)


async def test_a_cart_within_the_stock_costs_no_statement_more(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    await allow(database, shop)
    context = till(database)
    wanted = [Wanted(VariantRef(id=shop.variant.id), 2)]
    with count_statements(database) as statements:
        await carts.create(context, shop.channel.slug, wanted, None, str(uuid4()))
    plain = len(statements)
    with count_statements(database) as statements:
        await carts.create(context, shop.channel.slug, [replace(wanted[0], quantity=4)], None, str(uuid4()))
    assert len(statements) == plain + 2, "the policy, and the holds once more"


async def test_a_policy_is_checked(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    with pytest.raises(InvalidInput):
        await allow(database, shop, limit=0)
    with pytest.raises(NotFound):
        await backorder_policies.set_policy(
            make_context(database), VariantRef(sku="nothing"), BackorderPolicy(True)
        )


async def test_staff_allow_it_and_the_shopper_sees_what_would_wait(database: Database) -> None:
    shop = await make_stocked_shop(database, 2)
    document = """mutation ($input: VariantBackorderSetInput!) { variantBackorderSet(input: $input) {
        variant { sku backorder version } userErrors { code path } } }"""
    given = {"variant": {"sku": shop.variant.sku}, "allowed": True, "limit": 50}
    made = (await data_of(database, document, {"input": given}))["variantBackorderSet"]
    assert made == {
        "variant": {"sku": shop.variant.sku, "backorder": True, "version": 2},
        "userErrors": [],
    }
    refused = (await data_of(database, document, {"input": {**given, "limit": -1}}))["variantBackorderSet"]
    assert refused["userErrors"] == [{"code": "INVALID_INPUT", "path": ["limit"]}]
    create = """mutation ($input: CartCreateInput!) { cartCreate(input: $input) {
        cart { lines { quantity backordered holdExpiresAt variant {
            availability { available backorderable availableFrom } } } } userErrors { code } } }"""
    lines = [{"variant": {"sku": shop.variant.sku}, "quantity": 5}]
    wanted = {"channel": shop.channel.slug, "lines": lines, "idempotencyKey": str(uuid4())}
    [line] = (await data_of(database, create, {"input": wanted}))["cartCreate"]["cart"]["lines"]
    assert (line["quantity"], line["backordered"]) == (5, 3)
    assert line["variant"]["availability"] == {
        "available": 0,
        "backorderable": True,
        "availableFrom": None,
    }


async def test_what_waits_goes_where_its_units_have_come(database: Database) -> None:
    shop = await make_stocked_shop(database, 1, 0)
    await allow(database, shop)
    older, newer = await buy(database, shop, 4), await buy(database, shop, 3)
    await give_stock(database, shop.variant, shop.locations[1], 2)
    assert await backorder_sweeps.release_elsewhere(staff(database)) == 0
    await give_stock(database, shop.variant, shop.locations[1], 3)
    assert await backorder_sweeps.release_elsewhere(staff(database)) == 1
    assert await shown(database, older.id, shop) == [(0, "OPEN", 1, 0), (1, "OPEN", 3, 0)]
    assert await shown(database, newer.id, shop) == [(0, "SCHEDULED", 3, 3)]
    assert [kind for kind, _ in await events(database, older.id)][-2:] == [
        "FulfillmentOrderMoved",
        "FulfillmentOrderReleased",
    ]
    assert await levels(database, shop) == [(0, 0, 1), (2, 0, 3)]
    await check_units(database)
    await assert_explained(database)


async def test_two_lines_of_one_variant_wait_for_the_units_of_both(database: Database) -> None:
    shop = await make_stocked_shop(database, 1, 0)
    await allow(database, shop)
    order = await buy(database, shop, 4)
    line = new_id()
    await run_sql(
        database,
        "WITH line AS (INSERT INTO order_lines (id, order_id, variant_id, sku, name, quantity, position,"
        " unit_price_minor, total_minor) SELECT :id, order_id, variant_id, sku, name, 2, 1, 0, 0"
        " FROM order_lines RETURNING id) INSERT INTO fulfillment_order_lines (id, fulfillment_order_id,"
        " order_line_id, variant_id, sku, quantity, quantity_short) SELECT :id, fulfillment_order_id, l.id,"
        " variant_id, sku, 2, 2 FROM fulfillment_order_lines, line l WHERE quantity_short > 0 RETURNING id",
        id=line,
    )
    await give_stock(database, shop.variant, shop.locations[1], 4)
    async with database.read() as connection:
        assert await backorders.elsewhere(connection, 100) == [], "four units are there, and five are wanted"
    await give_stock(database, shop.variant, shop.locations[1], 1)
    assert await backorder_sweeps.release_elsewhere(staff(database)) == 1
    assert await levels(database, shop) == [(0, 0, 1), (0, 0, 5)]
    assert [part.status for part in (await parts_of(database, order.id)).fulfillment_orders] == [
        "OPEN",
        "OPEN",
    ]
    await assert_explained(database)


async def test_what_waits_and_is_nowhere_is_not_read(database: Database) -> None:
    shop = await make_stocked_shop(database, 1)
    await allow(database, shop)
    await buy(database, shop, 3)
    await run_sql(database, MANY_WAIT)
    await run_sql(database, MANY_ARE_THERE)
    async with database.read() as connection:
        for statement in (stock_losses_rows._REFILLABLE, backorders._ELSEWHERE):
            explained = text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}")
            plans: list[dict[str, Any]] = await connection.scalar(explained, {"most": 100}) or []
            assert _rows_read(plans[0]["Plan"], "fulfillment_order_lines") <= 5, plans
