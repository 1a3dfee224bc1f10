"""Edits, checkouts, cancellations and sweeps at once: nobody waits for somebody who waits for them."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.kernel.errors import DomainError
from domain.orders import Order
from persistence.database import Database
from persistence.outages import is_outage
from providers.payments.sandbox import charges
from services import order_holds, orders, payment_changes, payment_sweep
from services.access import SYSTEM
from services.orders import OrderRef
from services.stock_losses import refill
from services.stored_value_sweeps import expire_due
from tests import cart_flows as flow
from tests.cart_flows import run_sql
from tests.checkouts import Shop, later, make_ready_cart, make_stocked_shop
from tests.factories import give_stock, make_discount, make_variant
from tests.integration.test_money_together import edited, hold_unpaid, part_statuses, pay, unsettled
from tests.lock_waits import until_waiting
from tests.payments import capture_at, dollars, paid_order, staff
from tests.stored import apply_cards, assert_balanced, balance_of, buy, make_card, paid_with

METHODS = ("ok", "ok", "timeout", "decline", "error_after")
PEN = [{"variant": {"sku": "PEN"}, "quantity": 1}]


async def test_an_edit_that_refunds_a_gift_card_and_a_checkout_with_it_do_not_wait_for_each_other(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 20)
    await capture_at(database, shop, "AT_PLACEMENT")
    pen = await make_variant(database, shop.channel, sku="PEN", price="3.00")
    await give_stock(database, pen, shop.locations[0], 5)
    code = await make_card(database, "60")
    placed = await buy(database, await paid_with(database, shop, code), key="first")
    assert isinstance(placed.order, Order)
    token = await make_ready_cart(database, shop, 1)
    await apply_cards(database, token, code)
    # So soon that the checkout has to hold anew.
    await run_sql(database, "UPDATE holds SET expires_at = now() + interval '1 minute'")
    async with database.transaction() as connection:
        await connection.execute(text("SELECT FROM stored_values FOR NO KEY UPDATE"))
        checkout = asyncio.create_task(buy(database, token, key=str(uuid4())))
        await until_waiting(database)
        add = [{"variant": {"sku": "PEN"}, "quantity": 1}]
        edit = asyncio.create_task(edited(database, placed.order, 1, add))
        await until_waiting(database, 2)
    bought, changed = await asyncio.gather(checkout, edit)
    assert bought.order is not None
    assert changed["userErrors"] == []
    # 60 less 18 of the order as it is now, and 15 of the other.
    assert await balance_of(database, code) == 2700
    await assert_balanced(database)


async def test_a_hold_stays_when_an_edit_makes_the_order_cost_more_as_its_money_is_seen(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 20)
    await hold_unpaid(database, shop)
    order, transfer = await paid_order(
        database, captured=False, shop=shop, provider="manual", method="bank_transfer"
    )
    await payment_changes.record(staff(database), transfer.id, dollars("25"), "RF1", "came")
    async with database.transaction() as connection:
        await connection.execute(text("SELECT FROM orders FOR NO KEY UPDATE"))
        sweep = asyncio.create_task(order_holds.release_paid(staff(database)))
        await until_waiting(database)
        await connection.execute(
            text(
                "UPDATE orders SET subtotal_minor = subtotal_minor + 1000, version = version + 1,"
                " total_minor = total_minor + 1000"
            )
        )
    assert await sweep == 1
    assert await part_statuses(database, order) == ["ON_HOLD"]


class Crowd:
    """Shoppers, staff and sweeps of one shop, who do all kinds of things at once."""

    def __init__(self, database: Database, shop: Shop, cards: Sequence[str]) -> None:
        self.database = database
        self.shop = shop
        self.cards = cards
        self.chance = random.Random(4)

    async def shopper(self, number: int) -> None:
        """Order with two of the gift cards and a card, every other time with the code."""
        token = await make_ready_cart(self.database, self.shop, 2)
        with suppress(DomainError):
            await apply_cards(self.database, token, *self.chance.sample(self.cards, 2))
            if number % 2:
                given = {"cartToken": token, "code": "MANY"}
                await flow.change(self.database, "cartDiscountCodeApply", given)
            method, key = self.chance.choice(METHODS), str(uuid4())
            try:
                await buy(self.database, token, method, key)
            except DBAPIError as error:
                # As a client does that is told to try again: with the same key.
                if not is_outage(error):
                    raise
                await buy(self.database, token, method, key)

    async def staff_member(self) -> None:
        """Do something with each open order."""
        acts = [self.less, self.swap, self.more, self.pay, self.refund, self.cancel]
        for order_id in await open_orders(self.database):
            order = await orders.get(staff(self.database), OrderRef(id=order_id))
            act = self.chance.choice(acts)
            with suppress(DomainError):
                try:
                    await act(order)
                except DBAPIError as error:
                    if not is_outage(error):
                        raise
                    await act(order)

    async def less(self, order: Order) -> None:
        await edited(self.database, order, 1)

    async def swap(self, order: Order) -> None:
        await edited(self.database, order, 1, PEN)

    async def more(self, order: Order) -> None:
        await edited(self.database, order, self.chance.randint(2, 5), PEN)

    async def pay(self, order: Order) -> None:
        await pay(self.database, order, self.chance.choice(METHODS))

    async def refund(self, order: Order) -> None:
        context, ref = staff(self.database), OrderRef(id=order.id)
        await payment_changes.refund_order(context, ref, dollars("1"), "sorry", None, str(uuid4()))

    async def cancel(self, order: Order) -> None:
        await orders.cancel(staff(self.database), OrderRef(id=order.id), "no", None, str(uuid4()))

    async def machine(self) -> None:
        """Sweep, as the background work does."""
        for hours in range(1, 4):
            await payment_sweep.settle_due(later(self.database, hours))
            await order_holds.release_paid(staff(self.database))
            await expire_due(later(self.database, actor=SYSTEM))
            await refill(staff(self.database))


async def test_all_kinds_of_changes_at_once_leave_nothing_unexplained(database: Database) -> None:
    shop = await make_stocked_shop(database, 400)
    await capture_at(database, shop, "AT_PLACEMENT")
    await make_discount(database, shop.channel, code="MANY", usage_limit=30)
    pen = await make_variant(database, shop.channel, sku="PEN", price="3.00")
    await give_stock(database, pen, shop.locations[0], 200)
    crowd = Crowd(database, shop, [await make_card(database, "300") for _ in range(3)])
    for _ in range(3):
        shoppers = [crowd.shopper(number) for number in range(12)]
        await asyncio.gather(*shoppers, *(crowd.staff_member() for _ in range(4)), crowd.machine())
    for hours in range(30, 40):
        await payment_sweep.settle_due(later(database, hours))
    assert await unsettled(database) == 0
    await assert_balanced(database)
    for order_id in await open_orders(database):
        await orders.cancel(staff(database), OrderRef(id=order_id), "all", None, str(uuid4()))
    assert [await balance_of(database, code) for code in crowd.cards] == [30_000] * 3
    assert [
        one
        for one in await charges(database.engine)
        if one.state not in {"VOIDED", "DECLINED"} and one.captured_minor != one.refunded_minor
    ] == []
    [row] = await run_sql(
        database,
        "SELECT (SELECT used FROM discounts) AS used,"
        " (SELECT sum(committed)::int FROM stock_levels) AS committed",
    )
    assert (row.used, row.committed) == (0, 0)
    await assert_balanced(database)


async def open_orders(database: Database) -> list[UUID]:
    """Return the orders that are open."""
    return [row.id for row in await run_sql(database, "SELECT id FROM orders WHERE status = 'OPEN'")]
