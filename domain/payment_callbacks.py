"""What payment providers tell by themselves, and what is to be done about each fact.

A payment's state is what its set of facts amounts to: a fact that cannot be applied yet waits for the
others, and one that contradicts what is recorded is for a person to look at. So their order does not matter.
"""

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, StrEnum, auto
from uuid import UUID

from domain import payment_facts
from domain.kernel.errors import InvalidInput
from domain.kernel.moments import in_utc
from domain.kernel.money import MAX_AMOUNT_MINOR
from domain.kernel.quantities import is_storable
from domain.payment_facts import Fact
from domain.payments import Payment, PaymentTransaction, TransactionKind, TransactionStatus
from domain.ports import Outcome, ProviderEvent

_OUR_KEY = re.compile("ordertide-([0-9a-f]{32})")
_CURRENCY = re.compile("[A-Z]{3}")
_LONGEST_TEXT = 255
_UNDECIDED = {TransactionStatus.REQUESTED, TransactionStatus.ACTION_REQUIRED}


class CallbackState(StrEnum):
    """What became of a callback."""

    RECEIVED = "RECEIVED"
    """Stored, and still to be applied: at once, or when what it builds on is known."""
    APPLIED = "APPLIED"
    """The payment shows what it tells."""
    IGNORED = "IGNORED"
    """It tells of nothing that moved money."""
    SET_ASIDE = "SET_ASIDE"
    """It does not fit what is recorded, and waits for a person."""
    RESOLVED = "RESOLVED"
    """A person has dealt with what was set aside."""


CALLBACK_TRANSITIONS: Mapping[CallbackState, Set[CallbackState]] = {
    CallbackState.RECEIVED: {CallbackState.APPLIED, CallbackState.IGNORED, CallbackState.SET_ASIDE},
    # What seemed to have moved nothing turns out to contradict what is told later.
    CallbackState.IGNORED: {CallbackState.SET_ASIDE},
    CallbackState.SET_ASIDE: {CallbackState.RESOLVED},
}


class Reason(StrEnum):
    """Why a callback was set aside or ignored."""

    UNKNOWN_PAYMENT = "unknown_payment"
    CURRENCY_MISMATCH = "currency_mismatch"
    AMOUNT_MISMATCH = "amount_mismatch"
    MORE_THAN_FITS = "more_than_fits"
    NO_ORDER = "no_order"
    CONTRADICTS = "contradicts_record"
    NOTHING_MOVED = "nothing_moved"


@dataclass(frozen=True, slots=True)
class PaymentCallback:
    """One event of a provider as it was stored; `payment_id` is the payment it was found to be about."""

    id: UUID
    provider: str
    event: ProviderEvent
    state: CallbackState
    received_at: datetime
    attempts: int = 0
    reason: str | None = None
    payment_id: UUID | None = None
    settled_at: datetime | None = None
    note: str | None = None
    resolved_at: datetime | None = None


class Step(Enum):
    """What is to be done about a callback."""

    WAIT = auto()
    # Our own request is still open: the sweep is to ask the provider at once, whose answer is the truth.
    ASK = auto()
    RECORD = auto()
    SETTLE = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done; SETTLE says the state it ends in, and why where that needs a reason."""

    step: Step
    state: CallbackState = CallbackState.APPLIED
    reason: Reason | None = None


_WAIT = Verdict(Step.WAIT)
_ASK = Verdict(Step.ASK)
_RECORD = Verdict(Step.RECORD)
_APPLIED = Verdict(Step.SETTLE)
_NOTHING_MOVED = Verdict(Step.SETTLE, CallbackState.IGNORED, Reason.NOTHING_MOVED)
_CONTRADICTS = Verdict(Step.SETTLE, CallbackState.SET_ASIDE, Reason.CONTRADICTS)


def check_readable(event: ProviderEvent) -> ProviderEvent:
    """Return an event that can be stored; raises ValueError for one that says what no provider may."""
    texts = (event.id, event.reference, event.change_reference, event.decline_code or "-")
    if not all(0 < len(one) <= _LONGEST_TEXT and is_storable(one) for one in texts):
        raise ValueError("a name is empty, too long, or cannot be stored")
    if _CURRENCY.fullmatch(event.amount.currency) is None:
        raise ValueError("the currency is not an ISO 4217 code")
    if not 0 <= event.amount.amount_minor <= MAX_AMOUNT_MINOR:
        raise ValueError("the amount is below zero or too large")
    if event.outcome is Outcome.DEFERRED:
        raise ValueError("nobody tells that a payment comes later")
    if event.occurred_at.utcoffset() is None:
        raise ValueError("the moment names no zone")
    try:
        return replace(event, occurred_at=in_utc(event.occurred_at))
    except InvalidInput as error:
        raise ValueError("the moment lies outside the calendar") from error


def transaction_named(key: str | None) -> UUID | None:
    """Return the id of our transaction that an idempotency key of ours was made from."""
    named = _OUR_KEY.fullmatch(key or "")
    return UUID(named.group(1)) if named else None


def key_of(transaction_id: UUID) -> str:
    """Return the idempotency key that providers are asked with for a transaction of ours."""
    return f"ordertide-{transaction_id.hex}"


def fact_of(event: ProviderEvent) -> Fact:
    """Return the movement that an event tells of; a void has no name of its own but the payment's."""
    reference = event.reference if event.kind is TransactionKind.VOID else event.change_reference
    return Fact(
        event.kind,
        event.outcome,
        event.amount.amount_minor,
        event.amount.currency,
        reference,
        event.decline_code,
    )


