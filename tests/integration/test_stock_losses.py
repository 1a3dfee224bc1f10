"""Losses of more than is free: whoever has to do without is told, and made good when stock comes."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from domain.catalog import VariantRef
from domain.fulfillment import FulfillmentOrderStatus
from domain.inventory import AdjustReason, StockLevel, StockState
from domain.kernel.errors import InsufficientStock
from domain.orders import Order, OrderFulfillmentStatus
from persistence import orders as order_rows
from persistence.database import Database
from services import inventory, orders, stock_losses
from services.orders import OrderRef
from tests.checkouts import Shop, make_ready_cart, make_stocked_shop, order_now, till
from tests.factories import make_context
from tests.stocked import assert_explained


async def adjust(database: Database, shop: Shop, delta: int, key: str | None = None) -> StockLevel:
    reason = AdjustReason.LOST if delta < 0 else AdjustReason.FOUND
    return await inventory.adjust(
        make_context(database),
        VariantRef(sku=shop.variant.sku),
        shop.locations[0].code,
        delta,
        reason,
        key or str(uuid4()),
    )


async def events(database: Database, kind: str) -> list[Any]:
    async with database.read() as connection:
        rows = await connection.execute(
            text("SELECT aggregate_id, version, payload FROM event_outbox WHERE kind = :kind ORDER BY id"),
            {"kind": kind},
        )
        return list(rows)


async def held_by(database: Database, token: str) -> int:
    subject = till(database).environment.tokens.read("cart", token)
    assert subject is not None
    async with database.read() as connection:
        held = await connection.scalar(
            text("SELECT sum(quantity) FROM holds WHERE status = 'HELD' AND cart_id = :id"),
            {"id": subject.id},
        )
    return int(held or 0)


async def load(database: Database, order_id: UUID) -> tuple[Order, list[Any]]:
    async with database.transaction() as connection:
        found = await order_rows.lock(connection, order_id)
    assert found is not None
    return found[0], list(found[1].fulfillment_orders)


async def test_free_units_go_first_then_the_buffer_then_the_newest_holds(database: Database) -> None:
    shop = await make_stocked_shop(database, 12)
    context = make_context(database)
    await inventory.move(
        context, VariantRef(sku=shop.variant.sku), shop.locations[0].code,
        StockState.AVAILABLE, StockState.SAFETY_STOCK, 1, str(uuid4()),
    )  # fmt: skip
    older, newer = await make_ready_cart(database, shop, 5), await make_ready_cart(database, shop, 4)

    level = await adjust(database, shop, -5)

    assert (level.on_hand, level.available, level.safety_stock, level.held) == (7, 0, 0, 7)
    assert await held_by(database, older) == 5
    assert await held_by(database, newer) == 2
    [told] = await events(database, "CartHoldReleased")
    subject = till(database).environment.tokens.read("cart", newer)
    assert subject is not None
    assert (told.aggregate_id, told.version) == (subject.id, 2)
    assert (told.payload["quantity"], told.payload["sku"]) == (2, shop.variant.sku)
    await assert_explained(database)


async def test_then_the_newest_orders_wait_and_are_made_good_when_stock_comes(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    first, second = await order_now(database, shop, 4), await order_now(database, shop, 4)
    assert first.order is not None
    assert second.order is not None

    level = await adjust(database, shop, -3)

    assert (level.on_hand, level.available, level.committed) == (6, 0, 6)
    untouched, _ = await load(database, first.order.id)
    order, [part] = await load(database, second.order.id)
    assert untouched.fulfillment_status is OrderFulfillmentStatus.UNFULFILLED
    assert order.fulfillment_status is OrderFulfillmentStatus.ON_HOLD
    assert order.version == second.order.version + 1
    assert part.status is FulfillmentOrderStatus.ON_HOLD
    assert part.lines[0].quantity_short == 2
    [told] = await events(database, "FulfillmentOrderHeld")
    assert told.payload["reason"] == "INVENTORY_OUT_OF_STOCK"
    assert (told.aggregate_id, told.version, told.payload["quantity"]) == (order.id, order.version, 2)

    await adjust(database, shop, +1)
    assert await stock_losses.refill(make_context(database)) == 1
    order, [part] = await load(database, order.id)
    assert (part.status, part.lines[0].quantity_short) == (FulfillmentOrderStatus.ON_HOLD, 1)
    await adjust(database, shop, +5)
    await stock_losses.refill(make_context(database))
    order, [part] = await load(database, order.id)
    assert (part.status, part.lines[0].quantity_short) == (FulfillmentOrderStatus.OPEN, 0)
    assert order.fulfillment_status is OrderFulfillmentStatus.UNFULFILLED
    assert await stock_losses.refill(make_context(database)) == 0
    await assert_explained(database)


async def test_a_canceled_order_gives_back_only_what_it_has(database: Database) -> None:
    shop = await make_stocked_shop(database, 4)
    placed = await order_now(database, shop, 4)
    assert placed.order is not None
    await adjust(database, shop, -3)

    await orders.cancel(till(database, make_context(database).actor), OrderRef(id=placed.order.id),
                        "changed my mind", None, str(uuid4()))  # fmt: skip

    level = await adjust(database, shop, +1)
    assert (level.on_hand, level.available, level.committed) == (2, 2, 0)
    await adjust(database, shop, +1)
    assert await stock_losses.refill(make_context(database)) == 0
    await assert_explained(database)


async def test_approval_does_not_send_what_is_not_there(database: Database) -> None:
    shop = await make_stocked_shop(database, 4)
    placed = await order_now(database, shop, 4, method="review")
    assert placed.order is not None
    await adjust(database, shop, -4)

    await orders.approve(make_context(database), placed.order.id, None, str(uuid4()))

    _, [part] = await load(database, placed.order.id)
    assert part.status is FulfillmentOrderStatus.ON_HOLD
    await adjust(database, shop, +4)
    await stock_losses.refill(make_context(database))
    _, [part] = await load(database, placed.order.id)
    assert part.status is FulfillmentOrderStatus.OPEN
    await assert_explained(database)


async def test_an_order_that_waits_for_approval_goes_on_waiting_when_refilled(database: Database) -> None:
    shop = await make_stocked_shop(database, 4)
    placed = await order_now(database, shop, 4, method="review")
    assert placed.order is not None
    await adjust(database, shop, -4)
    await adjust(database, shop, +4)
    await stock_losses.refill(make_context(database))
    _, [part] = await load(database, placed.order.id)
    assert (part.status, part.lines[0].quantity_short) == (FulfillmentOrderStatus.ON_HOLD, 0)


async def test_a_loss_happens_once_a_key_and_never_below_nothing(database: Database) -> None:
    shop = await make_stocked_shop(database, 4)
    await make_ready_cart(database, shop, 4)
    first = await adjust(database, shop, -3, "counted")
    again = await adjust(database, shop, -3, "counted")
    assert first == again
    with pytest.raises(InsufficientStock) as refused:
        await adjust(database, shop, -2)
    assert (refused.value.requested, refused.value.available) == (2, 1)
    await assert_explained(database)


async def test_the_audit_trail_tells_what_a_loss_changed(database: Database) -> None:
    shop = await make_stocked_shop(database, 4)
    await make_ready_cart(database, shop, 3)
    await adjust(database, shop, -2)
    async with database.read() as connection:
        entry = (
            await connection.execute(
                text("SELECT before, after FROM audit_entries WHERE action = 'StockAdjusted'")
            )
        ).one()
    assert (entry.before, entry.after) == (
        {"on_hand": 4, "available": 1, "held": 3},
        {"on_hand": 2, "available": 0, "held": 2},
    )


async def test_losses_race_with_shoppers(database: Database) -> None:
    shop = await make_stocked_shop(database, 40)

    async def shopper(number: int) -> None:
        try:
            if number % 2:
                await make_ready_cart(database, shop, 3)
            else:
                await order_now(database, shop, 2)
        except (AssertionError, InsufficientStock):
            return  # nothing left for this one

    async def counter() -> None:
        for _ in range(4):
            await adjust(database, shop, -8)

    await asyncio.gather(*(shopper(number) for number in range(12)), counter())
    await assert_explained(database)
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT sum(on_hand) FROM stock_levels")) == 8
