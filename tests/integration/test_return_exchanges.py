"""Exchanges: the replacement is reserved at once, paid by what came back, and leaves when it is paid for."""

import asyncio
from uuid import uuid4

import pytest

from domain.catalog import VariantRef
from domain.fulfillment import FulfillmentOrderStatus
from domain.inventory import AdjustReason
from domain.kernel.errors import InvalidInput, NotFound, VariantUnavailable
from domain.orders import OrderPaymentStatus, OrderStatus
from domain.return_requests import AskedLine
from domain.returns import (
    Disposition,
    Grade,
    LineOutcome,
    ReturnReason,
    ReturnStatus,
    ReturnWish,
)
from persistence.database import Database
from persistence.returns import by_ids
from services import inventory, order_payments, orders, return_settlement, returns, stock_ledger, stock_losses
from services.access import Permission
from services.context import ServiceContext
from services.orders import OrderRef
from services.payment_sweep import settle_due
from tests.cart_flows import run_sql
from tests.checkouts import events, later, levels, make_stocked_shop, till
from tests.exchanged import another_article, exchange_for, exchange_shop, part_status, replacement_of
from tests.factories import make_app, make_context, make_variant
from tests.payments import Dies, Refuses, dollars, staff
from tests.sent_back import arrived_order, ask_for, bring_back, desk, let_return, lines_of, look_at, shopper
from tests.shipping import check_units, fulfill, part_at, parts_of
from tests.statements import count_statements
from tests.stored import assert_balanced


async def test_the_same_article_is_reserved_when_approved_and_leaves_when_the_other_is_back(
    database: Database,
) -> None:
    shop, order = await exchange_shop(database)
    asked = await ask_for(database, order, 2, wish=ReturnWish.EXCHANGE)
    assert asked.status is ReturnStatus.APPROVED
    replacement = await replacement_of(database, asked)
    assert (replacement.status, replacement.total_minor) == (OrderStatus.OPEN, 2000)
    assert replacement.email == order.email
    assert replacement.shipping_address == order.shipping_address
    # Ten, of which two went: two more are kept for it, and wait.
    assert await levels(database, shop) == [(6, 0, 2)]
    assert await part_status(database, replacement) is FulfillmentOrderStatus.ON_HOLD

    done = await look_at(database, await bring_back(database, asked, shop.locations[0].code))
    assert (done.status, done.credit_minor, done.refund_minor) == (ReturnStatus.CLOSED, 2000, 2500)
    assert [line.outcome for line in done.lines] == [LineOutcome.EXCHANGED]
    replacement = await replacement_of(database, asked)
    assert replacement.payment_status is OrderPaymentStatus.PAID
    assert await part_status(database, replacement) is FulfillmentOrderStatus.OPEN
    # The last unit takes the delivery with it: that is refunded.
    (payment,) = (await parts_of(database, order.id)).payments
    assert (payment.credited_minor, payment.refunded_minor) == (2000, 500)
    await fulfill(_sender(database), await part_at(database, replacement.id))
    assert (await replacement_of(database, asked)).status is OrderStatus.COMPLETED
    await _sums(database)


async def test_another_article_costs_what_it_does_today_and_the_rest_is_due_or_refunded(
    database: Database,
) -> None:
    shop, order = await exchange_shop(database)
    dear, cheap = await another_article(database, shop, "13"), await another_article(database, shop, "4")
    paid = await exchange_for(database, order, dear)
    done = await look_at(database, await bring_back(database, paid, shop.locations[0].code))
    assert (done.status, done.credit_minor, done.refund_minor) == (ReturnStatus.CLOSED, 1000, 1000)
    replacement = await replacement_of(database, paid)
    assert replacement.payment_status is OrderPaymentStatus.PARTIALLY_PAID
    assert await part_status(database, replacement) is FulfillmentOrderStatus.ON_HOLD
    more = await order_payments.create(staff(database), replacement.id, "sandbox", "ok", None, str(uuid4()))
    assert more.payment.amount_minor == 300
    assert await part_status(database, replacement) is FulfillmentOrderStatus.OPEN

    less = await exchange_for(database, order, cheap)
    seen = await look_at(database, await bring_back(database, less, shop.locations[0].code))
    done = await return_settlement.refund(desk(database), seen.id, None, None, str(uuid4()))
    assert (done.status, done.credit_minor, done.refund_minor) == (ReturnStatus.CLOSED, 400, 1500)
    (payment,) = (await parts_of(database, order.id)).payments
    assert (payment.credited_minor, payment.refunded_minor, payment.refundable_minor) == (1400, 1100, 0)
    assert await part_status(database, await replacement_of(database, less)) is FulfillmentOrderStatus.OPEN
    await _sums(database)


