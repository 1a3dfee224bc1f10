"""A claim is withdrawn while nothing was sent or paid for it: all is as if it had never been made."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.claims import TRANSITIONS, Claim, ClaimStatus
from domain.fulfillment import FulfillmentOrder
from domain.inventory import Movement
from domain.kernel.changes import check_version
from domain.kernel.errors import IllegalTransition
from domain.kernel.quantities import require_text
from domain.kernel.transitions import check_transition
from domain.order_edit_stock import give_back
from domain.payments import PaymentTransaction
from domain.return_settlement import is_decided, is_given
from domain.returns import MAX_NOTE_LENGTH, Return, ReturnStatus
from domain.shipment_changes import LockedFulfillment, completed

CLAIM_CANCELED = "CLAIM_CANCELED"
"""The reason of such movements in the stock's ledger."""

WITHDRAWN: Mapping[ReturnStatus, Set[ReturnStatus]] = {ReturnStatus.INSPECTED: {ReturnStatus.CANCELED}}
"""What becomes of the return by which a claim was to be paid: nothing of it was ever sent back."""


@dataclass(frozen=True, slots=True)
class Taken:
    """An order whose units need not be sent again: the parts that change, and their stock back on sale."""

    found: LockedFulfillment
    parts: tuple[FulfillmentOrder, ...]
    movements: tuple[Movement, ...]


def canceled(
    claim: Claim, reason: str | None, now: datetime, expected_version: int | None, *, charged: bool
) -> Claim | None:
    """Return a claim that is withdrawn; None where it was so already.

    `charged`: its carrier owes for it, so it is no longer anybody's to withdraw. What it made is kept in
    mind. Raises IllegalTransition, VersionConflict and InvalidInput.
    """
    if not check_transition(TRANSITIONS, claim.status, ClaimStatus.CANCELED, "the claim"):
        return None
    check_version(claim.version, expected_version)
    if charged:
        raise IllegalTransition("its carrier is charged for it", claim.status.value, (), "id")
    if reason is not None:
        reason = require_text(reason, MAX_NOTE_LENGTH, "reason")
    return replace(
        claim,
        status=ClaimStatus.CANCELED,
        outcome=None,
        note=reason or claim.note,
        decided_at=now,
        version=claim.version + 1,
    )


def not_sent_again(claim: Claim, found: LockedFulfillment, now: datetime) -> Taken:
    """Take a claim's units out of the part that was made for them: they count as sent by the parcel again.

    Of no other part, though units of one line are alike: those may be another claim's. Raises
    IllegalTransition where they are picked or have left, or were put into other parts.
    """
    wanted = {line.order_line_id: line.quantity for line in claim.lines}
    own = [part for part in found.parts if part.id == claim.fulfillment_order_id]
    parts, movements = give_back(found.order, own, wanted)
    taken = _units(own) - _units(parts)
    if not parts or any(taken[line_id] < units for line_id, units in wanted.items()):
        raise IllegalTransition(
            "its units are being picked, packed or sent, or stand in other fulfillment orders by now",
            claim.status.value,
            (),
            "id",
        )
    lines = tuple(
        replace(line, quantity_shipped=line.quantity_shipped + wanted.get(line.id, 0)) for line in found.lines
    )
    ended = replace(found, lines=lines).with_parts(*parts)
    moves = tuple(replace(one, reason=CLAIM_CANCELED) for one in movements)
    return Taken(completed(ended, now), tuple(parts), moves)


def not_paid(claim: Claim, found: Return, asked: Sequence[PaymentTransaction], now: datetime) -> Return:
    """Return the return by which a claim was to be paid as it is withdrawn; `asked` are its refunds.

    Raises IllegalTransition where something was paid, or may have been.
    """
    given = found.credit_minor or any(is_given(one) for one in asked) or not is_decided(asked)
    if given or found.status is not ReturnStatus.INSPECTED:
        raise IllegalTransition("its money is given back, or being so", claim.status.value, (), "id")
    check_transition(WITHDRAWN, found.status, ReturnStatus.CANCELED, "the return")
    return replace(
        found,
        status=ReturnStatus.CANCELED,
        refund_minor=0,
        shipping_refund_minor=0,
        fee_minor=0,
        lines=tuple(replace(line, refund_minor=0) for line in found.lines),
        # What was refused is in the payments' own books; of this return nothing was given back.
        transaction_ids=(),
        refund_failure=None,
        closed_at=now,
        version=found.version + 1,
    )


def _units(parts: Iterable[FulfillmentOrder]) -> Counter[UUID]:
    units: Counter[UUID] = Counter()
    for part in parts:
        for line in part.lines:
            units[line.order_line_id] += line.quantity
    return units
