"""Refunds and voids of what gift cards paid: back on the balance, by the transaction that records them."""

import asyncio
from decimal import Decimal
from uuid import uuid4

import pytest

from domain.kernel.errors import AmountTooLarge, DomainError, IllegalTransition
from domain.kernel.money import Amount
from domain.orders import Order, OrderPaymentStatus
from domain.payment_changes import Change
from domain.payments import Payment, PaymentStatus, TransactionStatus
from domain.stored_values import MAX_GIFT_CARDS
from persistence.database import Database
from providers.payments.sandbox import charges
from services import orders, payment_changes, stored_value_tenders
from services.context import ServiceContext
from services.orders import OrderRef
from services.payment_changes import Changed
from services.payment_sweep import settle_due
from tests.cart_flows import run_sql
from tests.checkouts import events, later, make_stocked_shop
from tests.payments import capture_at, dollars, paid_order, staff, transactions
from tests.statements import count_statements
from tests.stored import assert_balanced, balance_of, buy, make_card, movements, paid_with


async def order_paid_with(
    database: Database, worth: str, *, capture: bool = True, waits: bool = False
) -> tuple[Order, Payment, str]:
    """Place an order of 25.00, paid with a card first; returns it, the card's payment and the code."""
    shop = await make_stocked_shop(database, 20)
    if capture:
        await capture_at(database, shop, "AT_PLACEMENT")
    if waits:
        await run_sql(database, "UPDATE channels SET review_from_minor = 1")
    code = await make_card(database, worth)
    placed = await buy(database, await paid_with(database, shop, code))
    assert placed.order is not None
    assert placed.placement is not None
    card = next(one for one in placed.placement.payments if one.provider == "gift_card")
    return placed.order, card, code


async def test_a_refund_goes_back_on_the_card_at_once(database: Database) -> None:
    order, card, code = await order_paid_with(database, "40")
    part = await payment_changes.refund(staff(database), card.id, dollars("5"), "broken", "refund")
    again = await payment_changes.refund(staff(database), card.id, dollars("5"), "broken", "refund")
    assert [one.status for one in part.transactions] == [TransactionStatus.SUCCEEDED]
    assert again.transactions == part.transactions
    assert (part.payment.status, part.payment.refunded_minor) == (PaymentStatus.PARTIALLY_REFUNDED, 500)
    assert await balance_of(database, code) == 2000
    await payment_changes.refund(staff(database), card.id, None, "all of it", "rest")
    assert await balance_of(database, code) == 4000
    assert await movements(database) == [
        ("ISSUED", 4000),
        ("SPENT", -2500),
        ("RETURNED", 500),
        ("RETURNED", 2000),
    ]
    assert [kind for kind, _ in await events(database, order.id)] == [
        "OrderPlaced",
        "PaymentCaptured",
        "PaymentRefunded",
        "PaymentRefunded",
    ]
    assert await settle_due(later(database)) == 0, "nobody is to be asked"
    await assert_balanced(database)


async def test_fifty_refunds_at_once_give_back_no_more_than_was_paid(database: Database) -> None:
    _, card, code = await order_paid_with(database, "25")
    outcomes = await asyncio.gather(
        *(
            payment_changes.refund(staff(database), card.id, dollars("10"), "twice?", str(uuid4()))
            for _ in range(50)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Changed) for one in outcomes) == 2
    assert all(isinstance(one, AmountTooLarge) for one in outcomes if isinstance(one, BaseException))
    assert await balance_of(database, code) == 2000
    await assert_balanced(database)


async def test_an_order_is_refunded_elsewhere_first_and_on_the_card_last(database: Database) -> None:
    order, card, code = await order_paid_with(database, "10")
    ref = OrderRef(id=order.id)
    context = staff(database)
    await payment_changes.refund_order(context, ref, dollars("12"), "late", None, "first")
    assert await balance_of(database, code) == 0
    after = await payment_changes.refund_order(context, ref, dollars("8"), "late", None, "second")
    assert await balance_of(database, code) == 500
    assert after.order.payment_status is OrderPaymentStatus.PARTIALLY_REFUNDED
    assert [one.refunded_minor for one in await charges(database.engine)] == [1500]
    assert await transactions(database, card.id) == [
        ("AUTHORIZATION", "SUCCEEDED", 1000),
        ("CAPTURE", "SUCCEEDED", 1000),
        ("REFUND", "SUCCEEDED", 500),
    ]
    await assert_balanced(database)


async def test_an_order_canceled_after_a_part_was_refunded_gives_back_the_rest(database: Database) -> None:
    order, card, code = await order_paid_with(database, "10", capture=False)
    await payment_changes.refund(staff(database), card.id, dollars("4"), "broken", "refund")
    canceled = await orders.cancel(staff(database), OrderRef(id=order.id), "no", None, "cancel")
    assert canceled.payment_status is OrderPaymentStatus.REFUNDED
    assert await balance_of(database, code) == 1000
    assert (await movements(database))[-2:] == [("RETURNED", 400), ("RETURNED", 600)]
    await assert_balanced(database)


async def test_staff_void_what_an_order_that_waits_would_have_taken(database: Database) -> None:
    _, card, code = await order_paid_with(database, "10", waits=True)
    assert card.status is PaymentStatus.AUTHORIZED
    with pytest.raises(IllegalTransition):
        await payment_changes.capture(staff(database), card.id, None, "capture")
    voided = await payment_changes.void(staff(database), card.id, "void")
    assert voided.payment.status is PaymentStatus.VOIDED
    assert await balance_of(database, code) == 1000
    with pytest.raises(IllegalTransition):
        await payment_changes.void(staff(database), card.id, "again")
    await assert_balanced(database)


async def test_more_than_was_taken_never_goes_back_whoever_asks(database: Database) -> None:
    order, card, code = await order_paid_with(database, "10")
    _, other = await paid_order(database)
    context = staff(database)
    refund = (await payment_changes.refund(context, card.id, None, "all", "refund")).transactions
    assert await balance_of(database, code) == 1000
    with pytest.raises(ValueError, match="less was taken"):
        await _give_back(context, Change(card, refund[0]))
    await _give_back(context, Change(other, refund[0]))  # of a provider, which is asked itself
    assert await balance_of(database, code) == 1000
    with pytest.raises(DomainError):
        await payment_changes.refund_order(
            context, OrderRef(id=order.id), Amount(Decimal(16), "USD"), "too much", None, "more"
        )
    await assert_balanced(database)


async def _give_back(context: ServiceContext, change: Change) -> None:
    async with context.transaction() as transaction:
        await stored_value_tenders.give_back(transaction, [change])


async def test_an_order_of_fifty_cards_gives_all_back_in_as_many_statements_as_of_one(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 20)
    sent = []
    for count in (1, MAX_GIFT_CARDS):
        worth = Decimal(25) / count
        codes = [await make_card(database, f"{worth:.2f}") for _ in range(count)]
        placed = await buy(database, await paid_with(database, shop, *codes), key=str(uuid4()))
        assert placed.order is not None
        with count_statements(database) as statements:
            await orders.cancel(staff(database), OrderRef(id=placed.order.id), "over", None, str(uuid4()))
        sent.append(len(statements))
        assert {await balance_of(database, code) for code in codes} == {worth * 100}
    assert sent[0] == sent[1]
    await assert_balanced(database)
