"""Returns that end as store credit, and orders that are edited or sent on after a return."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from domain.fulfillment import FulfillmentOrderStatus
from domain.kernel.errors import AmountTooLarge, IllegalTransition
from domain.kernel.money import Amount
from domain.order_edits import NewQuantity
from domain.orders import Order, OrderPaymentStatus
from domain.payments import PaymentStatus
from domain.returns import LineOutcome, Return, ReturnStatus, ReturnWish
from persistence.database import Database
from persistence.stored_values import by_email
from services import order_edits, payment_changes, return_settlement, returns
from services.access import Permission
from services.order_edits import Wanted
from services.order_placement import place
from tests.books import left, lines
from tests.cart_flows import run_sql
from tests.checkouts import Shop, make_ready_cart, make_stocked_shop, order_now, till
from tests.factories import make_app
from tests.payments import capture_at, check_sums, staff
from tests.sent_back import (
    arrived_order,
    ask_for,
    bring_back,
    deliver,
    desk,
    let_return,
    lines_of,
    look_at,
)
from tests.shipping import fulfill, order_of, parts_of
from tests.statements import count_statements
from tests.stored import apply_cards, assert_balanced, make_card


async def returned(
    database: Database, shop: Shop, order: Order, units: int = 1, wish: ReturnWish = ReturnWish.STORE_CREDIT
) -> Return:
    """Let units of an order come back as new; where records give cause to look, staff do."""
    asked, clerk = await ask_for(database, order, units, wish=wish), desk(database)
    if asked.status is ReturnStatus.REQUESTED:
        asked = await returns.decide_on(clerk, asked.id, approve=True, note=None, expected_version=None)
    seen = await look_at(database, await bring_back(database, asked, shop.locations[0].code))
    if seen.status is ReturnStatus.INSPECTED:
        seen = await return_settlement.refund(clerk, seen.id, None, None, str(uuid4()))
    return seen


async def credit_of(database: Database, email: str = "ada@example.com") -> int:
    """Return a customer's store credit, in cents."""
    async with database.read() as connection:
        found = await by_email(connection, email, "USD")
    return found.balance_minor if found else 0


async def test_a_return_ends_as_store_credit_with_its_bonus(database: Database) -> None:
    await let_return(database, credit_bonus=100_000)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 2, shop=shop)

    first = await returned(database, shop, order)
    assert (first.status, first.refund_minor) == (ReturnStatus.CLOSED, 1000)
    assert (first.credit_minor, first.bonus_minor) == (1000, 100)
    assert [line.outcome for line in first.lines] == [LineOutcome.STORE_CREDIT]
    assert await credit_of(database) == 1100
    (payment,) = (await parts_of(database, order.id)).payments
    assert (payment.credited_minor, payment.refundable_minor) == (1000, 1500)
    assert payment.status is PaymentStatus.PARTIALLY_REFUNDED
    assert (await order_of(database, order.id)).payment_status is OrderPaymentStatus.PARTIALLY_REFUNDED

    # The last unit takes the delivery with it, on which there is no bonus.
    second = await returned(database, shop, order)
    assert (second.credit_minor, second.bonus_minor) == (1500, 100)
    assert await credit_of(database) == 2700
    assert (await order_of(database, order.id)).payment_status is OrderPaymentStatus.REFUNDED
    await assert_balanced(database)
    stands = left([one for one in await lines(database, order.id) if one[0] == "CREDITED"])
    assert stands["STORE_CREDIT:store_credit"] == -2500


async def test_there_is_no_bonus_on_what_was_paid_with_gift_cards_and_credit(database: Database) -> None:
    await let_return(database, credit_bonus=100_000)
    shop = await make_stocked_shop(database, 10)
    token = await make_ready_cart(database, shop, 2)
    await apply_cards(database, token, await make_card(database, "8"))
    placed = await place(till(database), token, "sandbox", "ok", str(uuid4()))
    assert placed.order is not None
    await _sent(database, placed.order)
    # 10.00 come back, of which 8.00 were a gift card: who turns it to and fro gains nothing.
    found = await returned(database, shop, await order_of(database, placed.order.id))
    assert (found.credit_minor, found.bonus_minor) == (1000, 20)
    await assert_balanced(database)


async def test_what_was_credited_is_refunded_to_nobody(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 2, shop=shop)
    await returned(database, shop, order, 2)
    (payment,) = (await parts_of(database, order.id)).payments
    for amount in (None, Amount(Decimal(1), "USD")):
        with pytest.raises((IllegalTransition, AmountTooLarge)):
            await payment_changes.refund(staff(database), payment.id, amount, "again", str(uuid4()))
    await check_sums(database)


async def test_of_credits_and_refunds_at_once_one_goes_through(database: Database) -> None:
    await let_return(database, auto_refund_most_minor=0)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 1, shop=shop)
    asked = await ask_for(database, order, wish=ReturnWish.STORE_CREDIT)
    clerk = desk(database)
    asked = await returns.decide_on(clerk, asked.id, approve=True, note=None, expected_version=None)
    await look_at(database, await bring_back(database, asked, shop.locations[0].code))
    (payment,) = (await parts_of(database, order.id)).payments
    asking: list[Any] = [
        return_settlement.refund(clerk, asked.id, None, None, str(uuid4())) for _ in range(10)
    ]
    asking += [
        payment_changes.refund(staff(database), payment.id, None, "at once", str(uuid4())) for _ in range(10)
    ]
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in answers) == 1
    after = (await parts_of(database, order.id)).payments[0]
    assert after.credited_minor + after.refunded_minor == order.total_minor
    assert await credit_of(database) == after.credited_minor
    await assert_balanced(database)


