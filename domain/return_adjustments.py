"""What staff change of what a return brings by the rules: a deduction, or fees that they waive.

Amounts are in minor units of the order's currency. What is changed is shared out over the lines by largest
remainder, and within each line tax goes with its goods, as with every other part of what a line brings.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from domain.kernel.errors import IllegalTransition, InvalidInput, under
from domain.kernel.money import Amount, Money, allocate_minor
from domain.kernel.quantities import require_text
from domain.payment_changes import too_large
from domain.return_worth import Worth
from domain.returns import Return

MAX_REASON_LENGTH = 500
"""Longest reason, in characters; the customer is told it."""


@dataclass(frozen=True, slots=True)
class AskedAdjustment:
    """What staff want to change: one of the two amounts, and why."""

    reason: str
    deduct: Amount | None = None
    """Taken off what it brings."""
    waive: Amount | None = None
    """Given back of what would be kept."""

    @property
    def facts(self) -> list[object]:
        """What a request with the same key has to say too."""
        amounts = [one and [str(one.amount), one.currency] for one in (self.deduct, self.waive)]
        return [self.reason, *amounts]


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What staff change: below zero is taken off, above zero is given back of what would be kept."""

    amount_minor: int
    reason: str


def checked(asked: AskedAdjustment, worth: Worth, currency: str) -> Adjustment:
    """Return an adjustment of what a return brings, within what it brings and what is kept of it.

    So the refund stays between nothing and what its units were paid. Raises InvalidInput and AmountTooLarge
    naming the field.
    """
    reason = require_text(asked.reason, MAX_REASON_LENGTH, "adjustment", "reason")
    if (asked.deduct is None) == (asked.waive is None):
        raise InvalidInput("say one of deduct and waive", "adjustment")
    if asked.deduct is not None:
        return Adjustment(-_minor(asked.deduct, "deduct", worth.refund_minor, currency), reason)
    assert asked.waive is not None, "one of them is said"  # noqa: S101
    return Adjustment(_minor(asked.waive, "waive", worth.fee_minor, currency), reason)


def check_not_decided(asked: AskedAdjustment | None, found: Return) -> None:
    """Raise IllegalTransition where a return that is to be adjusted has its money asked for already."""
    if asked is not None:
        raise IllegalTransition(
            "its refund is decided: what was refused is asked again as it was",
            found.status.value,
            (),
            "adjustment",
        )


def facts_of(found: Return) -> dict[str, Any]:
    """Return what events tell of what a return gives back, and of what staff changed of it."""
    facts: dict[str, Any] = {"refundMinor": found.refund_minor}
    if found.adjustment_minor:
        facts["adjustmentMinor"] = found.adjustment_minor
        facts["adjustmentReason"] = found.adjustment_reason
    return facts


def adjusted(worth: Worth, adjustment: Adjustment) -> Worth:
    """Return what a return brings with an adjustment that was `checked` for it.

    A deduction comes off the goods, and what is more than those off what is given back for the delivery; a
    waiver off all fees alike. `shipping_minor` stays what the rules say: later returns count on it.
    """
    amount = adjustment.amount_minor
    if amount < 0:
        goods = sum(one.refund_minor for one in worth.lines)
        off_goods = min(-amount, goods)
        shares = allocate_minor(off_goods, [one.refund_minor for one in worth.lines])
        return _with_fees(worth, shares, worth.label_fee_minor - amount - off_goods)
    fees = [one.fee_minor for one in worth.lines]
    *given, label = allocate_minor(amount, [*fees, worth.label_fee_minor])
    return _with_fees(worth, [-one for one in given], worth.label_fee_minor - label)


def _with_fees(worth: Worth, more: Sequence[int], label_fee_minor: int) -> Worth:
    lines = tuple(
        replace(line, fee_minor=line.fee_minor + units) for line, units in zip(worth.lines, more, strict=True)
    )
    return replace(worth, lines=lines, label_fee_minor=label_fee_minor)


def _minor(asked: Amount, name: str, most_minor: int, currency: str) -> int:
    with under("adjustment", name):
        if asked.currency != currency:
            raise InvalidInput(f"the order is in {currency}, not {asked.currency[:8]}", "currency")
        money = Money.from_decimal(asked.amount, currency)
        if money.amount_minor <= 0:
            raise InvalidInput("must be above zero", "amount")
        if money.amount_minor > most_minor:
            raise too_large(money.amount_minor, most_minor, currency)
    return money.amount_minor
