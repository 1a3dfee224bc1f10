"""Returns: units that come back from a customer, from the request until their money is given back.

A return is of one order. Its units are claimed from the moment it is asked for, so that no unit is ever in
two returns. Whoever changes a return locks its order first.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.kernel.changes import check_version
from domain.kernel.errors import IllegalTransition, InvalidInput
from domain.kernel.events import Event
from domain.kernel.transitions import check_transition
from domain.orders import Order

MAX_LINES = 200
"""Most lines of one return."""
MAX_NOTE_LENGTH = 2000
"""Longest note of a shopper or of staff, in characters."""
MAX_PHOTOS = 10
"""Most links to pictures of one line."""
MAX_PHOTO_LENGTH = 2000
MAX_GIVEN_UP = 50
"""Most returns of one order that came to nothing before only staff may ask for more."""


class ReturnStatus(StrEnum):
    """Life of a return."""

    REQUESTED = "REQUESTED"
    """Asked for: to be judged, or waiting for staff."""
    APPROVED = "APPROVED"
    """The customer may send it."""
    DECLINED = "DECLINED"
    IN_TRANSIT = "IN_TRANSIT"
    PARTIALLY_RECEIVED = "PARTIALLY_RECEIVED"
    RECEIVED = "RECEIVED"
    INSPECTED = "INSPECTED"
    """All that came is looked at; its money is to be decided on."""
    CLOSED = "CLOSED"
    CANCELED = "CANCELED"


TRANSITIONS: Mapping[ReturnStatus, Set[ReturnStatus]] = {
    ReturnStatus.REQUESTED: {ReturnStatus.APPROVED, ReturnStatus.DECLINED, ReturnStatus.CANCELED},
    ReturnStatus.APPROVED: {
        ReturnStatus.IN_TRANSIT,
        ReturnStatus.PARTIALLY_RECEIVED,
        ReturnStatus.RECEIVED,
        # What the customer keeps is not waited for.
        ReturnStatus.INSPECTED,
        ReturnStatus.CANCELED,
    },
    ReturnStatus.IN_TRANSIT: {
        ReturnStatus.PARTIALLY_RECEIVED,
        ReturnStatus.RECEIVED,
        ReturnStatus.CANCELED,
    },
    ReturnStatus.PARTIALLY_RECEIVED: {ReturnStatus.RECEIVED},
    ReturnStatus.RECEIVED: {ReturnStatus.INSPECTED},
    ReturnStatus.INSPECTED: {ReturnStatus.CLOSED},
}
"""What may become of a return; once units have come it is not canceled, but received and closed."""

WAITING = frozenset({ReturnStatus.APPROVED, ReturnStatus.IN_TRANSIT, ReturnStatus.PARTIALLY_RECEIVED})
"""Units of it may still arrive."""
NOTHING_CLAIMED = frozenset({ReturnStatus.DECLINED, ReturnStatus.CANCELED})
SETTLED = frozenset({ReturnStatus.INSPECTED, ReturnStatus.CLOSED})
"""Of these only what was accepted is no longer the customer's to return."""


class ReturnReason(StrEnum):
    """Why the customer sends something back."""

    CHANGED_MIND = "CHANGED_MIND"
    SIZE = "SIZE"
    LATE = "LATE"
    DEFECTIVE = "DEFECTIVE"
    DAMAGED_IN_TRANSIT = "DAMAGED_IN_TRANSIT"
    WRONG_ITEM = "WRONG_ITEM"
    NOT_AS_DESCRIBED = "NOT_AS_DESCRIBED"
    NOT_DELIVERED = "NOT_DELIVERED"
    OTHER = "OTHER"


SHOPS_FAULT = frozenset(
    {
        ReturnReason.LATE,
        ReturnReason.DEFECTIVE,
        ReturnReason.DAMAGED_IN_TRANSIT,
        ReturnReason.WRONG_ITEM,
        ReturnReason.NOT_AS_DESCRIBED,
        ReturnReason.NOT_DELIVERED,
    }
)
"""Reasons for which no fee is taken, the shop pays the way back, and no rule of time declines by itself."""


class ReturnWish(StrEnum):
    """What the customer wants for what comes back."""

    REFUND = "REFUND"
    EXCHANGE = "EXCHANGE"
    STORE_CREDIT = "STORE_CREDIT"
    REPAIR = "REPAIR"
    """The same units again, in order."""


class ReturnCondition(StrEnum):
    """How the customer says that it is."""

    UNOPENED = "UNOPENED"
    OPENED = "OPENED"
    USED = "USED"
    DAMAGED = "DAMAGED"


