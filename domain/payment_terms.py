"""Paying on terms: what is billed is due so many days after it was agreed on; what is late is told of."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.kernel.errors import InvalidInput
from domain.orders import Order, OrderStatus
from domain.payment_means import PaymentMeans
from domain.payments import MANUAL, Payment

MAX_TERMS_DAYS = 365
PURCHASE_ORDER = "purchase_order"
ON_TERMS = frozenset({"invoice", PURCHASE_ORDER})
"""Methods of the provider `manual` that are billed: the others are paid before or as the goods come."""

_OWED = frozenset({OrderStatus.OPEN, OrderStatus.COMPLETED})


def check_terms(days: int | None) -> int | None:
    """Return a channel's payment terms in days (None: it has none); raises InvalidInput."""
    if days is not None and not 0 <= days <= MAX_TERMS_DAYS:
        raise InvalidInput(f"must be 0 to {MAX_TERMS_DAYS} days", "paymentTermsDays")
    return days


def check_reference(provider: str, method: str, means: PaymentMeans) -> None:
    """Raise InvalidInput where a purchase order comes without its number, or anything else with one."""
    wanted = provider == MANUAL and method == PURCHASE_ORDER
    if wanted and means.reference is None:
        raise InvalidInput("the number of the purchase order is missing", "payment", "reference")
    if not wanted and means.reference is not None:
        raise InvalidInput("the method takes none", "payment", "reference")


def due_at(provider: str, method: str, days: int | None, agreed_at: datetime) -> datetime | None:
    """Return when a payment agreed on at `agreed_at` is due; None where it is not billed or without terms."""
    if days is None or provider != MANUAL or method not in ON_TERMS:
        return None
    return agreed_at + timedelta(days=days)


def overdue_minor(order: Order, payments: Sequence[Payment], payment: Payment, now: datetime) -> int:
    """Return what of a payment should have come by now and has not, in minor units; 0 when nothing is late.

    Never more than the order still costs: an edit may have made it cheaper than what was agreed on.
    """
    if payment.due_at is None or payment.due_at > now or not payment.counts or order.status not in _OWED:
        return 0
    covered = sum(
        max(one.authorized_minor - one.voiding_minor, one.captured_minor) for one in payments if one.counts
    )
    return max(0, min(payment.amount_minor - payment.captured_minor, order.total_minor - covered))