async def test_what_is_sold_out_is_refunded_and_told(database: Database) -> None:
    shop, order = await exchange_shop(database, stock=2)
    asked = await ask_for(database, order, 1, wish=ReturnWish.EXCHANGE)
    assert (asked.status, asked.wish) == (ReturnStatus.APPROVED, ReturnWish.REFUND)
    assert asked.exchange_order_id is None
    told = [kind for kind, _ in await events(database, order.id)]
    assert told.count("ReturnExchangeUnavailable") == 1
    done = await look_at(database, await bring_back(database, asked, shop.locations[0].code))
    assert [line.outcome for line in done.lines] == [LineOutcome.REFUNDED]
    assert (await parts_of(database, order.id)).payments[0].refunded_minor == 1000


async def test_of_exchanges_at_once_for_the_last_unit_one_has_it(database: Database) -> None:
    shop = (await exchange_shop(database))[0]
    placed = [await arrived_order(database, 1, shop=shop) for _ in range(4)]
    last = await another_article(database, shop, "10", units=1)
    found = await asyncio.gather(*(exchange_for(database, order, last) for order in placed))
    assert sorted(one.wish for one in found) == ["EXCHANGE", "REFUND", "REFUND", "REFUND"]
    rows = await run_sql(
        database, "SELECT available, committed FROM stock_levels WHERE variant_id = :id", id=last.id
    )
    assert [(row.available, row.committed) for row in rows] == [(0, 1)]
    await _sums(database)


async def test_what_is_lost_after_it_was_reserved_is_paid_for_and_waits_until_there_is_another(
    database: Database,
) -> None:
    shop, order = await exchange_shop(database)
    wanted = await another_article(database, shop, "10", units=1)
    asked = await exchange_for(database, order, wanted)
    place = shop.locations[0].code
    context, ref = make_context(database), VariantRef(id=wanted.id)
    await inventory.adjust(context, ref, place, -1, AdjustReason.LOST, str(uuid4()))
    done = await look_at(database, await bring_back(database, asked, place))
    assert (done.status, done.credit_minor) == (ReturnStatus.CLOSED, 1000)
    replacement = await replacement_of(database, asked)
    assert replacement.payment_status is OrderPaymentStatus.PAID
    assert await part_status(database, replacement) is FulfillmentOrderStatus.ON_HOLD

    await inventory.adjust(context, ref, place, 1, AdjustReason.FOUND, str(uuid4()))
    await stock_losses.refill(context)
    assert await part_status(database, replacement) is FulfillmentOrderStatus.OPEN
    await _sums(database)


async def test_a_return_that_comes_to_nothing_gives_its_replacement_back(database: Database) -> None:
    shop, order = await exchange_shop(database)
    # Canceled by the customer, expired, canceled after a part was paid, and sent something else.
    context, ref = shopper(database, order)
    asked = await ask_for(database, order, 1, wish=ReturnWish.EXCHANGE)
    await returns.cancel(context, ref, asked.id, None, None)
    assert (await replacement_of(database, asked)).status is OrderStatus.CANCELED

    asked = await ask_for(database, order, 1, wish=ReturnWish.EXCHANGE)
    assert await returns.expire_due(later(database, 24 * 30, make_app(Permission.RETURNS_WRITE))) == 1
    assert (await replacement_of(database, asked)).status is OrderStatus.CANCELED

    asked = await exchange_for(database, order, await another_article(database, shop, "13"))
    replacement = await replacement_of(database, asked)
    await order_payments.create(staff(database), replacement.id, "sandbox", "ok", dollars("3"), str(uuid4()))
    await returns.cancel(context, ref, asked.id, None, None)
    while await settle_due(later(database)):
        pass
    assert (await replacement_of(database, asked)).payment_status is OrderPaymentStatus.VOIDED

    asked = await ask_for(database, order, 1, wish=ReturnWish.EXCHANGE)
    here = await bring_back(database, asked, shop.locations[0].code)
    seen = await look_at(database, here, Disposition.PROCESSING_REQUIRED, Grade.NOT_OURS)
    await return_settlement.reject(desk(database), seen.id, "a brick", None)
    assert (await replacement_of(database, asked)).status is OrderStatus.CANCELED
    assert (await levels(database, shop))[0][2] == 0
    await _sums(database)


