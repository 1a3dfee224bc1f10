"""Limited discounts are used as often as they may be and not once more, whatever happens to a checkout."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from domain.discounts import DiscountRefusal
from domain.kernel.errors import DiscountNotApplicable, InsufficientBalance, PaymentDeclined
from domain.orders import Order
from persistence.database import Database
from services import discounts, orders
from services.discounts import DiscountChanges
from services.order_placement import place
from services.order_sweeps import expire_waiting
from services.orders import OrderRef
from services.payment_sweep import settle_due
from tests import cart_flows as flow
from tests.cart_flows import run_sql
from tests.checkouts import (
    LaterClock,
    Shop,
    cart_status,
    later,
    levels,
    make_ready_cart,
    make_stocked_shop,
    till,
)
from tests.factories import make_context, make_discount
from tests.statements import count_statements
from tests.stored import apply_cards, make_card


async def coded_cart(database: Database, shop: Shop, code: str = "ONCE", email: str | None = None) -> str:
    """Make a cart of one unit for 10.00 that is ready to be ordered and has a code; returns its token."""
    token = await make_ready_cart(database, shop, 1)
    if email is not None:
        await flow.update(database, token, email=email)
    applied = await flow.change(database, "cartDiscountCodeApply", {"cartToken": token, "code": code})
    assert applied["userErrors"] == []
    return token


async def used(database: Database) -> tuple[int, dict[str, int]]:
    """Return how often the one discount counts as used, and its uses by state, which must agree."""
    ((counted, customers),) = await run_sql(
        database,
        "SELECT used, (SELECT coalesce(sum(used), 0) FROM discount_customers) FROM discounts",
    )
    states = {
        row.state: row.uses
        for row in await run_sql(database, "SELECT state, count(*) AS uses FROM discount_uses GROUP BY state")
    }
    assert counted == customers == states.get("RESERVED", 0) + states.get("USED", 0)
    return counted, states


async def ordered(database: Database, token: str, method: str = "ok") -> Order:
    """Place the order of a cart that nothing keeps from it."""
    placed = await place(till(database), token, "sandbox", method, str(uuid4()))
    assert placed.order is not None
    return placed.order


async def test_of_fifty_buyers_with_one_single_use_code_exactly_one_gets_it(database: Database) -> None:
    shop = await make_stocked_shop(database, 60)
    await make_discount(database, shop.channel, code="ONCE", usage_limit=1)
    tokens = [await coded_cart(database, shop) for _ in range(50)]

    ends = await asyncio.gather(
        *(place(till(database), token, "sandbox", "ok", "key") for token in tokens), return_exceptions=True
    )

    placed = [end for end in ends if not isinstance(end, BaseException)]
    refused = [end for end in ends if isinstance(end, DiscountNotApplicable)]
    assert (len(placed), len(refused)) == (1, 49)
    assert {(one.discount_code, one.reason) for one in refused} == {
        ("ONCE", DiscountRefusal.USAGE_LIMIT_REACHED)
    }
    assert placed[0].order is not None
    assert placed[0].order.totals.discount_minor == 100
    assert await used(database) == (1, {"USED": 1})
    assert [
        (row.status, row.carts)
        for row in await run_sql(
            database, "SELECT status, count(*) AS carts FROM carts GROUP BY status ORDER BY status"
        )
    ] == [("ACTIVE", 49), ("COMPLETED", 1)]
    assert await levels(database, shop) == [(10, 49, 1)]


async def test_one_customer_uses_a_code_as_often_as_allowed_from_however_many_carts(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 20)
    await make_discount(database, shop.channel, code="TWICE", usage_limit_per_customer=2)
    emails = ["eve@example.com", "EVE@example.com", "Eve@Example.com"]
    tokens = [await coded_cart(database, shop, "TWICE", emails[n % 3]) for n in range(9)]
    other = await coded_cart(database, shop, "TWICE", "ada@example.com")

    ends = await asyncio.gather(
        *(place(till(database), token, "sandbox", "ok", "key") for token in [*tokens, other]),
        return_exceptions=True,
    )

    placed = [end for end in ends[:-1] if not isinstance(end, BaseException)]
    reasons = [end.reason for end in ends if isinstance(end, DiscountNotApplicable)]
    assert (len(placed), reasons) == (2, [DiscountRefusal.CUSTOMER_LIMIT_REACHED] * 7)
    assert not isinstance(ends[-1], BaseException), "another customer has uses of their own"
    assert await used(database) == (3, {"USED": 3})
    late = await make_ready_cart(database, shop, 1)
    await flow.update(database, late, email="eve@EXAMPLE.com")
    again = await flow.change(database, "cartDiscountCodeApply", {"cartToken": late, "code": "twice"})
    assert [error["code"] for error in again["userErrors"]] == ["DISCOUNT_NOT_APPLICABLE"]


@pytest.mark.parametrize("method", ["decline", "timeout"])
async def test_a_checkout_that_comes_to_nothing_gives_its_use_back(database: Database, method: str) -> None:
    shop = await make_stocked_shop(database, 5)
    await make_discount(database, shop.channel, code="ONCE", usage_limit=1, usage_limit_per_customer=1)
    token = await coded_cart(database, shop)
    if method == "decline":
        with pytest.raises(PaymentDeclined):
            await place(till(database), token, "sandbox", method, "key")
    else:
        assert (await place(till(database), token, "sandbox", method, "key")).order is None
        assert await used(database) == (1, {"RESERVED": 1})
        # Nobody can be asked any more, for longer than a payment may stay undecided.
        gone = till(database, payment_providers={}, clock=LaterClock(48))
        assert await settle_due(gone) == 1

    assert await cart_status(database, token) == "ACTIVE"
    assert await used(database) == (0, {"RELEASED": 1})
    assert (await ordered(database, token)).totals.discount_minor == 100
    assert await used(database) == (1, {"RELEASED": 1, "USED": 1})


async def test_an_approval_without_its_stock_gives_the_use_back(database: Database) -> None:
    shop = await make_stocked_shop(database, 1)
    await make_discount(database, shop.channel, code="ONCE", usage_limit=1)
    token = await coded_cart(database, shop)
    await place(till(database), token, "sandbox", "timeout", "key")
    await run_sql(database, "DELETE FROM holds")
    await run_sql(database, "UPDATE stock_levels SET held = 0")

    assert await settle_due(later(database)) == 1

    assert await cart_status(database, token) == "ACTIVE"
    assert await used(database) == (0, {"RELEASED": 1})


async def test_a_canceled_rejected_or_expired_order_frees_its_use(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    await make_discount(database, shop.channel, code="ONCE", usage_limit=1, usage_limit_per_customer=1)
    context = make_context(database)

    order = await ordered(database, await coded_cart(database, shop))
    assert await used(database) == (1, {"USED": 1})
    for _ in range(2):
        await orders.cancel(till(database, context.actor), OrderRef(id=order.id), "x", None, str(uuid4()))
    assert await used(database) == (0, {"RELEASED": 1})

    waiting = await ordered(database, await coded_cart(database, shop), "review")
    await orders.reject(till(database, context.actor), waiting.id, "no", None, "reject")
    assert await used(database) == (0, {"RELEASED": 2})

    await ordered(database, await coded_cart(database, shop), "review")
    assert await expire_waiting(till(database, context.actor, clock=LaterClock(24 * 8))) == 1
    assert await used(database) == (0, {"RELEASED": 3})


async def test_an_approved_order_keeps_its_use(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    await make_discount(database, shop.channel, code="ONCE", usage_limit=1)
    order = await ordered(database, await coded_cart(database, shop), "review")

    await orders.approve(make_context(database), order.id, None, "approve")

    assert await used(database) == (1, {"USED": 1})


async def test_a_late_answer_places_what_was_asked_for_though_the_code_has_ended(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    code = await make_discount(database, shop.channel, code="ONCE", usage_limit=1)
    token = await coded_cart(database, shop)
    await place(till(database), token, "sandbox", "timeout", "key")
    await discounts.deactivate(make_context(database), code.id)

    assert await settle_due(later(database)) == 1

    placed = (await place(till(database), token, "sandbox", "timeout", "key")).order
    assert placed is not None
    assert (placed.totals.discount_minor, placed.total_minor) == (100, 1400)
    (row,) = await run_sql(database, "SELECT label, code, percent, amount_minor FROM order_adjustments")
    assert (row.code, row.percent, row.amount_minor) == ("ONCE", 10, 100)
    assert await used(database) == (1, {"USED": 1})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"active": False}, DiscountRefusal.NOT_ACTIVE),
        ({"skus": ["another"]}, DiscountRefusal.NO_ELIGIBLE_ITEMS),
    ],
)
async def test_a_code_that_stopped_applying_is_named_and_nothing_changes(
    database: Database, changes: dict[str, Any], reason: DiscountRefusal
) -> None:
    shop = await make_stocked_shop(database, 5)
    code = await make_discount(database, shop.channel, code="SPRING", usage_limit=1)
    token = await coded_cart(database, shop, "spring")
    await discounts.update(make_context(database), code.id, DiscountChanges(**changes))
    before = await flow.read(database, token)

    with pytest.raises(DiscountNotApplicable) as caught:
        await place(till(database), token, "sandbox", "ok", "key")

    assert (caught.value.discount_code, caught.value.reason) == ("SPRING", reason)
    assert await flow.read(database, token) == before
    assert before["status"] == "ACTIVE"
    assert await used(database) == (0, {})
    assert await run_sql(database, "SELECT 1 FROM payments") == []
    removed = await flow.change(database, "cartDiscountCodeRemove", {"cartToken": token, "code": "SPRING"})
    assert removed["userErrors"] == []
    assert (await ordered(database, token)).total_minor == 1500


async def test_carts_that_need_the_same_codes_never_wait_for_each_other_in_a_circle(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 60)
    for code in ("A", "B", "C"):
        await make_discount(database, shop.channel, code=code, usage_limit=30, usage_limit_per_customer=30)
    tokens = [await make_ready_cart(database, shop, 1) for _ in range(24)]
    for number, token in enumerate(tokens):
        for code in ("ABC", "CAB", "BCA")[number % 3]:
            given = {"cartToken": token, "code": code}
            assert (await flow.change(database, "cartDiscountCodeApply", given))["userErrors"] == []

    async def shop_for(number: int, token: str) -> None:
        if number % 3 == 0:
            with pytest.raises(PaymentDeclined):
                await place(till(database), token, "sandbox", "decline", "no")
        order = await ordered(database, token)
        if number % 3 == 1:
            staff = till(database, make_context(database).actor)
            await orders.cancel(staff, OrderRef(id=order.id), "x", None, str(uuid4()))

    # Whoever deadlocks is aborted by PostgreSQL and raises here.
    await asyncio.gather(*(shop_for(number, token) for number, token in enumerate(tokens)))

    kept = await run_sql(database, "SELECT used FROM discounts")
    assert [row.used for row in kept] == [16, 16, 16]
    by_customer = await run_sql(database, "SELECT used FROM discount_customers")
    assert [row.used for row in by_customer] == [16, 16, 16]


async def test_who_applies_a_code_or_a_card_while_others_check_out_with_it_ends_nobodys_checkout(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 100)
    await make_discount(database, shop.channel, code="MANY", usage_limit=100)
    card = await make_card(database, "1000")

    async def shop_for(number: int) -> None:
        token = await make_ready_cart(database, shop, 1)
        await asyncio.sleep(number * 0.01)
        given = {"cartToken": token, "code": "MANY"}
        assert (await flow.change(database, "cartDiscountCodeApply", given))["userErrors"] == []
        await apply_cards(database, token, card)
        await ordered(database, token)

    ends = await asyncio.gather(*(shop_for(number) for number in range(80)), return_exceptions=True)

    # Whoever deadlocks is aborted by PostgreSQL; of the card less may be left than was seen.
    refused = [end for end in ends if isinstance(end, InsufficientBalance)]
    assert [end for end in ends if end is not None and end not in refused] == []
    assert await used(database) == (80 - len(refused), {"USED": 80 - len(refused)})


async def test_an_unlimited_code_takes_no_statement_more_and_a_limited_one_one(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    await make_discount(database, shop.channel, code="ANY")
    await make_discount(database, shop.channel, code="ONCE", usage_limit=5)
    taken = []
    for code in (None, "ANY", "ONCE"):
        token = await coded_cart(database, shop, code) if code else await make_ready_cart(database, shop, 1)
        with count_statements(database) as sent:
            await ordered(database, token)
        taken.append(len(sent))
    # The first on each connection prepares nothing that is counted; the sandbox's own are the same each time.
    assert (taken[1] - taken[0], taken[2] - taken[0]) == (0, 1), taken
