"""What providers say of payments of orders, recorded: the answer to a request, or news of their own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import structlog

from domain import payment_changes as decide
from domain import payment_facts
from domain.kernel.events import Event
from domain.orders import Order, OrderStatus, is_complete
from domain.payment_changes import Change
from domain.payment_facts import AmountMismatch, Fact
from domain.payments import Payment, PaymentTransaction, TransactionKind, TransactionStatus
from domain.ports import ProviderAnswer
from persistence import payment_changes as rows
from persistence import payments as payment_rows
from persistence.payment_changes import LockedPayments
from services import ledger, payments, stored_value_tenders
from services.context import ServiceContext, Transaction

_ENDED = {OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED}

_KINDS = {
    (TransactionKind.CAPTURE, TransactionStatus.REQUESTED): "PaymentCaptureRequested",
    (TransactionKind.CAPTURE, TransactionStatus.SUCCEEDED): "PaymentCaptured",
    (TransactionKind.CAPTURE, TransactionStatus.FAILED): "PaymentCaptureFailed",
    (TransactionKind.REFUND, TransactionStatus.REQUESTED): "PaymentRefundRequested",
    (TransactionKind.REFUND, TransactionStatus.SUCCEEDED): "PaymentRefunded",
    (TransactionKind.REFUND, TransactionStatus.FAILED): "PaymentRefundFailed",
    (TransactionKind.VOID, TransactionStatus.REQUESTED): "PaymentVoidRequested",
    (TransactionKind.VOID, TransactionStatus.SUCCEEDED): "PaymentVoided",
    (TransactionKind.CHARGEBACK, TransactionStatus.SUCCEEDED): "PaymentChargedBack",
}

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An order with its payments as they are after a fact, and all their transactions.

    `follow` is what has to be asked of providers because of it.
    """

    order: Order
    payments: tuple[Payment, ...]
    transactions: tuple[PaymentTransaction, ...]
    follow: tuple[Change, ...] = ()


async def conclude(
    context: ServiceContext,
    order_id: UUID,
    transaction: PaymentTransaction,
    answer: ProviderAnswer,
    *,
    attempts: int = 0,
) -> Recorded:
    """Record the answer to a request; nothing changes where somebody has recorded it before.

    An answer of another amount or currency than was asked for is not believed: the request stays open, its
    amount reserved, and is asked about again until a person has seen to it.
    """
    fact = Fact(
        transaction.kind,
        answer.outcome,
        answer.amount_minor,
        answer.currency,
        answer.reference,
        answer.decline_code,
    )
    async with context.transaction() as writing:
        locked = await rows.lock(writing.connection, order_id=order_id)
        assert locked is not None, "orders are never deleted"  # noqa: S101
        try:
            return await record_change(
                context, writing, locked, transaction.payment_id, fact, transaction_id=transaction.id
            )
        except AmountMismatch as mismatch:
            _log.error(
                "payment_amount_mismatch", transaction_id=str(transaction.id), difference=str(mismatch)
            )
        await payment_rows.postpone(
            writing.connection,
            transaction.id,
            next_attempt_at=writing.now + payments.pause_after(attempts),
        )
    return Recorded(locked.order, locked.payments, locked.transactions)


async def record_change(
    context: ServiceContext,
    transaction: Transaction,
    locked: LockedPayments,
    payment_id: UUID,
    fact: Fact,
    *,
    transaction_id: UUID | None = None,
) -> Recorded:
    """Record a capture, refund, void or chargeback of a locked order's payment, asked for by us or not.

    Once per the provider's name of the movement, in whatever order they come. `transaction_id` is the request
    that the fact answers, where its key tells. Money captured for an order that has ended is given back: the
    intents are written here, and whoever called asks for them (`follow`) or leaves them to the sweep.
    Raises AmountMismatch for a fact of another amount or currency than was asked for: set it aside.
    """
    payment = locked.payment(payment_id)
    known = locked.transactions_of(payment_id)
    change = payment_facts.apply(payment, known, fact, transaction.now, transaction_id=transaction_id)
    if change is None:
        return Recorded(locked.order, locked.payments, locked.transactions)
    _log_what_does_not_fit(change, known)
    changes = [change]
    if change.transaction.kind is TransactionKind.CAPTURE and locked.order.status in _ENDED:
        after = decide.replaced(locked.payments, changes)
        changes += decide.undo(after, transaction.now)
    order = await write(context, transaction, locked.order, locked.payments, changes)
    moved = {one.transaction.id: one.transaction for one in changes}
    return Recorded(
        order,
        tuple(decide.replaced(locked.payments, changes)),
        (*(one for one in locked.transactions if one.id not in moved), *moved.values()),
        tuple(one for one in changes[1:] if one.is_open),
    )


