"""Returns that are to be repaired: the customer's own units go back to them, and no money is given.

What is here of such a return is the customer's and never on sale. Where it cannot be repaired staff give the
repair up, and the return goes on as one for money.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.fulfillment import DeliveryMethod
from domain.inventory import StockState
from domain.kernel.changes import check_version
from domain.kernel.errors import IllegalTransition, InvalidInput, instead
from domain.orders import Order
from domain.reshipments import Reshipped, sent_again
from domain.return_requests import AskedLine, LineEligibility
from domain.returns import (
    NOTHING_CLAIMED,
    TRANSITIONS,
    Disposition,
    LineOutcome,
    Return,
    ReturnLine,
    ReturnStatus,
    ReturnWish,
    moved,
)
from domain.shipment_changes import LockedFulfillment

MOVED = "RETURN_REPAIRED"
"""The reason of such movements in the stock's ledger."""
GIVEN_UP_FOR = frozenset({ReturnWish.REFUND, ReturnWish.STORE_CREDIT})
"""What a return may be for instead. What is exchanged is reserved on approval, so it is asked for anew."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """A return that was repaired, as it ends, and what sends its units back."""

    after: Return
    sent: Reshipped


def check_repairable(
    wish: ReturnWish, asked: Sequence[AskedLine], eligible: Sequence[LineEligibility]
) -> None:
    """Raise InvalidInput naming the wish where a repair is asked for that the policy of a line has not."""
    if wish is not ReturnWish.REPAIR:
        return
    named = {one.order_line_id for one in asked}
    for one in eligible:
        if one.line.id in named and not one.repairable:
            raise InvalidInput(f"{one.line.sku} is not repaired: ask for something else", "wish")


def repaired(
    found: LockedFulfillment,
    before: Return,
    note: str | None,
    now: datetime,
    expected_version: int | None,
) -> Repaired:
    """Return a return whose units were repaired, CLOSED, with a part of its order that sends them back.

    What was missing or not ours is not sent, and stays in no return. Raises VersionConflict, and
    IllegalTransition for one that is for no repair, is not looked at, or of which something is beyond it.
    """
    check_version(before.version, expected_version)
    if before.wish is not ReturnWish.REPAIR or before.status is not ReturnStatus.INSPECTED:
        raise _refused(before, "only what was looked at, and is for a repair, is sent back repaired")
    if any(_is_beyond(line) for line in before.lines):
        raise _refused(before, "some of it is beyond repair: give the repair up (returnRepairGiveUp)")
    units = Counter[UUID]()
    for line in before.lines:
        units[line.order_line_id] += line.quantity_accepted
    units = +units
    if not units or before.location_id is None:
        raise _refused(before, "nothing of it is here: give the repair up (returnRepairGiveUp)")
    with instead("id"):
        sent = sent_again(
            found,
            units,
            before.location_id,
            _way(found, units, before.location_id),
            StockState.QUALITY_CONTROL,
            MOVED,
            "id",
        )
    after = moved(before, ReturnStatus.CLOSED, now) or before
    after = replace(
        after,
        lines=tuple(replace(line, outcome=_outcome(line)) for line in before.lines),
        note=note or before.note,
        fulfillment_order_id=sent.part.id,
    )
    return Repaired(after, sent)


def given_up(
    order: Order, before: Return, wish: ReturnWish, note: str, expected_version: int | None
) -> Return | None:
    """Return a return that goes on for money instead of a repair, one version on; None where it does so.

    Raises VersionConflict, IllegalTransition for one that is for no repair or has ended, and InvalidInput
    naming the wish.
    """
    if before.wish is wish and wish in GIVEN_UP_FOR:
        return None
    check_version(before.version, expected_version)
    if before.wish is not ReturnWish.REPAIR or before.status not in TRANSITIONS:
        raise _refused(before, "only of what waits to be repaired is a repair given up")
    if wish not in GIVEN_UP_FOR:
        possible = ", ".join(sorted(GIVEN_UP_FOR))
        raise InvalidInput(f"must be one of: {possible}", "wish")
    if wish is ReturnWish.STORE_CREDIT and order.email is None:
        raise InvalidInput("the order has no email address to keep credit for", "wish")
    return replace(before, wish=wish, note=note, version=before.version + 1)


def check_no_repair(found: Return) -> None:
    """Raise IllegalTransition for a return that is for a repair: no money is decided on of it."""
    if found.wish is ReturnWish.REPAIR:
        raise _refused(found, "it is for a repair: give that up first (returnRepairGiveUp)")


def _is_beyond(line: ReturnLine) -> bool:
    return any(
        one.is_ours and one.disposition is not Disposition.PROCESSING_REQUIRED for one in line.inspections
    )


def _outcome(line: ReturnLine) -> LineOutcome:
    return LineOutcome.REPAIRED if line.quantity_accepted else LineOutcome.REJECTED


def _way(found: LockedFulfillment, units: Mapping[UUID, int], location_id: UUID) -> DeliveryMethod:
    """Return how repaired units get back: collected where they were collected before, else by a carrier."""
    had = [
        part
        for part in found.parts
        if any(line.order_line_id in units and line.quantity_shipped for line in part.lines)
    ]
    collected = bool(had) and all(
        part.delivery_method is DeliveryMethod.PICKUP and part.location_id == location_id for part in had
    )
    return DeliveryMethod.PICKUP if collected else DeliveryMethod.SHIPPING


def _refused(found: Return, why: str) -> IllegalTransition:
    may = () if found.status in NOTHING_CLAIMED else sorted(TRANSITIONS.get(found.status, ()))
    return IllegalTransition(why, found.status.value, may, "id")
