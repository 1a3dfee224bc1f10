"""What may be asked of a payment's provider: each intent reserves its amount, so that no two fit together.

Amounts are in minor units of the payment's currency. Nothing here looks at outcomes: those are facts,
decided on in `domain/payment_facts.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.kernel.errors import AmountTooLarge, IllegalTransition, InvalidInput, under
from domain.kernel.ids import new_id
from domain.kernel.money import Amount, Money
from domain.kernel.quantities import require_text
from domain.payments import (
    IMPORTED,
    MANUAL,
    OWN_TENDERS,
    Payment,
    PaymentStatus,
    PaymentTransaction,
    TransactionKind,
    TransactionStatus,
)

MAX_REFERENCE_LENGTH = 200
"""Longest reference of money that came outside (a bank's, a receipt's), in characters."""


@dataclass(frozen=True, slots=True)
class Change:
    """A payment as it will be, and the transaction that makes it so."""

    payment: Payment
    transaction: PaymentTransaction

    @property
    def is_open(self) -> bool:
        """Whether the provider is yet to be asked."""
        return self.transaction.status is TransactionStatus.REQUESTED


def status_of(payment: Payment, *, voided: bool = False) -> PaymentStatus:
    """Derive a payment's status from its amounts; `voided`: what was still reserved has been given up.

    What was credited or the payer's bank took back counts as given back. A payment that failed stays so.
    """
    given_back = payment.given_back_minor
    captured = payment.captured_minor
    if given_back:
        return PaymentStatus.REFUNDED if given_back >= captured else PaymentStatus.PARTIALLY_REFUNDED
    if captured:
        whole = payment.amount_minor if payment.provider == MANUAL else payment.authorized_minor
        return PaymentStatus.CAPTURED if captured >= whole else PaymentStatus.PARTIALLY_CAPTURED
    if payment.status is PaymentStatus.FAILED:
        return PaymentStatus.FAILED
    if voided or payment.status is PaymentStatus.VOIDED:
        return PaymentStatus.VOIDED
    return PaymentStatus.AUTHORIZED if payment.authorized_minor else payment.status


def minor_in(currency: str, asked: Amount | None) -> int | None:
    """Return an amount above zero in minor units, None for None; raises InvalidInput naming its field."""
    if asked is None:
        return None
    with under("amount"):
        if asked.currency != currency:
            raise InvalidInput(f"this is in {currency}, not {asked.currency[:8]}", "currency")
        money = Money.from_decimal(asked.amount, currency)
        if money.amount_minor <= 0:
            raise InvalidInput("must be above zero", "amount")
    return money.amount_minor


def capture(payment: Payment, amount_minor: int | None, now: datetime) -> Change:
    """Intend to take a part of what is reserved, or (None) all that is left of it.

    What our own books reserved they have taken already, so that intent is settled at once.
    Raises IllegalTransition when nothing is left, and AmountTooLarge.
    """
    amount = _fitting(payment, amount_minor, payment.capturable_minor, "captured")
    intent = _intent(payment, TransactionKind.CAPTURE, amount, now)
    if payment.provider in OWN_TENDERS:
        return _settled_at_once(replace(payment, captured_minor=payment.captured_minor + amount), intent)
    return Change(replace(payment, capturing_minor=payment.capturing_minor + amount), intent)


def within(payment: Payment, amount_minor: int | None, most_minor: int) -> int | None:
    """Return how much to capture of a payment where its order has no more than `most_minor` left to take.

    An order that was edited may cost less than is reserved for it. Raises AmountTooLarge, and
    IllegalTransition where nothing is left.
    """
    if payment.capturable_minor <= most_minor:
        return amount_minor
    if amount_minor is not None and amount_minor > most_minor:
        raise too_large(amount_minor, most_minor, payment.currency)
    if not most_minor:
        raise IllegalTransition("all that the order costs is taken", payment.status.value, (), "id")
    return most_minor if amount_minor is None else amount_minor


def refund(payment: Payment, amount_minor: int | None, reason: str | None, now: datetime) -> Change:
    """Intend to give a part of what was captured back, or (None) all that is left of it.

    What our own books gave is given back by the same transaction, and what was paid elsewhere before an
    import has been sent back by staff: such an intent is settled at once, nobody is asked. Raises
    IllegalTransition when nothing is left, and AmountTooLarge.
    """
    amount = _fitting(payment, amount_minor, payment.refundable_minor, "refunded")
    intent = _intent(payment, TransactionKind.REFUND, amount, now, reason)
    if payment.provider in OWN_TENDERS | {IMPORTED}:
        after = replace(payment, refunded_minor=payment.refunded_minor + amount)
        return _settled_at_once(after, intent)
    return Change(replace(payment, refunding_minor=payment.refunding_minor + amount), intent)


def void(payment: Payment, now: datetime) -> Change:
    """Intend to give up what is reserved and not captured.

    Raises IllegalTransition when there is no such thing, or while a capture is under way: which of the
    two the provider hears of first would decide.
    """
    if payment.capturing_minor:
        raise IllegalTransition("a capture of it is under way", payment.status.value, (), "id")
    rest = payment.capturable_minor
    if not rest and not is_voidable(payment):
        raise IllegalTransition("nothing of it is left to be voided", payment.status.value, (), "id")
    intent = _intent(payment, TransactionKind.VOID, rest, now)
    intent = replace(intent, reference=payment.reference)
    if payment.provider in OWN_TENDERS:
        after = replace(payment, status=status_of(payment, voided=True))
        if payment.captured_minor:
            after = replace(after, authorized_minor=payment.captured_minor)
        return _settled_at_once(after, intent)
    return Change(replace(payment, voiding_minor=payment.voiding_minor + rest), intent)


def is_voidable(payment: Payment) -> bool:
    """Say whether something may still be reserved that a void would give up."""
    if not payment.counts or payment.capturing_minor or payment.voiding_minor:
        return False
    # Of what is paid later nothing is reserved, and still nobody must pay it any more.
    return payment.capturable_minor > 0 or not payment.captured_minor


def undo(payments: Sequence[Payment], now: datetime) -> list[Change]:
    """Intend to give everything back, of an order that ends: refunds what is captured, voids the rest.

    While a capture is under way the rest waits for its outcome. Money that came outside can only be sent
    back by hand: that is left to staff, who record it as a refund.
    """
    changes: list[Change] = []
    for payment in payments:
        current = payment
        if current.refundable_minor > 0 and current.provider not in {MANUAL, IMPORTED}:
            changes.append(refund(current, None, None, now))
            current = changes[-1].payment
        if is_voidable(current):
            changes.append(void(current, now))
    return changes


def capture_of(payments: Sequence[Payment], amount_minor: int | None, now: datetime) -> list[Change]:
    """Intend to capture up to an amount (None: all) over an order's payments, first taken first.

    Less where less is reserved: what is paid later, or was captured before, is nothing to wait for.
    """
    changes, left = [], amount_minor
    for payment in payments:
        amount = payment.capturable_minor if left is None else min(left, payment.capturable_minor)
        if amount > 0:
            changes.append(capture(payment, amount, now))
            left = None if left is None else left - amount
    return changes


def refund_of(
    payments: Sequence[Payment], currency: str, amount_minor: int, reason: str, now: datetime
) -> list[Change]:
    """Intend to refund an amount over an order's payments, last taken first.

    Providers outside come before gift cards and store credit: money goes back the way it came, and what
    is only good here is given back last. Raises AmountTooLarge.
    """
    in_turn = list(reversed(payments))
    in_turn.sort(key=lambda one: one.provider in OWN_TENDERS)
    refundable = sum(max(0, one.refundable_minor) for one in in_turn)
    if amount_minor > refundable:
        raise too_large(amount_minor, refundable, currency)
    changes, left = [], amount_minor
    for payment in in_turn:
        amount = min(left, payment.refundable_minor)
        if amount > 0:
            changes.append(refund(payment, amount, reason, now))
            left -= amount
    return changes


def overpaid(
    payments: Sequence[Payment], currency: str, amount_minor: int, reason: str, now: datetime
) -> list[Change]:
    """Intend to refund what an order that costs less now has taken too much.

    Money that came outside is sent back by hand, and recorded then: what of it is too much stays. Raises
    IllegalTransition where so much is not taken yet, because a capture is under way.
    """
    if amount_minor > sum(max(0, one.refundable_minor) for one in payments):
        status = next((one.status.value for one in payments if one.capturing_minor), "")
        raise IllegalTransition("a capture of its money is under way: try again soon", status, (), "id")
    ours = [one for one in payments if one.provider not in {MANUAL, IMPORTED}]
    refundable = sum(max(0, one.refundable_minor) for one in ours)
    return refund_of(ours, currency, min(amount_minor, refundable), reason, now)


def record(
    payment: Payment, amount_minor: int, reference: str | None, now: datetime
) -> tuple[Payment, list[PaymentTransaction]]:
    """Record that money came outside: it counts as authorized and captured at once.

    Raises IllegalTransition for a payment that a provider can be asked about, and AmountTooLarge.
    """
    if payment.provider != MANUAL:
        raise IllegalTransition(
            f"{payment.provider} is asked itself: capture it", payment.status.value, (), "id"
        )
    left = payment.amount_minor - payment.captured_minor
    if amount_minor > left:
        raise too_large(amount_minor, left, payment.currency)
    paid = replace(
        payment,
        authorized_minor=payment.captured_minor + amount_minor,
        captured_minor=payment.captured_minor + amount_minor,
    )
    paid = replace(paid, status=status_of(paid))
    made = [
        _done(_intent(payment, kind, amount_minor, now), reference)
        for kind in (TransactionKind.AUTHORIZATION, TransactionKind.CAPTURE)
    ]
    return paid, made


def check_reference(reference: str | None) -> str | None:
    """Return a reference trimmed; raises InvalidInput when it is blank, too long or cannot be stored."""
    return None if reference is None else require_text(reference, MAX_REFERENCE_LENGTH, "reference")


def too_large(asked_minor: int, left_minor: int, currency: str) -> AmountTooLarge:
    """Return the error of an amount that is more than is left."""
    asked, left = (str(Money(minor, currency).amount) for minor in (asked_minor, left_minor))
    return AmountTooLarge(asked, left, left_minor, currency, "amount")


def replaced(payments: Sequence[Payment], changes: Sequence[Change]) -> list[Payment]:
    """Return an order's payments with the changed ones as they will be."""
    latest: dict[UUID, Payment] = {change.payment.id: change.payment for change in changes}
    return [latest.get(payment.id, payment) for payment in payments]