async def test_an_order_paid_by_gift_card_and_card_is_credited_card_first(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    token = await make_ready_cart(database, shop, 2)
    await apply_cards(database, token, await make_card(database, "8"))
    placed = await place(till(database), token, "sandbox", "ok", str(uuid4()))
    assert placed.order is not None
    await _sent(database, placed.order)
    order = await order_of(database, placed.order.id)
    await returned(database, shop, order)
    payments = {one.provider: one for one in (await parts_of(database, order.id)).payments}
    assert payments["gift_card"].credited_minor == 800
    assert payments["sandbox"].credited_minor == 200
    await returned(database, shop, order, wish=ReturnWish.REFUND)
    payments = {one.provider: one for one in (await parts_of(database, order.id)).payments}
    assert payments["sandbox"].refunded_minor == 1500
    await assert_balanced(database)


async def test_an_edit_after_a_return_asks_nothing_for_what_came_back(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 2, 2)
    order = await _half_sent(database, shop)
    await returned(database, shop, order, wish=ReturnWish.REFUND)
    order = await order_of(database, order.id)
    assert (order.total_minor, order.return_refund_minor, order.cost_minor) == (4500, 1000, 3500)

    (line,) = await lines_of(database, order.id)
    looked = await order_edits.preview(staff(database), Wanted(order.id, [NewQuantity(line.id, 3)], []))
    assert (looked.edit.refund_minor, looked.edit.due_minor) == (1000, 0)
    order = await _edited(database, order, 3)
    (payment,) = (await parts_of(database, order.id)).payments
    assert payment.refunded_minor == 2000
    # What the edit gave back is owed again with the next, what the return gave back is not.
    looked = await order_edits.preview(staff(database), Wanted(order.id, [NewQuantity(line.id, 4)], []))
    assert (looked.edit.refund_minor, looked.edit.due_minor) == (0, 1000)
    await check_sums(database)


async def test_a_credit_counts_in_edits_as_a_refund_does(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 2, 2)
    order = await _half_sent(database, shop)
    await returned(database, shop, order)
    order = await _edited(database, await order_of(database, order.id), 3)
    (payment,) = (await parts_of(database, order.id)).payments
    assert (payment.credited_minor, payment.refunded_minor) == (1000, 1000)
    await assert_balanced(database)


async def test_each_parcel_is_captured_once_though_the_first_comes_back_before_the_second_leaves(
    database: Database,
) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 2, 2)
    order = await _half_sent(database, shop, "AT_SHIPMENT")
    assert await _money(database, order) == (2500, 0)
    await returned(database, shop, order, 2, wish=ReturnWish.REFUND)
    assert await _money(database, order) == (2500, 2000)
    await _sent(database, order)
    assert await _money(database, order) == (4500, 2000)
    await returned(database, shop, await order_of(database, order.id), 2, wish=ReturnWish.REFUND)
    assert await _money(database, order) == (4500, 4500)
    await check_sums(database)


async def test_returns_that_span_an_edit_sum_to_what_was_paid(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 2, 2)
    order = await _half_sent(database, shop)
    # A discount that does not divide: 0.05 on four units of 10.00.
    await run_sql(
        database,
        "UPDATE order_lines SET discount_minor = 5 WHERE order_id = :id RETURNING id",
        id=order.id,
    )
    await run_sql(
        database,
        "UPDATE orders SET discount_minor = 5, total_minor = total_minor - 5 WHERE id = :id RETURNING id",
        id=order.id,
    )
    first = await returned(database, shop, order, wish=ReturnWish.REFUND)
    order = await _edited(database, await order_of(database, order.id), 3)
    await _sent(database, order)
    second = await returned(database, shop, await order_of(database, order.id), 2, wish=ReturnWish.REFUND)
    assert first.refund_minor + second.refund_minor == order.total_minor


async def test_a_return_for_credit_takes_few_statements(database: Database) -> None:
    await let_return(database, credit_bonus=100_000)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 2, shop=shop)
    here = await bring_back(
        database, await ask_for(database, order, wish=ReturnWish.STORE_CREDIT), shop.locations[0].code
    )
    with count_statements(database) as looking:
        await look_at(database, here)
    assert len(looking) == 27, looking


async def _half_sent(database: Database, shop: Shop, capture: str = "AT_PLACEMENT") -> Order:
    """Return an order of four units, from two places, of which two have arrived."""
    await capture_at(database, shop, capture)
    placed = await order_now(database, shop, 4)
    assert placed.order is not None
    await _sent(database, placed.order)
    return await order_of(database, placed.order.id)


async def _sent(database: Database, order: Order) -> None:
    """Send the next of an order's parts."""
    sender = till(database, make_app(Permission.FULFILLMENT_WRITE))
    parts = (await parts_of(database, order.id)).fulfillment_orders
    await fulfill(sender, next(one for one in parts if one.status is FulfillmentOrderStatus.OPEN))
    await deliver(database, order.id)


async def _edited(database: Database, order: Order, quantity: int) -> Order:
    (line,) = await lines_of(database, order.id)
    wanted = Wanted(order.id, [NewQuantity(line.id, quantity)], [])
    return await order_edits.commit(staff(database), wanted, "changed", order.version, str(uuid4()))


async def _money(database: Database, order: Order) -> tuple[int, int]:
    payments = (await parts_of(database, order.id)).payments
    return sum(one.captured_minor for one in payments), sum(one.refunded_minor for one in payments)
