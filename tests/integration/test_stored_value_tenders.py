"""Orders paid with gift cards and store credit: taken once, given back once, whatever happens between."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.kernel.errors import (
    CartClosed,
    GiftCardUnusable,
    InsufficientBalance,
    InsufficientStock,
    PaymentDeclined,
)
from domain.orders import OrderPaymentStatus, OrderStatus
from domain.payments import PaymentStatus
from domain.ports import PaymentRequest, ProviderAnswer
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments, charges
from services import order_sweeps, orders, stored_values
from services.access import SYSTEM
from services.order_placement import place
from services.orders import OrderRef
from services.payment_sweep import settle_due
from services.stored_value_sweeps import expire_due
from tests.cart_flows import run_sql
from tests.checkouts import (
    LaterClock,
    cart_status,
    events,
    expire_holds,
    later,
    levels,
    make_stocked_shop,
    order_now,
    till,
)
from tests.factories import make_context
from tests.stored import (
    apply_cards,
    apply_credit,
    assert_balanced,
    balance_of,
    buy,
    give_credit,
    make_card,
    movements,
    paid_with,
    payments,
)

ADA = "Ada@example.com"


async def test_a_split_tender_is_one_order_with_two_payments(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    card = await make_card(database, "10")
    token = await paid_with(database, shop, card)
    placed = await buy(database, token)
    assert placed.order is not None
    assert placed.placement is not None
    assert (placed.payment.provider, placed.payment.amount_minor) == ("sandbox", 1500)
    assert [one.provider for one in placed.placement.payments] == ["sandbox", "gift_card"]
    assert placed.order.total_minor == 2500
    assert placed.order.payment_status is OrderPaymentStatus.PARTIALLY_PAID, "the card's part is only held"
    rows = [
        (row.provider, row.status, row.amount_minor, row.captured_minor) for row in await payments(database)
    ]
    assert sorted(rows) == [("gift_card", "CAPTURED", 1000, 1000), ("sandbox", "AUTHORIZED", 1500, 0)]
    assert [charge.amount_minor for charge in await charges(database.engine)] == [1500]
    assert await balance_of(database, card) == 0
    assert await movements(database) == [("ISSUED", 1000), ("SPENT", -1000)]
    await assert_balanced(database)


async def test_what_covers_the_whole_amount_asks_no_provider(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    first, second = await make_card(database, "10"), await make_card(database, "40")
    token = await paid_with(database, shop, first, second)
    placed = await buy(database, token)
    assert placed.order is not None
    assert (placed.payment.provider, placed.payment.status) == ("gift_card", PaymentStatus.CAPTURED)
    assert placed.order.payment_status is OrderPaymentStatus.PAID
    assert await charges(database.engine) == []
    assert [await balance_of(database, code) for code in (first, second)] == [0, 2500]
    rows = await payments(database)
    assert [(row.status, row.captured_minor, row.ordered) for row in rows] == [
        ("CAPTURED", 1000, True),
        ("CAPTURED", 1500, True),
    ]
    assert all(row.provider_reference == str(UUID(row.provider_reference)) for row in rows)
    assert await cart_status(database, token) == "COMPLETED"
    assert await settle_due(later(database)) == 0
    await assert_balanced(database)


async def test_a_card_that_is_not_needed_is_left_alone(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    first, second = await make_card(database, "25"), await make_card(database, "40")
    placed = await buy(database, await paid_with(database, shop, first, second))
    assert placed.order is not None
    assert [await balance_of(database, code) for code in (first, second)] == [0, 4000]
    assert len(await payments(database)) == 1


async def test_store_credit_and_a_gift_card_pay_together(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    card = await make_card(database, "10")
    await give_credit(database, ADA, "50")
    token = await paid_with(database, shop, card)
    await apply_credit(database, token, ADA.upper(), "7.50")
    placed = await buy(database, token)
    assert placed.order is not None
    amounts = {row.provider: row.amount_minor for row in await payments(database)}
    assert amounts == {"gift_card": 1000, "store_credit": 750, "sandbox": 750}
    credit = await stored_values.credit(make_context(database), ADA, "USD")
    assert credit is not None
    assert credit.balance_minor == 4250


async def test_the_same_key_takes_nothing_twice(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    card = await make_card(database, "40")
    token = await paid_with(database, shop, card)
    first = await buy(database, token)
    again = await buy(database, token)
    assert first.order is not None
    assert (again.order, again.payment.id) == (first.order, first.payment.id)
    with pytest.raises(CartClosed):
        await buy(database, token, key="another key")
    assert await balance_of(database, card) == 1500


async def test_a_decline_gives_back_what_was_taken(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    card = await make_card(database, "10")
    token = await paid_with(database, shop, card)
    for _ in range(2):
        with pytest.raises(PaymentDeclined):
            await buy(database, token, "decline")
    assert await balance_of(database, card) == 1000
    assert await movements(database) == [("ISSUED", 1000), ("SPENT", -1000), ("RETURNED", 1000)]
    rows = {row.provider: row for row in await payments(database)}
    assert (rows["gift_card"].status, rows["gift_card"].captured_minor) == ("VOIDED", 0)
    assert await cart_status(database, token) == "ACTIVE"
    placed = await buy(database, token, key="new key")
    assert placed.order is not None, "the cart still has the card"
    assert await balance_of(database, card) == 0
    await assert_balanced(database)


async def test_a_late_answer_places_exactly_what_was_taken(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    card = await make_card(database, "10")
    token = await paid_with(database, shop, card)
    waiting = await buy(database, token, "timeout")
    assert waiting.order is None
    assert await balance_of(database, card) == 0, "taken while the answer is awaited"
    await run_sql(database, "UPDATE stored_values SET disabled_at = now()")
    assert await settle_due(later(database)) == 1
    order = (await buy(database, token, "timeout")).order
    assert order is not None
    assert (order.total_minor, order.payment_status) == (2500, OrderPaymentStatus.PARTIALLY_PAID)
    assert [charge.amount_minor for charge in await charges(database.engine)] == [1500]
    assert await movements(database) == [("ISSUED", 1000), ("SPENT", -1000)]
    await assert_balanced(database)


async def test_a_late_approval_without_stock_gives_back_once(database: Database) -> None:
    shop = await make_stocked_shop(database, 2)
    card = await make_card(database, "10")
    token = await paid_with(database, shop, card)
    await buy(database, token, "timeout")
    await expire_holds(database)
    await order_now(database, shop, 1)
    await asyncio.gather(*(settle_due(later(database)) for _ in range(3)))
    for _ in range(2):
        with pytest.raises(InsufficientStock):
            await buy(database, token, "timeout")
    assert await balance_of(database, card) == 1000
    assert await movements(database) == [("ISSUED", 1000), ("SPENT", -1000), ("RETURNED", 1000)]
    assert [charge.state for charge in await charges(database.engine)] == ["VOIDED", "AUTHORIZED"]
    await assert_balanced(database)


async def test_an_attempt_that_is_given_up_gives_back(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    card = await make_card(database, "10")
    token = await paid_with(database, shop, card)
    crashing = till(database, payment_providers={"sandbox": DiesBefore(database.engine)})
    with pytest.raises(asyncio.CancelledError):
        await place(crashing, token, "sandbox", "ok", "key")
    assert await balance_of(database, card) == 0
    await settle_due(later(database, hours=3))
    assert await cart_status(database, token) == "ACTIVE"
    assert await balance_of(database, card) == 1000
    await assert_balanced(database)


class DiesBefore(SandboxPayments):
    """The real sandbox, in a process that dies before the request leaves it."""

    async def authorize(self, key: str, request: PaymentRequest) -> ProviderAnswer:
        raise asyncio.CancelledError


async def test_a_smaller_balance_than_was_shown_is_told_and_changes_nothing(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    card = await make_card(database, "30")
    token = await paid_with(database, shop, card)
    await buy(database, await paid_with(database, shop, card, quantity=1))
    before = await events(database, _cart_id(database, token))
    with pytest.raises(InsufficientBalance) as caught:
        await buy(database, token)
    assert (caught.value.balance_minor, caught.value.last_characters) == (1500, card[-4:])
    assert await events(database, _cart_id(database, token)) == before
    assert await balance_of(database, card) == 1500
    await apply_cards(database, token, card)  # now they have seen it
    placed = await buy(database, token)
    assert placed.order is not None
    assert (placed.payment.provider, placed.payment.amount_minor) == ("sandbox", 1000)


async def test_another_card_that_fills_the_gap_is_no_reason_to_refuse(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    first, second = await make_card(database, "25"), await make_card(database, "25")
    token = await paid_with(database, shop, first, second)
    await buy(database, await paid_with(database, shop, first, quantity=1))
    assert (await buy(database, token)).order is not None
    assert [await balance_of(database, code) for code in (first, second)] == [0, 1000]


@pytest.mark.parametrize(("column", "reason"), [("disabled_at", "DISABLED"), ("expires_at", "EXPIRED")])
async def test_a_card_that_became_unusable_pays_for_nothing(
    database: Database, column: str, reason: str
) -> None:
    shop = await make_stocked_shop(database, 5)
    card = await make_card(database, "10")
    token = await paid_with(database, shop, card)
    await run_sql(database, f"UPDATE stored_values SET {column} = now()")
    with pytest.raises(GiftCardUnusable) as caught:
        await buy(database, token)
    assert caught.value.reason == reason
    assert await charges(database.engine) == []
    await stored_values.remove_card(till(database), token, card)
    assert (await buy(database, token)).payment.amount_minor == 2500


async def test_a_canceled_order_gives_back_with_its_stock(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    card = await make_card(database, "10")
    placed = await buy(database, await paid_with(database, shop, card))
    assert placed.order is not None
    ref = OrderRef(token=placed.order_token)
    for _ in range(2):
        canceled = await orders.cancel(till(database), ref, "twice", None, "cancel")
        assert canceled.status is OrderStatus.CANCELED
    assert await balance_of(database, card) == 1000
    assert await movements(database) == [("ISSUED", 1000), ("SPENT", -1000), ("RETURNED", 1000)]
    rows = {row.provider: row for row in await payments(database)}
    assert (rows["gift_card"].status, rows["gift_card"].refunded_minor) == ("REFUNDED", 1000)
    assert rows["sandbox"].status == "VOIDED"
    assert await levels(database, shop) == [(5, 0, 0)]
    await assert_balanced(database)


@pytest.mark.parametrize("ending", ["reject", "expire"])
async def test_an_order_that_nobody_approves_gives_back(database: Database, ending: str) -> None:
    shop = await make_stocked_shop(database, 5)
    await run_sql(database, "UPDATE channels SET review_from_minor = 1")
    card = await make_card(database, "40")
    placed = await buy(database, await paid_with(database, shop, card))
    assert placed.order is not None
    assert placed.order.status is OrderStatus.PENDING_APPROVAL
    assert placed.order.payment_status is OrderPaymentStatus.AUTHORIZED, "not ours before it is open"
    assert await balance_of(database, card) == 1500
    if ending == "reject":
        await orders.reject(make_context(database), placed.order.id, "fraud", None, "reject")
    else:
        assert await order_sweeps.expire_waiting(till(database, SYSTEM, clock=LaterClock(24 * 8))) == 1
    assert await balance_of(database, card) == 4000
    (payment,) = await payments(database)
    assert (payment.status, payment.refunded_minor) == ("VOIDED", 0)
    await assert_balanced(database)


async def test_an_approved_order_has_what_was_taken_captured(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    await run_sql(database, "UPDATE channels SET review_from_minor = 1")
    card = await make_card(database, "40")
    placed = await buy(database, await paid_with(database, shop, card))
    assert placed.order is not None
    approved = await orders.approve(make_context(database), placed.order.id, None, "approve")
    assert approved.payment_status is OrderPaymentStatus.PAID
    (payment,) = await payments(database)
    assert (payment.status, payment.captured_minor) == ("CAPTURED", 2500)
    assert await balance_of(database, card) == 1500
    await assert_balanced(database)


async def test_paying_the_rest_later_works_too(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    card = await make_card(database, "10")
    token = await paid_with(database, shop, card)
    placed = await place(till(database), token, "manual", "bank_transfer", "key")
    assert placed.order is not None
    assert (placed.payment.status, placed.payment.amount_minor) == (PaymentStatus.PENDING, 1500)
    assert placed.order.payment_status is OrderPaymentStatus.PARTIALLY_PAID


async def test_what_expires_is_emptied_once_and_never_below_zero(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    soon = datetime.now(UTC) + timedelta(minutes=10)
    card, other = await make_card(database, "30", expires_at=soon), await make_card(database, "5")
    await buy(database, await paid_with(database, shop, card))
    assert await expire_due(till(database)) == 0
    counts = await asyncio.gather(*(expire_due(later(database)) for _ in range(5)))
    assert sum(counts) == 1
    assert await balance_of(database, card) == 0
    assert await balance_of(database, other) == 500
    assert (await movements(database))[-1] == ("EXPIRED", -500)
    await assert_balanced(database)


def _cart_id(database: Database, token: str) -> UUID:
    subject = till(database).environment.tokens.read("cart", token)
    assert subject is not None
    return subject.id