async def test_a_replacement_that_is_paid_for_stays_when_its_return_does_not(database: Database) -> None:
    _, order = await exchange_shop(database)
    asked = await ask_for(database, order, 1, wish=ReturnWish.EXCHANGE)
    replacement = await replacement_of(database, asked)
    await order_payments.create(staff(database), replacement.id, "sandbox", "ok", None, str(uuid4()))
    await returns.cancel(desk(database), None, asked.id, None, None)
    assert (await replacement_of(database, asked)).status is OrderStatus.OPEN
    await _sums(database)


async def test_a_replacement_that_was_canceled_or_paid_for_leaves_its_worth_to_be_refunded(
    database: Database,
) -> None:
    shop, order = await exchange_shop(database)
    asked = await ask_for(database, order, 1, wish=ReturnWish.EXCHANGE)
    assert asked.exchange_order_id is not None
    ref = OrderRef(id=asked.exchange_order_id)
    await orders.cancel(staff(database), ref, "changed my mind", None, str(uuid4()))
    done = await look_at(database, await bring_back(database, asked, shop.locations[0].code))
    assert (done.credit_minor, [line.outcome for line in done.lines]) == (0, [LineOutcome.REFUNDED])

    asked = await ask_for(database, order, 1, wish=ReturnWish.EXCHANGE)
    replacement = await replacement_of(database, asked)
    await order_payments.create(staff(database), replacement.id, "sandbox", "ok", None, str(uuid4()))
    # Paid for at once, it does not wait.
    assert await part_status(database, replacement) is FulfillmentOrderStatus.OPEN
    done = await look_at(database, await bring_back(database, asked, shop.locations[0].code))
    assert (done.credit_minor, done.refund_minor) == (0, 1500)
    assert (await parts_of(database, order.id)).payments[0].refunded_minor == 2500
    await _sums(database)


async def test_less_worth_than_expected_leaves_the_rest_due(database: Database) -> None:
    shop, order = await exchange_shop(database)
    asked = await ask_for(database, order, 1, wish=ReturnWish.EXCHANGE)
    here = await bring_back(database, asked, shop.locations[0].code)
    seen = await look_at(database, here, Disposition.NOT_RESTOCKED, Grade.USED)
    done = await return_settlement.refund(desk(database), seen.id, None, None, str(uuid4()))
    assert (done.status, done.credit_minor, done.bonus_minor) == (ReturnStatus.CLOSED, 500, 0)
    replacement = await replacement_of(database, asked)
    assert replacement.payment_status is OrderPaymentStatus.PARTIALLY_PAID
    assert await part_status(database, replacement) is FulfillmentOrderStatus.ON_HOLD
    await _sums(database)


async def test_what_was_paid_by_exchange_is_given_back_as_credit(database: Database) -> None:
    shop, order = await exchange_shop(database)
    asked = await ask_for(database, order, 1, wish=ReturnWish.EXCHANGE)
    await look_at(database, await bring_back(database, asked, shop.locations[0].code))
    assert asked.exchange_order_id is not None
    ref = OrderRef(id=asked.exchange_order_id)
    await orders.cancel(staff(database), ref, "changed my mind", None, str(uuid4()))
    (value,) = await run_sql(database, "SELECT balance_minor FROM stored_values")
    assert value.balance_minor == 1000
    await _sums(database)


async def test_a_process_that_dies_at_the_refund_of_the_rest_leaves_nothing_twice(database: Database) -> None:
    shop, order = await exchange_shop(database)
    asked = await exchange_for(database, order, await another_article(database, shop, "4"))
    here = await bring_back(database, asked, shop.locations[0].code)
    with pytest.raises(asyncio.CancelledError):
        await look_at(database, here, payment_providers={"sandbox": Dies(database.engine)})
    assert (await replacement_of(database, asked)).payment_status is OrderPaymentStatus.PAID
    while await settle_due(later(database)):
        pass
    assert await return_settlement.settle_due(desk(database)) == 1
    assert await return_settlement.settle_due(desk(database)) == 0
    async with database.read() as connection:
        done = (await by_ids(connection, [asked.id]))[asked.id]
    assert (done.status, done.credit_minor, done.refund_minor) == (ReturnStatus.CLOSED, 400, 1000)
    (payment,) = (await parts_of(database, order.id)).payments
    assert (payment.credited_minor, payment.refunded_minor) == (400, 600)
    await _sums(database)


