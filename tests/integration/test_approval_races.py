"""Rules and reviews under races: what is promised of one shopper holds for twenty at once."""

import asyncio
from collections import Counter
from uuid import uuid4

import pytest
from sqlalchemy import text

from domain.approvals import RuleAction, RuleKind
from domain.kernel.errors import IllegalTransition, PaymentDeclined
from domain.order_reviews import ReviewState
from domain.orders import OrderStatus
from persistence.database import Database
from providers.payments.sandbox import charges
from services import orders
from services.access import SYSTEM
from services.order_placement import place
from services.order_sweeps import expire_waiting
from services.orders import OrderRef
from tests.checkouts import events, later, levels, make_ready_cart, make_stocked_shop, till
from tests.reviews import make_rule, ordered, review_of

AT_ONCE = 20
LIMIT = 3


@pytest.mark.parametrize("by", ["EMAIL", "SHIPPING_ADDRESS"])
async def test_twenty_orders_at_once_are_counted_exactly(database: Database, by: str) -> None:
    shop = await make_stocked_shop(database, 50)
    await make_rule(
        database,
        shop,
        RuleKind.VELOCITY,
        RuleAction.DECLINE,
        orders_from=LIMIT,
        within_minutes=60,
        counted_by=[by],
    )
    tokens = [await make_ready_cart(database, shop, 1) for _ in range(AT_ONCE)]
    outcomes = await asyncio.gather(
        *(place(till(database), token, "sandbox", "ok", "key") for token in tokens), return_exceptions=True
    )
    told = Counter(
        outcome.decline_code if isinstance(outcome, PaymentDeclined) else type(outcome).__name__
        for outcome in outcomes
    )
    assert told == {"Placed": LIMIT, "risk_velocity": AT_ONCE - LIMIT}
    assert [charge.state for charge in await charges(database.engine)] == ["AUTHORIZED"] * LIMIT
    assert await levels(database, shop) == [(50 - AT_ONCE, AT_ONCE - LIMIT, LIMIT)]


async def test_payments_under_way_count_until_they_are_declined(database: Database) -> None:
    shop = await make_stocked_shop(database, 50)
    await make_rule(database, shop, RuleKind.VELOCITY, RuleAction.DECLINE, orders_from=1, within_minutes=60)
    for _ in range(2):
        with pytest.raises(PaymentDeclined, match="card_declined"):
            await place(till(database), await make_ready_cart(database, shop, 1), "sandbox", "decline", "key")
    waiting = await place(
        till(database), await make_ready_cart(database, shop, 1), "sandbox", "timeout", "key"
    )
    assert waiting.order is None
    with pytest.raises(PaymentDeclined, match="risk_velocity"):
        await place(till(database), await make_ready_cart(database, shop, 1), "sandbox", "ok", "key")


async def test_carts_that_share_one_identity_or_another_never_deadlock(database: Database) -> None:
    shop = await make_stocked_shop(database, 99)
    await make_rule(database, shop, RuleKind.VELOCITY, orders_from=99, within_minutes=60)
    tokens = [
        await make_ready_cart(database, shop, 1, email=f"{number % 3}@example.com")
        for number in range(AT_ONCE)
    ]
    placed = await asyncio.gather(*(place(till(database), token, "sandbox", "ok", "key") for token in tokens))
    assert all(one.order for one in placed)


async def test_approvers_and_rejecters_at_once_decide_one_way(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    order = await ordered(database, shop, 2, method="review")
    context = till(database, SYSTEM)
    overdue = later(database, hours=24 * 8, actor=SYSTEM)

    async def approve() -> str:
        return (await orders.approve(context, order.id, None, str(uuid4()))).status.value

    async def reject() -> str:
        return (await orders.reject(context, order.id, "no", None, str(uuid4()))).status.value

    outcomes = await asyncio.gather(
        *(one() for one in (approve, reject) * 8), expire_waiting(overdue), return_exceptions=True
    )
    errors = [one for one in outcomes if isinstance(one, Exception)]
    assert all(isinstance(error, IllegalTransition) for error in errors), errors
    final = await orders.get(context, OrderRef(id=order.id))
    review = await review_of(database, order.id)
    assert review is not None
    expected = {
        OrderStatus.OPEN: (ReviewState.APPROVED, "OrderApproved", [(7, 0, 2)]),
        OrderStatus.REJECTED: (ReviewState.REJECTED, "OrderRejected", [(9, 0, 0)]),
        OrderStatus.EXPIRED: (ReviewState.EXPIRED, "OrderExpired", [(9, 0, 0)]),
    }[final.status]
    decided = [
        kind
        for kind, _ in await events(database, order.id)
        if kind in {"OrderApproved", "OrderRejected", "OrderExpired"}
    ]
    assert (review.state, decided, await levels(database, shop)) == (expected[0], [expected[1]], expected[2])
    async with database.read() as connection:
        held = await connection.scalar(text("SELECT count(*) FROM order_holds WHERE released_at IS NULL"))
    assert held == 0
