"""Asking providers for captures, refunds and voids: after the intent is committed, before its outcome is."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from domain.kernel.money import Money
from domain.orders import Order
from domain.payment_changes import Change
from domain.payments import Payment, PaymentTransaction, TransactionKind
from domain.ports import Outcome, PaymentProvider, ProviderAnswer
from services import payment_facts, payments
from services.context import Environment, ServiceContext
from services.payment_facts import Recorded


async def carry_out(
    context: ServiceContext, order: Order, before: Sequence[Payment], changes: Sequence[Change]
) -> Recorded:
    """Ask for the open ones of `changes`, whose intents are committed, and record what is answered.

    Returns everything as it then is; what got no answer stays open, for the sweep to find out.
    """
    recorded = Recorded(order, tuple(before), tuple(change.transaction for change in changes), ())
    pending = deque(change for change in changes if change.is_open)
    while pending:
        change = pending.popleft()
        answer = await ask(context.environment, change.payment, change.transaction)
        if answer is not None:
            after = await payment_facts.conclude(context, order.id, change.transaction, answer)
            pending.extend(after.follow)
            recorded = replace(after, follow=())
    return recorded


async def ask(
    environment: Environment,
    payment: Payment,
    transaction: PaymentTransaction,
    *,
    again: bool = False,
    authorization_id: UUID | None = None,
) -> ProviderAnswer | None:
    """Ask a provider for what `transaction` intends; None when the outcome is not known (yet).

    With `again` it is asked first what became of it: one that never arrived is sent again, under the same
    key. What the provider has not named yet is voided by the request of `authorization_id`, which it is
    asked about first; without that it is left to the sweep, which knows it.
    """
    key, reference = payments.provider_key(transaction.id), payment.reference or ""
    amount = Money(transaction.amount_minor, payment.currency)
    if transaction.kind is TransactionKind.VOID:
        given_up = transaction.reference or reference
        if not given_up and authorization_id is None:
            return None
        if not await payments.ask_to_void(
            environment, payment, transaction.id, given_up or None, authorization_id
        ):
            return None
        return ProviderAnswer(Outcome.SUCCEEDED, given_up, transaction.amount_minor)

    async def call(provider: PaymentProvider) -> ProviderAnswer:
        found = await provider.find_change(key, reference) if again else None
        if found is not None:
            return found
        if transaction.kind is TransactionKind.REFUND:
            return await provider.refund(key, reference, amount)
        return await provider.capture(key, reference, amount)

    return await payments.answer_of(environment, payment, call)
