"""What a return brings as store credit: taken out of what its order has paid, and no longer refundable.

Amounts are in minor units of the order's currency.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.kernel.money import rounded_half_up
from domain.payment_changes import status_of, too_large
from domain.payments import OWN_TENDERS, Payment
from domain.return_policies import SHOP_DEFAULT, WHOLE, ReturnPolicy
from domain.return_worth import Worth
from domain.returns import Return


@dataclass(frozen=True, slots=True)
class Credit:
    """What is credited: `payments` as they will be, and what is added to it as a gift."""

    payments: tuple[Payment, ...]
    amount_minor: int
    bonus_minor: int


def applied(payments: Sequence[Payment], credit: Credit) -> list[Payment]:
    """Return an order's payments, those that were credited as they will be."""
    latest = {one.id: one for one in credit.payments}
    return [latest.get(one.id, one) for one in payments]


def credit_of(payments: Sequence[Payment], currency: str, amount_minor: int) -> list[Payment]:
    """Return an order's payments of which an amount is given back as credit, as they will be.

    Own tenders come first: what was only good here stays so, and money can still go back the way it came.
    Raises AmountTooLarge.
    """
    in_turn = list(reversed(payments))
    in_turn.sort(key=lambda one: one.provider not in OWN_TENDERS)
    creditable = sum(max(0, one.refundable_minor) for one in in_turn)
    if amount_minor > creditable:
        raise too_large(amount_minor, creditable, currency)
    changed, left = [], amount_minor
    for payment in in_turn:
        amount = min(left, payment.refundable_minor)
        if amount > 0:
            after = replace(payment, credited_minor=payment.credited_minor + amount)
            changed.append(replace(after, status=status_of(after)))
            left -= amount
    return changed


def bonus_of(
    found: Return,
    worth: Worth,
    policies: Mapping[UUID, ReturnPolicy],
    before: Sequence[Payment],
    credited: Sequence[Payment],
) -> int:
    """Return what is added to credit for a return's goods, by each line's policy; none for the delivery.

    Nor for what was paid with a gift card or credit before, which is only good here anyway: goods bought with
    credit, and turned into credit again and again, would bring a bonus each time. `before` and `credited` are
    the order's payments as they were, and as they will be.
    """
    brings = {one.line_id: one.refund_minor for one in worth.lines}
    whole = sum(
        rounded_half_up(brings[line.id] * policies.get(line.order_line_id, SHOP_DEFAULT).credit_bonus, WHOLE)
        for line in found.lines
    )
    known = {one.id: one.credited_minor for one in before}
    amounts = [(one.provider in OWN_TENDERS, one.credited_minor - known[one.id]) for one in credited]
    amount = sum(minor for _, minor in amounts)
    from_outside = sum(minor for is_own, minor in amounts if not is_own)
    return rounded_half_up(whole * from_outside, amount) if amount else 0
