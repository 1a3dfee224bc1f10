"""Captures, refunds and voids that something died in the middle of: finished by the sweep, once."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from domain.kernel.money import Money
from domain.ports import ProviderAnswer
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments, charges
from services import orders, payment_changes
from services.context import ServiceContext
from services.orders import OrderRef
from services.payment_sweep import settle_due
from tests.cart_flows import run_sql
from tests.checkouts import LaterClock, events, later, levels, make_stocked_shop
from tests.payments import (
    Dies,
    Silent,
    Unreachable,
    check_sums,
    dollars,
    paid_order,
    payment_now,
    staff,
    transactions,
)


class OtherAmount(SandboxPayments):
    """The real sandbox, which says that it has captured a cent less than it was asked for."""

    async def capture(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        return _less(await super().capture(key, reference, amount))

    async def find_change(self, key: str, reference: str) -> ProviderAnswer | None:
        found = await super().find_change(key, reference)
        return None if found is None else _less(found)


class Breaks(SandboxPayments):
    """The real sandbox, which answers in a way nobody can read when it is asked about one payment."""

    def __init__(self, database: Database, reference: str | None) -> None:
        super().__init__(database.engine)
        self.reference = reference

    async def find_change(self, key: str, reference: str) -> ProviderAnswer | None:
        if reference == self.reference:
            raise KeyError(reference)
        return await super().find_change(key, reference)


async def test_a_payment_that_breaks_the_sweep_keeps_no_other_waiting(database: Database) -> None:
    shop = await make_stocked_shop(database, 10)
    paid = [(await paid_order(database, captured=False, shop=shop))[1] for _ in range(3)]
    unreachable = staff(database, Unreachable(database.engine))
    for one in paid:
        await payment_changes.capture(unreachable, one.id, None, str(uuid4()))
    breaks = Breaks(database, (await payment_now(database, paid[0].id)).provider_reference)
    providers = later(database).environment.payment_providers
    assert await settle_due(later(database, payment_providers={**providers, "sandbox": breaks})) == 3
    captured = [(await payment_now(database, one.id)).captured_minor for one in paid]
    assert captured == [0, 2500, 2500]
    assert await settle_due(later(database, hours=2)) == 1
    await check_sums(database)


@pytest.mark.parametrize("sandbox", [Dies, Silent, Unreachable])
async def test_a_capture_is_finished_whenever_something_died(
    database: Database, sandbox: type[SandboxPayments]
) -> None:
    order, payment = await paid_order(database, captured=False)
    context = staff(database, sandbox(database.engine))
    try:
        await payment_changes.capture(context, payment.id, dollars("20"), "key")
    except asyncio.CancelledError:
        assert sandbox is Dies
    assert (await payment_now(database, payment.id)).capturing_minor == 2000
    assert await settle_due(staff(database)) == 0, "it may still be answered"
    assert await settle_due(later(database)) == 1
    assert await settle_due(later(database, hours=2)) == 0
    row = await payment_now(database, payment.id)
    assert (row.status, row.captured_minor, row.capturing_minor) == ("PARTIALLY_CAPTURED", 2000, 0)
    assert (await charges(database.engine))[0].captured_minor == 2000
    assert (await events(database, order.id))[-1] == ("PaymentCaptured", 3)
    replayed = await payment_changes.capture(context, payment.id, dollars("20"), "key")
    assert [one.status for one in replayed.transactions] == ["SUCCEEDED"]
    await check_sums(database)


@pytest.mark.parametrize("sandbox", [Dies, Silent, Unreachable])
async def test_a_refund_is_finished_whenever_something_died(
    database: Database, sandbox: type[SandboxPayments]
) -> None:
    order, payment = await paid_order(database)
    context = staff(database, sandbox(database.engine))
    try:
        await payment_changes.refund_order(
            context, OrderRef(id=order.id), dollars("25"), "broken", None, "key"
        )
    except asyncio.CancelledError:
        assert sandbox is Dies
    await asyncio.gather(settle_due(later(database)), settle_due(later(database)))
    row = await payment_now(database, payment.id)
    assert (row.status, row.refunded_minor, row.refunding_minor) == ("REFUNDED", 2500, 0)
    assert (await charges(database.engine))[0].refunded_minor == 2500
    (saved,) = await run_sql(database, "SELECT payment_status FROM orders")
    assert saved.payment_status == "REFUNDED"
    assert [kind for kind, _ in await events(database, order.id)].count("PaymentRefunded") == 1
    await check_sums(database)


async def test_a_provider_that_stays_away_is_asked_less_and_less_often(database: Database) -> None:
    _, payment = await paid_order(database, captured=False)
    away = Unreachable(database.engine)
    await payment_changes.void(staff(database, away), payment.id, "key")
    for _ in range(3):
        assert await settle_due(_at(staff(database, away), 1)) == 1
        (waiting,) = await run_sql(
            database,
            "SELECT attempts, extract(epoch FROM next_attempt_at - now())::int AS pause"
            "  FROM payment_transactions WHERE kind = 'VOID'",
        )
        assert waiting.pause in range(3600 + 2**waiting.attempts - 10, 3600 + 2**waiting.attempts + 2)
        await run_sql(database, "UPDATE payment_transactions SET next_attempt_at = now()")
    assert await settle_due(later(database)) == 1
    assert (await payment_now(database, payment.id)).status == "VOIDED"


async def test_what_the_provider_refuses_late_is_released_and_told(database: Database) -> None:
    order, payment = await paid_order(database, captured=False)
    await payment_changes.capture(staff(database, Unreachable(database.engine)), payment.id, None, "key")
    # As if it had been voided in the provider's own back office meanwhile.
    await SandboxPayments(database.engine).void("by hand", payment.reference or "")
    assert await settle_due(later(database)) == 1
    row = await payment_now(database, payment.id)
    assert (row.status, row.captured_minor, row.capturing_minor) == ("AUTHORIZED", 0, 0)
    (told,) = await run_sql(database, "SELECT payload FROM event_outbox WHERE kind = 'PaymentCaptureFailed'")
    assert told.payload == {
        "number": order.number,
        "provider": "sandbox",
        "amountMinor": 2500,
        "currency": "USD",
        "declineCode": "amount_too_large",
    }


async def test_an_answer_of_another_amount_is_not_believed(database: Database) -> None:
    _, payment = await paid_order(database, captured=False)
    context = staff(database, OtherAmount(database.engine))
    changed = await payment_changes.capture(context, payment.id, None, "key")
    assert [one.status for one in changed.transactions] == ["REQUESTED"]
    assert await settle_due(_at(context, 1)) == 1
    row = await payment_now(database, payment.id)
    assert (row.captured_minor, row.capturing_minor) == (0, 2500), "reserved until a person has seen to it"
    assert await settle_due(later(database, hours=2)) == 1
    assert (await payment_now(database, payment.id)).captured_minor == 2500


@pytest.mark.parametrize("sandbox", [SandboxPayments, Silent, Unreachable])
async def test_a_canceled_orders_money_is_given_back_once(
    database: Database, sandbox: type[SandboxPayments]
) -> None:
    shop = await make_stocked_shop(database, 5)
    order, payment = await paid_order(database, captured=False, shop=shop)
    await payment_changes.capture(staff(database), payment.id, dollars("10"), "capture")
    context = staff(database, sandbox(database.engine))
    await orders.cancel(context, OrderRef(id=order.id), "changed my mind", None, "key")
    await orders.cancel(context, OrderRef(id=order.id), "changed my mind", None, "key")
    await settle_due(later(database))
    assert await settle_due(later(database, hours=2)) == 0
    assert await transactions(database, payment.id) == [
        ("AUTHORIZATION", "SUCCEEDED", 2500),
        ("CAPTURE", "SUCCEEDED", 1000),
        ("REFUND", "SUCCEEDED", 1000),
        ("VOID", "SUCCEEDED", 1500),
    ]
    (charge,) = await charges(database.engine)
    assert (charge.state, charge.captured_minor, charge.refunded_minor) == ("VOIDED", 1000, 1000)
    (saved,) = await run_sql(database, "SELECT status, payment_status FROM orders")
    assert (saved.status, saved.payment_status) == ("CANCELED", "REFUNDED")
    assert await levels(database, shop) == [(5, 0, 0)]
    await check_sums(database)


@pytest.mark.parametrize("sandbox", [Silent, Unreachable])
async def test_a_capture_that_ends_after_its_order_is_given_back(
    database: Database, sandbox: type[SandboxPayments]
) -> None:
    order, payment = await paid_order(database, captured=False)
    context = staff(database, sandbox(database.engine))
    await payment_changes.capture(context, payment.id, dollars("10"), "key")
    await orders.cancel(staff(database), OrderRef(id=order.id), "changed my mind", None, str(uuid4()))
    assert await transactions(database, payment.id) == [
        ("AUTHORIZATION", "SUCCEEDED", 2500),
        ("CAPTURE", "REQUESTED", 1000),
    ]
    while await settle_due(later(database)):
        pass
    row = await payment_now(database, payment.id)
    assert (row.captured_minor, row.refunded_minor) == (1000, 1000)
    (charge,) = await charges(database.engine)
    assert (charge.state, charge.captured_minor, charge.refunded_minor) == ("VOIDED", 1000, 1000)
    await check_sums(database)


async def test_money_that_came_outside_is_sent_back_by_hand(database: Database) -> None:
    order, payment = await paid_order(database, captured=False, provider="manual", method="bank_transfer")
    await payment_changes.record(staff(database), payment.id, dollars("25"), None, "came")
    canceled = await orders.cancel(staff(database), OrderRef(id=order.id), "sold out", None, "key")
    assert (canceled.status, canceled.payment_status) == ("CANCELED", "PAID")
    await payment_changes.refund(staff(database), payment.id, None, "sent back today", "back")
    assert (await payment_now(database, payment.id)).status == "REFUNDED"


async def test_money_that_comes_after_a_cancellation_can_be_recorded_and_sent_back(
    database: Database,
) -> None:
    order, payment = await paid_order(database, captured=False, provider="manual", method="bank_transfer")
    canceled = await orders.cancel(staff(database), OrderRef(id=order.id), "too late", None, "key")
    assert canceled.payment_status == "VOIDED"
    came = await payment_changes.record(staff(database), payment.id, dollars("25"), None, "came")
    assert came.payment.status == "CAPTURED"
    back = await payment_changes.refund(staff(database), payment.id, None, "sent back today", "back")
    assert (back.payment.status, back.payment.refunded_minor) == ("REFUNDED", 2500)
    await check_sums(database)


def _at(context: ServiceContext, hours: int) -> ServiceContext:
    return replace(context, environment=replace(context.environment, clock=LaterClock(hours)))


def _less(answer: ProviderAnswer) -> ProviderAnswer:
    return replace(answer, amount_minor=answer.amount_minor - 1)
