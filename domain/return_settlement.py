"""How a return ends: what is given back for it, and by which payments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain import payment_changes
from domain.kernel.errors import IllegalTransition
from domain.orders import Order, OrderLine
from domain.payment_changes import Change
from domain.payments import (
    IMPORTED,
    MANUAL,
    Payment,
    PaymentTransaction,
    TransactionStatus,
)
from domain.return_policies import ReturnPolicy
from domain.return_worth import Worth, worth_of
from domain.returns import (
    TRANSITIONS,
    LineOutcome,
    Return,
    ReturnStatus,
    brought_back,
    moved,
    others,
)


@dataclass(frozen=True, slots=True)
class Settlement:
    """A return as its money is asked for; without changes it is CLOSED at once."""

    after: Return
    changes: tuple[Change, ...]


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
    return worth_of(order, order_lines, found, before, shipping, policies, as_asked=as_asked)


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
    if found.status is not ReturnStatus.INSPECTED or found.transaction_ids:
        raise IllegalTransition(
            "only of what is looked at, and once, the money is given back",
            found.status.value,
            sorted(TRANSITIONS.get(found.status, ())),
            "id",
        )
    amount = worth.refund_minor
    shares = {one.line_id: one.refund_minor for one in worth.lines}
    priced = replace(
        found,
        lines=tuple(replace(line, refund_minor=shares[line.id]) for line in found.lines),
        refund_minor=amount,
        shipping_refund_minor=worth.shipping_minor,
        fee_minor=worth.fee_minor,
        version=found.version + 1,
    )
    usable = [one for one in payments if by_staff or one.provider not in {MANUAL, IMPORTED}]
    reason = f"return {found.number}"
    changes = payment_changes.refund_of(usable, order.currency, amount, reason, now) if amount else []
    priced = replace(priced, transaction_ids=tuple(one.transaction.id for one in changes))
    if any(one.is_open for one in changes):
        return Settlement(priced, tuple(changes))
    return Settlement(closed(priced, now), tuple(changes))


def closed(found: Return, now: datetime) -> Return:
    """Return a return whose money is given back, as it ends."""
    after = moved(found, ReturnStatus.CLOSED, now) or found
    return replace(
        after,
        lines=tuple(replace(line, outcome=_outcome(found, line.refund_minor)) for line in found.lines),
    )


def rejected(found: Return, now: datetime) -> Return:
    """Return a return for which nothing is given back, as it ends; raises IllegalTransition."""
    if found.transaction_ids:
        raise IllegalTransition("its money is being given back", found.status.value, (), "id")
    after = moved(found, ReturnStatus.CLOSED, now)
    if after is None or found.status is not ReturnStatus.INSPECTED:
        raise IllegalTransition(
            "only of what is looked at nothing is given back",
            found.status.value,
            sorted(TRANSITIONS.get(found.status, ())),
            "id",
        )
    return replace(after, lines=tuple(replace(line, outcome=LineOutcome.REJECTED) for line in found.lines))


def retried(
    order: Order,
    found: Return,
    asked: Sequence[PaymentTransaction],
    payments: Sequence[Payment],
    now: datetime,
) -> Settlement:
    """Ask again for what providers have refused to give back of a return; raises IllegalTransition."""
    failed = [one for one in asked if one.status is TransactionStatus.FAILED]
    if found.status is not ReturnStatus.INSPECTED or not failed:
        raise IllegalTransition("nothing of its money was refused", found.status.value, (), "id")
    amount = sum(one.amount_minor for one in failed)
    changes = payment_changes.refund_of(payments, order.currency, amount, f"return {found.number}", now)
    kept = [one for one in found.transaction_ids if one not in {gone.id for gone in failed}]
    after = replace(
        found,
        transaction_ids=(*kept, *(one.transaction.id for one in changes)),
        version=found.version + 1,
    )
    return Settlement(after, tuple(changes))


def is_given_back(found: Return, asked: Sequence[PaymentTransaction]) -> bool:
    """Say whether all that was asked for has been given back."""
    return found.status is ReturnStatus.INSPECTED and all(
        one.status is TransactionStatus.SUCCEEDED for one in asked
    )


def _outcome(found: Return, refund_minor: int) -> LineOutcome:
    accepted = found.refund_minor > 0 or refund_minor > 0
    return LineOutcome.REFUNDED if accepted else LineOutcome.REJECTED
