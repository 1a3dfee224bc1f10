"""How a return ends: what is given back for it, and by which payments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain import payment_changes
from domain.kernel.errors import IllegalTransition
from domain.kernel.money import allocate_minor
from domain.orders import Order, OrderLine
from domain.payment_changes import Change
from domain.payment_facts import RECORDED_BEFORE
from domain.payments import (
    IMPORTED,
    MANUAL,
    Payment,
    PaymentTransaction,
    TransactionStatus,
)
from domain.return_adjustments import Adjustment, adjusted
from domain.return_credit import Credit, applied, bonus_of, credit_of
from domain.return_exchanges import Exchange, gap_minor
from domain.return_policies import ReturnPolicy
from domain.return_worth import Worth, worth_of
from domain.returns import (
    TRANSITIONS,
    LineOutcome,
    Return,
    ReturnStatus,
    ReturnWish,
    brought_back,
    moved,
    others,
)


@dataclass(frozen=True, slots=True)
class Settlement:
    """A return as its money is asked for; without changes it is CLOSED at once."""

    after: Return
    changes: tuple[Change, ...]
    credit: Credit | None = None


def valued(
    order: Order,
    order_lines: Sequence[OrderLine],
    found: Return,
    returns: Sequence[Return],
    policies: Mapping[UUID, ReturnPolicy],
    *,
    as_asked: bool = False,
) -> Worth:
    """Return what a return brings, after all others of its order whose worth is decided."""
    rest = others(returns, found)
    before = brought_back(rest)
    shipping = sum(one.shipping_refund_minor for one in rest if one.is_valued)
    faults = brought_back(rest, at_fault=True)
    return worth_of(order, order_lines, found, before, faults, shipping, policies, as_asked=as_asked)


def settled(
    order: Order,
    found: Return,
    worth: Worth,
    payments: Sequence[Payment],
    policies: Mapping[UUID, ReturnPolicy],
    now: datetime,
    *,
    by_staff: bool,
    exchange: Exchange | None = None,
    adjustment: Adjustment | None = None,
) -> Settlement:
    """Give back what a return brings, as the customer wished: as store credit, or by the payments.

    `adjustment` is what staff changed of it, `checked` for this worth. Of an exchange it pays what is due of
    the order that replaces it, the rest is refunded. Credit needs an address to be kept for: without one it
    is refunded. Raises IllegalTransition and AmountTooLarge.
    """
    if adjustment is not None:
        worth = adjusted(worth, adjustment)
        amount, reason = adjustment.amount_minor, adjustment.reason
        found = replace(found, adjustment_minor=amount, adjustment_reason=reason)
    if exchange is not None and order.email is not None and min(exchange.due_minor, worth.refund_minor):
        return _exchanged(order, found, worth, payments, exchange, now, by_staff=by_staff)
    if found.wish is ReturnWish.STORE_CREDIT and order.email is not None:
        return _credited(order, found, worth, payments, policies, now)
    return refund(order, found, worth, payments, now, by_staff=by_staff)


def _credited(
    order: Order,
    found: Return,
    worth: Worth,
    payments: Sequence[Payment],
    policies: Mapping[UUID, ReturnPolicy],
    now: datetime,
) -> Settlement:
    priced, amount = _priced(found, worth), worth.refund_minor
    if not amount:
        return Settlement(closed(priced, now), ())
    credited = credit_of(payments, order.currency, amount)
    bonus = bonus_of(found, worth, policies, payments, credited)
    priced = replace(priced, credit_minor=amount, bonus_minor=bonus)
    return Settlement(closed(priced, now), (), Credit(tuple(credited), amount, bonus))


def _exchanged(
    order: Order,
    found: Return,
    worth: Worth,
    payments: Sequence[Payment],
    exchange: Exchange,
    now: datetime,
    *,
    by_staff: bool,
) -> Settlement:
    due, priced = exchange.due_minor, _priced(found, worth)
    amount = min(worth.refund_minor, due)
    bonus = gap_minor(found, due, worth.gross_minor)
    credit = Credit(tuple(credit_of(payments, order.currency, amount)), amount, bonus)
    priced = replace(priced, credit_minor=amount, bonus_minor=bonus)
    rest = worth.refund_minor - amount
    return _asked(order, priced, rest, applied(payments, credit), now, credit, by_staff=by_staff)


def refund(
    order: Order,
    found: Return,
    worth: Worth,
    payments: Sequence[Payment],
    now: datetime,
    *,
    by_staff: bool,
) -> Settlement:
    """Ask for what a return brings, by the payments it was paid with, last taken first.

    What a person has to send back by hand is only asked for where staff decide it. Raises IllegalTransition,
    and AmountTooLarge where less is left than it brings.
    """
    priced = _priced(found, worth)
    return _asked(order, priced, worth.refund_minor, payments, now, None, by_staff=by_staff)


def _asked(
    order: Order,
    priced: Return,
    amount_minor: int,
    payments: Sequence[Payment],
    now: datetime,
    credit: Credit | None,
    *,
    by_staff: bool,
) -> Settlement:
    usable = [one for one in payments if by_staff or one.provider not in {MANUAL, IMPORTED}]
    reason, changes = f"return {priced.number}", list[Change]()
    if amount_minor:
        changes = payment_changes.refund_of(usable, order.currency, amount_minor, reason, now)
    priced = replace(priced, transaction_ids=tuple(one.transaction.id for one in changes))
    if not any(one.is_open for one in changes):
        priced = closed(priced, now)
    return Settlement(priced, tuple(changes), credit)


def closed(found: Return, now: datetime) -> Return:
    """Return a return whose money is given back, as it ends."""
    after = moved(found, ReturnStatus.CLOSED, now) or found
    return replace(
        after,
        lines=tuple(replace(line, outcome=_outcome(found, line.refund_minor)) for line in found.lines),
    )


def rejected(found: Return, asked: Sequence[PaymentTransaction], now: datetime) -> Return:
    """Return a return for which no more is given back, as it ends; raises IllegalTransition.

    Of what was `asked` for providers may have refused some: what they have given stays given.
    """
    given = found.credit_minor + sum(one.amount_minor for one in asked if is_given(one))
    if not is_decided(asked) or given == found.refund_minor > 0:
        raise IllegalTransition("its money is being given back", found.status.value, (), "id")
    after = moved(found, ReturnStatus.CLOSED, now)
    if after is None or found.status is not ReturnStatus.INSPECTED:
        raise IllegalTransition(
            "only of what is looked at nothing is given back",
            found.status.value,
            sorted(TRANSITIONS.get(found.status, ())),
            "id",
        )
    # What was given before is for goods and delivery alike, and for no more of either than was to be given.
    *shares, shipping = allocate_minor(
        given, [*(line.refund_minor for line in found.lines), found.shipping_refund_minor]
    )
    lines = [
        replace(line, refund_minor=share, outcome=_outcome(found, share))
        for line, share in zip(found.lines, shares, strict=True)
    ]
    return replace(
        after,
        lines=tuple(lines),
        refund_minor=given,
        shipping_refund_minor=shipping,
        refund_failure=None,
    )


def retried(
    order: Order,
    found: Return,
    asked: Sequence[PaymentTransaction],
    payments: Sequence[Payment],
    now: datetime,
) -> Settlement:
    """Ask again for what providers have refused to give back of a return; raises IllegalTransition."""
    failed = [one for one in asked if one.status is TransactionStatus.FAILED and not is_given(one)]
    if found.status is not ReturnStatus.INSPECTED or not failed:
        raise IllegalTransition("nothing of its money was refused", found.status.value, (), "id")
    amount = sum(one.amount_minor for one in failed)
    changes = payment_changes.refund_of(payments, order.currency, amount, f"return {found.number}", now)
    kept = [one for one in found.transaction_ids if one not in {gone.id for gone in failed}]
    after = replace(
        found,
        transaction_ids=(*kept, *(one.transaction.id for one in changes)),
        refund_failure=None,
        version=found.version + 1,
    )
    return Settlement(after, tuple(changes))


def is_given_back(found: Return, asked: Sequence[PaymentTransaction]) -> bool:
    """Say whether all that was asked for has been given back."""
    return found.status is ReturnStatus.INSPECTED and all(is_given(one) for one in asked)


def is_given(asked: PaymentTransaction) -> bool:
    """Say whether a refund has been given, also where its provider had told of it before it answered."""
    return asked.status is TransactionStatus.SUCCEEDED or asked.decline_code == RECORDED_BEFORE


def is_decided(asked: Sequence[PaymentTransaction]) -> bool:
    """Say whether the outcome of all that was asked for is known."""
    return all(one.status in {TransactionStatus.SUCCEEDED, TransactionStatus.FAILED} for one in asked)


def refused(found: Return, asked: Sequence[PaymentTransaction]) -> Return | None:
    """Return a return whose money providers refuse to give back, with why; None where that is not so.

    It stays INSPECTED: staff ask again, or end it.
    """
    failed = [one for one in asked if not is_given(one)]
    if found.status is not ReturnStatus.INSPECTED or found.refund_failure or not failed:
        return None
    if not is_decided(asked):
        return None
    return replace(found, refund_failure=failed[0].decline_code or "declined", version=found.version + 1)


def _priced(found: Return, worth: Worth) -> Return:
    """Return a return with what it brings, one version on; raises IllegalTransition."""
    if found.status is not ReturnStatus.INSPECTED or found.transaction_ids:
        raise IllegalTransition(
            "only of what is looked at, and once, the money is given back",
            found.status.value,
            sorted(TRANSITIONS.get(found.status, ())),
            "id",
        )
    shares = {one.line_id: one.refund_minor for one in worth.lines}
    return replace(
        found,
        lines=tuple(replace(line, refund_minor=shares[line.id]) for line in found.lines),
        refund_minor=worth.refund_minor,
        shipping_refund_minor=worth.shipping_minor,
        fee_minor=worth.fee_minor,
        version=found.version + 1,
    )


def _outcome(found: Return, refund_minor: int) -> LineOutcome:
    if not refund_minor:
        return LineOutcome.REJECTED
    if not found.credit_minor:
        return LineOutcome.REFUNDED
    return LineOutcome.EXCHANGED if found.wish is ReturnWish.EXCHANGE else LineOutcome.STORE_CREDIT
