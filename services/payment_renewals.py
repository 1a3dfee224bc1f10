"""What time does to authorizations: they lapse, and those of open orders are renewed before they do."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import structlog

from domain import payment_renewals as decide
from domain.kernel.events import Event
from domain.kernel.money import Money
from domain.orders import Order
from domain.payment_changes import Change, replaced
from domain.payments import Payment, PaymentTransaction, TransactionKind, TransactionStatus
from domain.ports import PaymentProvider, PaymentRequest, ProviderAnswer
from persistence import payment_changes as rows
from services import payment_calls, payment_facts, payments
from services.context import Environment, ServiceContext, Transaction

MOST_AT_ONCE = 20
"""Authorizations one run renews; the next takes the rest."""

_log = structlog.get_logger(__name__)


async def renew_expiring(context: ServiceContext) -> int:
    """Renew the authorizations that lapse soon, of open orders not captured yet; returns how many.

    What is refused is told by PaymentAuthorizationExpiring, and left to staff.
    """
    soon = context.now() + timedelta(seconds=context.environment.payment_renew_before_seconds)
    async with context.read() as connection:
        expiring = await rows.expiring(connection, until=soon, most=MOST_AT_ONCE)
    renewed = 0
    for payment_id in expiring:
        intended = await _intend(context, payment_id)
        if intended is None:
            continue
        order, payment, intent = intended
        answer = await ask(context.environment, payment, intent)
        if answer is not None:
            await conclude(context, order.id, intent, answer)
            renewed += 1
    return renewed


async def ask(
    environment: Environment, payment: Payment, intent: PaymentTransaction, *, again: bool = False
) -> ProviderAnswer | None:
    """Ask a provider to reserve anew; `again`: first what became of it. None when that is not known yet."""
    key = payments.provider_key(intent.id)
    request = PaymentRequest(payment.method, Money(intent.amount_minor, payment.currency))

    async def call(provider: PaymentProvider) -> ProviderAnswer:
        found = await provider.find(key) if again else None
        return found or await provider.authorize(key, request)

    return await payments.answer_of(environment, payment, call)


async def conclude(
    context: ServiceContext, order_id: UUID, intent: PaymentTransaction, answer: ProviderAnswer
) -> None:
    """Record the answer to a renewal, unless somebody did before, and give up what is not needed any more."""
    changes: list[Change] = []
    async with context.transaction() as transaction:
        locked = await rows.lock(transaction.connection, order_id=order_id)
        if locked is None or locked.is_settled(intent.id):
            return
        payment = locked.payment(intent.payment_id)
        after, moved = decide.conclude(locked.order, payment, intent, answer, transaction.now)
        changes = [Change(after, one) for one in moved]
        order = await payment_facts.write(context, transaction, locked.order, locked.payments, changes)
        transaction.emit(_event(transaction, order, changes[0]))
    _log.info("payment_renewed", payment_id=str(payment.id), status=moved[0].status.value)
    await payment_calls.carry_out(context, order, replaced(locked.payments, changes), changes[1:])


async def _intend(
    context: ServiceContext, payment_id: UUID
) -> tuple[Order, Payment, PaymentTransaction] | None:
    async with context.transaction() as transaction:
        locked = await rows.lock(transaction.connection, payment_id=payment_id)
        if locked is None:
            return None
        payment = locked.payment(payment_id)
        if not decide.is_wanted(locked.order, payment, locked.transactions):
            return None
        change = Change(payment, decide.renew(payment, transaction.now))
        order = await payment_facts.write(context, transaction, locked.order, locked.payments, [change])
        transaction.emit(_event(transaction, order, change))
    return order, payment, change.transaction


_KINDS = {
    TransactionStatus.REQUESTED: "PaymentRenewalRequested",
    TransactionStatus.SUCCEEDED: "PaymentAuthorizationRenewed",
    TransactionStatus.FAILED: "PaymentAuthorizationExpiring",
}


def _event(transaction: Transaction, order: Order, change: Change) -> Event:
    moved = change.transaction
    assert moved.kind is TransactionKind.AUTHORIZATION, "a renewal"  # noqa: S101
    event = payments.payment_event(_KINDS[moved.status], order, change.payment, transaction.now)
    facts = {**event.payload, "amountMinor": moved.amount_minor, "currency": change.payment.currency}
    if change.payment.expires_at is not None:
        facts["expiresAt"] = change.payment.expires_at.isoformat()
    if moved.decline_code is not None:
        facts["declineCode"] = moved.decline_code
    return replace(event, payload=facts)
