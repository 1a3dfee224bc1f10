"""What an exchange costs beyond what comes back for it: how much its customer pays now, and until when.

Amounts are in minor units of the order's currency.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.fulfillment import FulfillmentOrder, FulfillmentOrderStatus
from domain.kernel.errors import IllegalTransition, InvalidInput
from domain.order_holds import is_unpaid
from domain.payments import MANUAL
from domain.return_exchanges import Exchange, gap_minor
from domain.return_worth import Worth
from domain.returns import SETTLED, Return, ReturnStatus


def is_as_asked(found: Return) -> bool:
    """Say whether what an exchange's return brings is still only expected: not all of it was looked at."""
    return found.status not in SETTLED


def due_minor(found: Return, exchange: Exchange, worth: Worth) -> int:
    """Return what is to be paid now: what the replacement costs beyond what comes back for it.

    `worth` is what the return brings, as it was asked for as long as not all of it is here. What is paid
    before it is looked at counts: should it then bring less, the rest is due.
    """
    due = exchange.due_minor
    if found.is_valued:
        return due
    rest = max(0, due - worth.refund_minor)
    return 0 if rest and rest == gap_minor(found, due, worth.gross_minor) else rest


def checked_due(found: Return, exchange: Exchange | None, worth: Worth) -> int:
    """Return what is to be paid now; raises IllegalTransition where there is nothing to pay for."""
    if exchange is None:
        raise IllegalTransition("nothing is reserved that would replace it", found.status.value, (), "id")
    due = due_minor(found, exchange, worth)
    if not due:
        raise IllegalTransition("nothing is to be paid for it now", found.status.value, (), "id")
    return due


def check_provider(provider: str) -> None:
    """Raise InvalidInput for what a shopper would only promise to pay: the replacement leaves once paid."""
    if provider == MANUAL:
        raise InvalidInput("must be a provider that is paid at once", "payment", "provider")


def pay_by(
    found: Return, exchange: Exchange, parts: Sequence[FulfillmentOrder], days: float
) -> datetime | None:
    """Return until when the rest is to be paid; None while it waits for its return, which has a deadline too.

    And of what was let go once: an edit has made it cost more since then, and staff see to that.
    """
    if found.status is not ReturnStatus.CLOSED or found.closed_at is None or not exchange.due_minor:
        return None
    waits = [one for one in parts if one.status is not FulfillmentOrderStatus.CANCELED]
    since = [[hold.created_at for hold in one.holds if is_unpaid(hold)] for one in waits]
    if not since or not all(since):
        return None
    begun = max(found.closed_at, *(at for held in since for at in held if at is not None))
    return begun + timedelta(days=days)
