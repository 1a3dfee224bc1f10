"""A shopper pays what an exchange costs more, with the order's token alone; unpaid, it is on sale again."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from domain.catalog import VariantRef
from domain.fulfillment import FulfillmentOrderStatus
from domain.kernel.errors import (
    AccessDenied,
    IllegalTransition,
    InvalidInput,
    NotFound,
    PaymentDeclined,
)
from domain.notifications import NotificationKind
from domain.orders import Order, OrderStatus
from domain.payments import PaymentStatus
from domain.returns import Disposition, Grade, Return, ReturnStatus, ReturnWish
from persistence.database import Database
from providers.messages.rendering import Renderer
from services import exchange_payments, notifications, order_edits, return_settlement
from services.access import ANONYMOUS, SYSTEM
from services.exchange_payments import Due
from services.order_edits import Added, Wanted
from services.order_payments import Created
from services.orders import OrderRef
from services.payment_sweep import settle_due
from tests.cart_flows import run_sql
from tests.checkouts import Shop, events, later, till
from tests.exchanged import another_article, exchange_for, exchange_shop, part_status, replacement_of
from tests.payments import Dies, check_sums, staff
from tests.sent_back import ask_for, bring_back, desk, look_at, shopper
from tests.shipping import check_units, order_of, parts_of
from tests.statements import count_statements
from tests.stored import assert_balanced


async def test_what_it_costs_more_is_paid_before_and_it_leaves_when_the_other_is_back(
    database: Database,
) -> None:
    shop, order, asked = await _dearer(database)
    assert (await _due(database, order, asked)).due_minor == 300
    made = await _pay(database, order, asked)
    assert (made.payment.amount_minor, made.payment.status) == (300, PaymentStatus.AUTHORIZED)
    replacement = await replacement_of(database, asked)
    assert await part_status(database, replacement) is FulfillmentOrderStatus.ON_HOLD
    assert (await _due(database, order, asked)).due_minor == 0
    with pytest.raises(IllegalTransition):
        await _pay(database, order, asked)

    done = await look_at(database, await bring_back(database, asked, shop.locations[0].code))
    assert (done.status, done.credit_minor) == (ReturnStatus.CLOSED, 1000)
    assert await part_status(database, replacement) is FulfillmentOrderStatus.OPEN
    await _books(database)


async def test_what_is_due_once_the_other_is_back_is_told_and_paid(database: Database) -> None:
    shop, order, asked = await _dearer(database)
    await look_at(database, await bring_back(database, asked, shop.locations[0].code))
    letter = await notifications.preview(
        till(database, SYSTEM), order.number, NotificationKind.RETURN_REFUNDED, "de"
    )
    assert "Noch zu zahlen für das, was Sie stattdessen erhalten: 3,00" in Renderer().render(letter).text
    found = await _due(database, order, asked)
    assert found.due_minor == 300
    assert found.pay_by is not None
    with pytest.raises(PaymentDeclined):
        await _pay(database, order, asked, "decline")
    key = str(uuid4())
    first, again = [await _pay(database, order, asked, key=key) for _ in range(2)]
    assert first.payment.id == again.payment.id
    replacement = await replacement_of(database, asked)
    assert await part_status(database, replacement) is FulfillmentOrderStatus.OPEN
    found = await _due(database, order, asked)
    assert (found.due_minor, found.pay_by) == (0, None)
    assert await exchange_payments.expire_due(_days_on(database, 8)) == 0
    await _books(database)


async def test_worse_than_was_expected_the_rest_is_due_again(database: Database) -> None:
    shop, order, asked = await _dearer(database)
    await _pay(database, order, asked)
    here = await bring_back(database, asked, shop.locations[0].code)
    seen = await look_at(database, here, Disposition.NOT_RESTOCKED, Grade.USED)
    # Looked at, and not decided on: what was found counts.
    assert (await _due(database, order, asked)).due_minor == 500
    await return_settlement.refund(desk(database), seen.id, None, None, str(uuid4()))
    assert (await _pay(database, order, asked)).payment.amount_minor == 500
    assert await part_status(database, await replacement_of(database, asked)) is FulfillmentOrderStatus.OPEN
    await _books(database)


async def test_of_twenty_payments_at_once_one_is_asked_for(database: Database) -> None:
    _, order, asked = await _dearer(database)
    answers = await asyncio.gather(*(_pay(database, order, asked) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(one, Created) for one in answers) == 1
    assert all(isinstance(one, Created | IllegalTransition) for one in answers)
    (payment,) = (await parts_of(database, (await replacement_of(database, asked)).id)).payments
    assert payment.amount_minor == 300


async def test_what_is_not_paid_in_time_is_on_sale_again_and_told(database: Database) -> None:
    shop, order, asked = await _dearer(database)
    # Nothing came back yet: the return's own deadline holds.
    assert await exchange_payments.expire_due(_days_on(database, 8)) == 0
    await look_at(database, await bring_back(database, asked, shop.locations[0].code))
    assert await exchange_payments.expire_due(_days_on(database, 6)) == 0
    assert await exchange_payments.expire_due(_days_on(database, 8)) == 1
    assert await exchange_payments.expire_due(_days_on(database, 8)) == 0
    replacement = await replacement_of(database, asked)
    assert replacement.status is OrderStatus.CANCELED
    assert [kind for kind, _ in await events(database, order.id)].count("ReturnExchangeExpired") == 1
    (stock,) = await run_sql(
        database,
        "SELECT available, committed FROM stock_levels s JOIN order_lines l ON l.variant_id = s.variant_id"
        " WHERE l.order_id = :id",
        id=replacement.id,
    )
    assert (stock.available, stock.committed) == (5, 0)
    (value,) = await run_sql(database, "SELECT balance_minor FROM stored_values")
    assert value.balance_minor == 1000
    with pytest.raises(IllegalTransition):
        await _pay(database, order, asked)
    await _books(database)


async def test_a_part_that_was_paid_goes_back_the_way_it_came(database: Database) -> None:
    shop, order, asked = await _dearer(database)
    await _pay(database, order, asked)
    here = await bring_back(database, asked, shop.locations[0].code)
    seen = await look_at(database, here, Disposition.NOT_RESTOCKED, Grade.USED)
    await return_settlement.refund(desk(database), seen.id, None, None, str(uuid4()))
    assert await exchange_payments.expire_due(_days_on(database, 8)) == 1
    while await settle_due(later(database)):
        pass
    card, credit = (await parts_of(database, (await replacement_of(database, asked)).id)).payments
    assert card.status in {PaymentStatus.VOIDED, PaymentStatus.REFUNDED}
    assert credit.refunded_minor == 500
    await _books(database)


async def test_paid_and_given_up_at_once_it_is_one_of_the_two(database: Database) -> None:
    shop, order, asked = await _dearer(database)
    await look_at(database, await bring_back(database, asked, shop.locations[0].code))
    racing: list[Any] = [_pay(database, order, asked) for _ in range(5)]
    racing += [exchange_payments.expire_due(_days_on(database, 8)) for _ in range(3)]
    answers = await asyncio.gather(*racing, return_exceptions=True)
    while await settle_due(later(database)):
        pass
    paid = sum(isinstance(one, Created) for one in answers)
    replacement = await replacement_of(database, asked)
    payments = (await parts_of(database, replacement.id)).payments
    if replacement.status is OrderStatus.OPEN:
        assert paid == 1
        assert await part_status(database, replacement) is FulfillmentOrderStatus.OPEN
    else:
        assert replacement.status is OrderStatus.CANCELED
        assert all(one.captured_minor == one.given_back_minor for one in payments)
    await _books(database)


async def test_a_process_that_dies_while_it_is_paid_is_taken_over(database: Database) -> None:
    shop, order, asked = await _dearer(database)
    await look_at(database, await bring_back(database, asked, shop.locations[0].code))
    context, ref = shopper(database, order, payment_providers={"sandbox": Dies(database.engine)})
    key = str(uuid4())
    with pytest.raises(asyncio.CancelledError):
        await exchange_payments.pay(context, ref, asked.id, "sandbox", "ok", key)
    # Nobody knows what became of it: it is not due again, and not given up.
    assert (await _due(database, order, asked)).due_minor == 0
    assert await exchange_payments.expire_due(_days_on(database, 8)) == 1
    while await settle_due(later(database)):
        pass
    replacement = await replacement_of(database, asked)
    assert (await _pay(database, order, asked, key=key)).payment.amount_minor == 300
    assert await part_status(database, replacement) is FulfillmentOrderStatus.OPEN
    await _books(database)


async def test_it_is_the_tokens_own_return_and_paid_at_once(database: Database) -> None:
    _, order, asked = await _dearer(database)
    _, other, _ = await _dearer(database)
    for wrong, error in (
        (_pay(database, other, asked), NotFound),
        (_pay(database, order, asked, provider="manual"), InvalidInput),
        (_pay(database, order, asked, provider="none"), InvalidInput),
        (
            exchange_payments.pay(
                till(database, ANONYMOUS), OrderRef(token="no"), asked.id, "sandbox", "ok", str(uuid4())
            ),
            NotFound,
        ),
        (
            exchange_payments.pay(
                till(database, ANONYMOUS), OrderRef(id=order.id), asked.id, "sandbox", "ok", str(uuid4())
            ),
            AccessDenied,
        ),
    ):
        with pytest.raises(error):
            await wrong
    plain = await ask_for(database, order, wish=ReturnWish.REFUND)
    with pytest.raises(IllegalTransition):
        await _pay(database, order, plain)


async def test_one_that_was_let_go_is_not_given_up_for_what_an_edit_added(database: Database) -> None:
    shop, order, asked = await _dearer(database)
    await look_at(database, await bring_back(database, asked, shop.locations[0].code))
    await _pay(database, order, asked)
    replacement = await replacement_of(database, asked)
    await _edited(database, shop, replacement)
    assert await exchange_payments.expire_due(_days_on(database, 30)) == 0
    assert (await order_of(database, replacement.id)).status is OrderStatus.OPEN


async def test_paying_takes_few_statements(database: Database) -> None:
    _, order, asked = await _dearer(database)
    with count_statements(database) as paying:
        await _pay(database, order, asked)
    assert len(paying) == 21, paying


async def _dearer(database: Database) -> tuple[Shop, Order, Return]:
    """Return an order of two units of 10.00, one of which shall be exchanged for an article of 13.00."""
    shop, order = await exchange_shop(database)
    return shop, order, await exchange_for(database, order, await another_article(database, shop, "13"))


async def _due(database: Database, order: Order, found: Return) -> Due:
    context, ref = shopper(database, order)
    due = await exchange_payments.due(context, ref, found.id)
    assert due is not None
    return due


async def _pay(
    database: Database,
    order: Order,
    found: Return,
    method: str = "ok",
    *,
    provider: str = "sandbox",
    key: str | None = None,
) -> Created:
    context, ref = shopper(database, order)
    return await exchange_payments.pay(context, ref, found.id, provider, method, key or str(uuid4()))


async def _edited(database: Database, shop: Shop, order: Order) -> None:
    wanted = Wanted(order.id, added=[Added(VariantRef(id=shop.variant.id), 1)])
    await order_edits.commit(staff(database), wanted, "one more", order.version, str(uuid4()))


def _days_on(database: Database, days: int) -> Any:
    return later(database, 24 * days, SYSTEM)


async def _books(database: Database) -> None:
    await assert_balanced(database)
    await check_units(database)
    await check_sums(database)