def judge(
    event: ProviderEvent,
    payment: Payment | None,
    transactions: Sequence[PaymentTransaction],
    *,
    is_late: bool,
) -> Verdict:
    """Say what is to be done about `event`, given its payment and all of that one's transactions.

    What cannot be applied yet waits; once it `is_late`, nothing more is expected and it is set aside.
    """
    if payment is None:
        return _wait_or(Reason.UNKNOWN_PAYMENT, is_late=is_late)
    if event.amount.currency != payment.currency:
        return _set_aside(Reason.CURRENCY_MISMATCH)
    if event.kind is TransactionKind.AUTHORIZATION:
        return _of_authorization(event, payment, transactions)
    ours = _same_movement(event, transactions)
    if ours is not None:
        return _of_known(event, ours)
    return _of_unknown(event, payment, transactions, is_late=is_late)


def _of_authorization(
    event: ProviderEvent, payment: Payment, transactions: Sequence[PaymentTransaction]
) -> Verdict:
    if event.amount.amount_minor != payment.amount_minor:
        return _set_aside(Reason.AMOUNT_MISMATCH)
    asked = [one for one in transactions if one.kind is TransactionKind.AUTHORIZATION]
    named = transaction_named(event.key)
    found = next((one for one in asked if one.id == named), asked[-1] if asked else None)
    if found is None:
        return _CONTRADICTS
    if event.outcome is Outcome.ACTION_REQUIRED and found.status is not TransactionStatus.REQUESTED:
        return _APPLIED
    if found.status in _UNDECIDED:
        return _ASK
    if _agrees(event, found):
        return _APPLIED
    gave_up = any(one.kind is TransactionKind.VOID for one in transactions)
    # Approved after we gave it up: the void that we asked for with that is the answer to it.
    return _APPLIED if event.outcome is Outcome.SUCCEEDED and gave_up else _CONTRADICTS


def _of_known(event: ProviderEvent, ours: PaymentTransaction) -> Verdict:
    # How much a void gives up is the provider's to say: it never moves money.
    if event.kind is not TransactionKind.VOID and event.amount.amount_minor != ours.amount_minor:
        return _set_aside(Reason.AMOUNT_MISMATCH)
    if ours.status in _UNDECIDED:
        return _ASK
    if event.outcome is Outcome.ACTION_REQUIRED:
        return _NOTHING_MOVED
    return _APPLIED if _agrees(event, ours) else _CONTRADICTS


def _of_unknown(
    event: ProviderEvent, payment: Payment, transactions: Sequence[PaymentTransaction], *, is_late: bool
) -> Verdict:
    """Judge a fact about a movement that we have not asked for, or not heard the name of."""
    if any(one.kind is event.kind and one.status in _UNDECIDED for one in transactions):
        return _ASK  # it may be that one, whose name we learn with its outcome
    if event.outcome is not Outcome.SUCCEEDED:
        return _NOTHING_MOVED
    if event.kind is TransactionKind.VOID:
        if not payment.counts:
            return _APPLIED
    elif event.amount.amount_minor == 0:
        return _set_aside(Reason.AMOUNT_MISMATCH)
    if payment.order_id is None:
        return _wait_or(Reason.NO_ORDER, is_late=is_late)
    if not _fits(event, payment, transactions):
        return _wait_or(Reason.MORE_THAN_FITS, is_late=is_late)
    return _RECORD


def _fits(event: ProviderEvent, payment: Payment, transactions: Sequence[PaymentTransaction]) -> bool:
    """Say whether the payment would count the whole of what is told, as things stand."""
    change = payment_facts.apply(payment, transactions, fact_of(event), event.occurred_at)
    if change is None:
        return False
    moved = event.amount.amount_minor
    gained = {
        TransactionKind.CAPTURE: change.payment.captured_minor - payment.captured_minor,
        TransactionKind.REFUND: change.payment.refunded_minor - payment.refunded_minor,
        TransactionKind.CHARGEBACK: change.payment.charged_back_minor - payment.charged_back_minor,
    }
    return gained.get(event.kind, moved) == moved


def _same_movement(
    event: ProviderEvent, transactions: Sequence[PaymentTransaction]
) -> PaymentTransaction | None:
    """Return the transaction that an event is about: our key names it, or the provider's name of it."""
    named = transaction_named(event.key)
    of_kind = [one for one in transactions if one.kind is event.kind]
    by_key = next((one for one in of_kind if one.id == named), None)
    if by_key is not None:
        return by_key
    if event.kind is TransactionKind.VOID:
        # A renewal has voided what the payment stood on before: that is another void.
        return next((one for one in of_kind if one.reference in {None, event.reference}), None)
    return next((one for one in of_kind if one.reference == event.change_reference), None)


def _agrees(event: ProviderEvent, transaction: PaymentTransaction) -> bool:
    succeeded = transaction.status is TransactionStatus.SUCCEEDED
    return event.outcome is (Outcome.SUCCEEDED if succeeded else Outcome.DECLINED)


def _wait_or(reason: Reason, *, is_late: bool) -> Verdict:
    return _set_aside(reason) if is_late else _WAIT


def _set_aside(reason: Reason) -> Verdict:
    return Verdict(Step.SETTLE, CallbackState.SET_ASIDE, reason)
