"""Authorizations that are about to lapse, nothing captured: reserved anew, and then the old one given up."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from domain.kernel.ids import new_id
from domain.orders import Order, OrderStatus
from domain.payments import (
    Payment,
    PaymentStatus,
    PaymentTransaction,
    TransactionKind,
    TransactionStatus,
)
from domain.ports import Outcome, ProviderAnswer

AMOUNT_MISMATCH = "amount_mismatch"
"""Decline code of a renewal that the provider approved for another amount or currency."""

ACTION_REQUIRED = "action_required"
"""Decline code of a renewal that only the shopper could confirm: nobody is there to do it."""

NOT_NEEDED = "not_needed"
"""Decline code of a renewal that was approved after its payment was captured, voided or canceled."""


def is_wanted(order: Order, payment: Payment, transactions: Sequence[PaymentTransaction]) -> bool:
    """Say whether a payment's authorization is worth renewing: all of it is still to be captured.

    One that was refused is not asked for again by itself: staff have been told.
    """
    tried = any(
        one.kind is TransactionKind.AUTHORIZATION and one.status is not TransactionStatus.SUCCEEDED
        for one in transactions
        if one.payment_id == payment.id
    )
    return not tried and _is_uncaptured(order, payment)


def renew(payment: Payment, now: datetime) -> PaymentTransaction:
    """Intend to reserve anew what a payment has reserved."""
    return PaymentTransaction(
        new_id(),
        payment.id,
        TransactionKind.AUTHORIZATION,
        TransactionStatus.REQUESTED,
        payment.authorized_minor,
        now,
    )


def conclude(
    order: Order, payment: Payment, intent: PaymentTransaction, answer: ProviderAnswer, now: datetime
) -> tuple[Payment, list[PaymentTransaction]]:
    """Return a payment as the answer to its renewal leaves it, and its settled and new transactions.

    The new authorization takes the place of the old one, and that is voided; one that cannot be used is
    voided itself, and the old one stands until it lapses.
    """
    code = _refusal(order, payment, intent, answer)
    if code is None:
        settled = replace(
            intent, status=TransactionStatus.SUCCEEDED, settled_at=now, reference=answer.reference
        )
        after = replace(payment, reference=answer.reference, expires_at=answer.expires_at)
        return after, [settled, _void(intent, payment.reference, now)]
    settled = replace(intent, status=TransactionStatus.FAILED, settled_at=now, decline_code=code)
    if answer.outcome is Outcome.DECLINED:
        return payment, [settled]
    return payment, [settled, _void(intent, answer.reference, now)]


def _refusal(
    order: Order, payment: Payment, intent: PaymentTransaction, answer: ProviderAnswer
) -> str | None:
    if answer.outcome is Outcome.DECLINED:
        return answer.decline_code or "declined"
    if answer.outcome is not Outcome.SUCCEEDED:
        return ACTION_REQUIRED
    if answer.amount_minor != intent.amount_minor or answer.currency not in {None, payment.currency}:
        return AMOUNT_MISMATCH
    return None if _is_uncaptured(order, payment) else NOT_NEEDED


def _is_uncaptured(order: Order, payment: Payment) -> bool:
    return (
        order.status is OrderStatus.OPEN
        and payment.status is PaymentStatus.AUTHORIZED
        and payment.capturable_minor == payment.authorized_minor > 0
    )


def _void(intent: PaymentTransaction, reference: str | None, now: datetime) -> PaymentTransaction:
    return replace(intent, id=new_id(), kind=TransactionKind.VOID, requested_at=now, reference=reference)
