"""Giving back what a return brings as store credit: by the transaction that decides it, nobody is asked."""

from collections.abc import Sequence
from dataclasses import replace

from domain import return_credit as decide
from domain import stored_values as values
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.orders import Order
from domain.payments import Payment
from domain.return_credit import Credit
from domain.returns import Return
from domain.stored_values import StoredValue
from persistence import payment_changes
from persistence import stored_values as rows
from services import ledger, payments
from services.context import Transaction


def applied(before: Sequence[Payment], credit: Credit) -> list[Payment]:
    """Return an order's payments, those that were credited as they will be."""
    return decide.applied(before, credit)


async def issue(transaction: Transaction, order: Order, found: Return, credit: Credit) -> StoredValue:
    """Give a locked order's customer what a return brings as store credit, and the bonus on it; returns it.

    Call it before any stock is locked: credit comes after orders. The order's new version is the caller's.
    Raises InvalidInput where no balance is that large.
    """
    await payment_changes.save(
        transaction.connection, order, credit.payments, [], next_attempt_at=transaction.now
    )
    issue_id = new_id()
    await ledger.credited(transaction, order, issue_id, credit.amount_minor)
    value = await _add(transaction, order, credit.amount_minor, f"return {found.number}")
    if credit.bonus_minor:
        value = await _add(transaction, order, credit.bonus_minor, f"bonus, return {found.number}")
        transaction.post(ledger.value_issued(value, new_id(), credit.bonus_minor))
    transaction.emit(*(_told(order, one, transaction) for one in credit.payments))
    return value


async def _add(transaction: Transaction, order: Order, amount_minor: int, reason: str) -> StoredValue:
    assert order.email is not None, "without an address it is refunded"  # noqa: S101
    value = values.check_ceiling(
        await rows.issue_credit(
            transaction.connection,
            new_id(),
            order.email,
            order.currency,
            amount_minor,
            reason,
            actor=transaction.actor,
            now=transaction.now,
        )
    )
    facts = {
        "kind": value.kind.value,
        "amountMinor": amount_minor,
        "balanceMinor": value.balance_minor,
        "currency": value.currency,
    }
    transaction.emit(
        Event("StoreCreditIssued", "stored_value", value.id, value.version, transaction.now, payload=facts)
    )
    return value


def _told(order: Order, payment: Payment, transaction: Transaction) -> Event:
    event = payments.payment_event("PaymentCredited", order, payment, transaction.now)
    facts = {"creditedMinor": payment.credited_minor, "currency": payment.currency}
    return replace(event, payload={**event.payload, **facts})
