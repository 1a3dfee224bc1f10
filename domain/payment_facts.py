"""What a payment amounts to: a function of the set of its transactions, in whatever order they were told.

A fact is one movement that a provider reports, asked for or not, with its own name for it. Facts that do
not fit into each other (more captured than was authorized, more given back than was captured) all stay
on record as transactions; the payment's row counts what fits, by the rules of `amounts_to`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.kernel.ids import new_id
from domain.payment_changes import Change, status_of
from domain.payments import MANUAL, Payment, PaymentTransaction, TransactionKind, TransactionStatus
from domain.ports import Outcome

RECORDED_BEFORE = "recorded_before"
"""Our decline code of a request whose movement the provider had told of before it answered."""

_UNDECIDED = {TransactionStatus.REQUESTED, TransactionStatus.ACTION_REQUIRED}


@dataclass(frozen=True, slots=True)
class Fact:
    """One movement as its provider reports it: `reference` names the movement, not the payment.

    Of a void `reference` is the payment's. `currency` is None where the provider names none.
    """

    kind: TransactionKind
    outcome: Outcome
    amount_minor: int
    currency: str | None
    reference: str
    decline_code: str | None = None


class AmountMismatch(Exception):
    """A fact of another amount or currency than the payment or request it is about: for a person to see."""


def apply(
    payment: Payment,
    transactions: Sequence[PaymentTransaction],
    fact: Fact,
    now: datetime,
    *,
    transaction_id: UUID | None = None,
) -> Change | None:
    """Return what a fact changes; None when it changes nothing, as when it is known already.

    `transactions` are all of the payment. `transaction_id` is the request that the fact answers, where that
    is known; otherwise it settles the one open request for as much, or is a transaction of its own. A refusal
    that answers no request moves nothing. Raises AmountMismatch.
    """
    if fact.outcome not in {Outcome.SUCCEEDED, Outcome.DECLINED}:
        return None
    asked = _asked_for(transactions, fact, transaction_id)
    _check_amount(payment, asked, fact)
    known = _known(payment, transactions, fact)
    if asked is None:
        if known or fact.outcome is Outcome.DECLINED or not fact.amount_minor:
            return None
        asked = PaymentTransaction(
            new_id(), payment.id, fact.kind, TransactionStatus.REQUESTED, fact.amount_minor, now
        )
    settled = _settled(asked, fact, now, known=known)
    after = [*(one for one in transactions if one.id != settled.id), settled]
    return Change(amounts_to(payment, transactions, after), settled)


def amounts_to(
    payment: Payment, before: Sequence[PaymentTransaction], after: Sequence[PaymentTransaction]
) -> Payment:
    """Return a payment whose transactions were `before`, as it is with those of `after`.

    What is asked for and open keeps its place, and so does what was credited; then captures count up to what
    was approved, refunds up to what was captured, chargebacks up to what is left of that. A void
    gives up what is not captured.
    Amounts without a transaction (of payments made before there were any) are kept.
    """
    approved = _approved(payment, after)
    capturing = min(_sum(after, TransactionKind.CAPTURE, *_UNDECIDED), approved)
    captured = min(
        _total(payment.captured_minor, TransactionKind.CAPTURE, before, after), approved - capturing
    )
    voids = [one for one in after if _is_void_of(payment, one)]
    voiding = min(_sum(voids, TransactionKind.VOID, *_UNDECIDED), approved - captured - capturing)
    may_go_back = captured - payment.credited_minor
    refunding = min(_sum(after, TransactionKind.REFUND, *_UNDECIDED), may_go_back)
    refunded = min(
        _total(payment.refunded_minor, TransactionKind.REFUND, before, after), may_go_back - refunding
    )
    charged_back = min(
        _total(payment.charged_back_minor, TransactionKind.CHARGEBACK, before, after),
        may_go_back - refunding - refunded,
    )
    voided = any(one.status is TransactionStatus.SUCCEEDED for one in voids)
    kept = captured + capturing
    changed = replace(
        payment,
        authorized_minor=kept if voided and kept else approved,
        captured_minor=captured,
        refunded_minor=refunded,
        capturing_minor=capturing,
        voiding_minor=0 if voided else voiding,
        refunding_minor=refunding,
        charged_back_minor=charged_back,
    )
    return replace(changed, status=status_of(changed, voided=voided and not capturing))


def set_aside_minor(payment: Payment, transactions: Sequence[PaymentTransaction]) -> int:
    """Return what was given or taken back beyond what was captured: a loss that somebody has to look at."""
    back = sum(
        _sum(transactions, kind, TransactionStatus.SUCCEEDED)
        for kind in (TransactionKind.REFUND, TransactionKind.CHARGEBACK)
    )
    return max(0, back - payment.refunded_minor - payment.charged_back_minor)


def _asked_for(
    transactions: Sequence[PaymentTransaction], fact: Fact, transaction_id: UUID | None
) -> PaymentTransaction | None:
    """Return the open request that a fact answers."""
    waiting = [one for one in transactions if one.kind is fact.kind and one.status in _UNDECIDED]
    if transaction_id is not None:
        return next((one for one in waiting if one.id == transaction_id), None)
    if fact.outcome is Outcome.DECLINED:
        return None  # of which of several requests it is, only a key could tell
    same = [one for one in waiting if _is_same(one, fact)]
    # Of several that asked for as much, each answer will tell by its name which of them this was.
    return same[0] if len(same) == 1 else None


def _is_same(transaction: PaymentTransaction, fact: Fact) -> bool:
    if fact.kind is TransactionKind.VOID:
        return transaction.reference in {None, fact.reference}
    return transaction.amount_minor == fact.amount_minor


def _check_amount(payment: Payment, asked: PaymentTransaction | None, fact: Fact) -> None:
    if fact.currency not in {None, payment.currency}:
        raise AmountMismatch(f"{fact.currency} for a payment in {payment.currency}")
    if fact.kind is TransactionKind.VOID or fact.outcome is Outcome.DECLINED:
        return
    if fact.amount_minor < 0 or (asked is not None and asked.amount_minor != fact.amount_minor):
        raise AmountMismatch(f"{fact.amount_minor} for {asked.amount_minor if asked else 'nothing'}")


def _known(payment: Payment, transactions: Sequence[PaymentTransaction], fact: Fact) -> bool:
    if fact.kind is TransactionKind.VOID:
        return any(
            one.status is TransactionStatus.SUCCEEDED and _is_void_of(payment, one) for one in transactions
        )
    return any(
        one.kind is fact.kind and one.reference == fact.reference and one.status not in _UNDECIDED
        for one in transactions
    )


def _settled(asked: PaymentTransaction, fact: Fact, now: datetime, *, known: bool) -> PaymentTransaction:
    if known and fact.kind is not TransactionKind.VOID:
        return replace(asked, status=TransactionStatus.FAILED, settled_at=now, decline_code=RECORDED_BEFORE)
    if fact.outcome is Outcome.DECLINED:
        code = fact.decline_code or "declined"
        return replace(asked, status=TransactionStatus.FAILED, settled_at=now, decline_code=code)
    # A void is asked for of one authorization, by its name; a capture or refund is named by the answer.
    # Of what the provider had not named, a void has no name: it is of whatever was asked for.
    reference = asked.reference or fact.reference or None
    return replace(asked, status=TransactionStatus.SUCCEEDED, settled_at=now, reference=reference)


def _is_void_of(payment: Payment, transaction: PaymentTransaction) -> bool:
    """Say whether a void is of what the payment stands on now, not of an authorization it replaced."""
    if transaction.kind is not TransactionKind.VOID:
        return False
    return transaction.reference is None or transaction.reference == payment.reference


def _approved(payment: Payment, transactions: Sequence[PaymentTransaction]) -> int:
    """Return what was ever reserved: of a provider the largest, because a renewal replaces; else the sum."""
    approvals = [
        one.amount_minor
        for one in transactions
        if one.kind is TransactionKind.AUTHORIZATION and one.status is TransactionStatus.SUCCEEDED
    ]
    if not any(approvals):
        return payment.authorized_minor
    whole = sum(approvals) if payment.provider == MANUAL else max(approvals)
    return min(whole, payment.amount_minor)


def _total(
    counted: int,
    kind: TransactionKind,
    before: Sequence[PaymentTransaction],
    after: Sequence[PaymentTransaction],
) -> int:
    without_transaction = max(0, counted - _sum(before, kind, TransactionStatus.SUCCEEDED))
    return without_transaction + _sum(after, kind, TransactionStatus.SUCCEEDED)


def _sum(
    transactions: Sequence[PaymentTransaction], kind: TransactionKind, *statuses: TransactionStatus
) -> int:
    return sum(one.amount_minor for one in transactions if one.kind is kind and one.status in statuses)
