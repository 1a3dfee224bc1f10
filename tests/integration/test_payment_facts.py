"""What providers tell of payments by themselves: recorded once, in any order, and never lost."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from domain.payment_facts import AmountMismatch, Fact
from domain.payments import TransactionKind
from domain.ports import Outcome
from persistence import payment_changes as rows
from persistence.database import Database
from services import orders, payment_changes
from services.orders import OrderRef
from services.payment_facts import Recorded, record_change
from services.payment_sweep import settle_due
from tests.cart_flows import run_sql
from tests.checkouts import events, later
from tests.payments import (
    Silent,
    Unreachable,
    check_sums,
    dollars,
    paid_order,
    payment_now,
    staff,
    transactions,
)
from tests.statements import count_statements


async def tell(
    database: Database,
    payment_id: UUID,
    kind: TransactionKind,
    amount_minor: int,
    reference: str,
    *,
    outcome: Outcome = Outcome.SUCCEEDED,
    currency: str | None = "USD",
    transaction_id: UUID | None = None,
) -> Recorded:
    """Record a fact as a callback would."""
    context = staff(database)
    fact = Fact(kind, outcome, amount_minor, currency, reference)
    async with context.transaction() as transaction:
        locked = await rows.lock(transaction.connection, payment_id=payment_id)
        assert locked is not None
        return await record_change(
            context, transaction, locked, payment_id, fact, transaction_id=transaction_id
        )


async def test_a_chargeback_is_recorded_once_and_told(database: Database) -> None:
    order, payment = await paid_order(database)
    with count_statements(database) as statements:
        await tell(database, payment.id, TransactionKind.CHARGEBACK, 1000, "dispute-1")
    assert len(statements) <= 5, statements
    await asyncio.gather(
        *(tell(database, payment.id, TransactionKind.CHARGEBACK, 1000, "dispute-1") for _ in range(5))
    )
    row = await payment_now(database, payment.id)
    assert (row.status, row.charged_back_minor) == ("PARTIALLY_REFUNDED", 1000)
    assert (await events(database, order.id))[-1] == ("PaymentChargedBack", 4)
    (saved,) = await run_sql(database, "SELECT payment_status FROM orders")
    assert saved.payment_status == "PARTIALLY_REFUNDED"
    (told,) = await run_sql(database, "SELECT payload FROM event_outbox WHERE kind = 'PaymentChargedBack'")
    assert (told.payload["amountMinor"], told.payload["currency"]) == (1000, "USD")
    with pytest.raises(Exception, match=r"15\.00 USD left"):
        await payment_changes.refund(staff(database), payment.id, dollars("15.01"), "x", "key")
    await check_sums(database)


async def test_what_was_refunded_and_is_charged_back_too_is_set_aside(database: Database) -> None:
    _, payment = await paid_order(database)
    await payment_changes.refund(staff(database), payment.id, dollars("20"), "x", "key")
    await tell(database, payment.id, TransactionKind.CHARGEBACK, 2500, "dispute-1")
    row = await payment_now(database, payment.id)
    assert (row.refunded_minor, row.charged_back_minor, row.status) == (2000, 500, "REFUNDED")
    assert (await transactions(database, payment.id))[-1] == ("CHARGEBACK", "SUCCEEDED", 2500)


async def test_a_chargeback_takes_what_a_refused_refund_leaves(database: Database) -> None:
    _, payment = await paid_order(database)
    changed = await payment_changes.refund(
        staff(database, Unreachable(database.engine)), payment.id, None, "x", "key"
    )
    await tell(database, payment.id, TransactionKind.CHARGEBACK, 2500, "dispute-1")
    assert (await payment_now(database, payment.id)).charged_back_minor == 0
    asked = changed.transactions[0].id
    await tell(
        database,
        payment.id,
        TransactionKind.REFUND,
        2500,
        "",
        outcome=Outcome.DECLINED,
        transaction_id=asked,
    )
    row = await payment_now(database, payment.id)
    assert (row.refunding_minor, row.refunded_minor, row.charged_back_minor) == (0, 0, 2500)
    await check_sums(database)


async def test_news_of_what_was_asked_for_is_its_answer(database: Database) -> None:
    order, payment = await paid_order(database, captured=False)
    await payment_changes.capture(staff(database, Silent(database.engine)), payment.id, dollars("10"), "key")
    (made,) = await run_sql(database, "SELECT reference FROM sandbox_changes")
    for _ in range(2):
        await tell(database, payment.id, TransactionKind.CAPTURE, 1000, made.reference)
    assert await settle_due(later(database)) == 0
    assert await transactions(database, payment.id) == [
        ("AUTHORIZATION", "SUCCEEDED", 2500),
        ("CAPTURE", "SUCCEEDED", 1000),
    ]
    assert [kind for kind, _ in await events(database, order.id)].count("PaymentCaptured") == 1


async def test_the_answer_after_the_news_counts_no_second_time(database: Database) -> None:
    order, payment = await paid_order(database, captured=False)
    silent = staff(database, Silent(database.engine))
    first = await payment_changes.capture(silent, payment.id, dollars("10"), "a")
    second = await payment_changes.capture(silent, payment.id, dollars("10"), "b")
    made = await run_sql(database, "SELECT reference, idempotency_key FROM sandbox_changes")
    named = {row.idempotency_key: row.reference for row in made}
    keys = [f"ordertide-{one.transactions[0].id.hex}" for one in (first, second)]
    # Without a key the news could be the answer to either, which asked for as much.
    await tell(database, payment.id, TransactionKind.CAPTURE, 1000, named[keys[1]])
    while await settle_due(later(database)):
        pass
    await tell(database, payment.id, TransactionKind.CAPTURE, 1000, named[keys[0]])
    row = await payment_now(database, payment.id)
    assert (row.captured_minor, row.capturing_minor) == (2000, 0)
    told = [kind for kind, _ in await events(database, order.id)]
    assert (told.count("PaymentCaptured"), told.count("PaymentCaptureFailed")) == (2, 0)
    await check_sums(database)


async def test_what_was_done_in_the_providers_back_office_is_recorded(database: Database) -> None:
    order, payment = await paid_order(database, captured=False)
    # The refund is told of before the capture that it gives back.
    await tell(database, payment.id, TransactionKind.REFUND, 500, "refund-1")
    assert (await payment_now(database, payment.id)).refunded_minor == 0
    recorded = await tell(database, payment.id, TransactionKind.CAPTURE, 2500, "capture-1")
    assert recorded.order.payment_status == "PARTIALLY_REFUNDED"
    row = await payment_now(database, payment.id)
    assert (row.captured_minor, row.refunded_minor) == (2500, 500)
    assert (await events(database, order.id))[-1] == ("PaymentCaptured", 3)
    await check_sums(database)


async def test_news_of_another_amount_or_currency_is_for_a_person(database: Database) -> None:
    _, payment = await paid_order(database, captured=False)
    changed = await payment_changes.capture(
        staff(database, Unreachable(database.engine)), payment.id, dollars("10"), "key"
    )
    facts: list[dict[str, Any]] = [
        {"amount_minor": 1000, "currency": "EUR"},
        {"amount_minor": 999, "transaction_id": changed.transactions[0].id},
    ]
    for wrong in facts:
        with pytest.raises(AmountMismatch):
            await tell(database, payment.id, TransactionKind.CAPTURE, reference="capture-1", **wrong)
    row = await payment_now(database, payment.id)
    assert (row.captured_minor, row.capturing_minor) == (0, 1000)


async def test_money_taken_for_an_order_that_has_ended_is_given_back(database: Database) -> None:
    order, payment = await paid_order(database, captured=False)
    await orders.cancel(staff(database), OrderRef(id=order.id), "changed my mind", None, "key")
    sandbox = staff(database).environment.payment_providers["sandbox"]
    await run_sql(database, "UPDATE sandbox_charges SET state = 'AUTHORIZED'")
    taken = await sandbox.capture("by hand", payment.reference or "", payment.amount)
    recorded = await tell(database, payment.id, TransactionKind.CAPTURE, 2500, taken.reference)
    assert [one.transaction.kind for one in recorded.follow] == ["REFUND"]
    await settle_due(later(database))
    row = await payment_now(database, payment.id)
    assert (row.captured_minor, row.refunded_minor, row.status) == (2500, 2500, "REFUNDED")
    await check_sums(database)