class Disposition(StrEnum):
    """What becomes of units that were looked at."""

    RESTOCKED = "RESTOCKED"
    """On sale again."""
    NOT_RESTOCKED = "NOT_RESTOCKED"
    """Damaged: kept apart, not sold."""
    PROCESSING_REQUIRED = "PROCESSING_REQUIRED"
    """Stays in quality control."""
    MISSING = "MISSING"
    """Was not in the parcel."""


class Grade(StrEnum):
    """How units are that were looked at; the policy says what part of their worth each brings."""

    AS_NEW = "AS_NEW"
    OPENED = "OPENED"
    USED = "USED"
    DAMAGED = "DAMAGED"
    INCOMPLETE = "INCOMPLETE"
    """Ours, and parts of it are not there."""
    NOT_OURS = "NOT_OURS"
    """Not what was sold: another article, or an empty box."""


class LineOutcome(StrEnum):
    """How a line of a closed return ended."""

    REFUNDED = "REFUNDED"
    EXCHANGED = "EXCHANGED"
    STORE_CREDIT = "STORE_CREDIT"
    REJECTED = "REJECTED"
    REPAIRED = "REPAIRED"


@dataclass(frozen=True, slots=True)
class Inspection:
    """Units of one line that were looked at together."""

    id: UUID
    line_id: UUID
    quantity: int
    disposition: Disposition
    grade: Grade
    at: datetime
    note: str | None = None

    @property
    def is_ours(self) -> bool:
        """Whether these units are what was sold, and here."""
        return self.disposition is not Disposition.MISSING and self.grade is not Grade.NOT_OURS


@dataclass(frozen=True, slots=True)
class ReturnLine:
    """Units of one order line that come back; amounts in minor units of the order's currency."""

    id: UUID
    order_line_id: UUID
    variant_id: UUID | None
    sku: str
    quantity: int
    reason: ReturnReason
    condition: ReturnCondition | None = None
    note: str | None = None
    photos: tuple[str, ...] = ()
    quantity_received: int = 0
    inspections: tuple[Inspection, ...] = ()
    outcome: LineOutcome | None = None
    refund_minor: int = 0
    """What is given back for it: goods with their tax and without their discount, less fees and grades."""
    exchange_variant_id: UUID | None = None
    """What shall come instead, where it is not the same article."""

    @property
    def quantity_inspected(self) -> int:
        """Units that were looked at, those that were missing among them."""
        return sum(one.quantity for one in self.inspections)

    @property
    def quantity_accepted(self) -> int:
        """Units that are back: ours, and here."""
        return sum(one.quantity for one in self.inspections if one.is_ours)

    @property
    def quantity_taken(self) -> int:
        """Units that are the shop's again: what was repaired stays the customer's."""
        return 0 if self.outcome is LineOutcome.REPAIRED else self.quantity_accepted

    @property
    def quantity_missing(self) -> int:
        """Units that were not in the parcel."""
        return sum(one.quantity for one in self.inspections if one.disposition is Disposition.MISSING)


@dataclass(frozen=True, slots=True)
class Return:
    """Units of an order that come back together; amounts in minor units of the order's currency."""

    id: UUID
    number: str
    order_id: UUID
    status: ReturnStatus
    wish: ReturnWish
    lines: tuple[ReturnLine, ...]
    created_at: datetime
    created_by: str
    """Who asked, as an actor's label."""
    email: str | None = None
    """Who says to ask, where that was said."""
    location_id: UUID | None = None
    """Where it comes back to."""
    keeps_items: bool = False
    """Whether nothing is to be sent: the customer keeps it."""
    verdict: Mapping[str, Any] | None = None
    """What was decided by itself on the request, with its evidence; None: not judged yet."""
    refund_verdict: Mapping[str, Any] | None = None
    """The same of its money, once all that came is looked at."""
    note: str | None = None
    """Why staff decided as they did, or the customer canceled."""
    refund_minor: int = 0
    """What is given back in all."""
    shipping_refund_minor: int = 0
    """The part of it that is for the delivery."""
    fee_minor: int = 0
    """What was kept of it: the label and restocking."""
    transaction_ids: tuple[UUID, ...] = ()
    """The refunds by which it was given back."""
    credit_minor: int = 0
    """The part of `refund_minor` that was given as store credit."""
    bonus_minor: int = 0
    """What was added to that credit as a gift."""
    exchange_order_id: UUID | None = None
    """The order that replaces what comes back, once it is reserved."""
    adjustment_minor: int = 0
    """What staff changed of what it brings by the rules: below zero is a part of `fee_minor`."""
    adjustment_reason: str | None = None
    """Why, as the customer is told."""
    refund_failure: str | None = None
    """Why a provider did not give its money back: its code. Staff ask again, or end the return."""
    expires_at: datetime | None = None
    """Until when its units must be here."""
    decided_at: datetime | None = None
    received_at: datetime | None = None
    closed_at: datetime | None = None
    version: int = 1
    surplus: int = 0
    """Units in its parcels that nobody expected."""
    owes_replacement: bool = False
    """Whether an order that replaces what comes back stands and is not paid for."""
    fulfillment_order_id: UUID | None = None
    """What sends the units back to the customer, repaired."""

    @property
    def is_valued(self) -> bool:
        """Whether it is decided what it brings, be that nothing."""
        return self.status is ReturnStatus.CLOSED or bool(self.transaction_ids)

    def line(self, line_id: UUID) -> ReturnLine | None:
        """Return one of its lines."""
        return next((one for one in self.lines if one.id == line_id), None)