async def test_in_advance_what_costs_no_more_leaves_before_the_other_is_back(database: Database) -> None:
    await let_return(database, exchange_in_advance=True)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 2, shop=shop)
    asked = await ask_for(database, order, 1, wish=ReturnWish.EXCHANGE)
    replacement = await replacement_of(database, asked)
    await fulfill(_sender(database), await part_at(database, replacement.id))
    # What has left is not canceled with its return, but owed until that is here.
    await look_at(database, await bring_back(database, asked, shop.locations[0].code))
    replacement = await replacement_of(database, asked)
    assert (replacement.status, replacement.payment_status) == (
        OrderStatus.COMPLETED,
        OrderPaymentStatus.PAID,
    )
    dear = await exchange_for(database, order, await another_article(database, shop, "16"))
    assert await part_status(database, await replacement_of(database, dear)) is FulfillmentOrderStatus.ON_HOLD
    await _sums(database)


async def test_what_left_in_advance_stays_owed_where_nothing_comes_back(database: Database) -> None:
    await let_return(database, exchange_in_advance=True)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 1, shop=shop)
    asked = await ask_for(database, order, 1, wish=ReturnWish.EXCHANGE)
    await fulfill(_sender(database), await part_at(database, (await replacement_of(database, asked)).id))
    assert await returns.expire_due(later(database, 24 * 30, make_app(Permission.RETURNS_WRITE))) == 1
    replacement = await replacement_of(database, asked)
    assert (replacement.status, replacement.payment_status) == (OrderStatus.OPEN, OrderPaymentStatus.PENDING)
    await order_payments.create(staff(database), replacement.id, "sandbox", "ok", None, str(uuid4()))
    await _sums(database)


async def test_a_refused_refund_of_the_rest_leaves_the_replacement_paid(database: Database) -> None:
    shop, order = await exchange_shop(database)
    asked = await exchange_for(database, order, await another_article(database, shop, "4"))
    here = await bring_back(database, asked, shop.locations[0].code)
    seen = await look_at(database, here, payment_providers={"sandbox": Refuses(database.engine)})
    assert (seen.status, seen.refund_failure) == (ReturnStatus.INSPECTED, "already_refunded")
    assert await part_status(database, await replacement_of(database, asked)) is FulfillmentOrderStatus.OPEN
    ended = await return_settlement.reject(desk(database), seen.id, "given at the provider's desk", None)
    assert (ended.status, ended.refund_minor, ended.credit_minor) == (ReturnStatus.CLOSED, 400, 400)
    assert [line.outcome for line in ended.lines] == [LineOutcome.EXCHANGED]
    assert (await replacement_of(database, asked)).status is OrderStatus.OPEN
    await _sums(database)


async def test_what_shall_come_instead_must_be_there_and_be_wished_for(database: Database) -> None:
    shop, order = await exchange_shop(database)
    unsold = await make_variant(database)
    context, ref = shopper(database, order)
    (line,) = await lines_of(database, order.id)
    for wish, named, wrong in (
        (ReturnWish.REFUND, VariantRef(sku=shop.variant.sku), InvalidInput),
        (ReturnWish.EXCHANGE, VariantRef(sku="no such"), NotFound),
        (ReturnWish.EXCHANGE, VariantRef(sku="\x00"), NotFound),
        (ReturnWish.EXCHANGE, VariantRef(id=unsold.id), VariantUnavailable),
    ):
        asked = [AskedLine(line.id, 1, ReturnReason.SIZE, exchange_for=named)]
        with pytest.raises(wrong) as refused:
            await returns.request(context, ref, asked, wish, None, str(uuid4()))
        assert refused.value.path == ("lines", "0", "exchangeFor")


async def test_an_exchange_takes_few_statements(database: Database) -> None:
    shop, order = await exchange_shop(database)
    with count_statements(database) as asking:
        asked = await ask_for(database, order, 1, wish=ReturnWish.EXCHANGE)
    here = await bring_back(database, asked, shop.locations[0].code)
    with count_statements(database) as looking:
        await look_at(database, here)
    assert (len(asking), len(looking)) == (32, 32), (asking, looking)


def _sender(database: Database) -> ServiceContext:
    return till(database, make_app(Permission.FULFILLMENT_WRITE))


async def _sums(database: Database) -> None:
    """Assert that money and stock are what their movements make them."""
    await assert_balanced(database)
    await check_units(database)
    assert (await stock_ledger.check(staff(database))).discrepancies == []