async def write(
    context: ServiceContext,
    transaction: Transaction,
    order: Order,
    before: Sequence[Payment],
    changes: Sequence[Change],
) -> Order:
    """Write changes of a locked order's payments, with their events; returns the order one version on.

    An order of which all has left is COMPLETED by the last of its money.
    """
    after = decide.replaced(before, changes)
    changed = payments.order_with_payments(order, after)
    now = transaction.now
    ends = is_complete(changed, after)
    if ends:
        changed = replace(changed, status=OrderStatus.COMPLETED, closed_at=now)
    await save(context, transaction, changed, changes)
    transaction.emit(*events_of(changed, changes, now))
    if ends:
        transaction.emit(completed_event(changed, now))
    return changed


def completed_event(order: Order, now: datetime) -> Event:
    """Return the event that tells that all of an order has left and is paid for."""
    facts = {"number": order.number, "status": order.status.value}
    return Event("OrderCompleted", "order", order.id, order.version, now, order.channel_id, facts)


async def save(
    context: ServiceContext, transaction: Transaction, order: Order, changes: Sequence[Change]
) -> None:
    """Write changes of payments, for who makes the order's new version and its event themselves.

    Every movement of an order's money passes here, inside the transaction that decides it.
    """
    latest = {change.payment.id: change.payment for change in changes}
    await stored_value_tenders.give_back(transaction, changes)
    await rows.save(
        transaction.connection,
        order,
        list(latest.values()),
        [change.transaction for change in changes],
        next_attempt_at=payments.asked_again_at(context.environment, transaction.now),
    )
    await ledger.moved(transaction, order, changes)


def events_of(order: Order, changes: Sequence[Change], now: datetime) -> list[Event]:
    """Return the events of the order's stream that tell of these transactions."""
    return [_event_of(order, change, now) for change in changes if _is_news(change)]


def _is_news(change: Change) -> bool:
    moved = change.transaction
    if moved.kind is TransactionKind.VOID:
        # Of an authorization that was renewed, the renewal is the news.
        return moved.reference in {None, change.payment.reference}
    return (moved.kind, moved.status) in _KINDS and moved.decline_code != payment_facts.RECORDED_BEFORE


def settled_events_of(order: Order, changes: Sequence[Change], now: datetime) -> list[Event]:
    """Return the events of what is settled already when it is asked for, as by gift cards and store credit.

    For who makes the order's new version: what is still open is told when its outcome is known.
    """
    return events_of(order, [change for change in changes if not change.is_open], now)


def _event_of(order: Order, change: Change, now: datetime) -> Event:
    moved = change.transaction
    event = payments.payment_event(_KINDS[moved.kind, moved.status], order, change.payment, now)
    facts = {**event.payload, "amountMinor": moved.amount_minor, "currency": change.payment.currency}
    if moved.kind is TransactionKind.REFUND:
        facts["transactionId"] = str(moved.id)
    if moved.decline_code is not None:
        facts["declineCode"] = moved.decline_code
    return replace(event, payload=facts)


def _log_what_does_not_fit(change: Change, known: list[PaymentTransaction]) -> None:
    moved = change.transaction
    after = [*(one for one in known if one.id != moved.id), moved]
    too_much = payment_facts.set_aside_minor(change.payment, after)
    if too_much > 0 and moved.status is TransactionStatus.SUCCEEDED:
        _log.error(
            "payment_set_aside",
            payment_id=str(change.payment.id),
            provider=change.payment.provider,
            kind=moved.kind.value,
            amount_minor=too_much,
            currency=change.payment.currency,
        )
