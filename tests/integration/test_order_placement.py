"""Placing orders: secure the stock, authorize the payment, place; exact, once, and never half."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import text

from domain.fulfillment import FulfillmentOrderStatus
from domain.kernel.errors import (
    CartClosed,
    CartIncomplete,
    IdempotencyKeyReused,
    InsufficientStock,
    InvalidInput,
    NotFound,
    PaymentDeclined,
)
from domain.orders import OrderPaymentStatus, OrderStatus
from domain.payments import PaymentStatus
from domain.ports import PaymentRequest, ProviderAnswer
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments, charges
from services.cart_sweeps import abandon_idle
from services.order_placement import place
from services.payment_sweep import settle_due
from tests.cart_flows import run_sql
from tests.checkouts import (
    cart_status,
    events,
    expire_holds,
    later,
    levels,
    make_ready_cart,
    make_stocked_shop,
    order_now,
    till,
)


async def test_ten_from_six_and_twenty_are_six_and_four(database: Database) -> None:
    shop = await make_stocked_shop(database, 6, 20)
    token = await make_ready_cart(database, shop, 10)
    placed = await place(till(database), token, "sandbox", "ok", "key")
    assert placed.order is not None
    assert placed.placement is not None
    assert placed.order.number == "100001" or int(placed.order.number) > 100001
    assert placed.order.status is OrderStatus.OPEN
    assert placed.order.payment_status is OrderPaymentStatus.AUTHORIZED
    assert placed.order.total_minor == 10 * 1000 + 500
    parts = placed.placement.fulfillment_orders
    assert {part.location_id: part.lines[0].quantity for part in parts} == {
        shop.locations[0].id: 6,
        shop.locations[1].id: 4,
    }
    assert await levels(database, shop) == [(0, 0, 6), (16, 0, 4)]
    assert await cart_status(database, token) == "COMPLETED"
    assert await events(database, placed.order.id) == [("OrderPlaced", 1)]
    assert placed.order_token is not None


async def test_the_same_key_returns_the_same_order(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    first = await place(till(database), token, "sandbox", "ok", "key")
    again = await place(till(database), token, "sandbox", "ok", "key")
    assert first.order is not None
    assert (again.order, again.order_token) == (first.order, first.order_token)
    assert again.payment.status is PaymentStatus.AUTHORIZED
    with pytest.raises(IdempotencyKeyReused):
        await place(till(database), token, "sandbox", "review", "key")
    with pytest.raises(CartClosed):
        await place(till(database), token, "sandbox", "ok", "another key")
    assert len(await charges(database.engine)) == 1


async def test_an_answer_given_outlives_its_provider(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    first = await place(till(database), token, "sandbox", "ok", "key")
    without = till(database, payment_providers={})
    assert (await place(without, token, "sandbox", "ok", "key")).order == first.order
    with pytest.raises(InvalidInput) as caught:
        await place(without, token, "sandbox", "ok", "another key")
    assert caught.value.path == ("payment", "provider")


async def test_an_abandoned_cart_comes_back_when_it_is_ordered(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    assert await abandon_idle(later(database, hours=2)) == 1
    assert await cart_status(database, token) == "ABANDONED"
    assert (await place(till(database), token, "sandbox", "ok", "key")).order is not None
    cart = till(database).environment.tokens.read("cart", token)
    assert cart is not None
    assert [one for one in await events(database, cart.id) if one[0] != "CartHoldReleased"] == [
        ("CartAbandoned", 2),
        ("CartReactivated", 3),
        ("CartCheckoutStarted", 3),
        ("CartCompleted", 4),
    ]


async def test_one_cart_at_ten_tills_is_one_order(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    outcomes = await asyncio.gather(
        *(place(till(database), token, "sandbox", "ok", f"key {n % 5}") for n in range(10)),
        return_exceptions=True,
    )
    orders = {o.order.id for o in outcomes if not isinstance(o, BaseException) and o.order}
    assert len(orders) == 1
    assert all(isinstance(o, CartClosed) for o in outcomes if isinstance(o, BaseException))
    assert len(await charges(database.engine)) == 1
    assert await levels(database, shop) == [(3, 0, 2)]


async def test_a_declined_payment_gives_the_cart_back_with_its_holds(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    for _ in range(2):
        with pytest.raises(PaymentDeclined) as caught:
            await place(till(database), token, "sandbox", "decline", "key")
        assert caught.value.decline_code == "card_declined"
    assert await cart_status(database, token) == "ACTIVE"
    assert await levels(database, shop) == [(3, 2, 0)]
    assert (await place(till(database), token, "sandbox", "ok", "new key")).order is not None
    assert [charge.state for charge in await charges(database.engine)] == ["DECLINED", "AUTHORIZED"]


async def test_an_answer_that_never_came_is_found_out_by_the_sweep(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    waiting = await place(till(database), token, "sandbox", "timeout", "key")
    assert waiting.order is None
    assert waiting.payment.status is PaymentStatus.PENDING
    assert await cart_status(database, token) == "CHECKOUT"
    again = await place(till(database), token, "sandbox", "timeout", "key")
    assert (again.order, again.payment.id) == (None, waiting.payment.id)
    with pytest.raises(CartClosed):
        await place(till(database), token, "sandbox", "ok", "impatient key")
    assert await settle_due(later(database)) == 1
    assert await settle_due(later(database)) == 0
    final = await place(till(database), token, "sandbox", "timeout", "key")
    assert final.order is not None
    assert final.payment.status is PaymentStatus.AUTHORIZED
    assert await levels(database, shop) == [(3, 0, 2)]


@pytest.mark.parametrize("change", ["price_minor = 1000", "archived_at = now()"])
async def test_a_late_order_costs_what_was_authorized_whatever_became_of_the_rate(
    database: Database, change: str
) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    await place(till(database), token, "sandbox", "timeout", "key")
    await run_sql(database, f"UPDATE delivery_rates SET {change} WHERE carrier = 'Test Post'")
    await settle_due(later(database))
    order = (await place(till(database), token, "sandbox", "timeout", "key")).order
    assert order is not None
    assert (order.shipping_minor, order.total_minor) == (500, 2500)
    assert order.delivery is not None
    assert (order.delivery["carrier"], order.delivery["priceMinor"]) == ("Test Post", 500)
    assert order.payment_status is OrderPaymentStatus.AUTHORIZED
    assert [charge.amount_minor for charge in await charges(database.engine)] == [2500]


async def test_no_order_is_placed_at_another_total_than_was_authorized(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    await place(till(database), token, "sandbox", "timeout", "key")
    await run_sql(database, "UPDATE cart_lines SET unit_price_minor = 999")
    await settle_due(later(database))
    for _ in range(2):
        with pytest.raises(PaymentDeclined) as caught:
            await place(till(database), token, "sandbox", "timeout", "key")
        assert caught.value.decline_code == "amount_mismatch"
    assert await cart_status(database, token) == "ACTIVE"
    assert [charge.state for charge in await charges(database.engine)] == ["VOIDED"]
    assert await levels(database, shop) == [(3, 2, 0)]


async def test_a_late_approval_without_stock_is_voided(database: Database) -> None:
    shop = await make_stocked_shop(database, 2)
    token = await make_ready_cart(database, shop, 2)
    await place(till(database), token, "sandbox", "timeout", "key")
    await expire_holds(database)
    await order_now(database, shop, 1)
    await settle_due(later(database))
    for _ in range(2):
        with pytest.raises(InsufficientStock) as caught:
            await place(till(database), token, "sandbox", "timeout", "key")
        assert (caught.value.requested, caught.value.available) == (2, 1)
    assert await cart_status(database, token) == "ACTIVE"
    assert [charge.state for charge in await charges(database.engine)] == ["VOIDED", "AUTHORIZED"]
    assert await levels(database, shop) == [(1, 0, 1)]


async def test_a_late_approval_secures_again_what_expired(database: Database) -> None:
    shop = await make_stocked_shop(database, 1, 4)
    token = await make_ready_cart(database, shop, 3)
    await place(till(database), token, "sandbox", "timeout", "key")
    await expire_holds(database)
    await settle_due(later(database))
    assert (await place(till(database), token, "sandbox", "timeout", "key")).order is not None
    assert await levels(database, shop) == [(0, 0, 1), (2, 0, 2)]


class DiesAfterwards(SandboxPayments):
    """The real sandbox, in a process that dies with the answer on its way."""

    async def authorize(self, key: str, request: PaymentRequest) -> ProviderAnswer:
        await super().authorize(key, request)
        raise asyncio.CancelledError


class DiesBefore(SandboxPayments):
    """The real sandbox, in a process that dies before the request leaves it."""

    async def authorize(self, key: str, request: PaymentRequest) -> ProviderAnswer:
        raise asyncio.CancelledError


@pytest.mark.parametrize("dying", [DiesAfterwards, DiesBefore])
async def test_a_crash_around_the_call_is_finished_by_the_sweep(
    database: Database, dying: type[SandboxPayments]
) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    crashing = till(database, payment_providers={"sandbox": dying(database.engine)})
    with pytest.raises(asyncio.CancelledError):
        await place(crashing, token, "sandbox", "ok", "key")
    assert (await place(till(database), token, "sandbox", "ok", "key")).order is None
    assert await settle_due(till(database)) == 0, "the request may still be on its way"
    await asyncio.gather(*(settle_due(later(database)) for _ in range(4)))
    assert (await place(till(database), token, "sandbox", "ok", "key")).order is not None
    assert [charge.state for charge in await charges(database.engine)] == ["AUTHORIZED"]
    assert await levels(database, shop) == [(3, 0, 2)]


class Hangs(SandboxPayments):
    """A sandbox that for one method never answers."""

    async def find(self, key: str) -> ProviderAnswer | None:
        found = await super().find(key)
        if found is not None and found.needs_review:
            await asyncio.sleep(60)
        return found


async def test_a_request_that_hangs_keeps_no_other_waiting(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    crashing = till(database, payment_providers={"sandbox": DiesAfterwards(database.engine)})
    tokens = [await make_ready_cart(database, shop, 1) for _ in range(3)]
    for token, method in zip(tokens, ("ok", "review", "ok"), strict=True):
        with pytest.raises(asyncio.CancelledError):
            await place(crashing, token, "sandbox", method, "key")
    hanging = replace(later(database).environment, payment_providers={"sandbox": Hangs(database.engine)})
    sweep = replace(later(database), environment=replace(hanging, payment_time_limit_seconds=1.0))
    assert await settle_due(sweep) == 3
    assert [await cart_status(database, token) for token in tokens] == ["COMPLETED", "CHECKOUT", "COMPLETED"]
    assert await settle_due(later(database, hours=2)) == 1
    assert await cart_status(database, tokens[1]) == "COMPLETED"


async def test_a_slow_answer_and_the_sweep_place_one_order(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    slow = {"sandbox": SandboxPayments(database.engine, answer_delay_seconds=0.2)}
    placing = asyncio.create_task(
        place(till(database, payment_providers=slow), token, "sandbox", "ok", "key")
    )
    await asyncio.sleep(0.1)
    assert await settle_due(later(database)) == 1
    placed = await placing
    again = await place(till(database), token, "sandbox", "ok", "key")
    assert placed.order == again.order
    assert placed.order is not None
    assert await events(database, placed.order.id) == [("OrderPlaced", 1)]


async def test_a_provider_slower_than_its_time_limit_is_not_waited_for(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    slow = {"sandbox": SandboxPayments(database.engine, answer_delay_seconds=30)}
    context = till(database, payment_providers=slow, payment_time_limit_seconds=0.05)
    waiting = await place(context, token, "sandbox", "ok", "key")
    assert waiting.order is None
    assert waiting.payment.status is PaymentStatus.PENDING


async def test_what_a_hold_no_longer_covers_is_secured_first(database: Database) -> None:
    shop = await make_stocked_shop(database, 3)
    token = await make_ready_cart(database, shop, 2)
    await expire_holds(database)
    assert (await order_now(database, shop, 2)).order is not None
    with pytest.raises(InsufficientStock):
        await place(till(database), token, "sandbox", "ok", "key")
    assert len(await charges(database.engine)) == 1, "nobody was charged for what is not there"


async def test_paying_later_places_the_order_with_its_payment_pending(database: Database) -> None:
    shop = await make_stocked_shop(database, 3)
    token = await make_ready_cart(database, shop, 2)
    placed = await place(till(database), token, "manual", "bank_transfer", "key")
    assert placed.order is not None
    assert placed.payment.status is PaymentStatus.PENDING
    assert placed.order.payment_status is OrderPaymentStatus.PENDING
    assert placed.order.status is OrderStatus.OPEN
    assert await settle_due(later(database)) == 0


async def test_review_and_the_channels_rule_make_an_order_wait(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    placed = await order_now(database, shop, 1, "review")
    assert placed.order is not None
    assert placed.placement is not None
    assert placed.order.status is OrderStatus.PENDING_APPROVAL
    assert [p.status for p in placed.placement.fulfillment_orders] == [FulfillmentOrderStatus.ON_HOLD]
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE channels SET review_from_minor = 2500"))
    statuses = [(await order_now(database, shop, n)).order for n in (1, 2)]
    assert [order.status for order in statuses if order] == [OrderStatus.OPEN, OrderStatus.PENDING_APPROVAL]


async def test_an_incomplete_cart_says_what_it_needs(database: Database) -> None:
    shop = await make_stocked_shop(database, 3)
    token = await make_ready_cart(database, shop, 2)
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE carts SET email = NULL, shipping_address = NULL"))
    with pytest.raises(CartIncomplete) as caught:
        await place(till(database), token, "sandbox", "ok", "key")
    assert caught.value.missing == ("email", "shippingAddress", "deliveryOption")
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM cart_lines"))
    with pytest.raises(CartIncomplete) as caught:
        await place(till(database), token, "sandbox", "ok", "key")
    assert caught.value.missing[0] == "lines"


async def test_bad_input_names_its_field(database: Database) -> None:
    shop = await make_stocked_shop(database, 3)
    token = await make_ready_cart(database, shop, 2)
    for provider, method, key, path in (
        ("nobody", "ok", "key", ("payment", "provider")),
        ("sandbox", "gold", "key", ("payment", "method")),
        ("sandbox", "ok", " ", ("idempotencyKey",)),
        ("sandbox", "ok", "k" * 256, ("idempotencyKey",)),
        ("sandbox", "ok", "k\0", ("idempotencyKey",)),
    ):
        with pytest.raises(InvalidInput) as caught:
            await place(till(database), token, provider, method, key)
        assert caught.value.path == path
    for bad in ("", "x", token[:-1], till(database).environment.tokens.sign("cart", uuid4(), 1)):
        with pytest.raises(NotFound):
            await place(till(database), bad, "sandbox", "ok", "key")