def _fitting(payment: Payment, amount_minor: int | None, left: int, done: str) -> int:
    if amount_minor is not None and amount_minor > left > 0:
        raise too_large(amount_minor, left, payment.currency)
    if left <= 0:
        if amount_minor is not None and payment.counts and payment.captured_minor:
            raise too_large(amount_minor, max(0, left), payment.currency)
        raise IllegalTransition(f"nothing of it is left to be {done}", payment.status.value, (), "id")
    return left if amount_minor is None else amount_minor


def _intent(
    payment: Payment, kind: TransactionKind, amount_minor: int, now: datetime, reason: str | None = None
) -> PaymentTransaction:
    return PaymentTransaction(
        new_id(), payment.id, kind, TransactionStatus.REQUESTED, amount_minor, now, reason=reason
    )


def _done(transaction: PaymentTransaction, reference: str | None) -> PaymentTransaction:
    return replace(
        transaction,
        status=TransactionStatus.SUCCEEDED,
        settled_at=transaction.requested_at,
        reference=reference,
    )


def _settled_at_once(payment: Payment, intent: PaymentTransaction) -> Change:
    status = status_of(payment) if payment.counts else payment.status
    name = payment.reference if intent.kind is TransactionKind.VOID else f"ordertide-{intent.id.hex}"
    return Change(replace(payment, status=status), _done(intent, name))
