"""The money of returns whose providers hang, refuse or have told before: given back once, or told."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from domain.kernel.errors import AmountTooLarge, IllegalTransition
from domain.orders import Order
from domain.payments import TransactionKind
from domain.returns import LineOutcome, Return, ReturnStatus, ReturnWish
from persistence.database import Database
from persistence.returns import by_ids
from providers.payments.sandbox import SandboxPayments, charges
from services import payment_changes, return_settlement, returns
from services.payment_sweep import settle_due
from tests.cart_flows import run_sql
from tests.checkouts import events, later, make_stocked_shop
from tests.integration.test_payment_facts import tell
from tests.payments import Dies, Refuses, Silent, Unreachable, capture_at, check_sums, staff
from tests.sent_back import arrived_order, ask_for, bring_back, desk, let_return, lines_of, look_at
from tests.shipping import order_of, parts_of


async def test_a_refund_whose_answer_is_lost_closes_its_return_once_it_is_found_out(
    database: Database,
) -> None:
    for provider in (Silent, Unreachable):
        order, seen = await _refunded_by(database, provider)
        assert (seen.status, seen.refund_failure) == (ReturnStatus.INSPECTED, None)
        # While nobody knows, nobody asks again.
        with pytest.raises(IllegalTransition):
            await return_settlement.refund(desk(database), seen.id, None, None, str(uuid4()))
        with pytest.raises(IllegalTransition):
            await return_settlement.reject(desk(database), seen.id, "no", None)
        while await settle_due(later(database)):
            pass
        await return_settlement.settle_due(desk(database))
        found = await _now(database, seen)
        assert (found.status, found.refund_minor) == (ReturnStatus.CLOSED, 1000)
        assert await _given(database, order) == (1000, 1000)
    await check_sums(database)


async def test_what_is_being_given_back_counts_for_the_next_return(database: Database) -> None:
    order, first = await _refunded_by(database, Unreachable)
    assert (first.status, first.refund_minor) == (ReturnStatus.INSPECTED, 1000)
    place = (await run_sql(database, "SELECT code FROM locations"))[0].code
    second = await look_at(database, await bring_back(database, await ask_for(database, order), place))
    # The last unit takes the delivery with it.
    assert (second.status, second.refund_minor) == (ReturnStatus.CLOSED, 1500)


async def test_a_process_that_dies_before_it_asks_is_taken_over(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 2, shop=shop)
    here = await bring_back(database, await ask_for(database, order), shop.locations[0].code)
    with pytest.raises(asyncio.CancelledError):
        await look_at(database, here, payment_providers={"sandbox": Dies(database.engine)})
    assert (await _now(database, here)).status is ReturnStatus.INSPECTED
    while await settle_due(later(database)):
        pass
    assert await return_settlement.settle_due(desk(database)) == 1
    assert (await _now(database, here)).status is ReturnStatus.CLOSED
    assert await _given(database, order) == (1000, 1000)


async def test_a_refused_refund_is_told_and_asked_again_by_staff(database: Database) -> None:
    order, seen = await _refunded_by(database, Refuses)
    assert (seen.status, seen.refund_failure) == (ReturnStatus.INSPECTED, "already_refunded")
    assert await _told(database, order) == 1
    assert (await order_of(database, order.id)).return_refund_minor == 0
    # It is told once, and stays with staff.
    assert await return_settlement.settle_due(desk(database)) == 0
    refusing = desk(database, payment_providers={"sandbox": Refuses(database.engine)})
    seen = await return_settlement.refund(refusing, seen.id, None, None, str(uuid4()))
    assert seen.refund_failure == "already_refunded"
    assert await _told(database, order) == 2
    clerk, key = desk(database), str(uuid4())
    for _ in range(2):
        seen = await return_settlement.refund(clerk, seen.id, None, None, key)
    assert (seen.status, seen.refund_failure) == (ReturnStatus.CLOSED, None)
    assert await _given(database, order) == (1000, 1000)
    await check_sums(database)


async def test_of_twenty_retries_at_once_one_goes_through(database: Database) -> None:
    order, seen = await _refunded_by(database, Refuses)
    retries = (return_settlement.refund(desk(database), seen.id, None, None, str(uuid4())) for _ in range(20))
    answers = await asyncio.gather(*retries, return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in answers) == 1
    assert await _given(database, order) == (1000, 1000)


async def test_a_refusal_found_out_by_the_sweep_is_told_by_the_next(database: Database) -> None:
    order, seen = await _refunded_by(database, Unreachable)
    refuses = {"sandbox": Refuses(database.engine)}
    while await settle_due(later(database, payment_providers=refuses)):
        pass
    assert await _told(database, order) == 0
    assert await return_settlement.settle_due(desk(database)) == 1
    assert (await _now(database, seen)).refund_failure == "already_refunded"
    assert await _told(database, order) == 1


async def test_staff_end_a_return_that_was_refunded_at_the_providers_desk(database: Database) -> None:
    order, seen = await _refunded_by(database, Refuses)
    ended = await return_settlement.reject(desk(database), seen.id, "given back at the provider", None)
    assert (ended.status, ended.refund_minor, ended.refund_failure) == (ReturnStatus.CLOSED, 0, None)
    assert [line.outcome for line in ended.lines] == [LineOutcome.REJECTED]
    assert await _given(database, order) == (0, 0)
    assert (await lines_of(database, order.id))[0].quantity_returned == 1


async def test_what_a_provider_told_before_it_answered_is_not_given_twice(database: Database) -> None:
    order, first = await _refunded_by(database, Unreachable)
    (payment,) = (await parts_of(database, order.id)).payments
    (transaction_id,) = first.transaction_ids
    # Its word of the movement comes under a name of its own, beside the answer to the request.
    await tell(database, payment.id, TransactionKind.REFUND, 1000, "re-1", transaction_id=uuid4())
    await tell(database, payment.id, TransactionKind.REFUND, 1000, "re-1", transaction_id=transaction_id)
    assert await return_settlement.settle_due(desk(database)) == 1
    found = await _now(database, first)
    assert (found.status, found.refund_failure) == (ReturnStatus.CLOSED, None)
    assert (await parts_of(database, order.id)).payments[0].refunded_minor == 1000
    assert (await order_of(database, order.id)).return_refund_minor == 1000


async def test_of_what_is_only_reserved_nothing_is_given_back_until_it_is_taken(database: Database) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    await capture_at(database, shop, "MANUAL")
    order = await arrived_order(database, 2, shop=shop)
    asked = await returns.decide_on(
        desk(database), (await ask_for(database, order)).id, approve=True, note=None, expected_version=None
    )
    seen = await look_at(database, await bring_back(database, asked, shop.locations[0].code))
    assert seen.status is ReturnStatus.INSPECTED
    with pytest.raises(AmountTooLarge) as refused:
        await return_settlement.refund(desk(database), seen.id, None, None, str(uuid4()))
    assert (refused.value.left_minor, refused.value.path) == (0, ("id",))
    (payment,) = (await parts_of(database, order.id)).payments
    await payment_changes.capture(staff(database), payment.id, None, str(uuid4()))
    done = await return_settlement.refund(desk(database), seen.id, None, None, str(uuid4()))
    assert (done.status, done.refund_minor) == (ReturnStatus.CLOSED, 1000)
    await check_sums(database)


async def test_returns_settled_at_once_sum_to_what_was_paid(database: Database) -> None:
    await let_return(database, auto_refund_most_minor=0)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 3, shop=shop)
    seen = []
    for wish in (ReturnWish.REFUND, ReturnWish.STORE_CREDIT, ReturnWish.EXCHANGE):
        asked = await ask_for(database, order, wish=wish)
        asked = await returns.decide_on(
            desk(database), asked.id, approve=True, note=None, expected_version=None
        )
        seen.append(await look_at(database, await bring_back(database, asked, shop.locations[0].code)))
    ended = await asyncio.gather(
        *(return_settlement.refund(desk(database), one.id, None, None, str(uuid4())) for one in seen)
    )
    # Whichever is the last takes the delivery with it.
    assert sorted(one.refund_minor for one in ended) == [1000, 1000, 1500]
    (payment,) = (await parts_of(database, order.id)).payments
    assert (payment.refundable_minor, payment.given_back_minor) == (0, order.total_minor)
    await check_sums(database)


async def _refunded_by(database: Database, provider: type[SandboxPayments]) -> tuple[Order, Return]:
    """Return an order of which one unit of two came back, its money asked for of a provider."""
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 2, shop=shop)
    here = await bring_back(database, await ask_for(database, order), shop.locations[0].code)
    return order, await look_at(database, here, payment_providers={"sandbox": provider(database.engine)})


async def _now(database: Database, found: Return) -> Return:
    async with database.read() as connection:
        return (await by_ids(connection, [found.id]))[found.id]


async def _given(database: Database, order: Order) -> tuple[int, int]:
    """Return what an order's payment says was refunded, and what its provider does."""
    (payment,) = (await parts_of(database, order.id)).payments
    found: Any = {one.reference: one for one in await charges(database.engine)}
    return payment.refunded_minor, found[payment.reference].refunded_minor


async def _told(database: Database, order: Order) -> int:
    return [kind for kind, _ in await events(database, order.id)].count("ReturnRefundFailed")
