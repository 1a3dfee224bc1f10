"""One balance and many who want it at once, or a process that dies while it is being spent."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.kernel.errors import (
    DomainError,
    GiftCardUnusable,
    InsufficientBalance,
    InsufficientStock,
    PaymentDeclined,
)
from domain.orders import OrderPaymentStatus
from persistence.database import Database
from providers.payments.sandbox import charges
from services import order_placement, orders
from services.orders import OrderRef
from services.payment_attempts import Placed
from services.payment_sweep import settle_due
from services.stored_value_sweeps import expire_due
from tests.cart_flows import run_sql
from tests.checkouts import (
    cart_status,
    expire_holds,
    later,
    levels,
    make_stocked_shop,
    order_now,
    till,
)
from tests.stored import assert_balanced, balance_of, buy, make_card, movements, paid_with, payments


async def test_fifty_checkouts_at_once_share_one_card_to_the_cent(database: Database) -> None:
    shop = await make_stocked_shop(database, 200)
    card = await make_card(database, "130")
    tokens = [await paid_with(database, shop, card) for _ in range(50)]
    outcomes = await asyncio.gather(*(buy(database, token) for token in tokens), return_exceptions=True)
    placed = [one for one in outcomes if isinstance(one, Placed) and one.order]
    lost = [one for one in outcomes if isinstance(one, DomainError)]
    assert (len(placed), len(lost)) == (5, 45), outcomes
    assert all(isinstance(one, InsufficientBalance) for one in lost)
    assert await balance_of(database, card) == 13000 - 5 * 2500
    taken = sum(row.amount_minor for row in await payments(database))
    assert taken == 12500
    assert await charges(database.engine) == []
    statuses = [await cart_status(database, token) for token in tokens]
    assert (statuses.count("COMPLETED"), statuses.count("ACTIVE")) == (5, 45)
    assert await levels(database, shop) == [(100, 90, 10)], "whoever lost keeps what they held"
    await assert_balanced(database)


async def test_fifty_checkouts_at_once_spend_a_small_card_once(database: Database) -> None:
    shop = await make_stocked_shop(database, 200)
    card = await make_card(database, "10")
    tokens = [await paid_with(database, shop, card) for _ in range(50)]
    outcomes = await asyncio.gather(*(buy(database, token) for token in tokens), return_exceptions=True)
    assert sum(isinstance(one, Placed) for one in outcomes) == 1
    errors = [one for one in outcomes if isinstance(one, InsufficientBalance)]
    assert len(errors) == 49
    assert {(one.balance_minor, one.currency, one.path) for one in errors} == {(0, "USD", ("cartToken",))}
    assert [charge.amount_minor for charge in await charges(database.engine)] == [1500]
    assert await balance_of(database, card) == 0
    await assert_balanced(database)


async def test_cards_in_any_order_declines_cancellations_and_sweeps_do_not_block_each_other(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 300)
    soon = datetime.now(UTC) + timedelta(minutes=10)
    first, second = await make_card(database, "200"), await make_card(database, "200")
    fading = await make_card(database, "200", expires_at=soon)
    pairs = [(first, second), (second, fading), (first, fading)] * 8
    tokens = [
        await paid_with(database, shop, *(pair if number % 2 else reversed(pair)))
        for number, pair in enumerate(pairs)
    ]
    # Ten of each card at most: the provider is asked for the rest, and declines some of it.
    await run_sql(database, "UPDATE cart_stored_values SET limit_minor = 1000")

    async def shop_around(token: str, number: int) -> str:
        try:
            placed = await buy(database, token, ("ok", "decline")[number % 2])
        except (PaymentDeclined, InsufficientBalance, GiftCardUnusable):
            return "refused"
        if number % 3 == 0:
            await orders.cancel(till(database), OrderRef(token=placed.order_token), "no", None, "cancel")
        return "placed"

    async def sweep() -> None:
        for _ in range(20):
            await expire_due(later(database))
            await asyncio.sleep(0.02)

    # Whoever deadlocks is aborted by PostgreSQL and raises here.
    ends = await asyncio.gather(*(shop_around(*one) for one in zip(tokens, range(24), strict=True)), sweep())
    assert {"placed", "refused"} <= set(ends)
    kept = sum(
        row.captured_minor - row.refunded_minor
        for row in await payments(database)
        if row.provider == "gift_card"
    )
    left = sum([await balance_of(database, code) for code in (first, second, fading)])
    lost = -sum(amount for kind, amount in await movements(database) if kind == "EXPIRED")
    assert kept > 0
    assert lost > 0
    assert left == 60000 - kept - lost
    await assert_balanced(database)


async def _dies(*_: object) -> Placed:
    raise asyncio.CancelledError


async def test_a_crash_between_the_transactions_is_finished_by_the_sweep(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await make_stocked_shop(database, 5)
    card = await make_card(database, "40")
    token = await paid_with(database, shop, card)
    with monkeypatch.context() as dying:
        dying.setattr(order_placement, "conclude", _dies)
        with pytest.raises(asyncio.CancelledError):
            await buy(database, token)
    assert await balance_of(database, card) == 1500
    assert (await buy(database, token)).order is None
    assert await settle_due(till(database)) == 0, "whoever began may still be at it"
    await asyncio.gather(*(settle_due(later(database)) for _ in range(3)))
    placed = await buy(database, token)
    assert placed.order is not None
    assert placed.order.payment_status is OrderPaymentStatus.PAID
    (payment,) = await payments(database)
    assert (payment.status, payment.captured_minor) == ("CAPTURED", 2500)
    assert payment.provider_reference == str(UUID(payment.provider_reference))
    assert await balance_of(database, card) == 1500
    assert await charges(database.engine) == []
    await assert_balanced(database)


async def test_a_crash_before_stock_that_is_gone_gives_the_whole_amount_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await make_stocked_shop(database, 2)
    first, second = await make_card(database, "10"), await make_card(database, "40")
    token = await paid_with(database, shop, first, second)
    with monkeypatch.context() as dying:
        dying.setattr(order_placement, "conclude", _dies)
        with pytest.raises(asyncio.CancelledError):
            await buy(database, token)
    await expire_holds(database)
    await order_now(database, shop, 1)
    await settle_due(later(database))
    with pytest.raises(InsufficientStock):
        await buy(database, token)
    assert [await balance_of(database, code) for code in (first, second)] == [1000, 4000]
    assert [row.status for row in await payments(database)][:2] == ["VOIDED", "VOIDED"]
    assert await settle_due(later(database, hours=2)) == 0, "there is no void to be asked for"
    await assert_balanced(database)