def claimed(returns: Iterable[Return]) -> dict[UUID, int]:
    """Return how many units of each order line are in returns, and so in no other."""
    found: dict[UUID, int] = {}
    for one in returns:
        if one.status in NOTHING_CLAIMED:
            continue
        for line in one.lines:
            settled = one.status in SETTLED and not one.keeps_items
            units = line.quantity_taken if settled else line.quantity
            found[line.order_line_id] = found.get(line.order_line_id, 0) + units
    return found


def exchanged(returns: Iterable[Return]) -> dict[UUID, int]:
    """Return how many units of each order line came back and were exchanged for others."""
    found: dict[UUID, int] = {}
    for one in returns:
        for line in one.lines:
            if line.outcome is LineOutcome.EXCHANGED:
                found[line.order_line_id] = found.get(line.order_line_id, 0) + line.quantity_accepted
    return found


def moved(
    found: Return, wanted: ReturnStatus, now: datetime, *, expected_version: int | None = None
) -> Return | None:
    """Return a return in another status, one version on; None when it is there already.

    Raises IllegalTransition and VersionConflict.
    """
    if not check_transition(TRANSITIONS, found.status, wanted, "the return", "id"):
        return None
    check_version(found.version, expected_version)
    after = replace(found, status=wanted, version=found.version + 1)
    if wanted in {ReturnStatus.APPROVED, ReturnStatus.DECLINED}:
        after = replace(after, decided_at=now)
    if wanted not in TRANSITIONS:
        after = replace(after, closed_at=now)
    return after


def check_waiting(found: Return) -> None:
    """Raise IllegalTransition unless units of it may still arrive."""
    if found.status not in WAITING or found.keeps_items:
        raise IllegalTransition(
            "only an approved return that is not all here is received",
            found.status.value,
            sorted(TRANSITIONS.get(found.status, ())),
            "id",
        )


def return_event(kind: str, order: Order, found: Return, now: datetime, **facts: Any) -> Event:
    """Return an event of the order's stream that tells of one of its returns."""
    payload = {
        "number": order.number,
        "status": order.status.value,
        "returnId": str(found.id),
        "returnNumber": found.number,
        "returnStatus": found.status.value,
    }
    return Event(kind, "order", order.id, order.version, now, order.channel_id, {**payload, **facts})


def return_told(facts: Mapping[str, Any]) -> UUID | None:
    """Return the return that an event of an order tells of, if it does: such events name it by returnId."""
    named = facts.get("returnId")
    return None if named is None else UUID(named)


def brought_back(returns: Iterable[Return], *, at_fault: bool = False) -> dict[UUID, int]:
    """Return how many units of each order line returns have brought back whose worth is decided.

    With `at_fault` only those that the shop was at fault with.
    """
    found: dict[UUID, int] = {}
    for one in returns:
        if one.is_valued:
            for line in one.lines:
                if at_fault and line.reason not in SHOPS_FAULT:
                    continue
                units = line.quantity if one.keeps_items else line.quantity_taken
                found[line.order_line_id] = found.get(line.order_line_id, 0) + units
    return found


def is_link(photo: str) -> bool:
    """Say whether somebody's link to a picture can be shown: nothing here fetches it, people open it.

    No user name before the host: `https://shop.example@evil.example/` looks like another's.
    """
    if not photo.startswith("https://") or len(photo) > MAX_PHOTO_LENGTH or not photo.isprintable():
        return False
    host = photo.removeprefix("https://").split("/")[0].split("?")[0].split("#")[0]
    return bool(host) and not set(host) & {"@", "\\", " "}


def check_not_too_many(returns: Iterable[Return]) -> None:
    """Raise InvalidInput where so many returns of an order came to nothing that only staff ask for more.

    Every change of an order reads all of its returns: who asks and gives up in turn shall not make it slow.
    """
    if sum(one.status in NOTHING_CLAIMED for one in returns) >= MAX_GIVEN_UP:
        raise InvalidInput("too many returns of this order came to nothing: write to the shop", "ref")


def others(returns: Sequence[Return], found: Return) -> list[Return]:
    """Return all but one of an order's returns."""
    return [one for one in returns if one.id != found.id]
