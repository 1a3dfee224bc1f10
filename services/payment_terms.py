"""What time does to payments on terms: those that are late are told of, once."""

from dataclasses import replace
from uuid import UUID

from domain import payment_terms as decide
from domain.kernel.events import Event
from domain.orders import Order
from domain.payments import Payment
from persistence import payment_changes
from persistence import payment_terms as rows
from services import payments
from services.context import ServiceContext, Transaction

MOST_AT_ONCE = 50
"""Payments one run tells of; the next takes the rest."""


async def tell_overdue(context: ServiceContext) -> int:
    """Tell of what is billed and was not recorded in full when it fell due; returns of how many.

    PaymentOverdue is told once for each payment, whatever comes of it later.
    """
    async with context.read() as connection:
        late = await rows.overdue(connection, now=context.now(), most=MOST_AT_ONCE)
    told = 0
    for payment_id in late:
        told += await _tell(context, payment_id)
    return told


async def _tell(context: ServiceContext, payment_id: UUID) -> bool:
    async with context.transaction() as transaction:
        locked = await payment_changes.lock(transaction.connection, payment_id=payment_id)
        if locked is None:
            return False
        payment = locked.payment(payment_id)
        left = decide.overdue_minor(locked.order, locked.payments, payment, transaction.now)
        order = replace(locked.order, version=locked.order.version + 1)
        if not left or not await rows.save_told(
            transaction.connection, order, payment.id, now=transaction.now
        ):
            return False
        transaction.emit(_overdue(transaction, order, payment, left))
    return True


def _overdue(transaction: Transaction, order: Order, payment: Payment, left_minor: int) -> Event:
    if payment.due_at is None:
        raise ValueError("only what has terms is late")
    event = payments.payment_event("PaymentOverdue", order, payment, transaction.now)
    facts = {"amountMinor": left_minor, "currency": payment.currency, "dueAt": payment.due_at.isoformat()}
    return replace(event, payload={**event.payload, **facts})
