"""Payments asked for after an order was placed: what was to be paid later, paid by other means instead."""

from uuid import UUID, uuid4

import pytest

from domain.kernel.errors import AmountTooLarge, IllegalTransition, PaymentDeclined
from domain.orders import OrderPaymentStatus
from domain.payments import Payment, PaymentStatus
from persistence.database import Database
from providers.payments.sandbox import charges
from services import order_payments, payment_changes
from services.order_payments import Created
from tests.checkouts import make_stocked_shop
from tests.payments import capture_at, check_sums, dollars, paid_order, staff


async def test_an_order_to_be_paid_later_is_paid_with_two_cards_instead(database: Database) -> None:
    later, order_id = await _to_be_paid_later(database)
    with pytest.raises(IllegalTransition):  # it is agreed to be paid as a whole: not twice
        await _pay(database, order_id, "20.00")
    voided = await payment_changes.void(staff(database), later.id, str(uuid4()))
    assert voided.payment.status is PaymentStatus.VOIDED
    with pytest.raises(AmountTooLarge):
        await _pay(database, order_id, "25.01")
    first = await _pay(database, order_id, "20.00")
    assert first.order.payment_status is OrderPaymentStatus.PARTIALLY_PAID
    second = await _pay(database, order_id, None)
    assert second.order.payment_status is OrderPaymentStatus.PAID
    assert [one.payment.captured_minor for one in (first, second)] == [2000, 500]
    assert [one.captured_minor for one in await charges(database.engine)] == [2000, 500]
    await check_sums(database)


async def test_a_second_card_that_is_declined_leaves_its_part_due(database: Database) -> None:
    later, order_id = await _to_be_paid_later(database)
    await payment_changes.void(staff(database), later.id, str(uuid4()))
    await _pay(database, order_id, "20.00")
    with pytest.raises(PaymentDeclined):
        await _pay(database, order_id, "5.00", method="decline")
    again = await _pay(database, order_id, None)
    assert (again.payment.captured_minor, again.order.payment_status) == (500, OrderPaymentStatus.PAID)
    await check_sums(database)


async def _to_be_paid_later(database: Database) -> tuple[Payment, UUID]:
    """Place an order of 25.00 dollars in a channel that captures at placement, paid by invoice."""
    shop = await make_stocked_shop(database, 50)
    await capture_at(database, shop, "AT_PLACEMENT")
    order, payment = await paid_order(
        database, shop=shop, captured=False, provider="manual", method="invoice"
    )
    assert order.payment_status is OrderPaymentStatus.PENDING
    return payment, order.id


async def _pay(database: Database, order_id: UUID, amount: str | None, method: str = "ok") -> Created:
    asked = None if amount is None else dollars(amount)
    return await order_payments.create(staff(database), order_id, "sandbox", method, asked, str(uuid4()))
