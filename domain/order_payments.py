"""Payments asked for after an order was placed: what an edit made it cost more, or what was still open."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.kernel.errors import IllegalTransition, PaymentDeclined
from domain.kernel.ids import new_id
from domain.kernel.money import Amount
from domain.order_edits import settlement
from domain.orders import Order, OrderStatus
from domain.payment_changes import minor_in, too_large
from domain.payments import (
    GivenUp,
    Payment,
    PaymentStatus,
    PaymentTransaction,
    TransactionKind,
    TransactionStatus,
)
from domain.ports import Outcome, ProviderAnswer

AMOUNT_MISMATCH = "amount_mismatch"
"""Decline code of what a provider approved for another amount or currency than it was asked for."""

NOT_NEEDED = "not_needed"
"""Decline code of what was approved when nothing was due any more: it is given up."""


@dataclass(frozen=True, slots=True)
class Concluded:
    """A payment as its provider's answer leaves it, the request settled, and a void if it is given up."""

    payment: Payment
    request: PaymentTransaction
    void: PaymentTransaction | None = None

    @property
    def transactions(self) -> list[PaymentTransaction]:
        """What is to be written."""
        return [self.request] if self.void is None else [self.request, self.void]


def due_of(order: Order, payments: Sequence[Payment]) -> int:
    """Return what an order costs beyond what is authorized or agreed to be paid later, in minor units.

    Raises IllegalTransition for an order that takes no payment, or that is covered.
    """
    if order.status is not OrderStatus.OPEN:
        allowed = [OrderStatus.OPEN.value]
        raise IllegalTransition("only open orders are paid for", order.status.value, allowed, "id")
    _, due = settlement(order.cost_minor, payments)
    if not due:
        raise IllegalTransition("nothing of it is due", order.payment_status.value, (), "id")
    return due


def amount_of(order: Order, due_minor: int, asked: Amount | None) -> int:
    """Return how much is to be asked for: all that is due unless less is said.

    Raises InvalidInput and AmountTooLarge naming amount.
    """
    amount = minor_in(order.currency, asked)
    if amount is None:
        return due_minor
    if amount > due_minor:
        raise too_large(amount, due_minor, order.currency)
    return amount


def intend(
    order: Order, provider: str, method: str, amount_minor: int, now: datetime
) -> tuple[Payment, PaymentTransaction]:
    """Return a payment of an order that is to be asked for, and the request."""
    payment = Payment(
        new_id(),
        provider,
        method,
        PaymentStatus.PENDING,
        order.currency,
        amount_minor,
        order_id=order.id,
    )
    request = PaymentTransaction(
        new_id(),
        payment.id,
        TransactionKind.AUTHORIZATION,
        TransactionStatus.REQUESTED,
        amount_minor,
        now,
    )
    return payment, request


def conclude(
    order: Order,
    payments: Sequence[Payment],
    request: PaymentTransaction,
    answer: ProviderAnswer,
    now: datetime,
    *,
    given_up: bool = False,
) -> Concluded:
    """Return what an answer makes of the payment that `request` is of; what cannot be used is voided.

    So is what somebody has asked to void meanwhile (`given_up`), and what came late, when the order's other
    `payments` cover what it costs by now.
    """
    payment = next(one for one in payments if one.id == request.payment_id)
    if answer.outcome is Outcome.DECLINED:
        return _failed(payment, request, answer.decline_code or "declined", now)
    settled = replace(request, status=TransactionStatus.SUCCEEDED, settled_at=now, reference=answer.reference)
    if answer.outcome is Outcome.DEFERRED:
        return Concluded(replace(payment, reference=answer.reference), settled)
    approved = replace(
        payment,
        status=PaymentStatus.AUTHORIZED,
        authorized_minor=max(0, min(answer.amount_minor, payment.amount_minor)),
        reference=answer.reference,
        expires_at=answer.expires_at,
    )
    others = [one for one in payments if one.id != payment.id]
    code = _refusal(order, payment, others, answer) or (NOT_NEEDED if given_up else None)
    if code is None:
        return Concluded(approved, settled)
    void = _void(request, approved.authorized_minor, answer.reference, now)
    unused = replace(approved, voiding_minor=approved.authorized_minor)
    return Concluded(unused, replace(settled, decline_code=code), void)


def give_up(
    payment: Payment,
    request: PaymentTransaction,
    why: GivenUp,
    now: datetime,
    *,
    reference: str | None = None,
    void: bool = True,
) -> Concluded:
    """Return a payment that stayed undecided for too long; `void`: its provider is told so.

    `reference` is the provider's name for it, if it gave one.
    """
    failed = _failed(payment, request, why.value, now)
    return replace(failed, void=_void(request, 0, reference, now)) if void else failed


def check_not_failed(payment: Payment, request: PaymentTransaction) -> None:
    """Raise PaymentDeclined where a payment has come to nothing."""
    if payment.status in {PaymentStatus.FAILED, PaymentStatus.VOIDED} or request.decline_code:
        raise PaymentDeclined(request.decline_code or "declined")


def _refusal(order: Order, payment: Payment, others: Sequence[Payment], answer: ProviderAnswer) -> str | None:
    if answer.amount_minor != payment.amount_minor or answer.currency not in {None, payment.currency}:
        return AMOUNT_MISMATCH
    wanted = payment.status in {PaymentStatus.PENDING, PaymentStatus.ACTION_REQUIRED}
    takes_money = order.status in {OrderStatus.OPEN, OrderStatus.COMPLETED}
    _, due = settlement(order.cost_minor, others)
    return None if wanted and takes_money and due else NOT_NEEDED


def _void(
    request: PaymentTransaction, amount_minor: int, reference: str | None, now: datetime
) -> PaymentTransaction:
    return replace(
        request,
        id=new_id(),
        kind=TransactionKind.VOID,
        status=TransactionStatus.REQUESTED,
        requested_at=now,
        amount_minor=amount_minor,
        reference=reference,
    )


def _failed(payment: Payment, request: PaymentTransaction, code: str, now: datetime) -> Concluded:
    settled = replace(request, status=TransactionStatus.FAILED, settled_at=now, decline_code=code)
    return Concluded(replace(payment, status=PaymentStatus.FAILED), settled)
