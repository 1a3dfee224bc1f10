"""Claims: units of a parcel that were lost or damaged on the way, wrong, or not in it; reshipped or refunded.

A claim is of one parcel. Its units are claimed from the moment it is made: none is ever in a claim and a
return, or in two claims. Whoever changes a claim locks its order first.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.fulfillment import DeliveryMethod, FulfillmentOrder
from domain.inventory import Movement, StockState
from domain.kernel.changes import check_version
from domain.kernel.errors import (
    DomainError,
    IllegalTransition,
    InvalidInput,
    NotFound,
    NotReturnable,
    Several,
)
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.kernel.quantities import MAX_QUANTITY, require_text
from domain.kernel.transitions import check_transition
from domain.orders import Order, OrderLine, OrderStatus
from domain.reshipments import sent_again
from domain.returns import (
    MAX_LINES,
    MAX_NOTE_LENGTH,
    MAX_PHOTOS,
    Return,
    ReturnLine,
    ReturnReason,
    ReturnStatus,
    ReturnWish,
    is_link,
)
from domain.shipment_changes import LockedFulfillment, units_in
from domain.shipments import Shipment

RESHIPPED = "CLAIM_RESHIPPED"
"""The reason of such movements in the stock's ledger."""


class ClaimKind(StrEnum):
    """What is wrong with a parcel."""

    DAMAGED = "DAMAGED"
    LOST_IN_TRANSIT = "LOST_IN_TRANSIT"
    WRONG_ITEM = "WRONG_ITEM"
    SHORT_SHIPPED = "SHORT_SHIPPED"
    """It arrived with fewer units than it should have."""


class ClaimStatus(StrEnum):
    """Life of a claim."""

    REQUESTED = "REQUESTED"
    """To be judged, or waiting for staff."""
    APPROVED = "APPROVED"
    """Reshipped, or its money is being given back: its fulfillment order or return tells how far."""
    DECLINED = "DECLINED"
    CANCELED = "CANCELED"
    """Withdrawn before anything was sent or paid for it."""


TRANSITIONS: Mapping[ClaimStatus, Set[ClaimStatus]] = {
    ClaimStatus.REQUESTED: {ClaimStatus.APPROVED, ClaimStatus.DECLINED, ClaimStatus.CANCELED},
    # While nothing was sent or paid for it.
    ClaimStatus.APPROVED: {ClaimStatus.CANCELED},
}

NOTHING_CLAIMED = frozenset({ClaimStatus.DECLINED, ClaimStatus.CANCELED})
"""Their units may be claimed or returned anew."""


class ClaimOutcome(StrEnum):
    """What the customer gets for it."""

    RESHIP = "RESHIP"
    REFUND = "REFUND"


_REASONS = {
    ClaimKind.DAMAGED: ReturnReason.DAMAGED_IN_TRANSIT,
    ClaimKind.LOST_IN_TRANSIT: ReturnReason.NOT_DELIVERED,
    ClaimKind.WRONG_ITEM: ReturnReason.WRONG_ITEM,
    ClaimKind.SHORT_SHIPPED: ReturnReason.NOT_DELIVERED,
}


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """Units of one order line that were in the parcel, or should have been."""

    id: UUID
    order_line_id: UUID
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Units of a parcel that the customer does not have as they should; amounts in minor units."""

    id: UUID
    number: str
    order_id: UUID
    shipment_id: UUID
    kind: ClaimKind
    status: ClaimStatus
    wish: ClaimOutcome
    lines: tuple[ClaimLine, ...]
    created_at: datetime
    created_by: str
    description: str | None = None
    photos: tuple[str, ...] = ()
    verdict: Mapping[str, Any] | None = None
    """What was decided by itself, with its evidence; None: not judged yet."""
    note: str | None = None
    """Why staff decided as they did."""
    outcome: ClaimOutcome | None = None
    fulfillment_order_id: UUID | None = None
    """What sends the units again."""
    return_id: UUID | None = None
    """The return, of which nothing is sent back, by which the money is given back."""
    decided_at: datetime | None = None
    version: int = 1
    arrival_dismissed_at: datetime | None = None
    """When a person had seen to a parcel that was claimed as lost and arrived after all."""


@dataclass(frozen=True, slots=True)
class Reshipment:
    """A claim approved, its order with units to be sent again, and the stock that is committed for them."""

    claim: Claim
    found: LockedFulfillment
    part: FulfillmentOrder
    movements: tuple[Movement, ...]


def pending(claims: Iterable[Claim]) -> Counter[UUID]:
    """Return how many units of each order line are in claims that nobody has decided on.

    Those refunded are in a return, and those reshipped no longer count as sent.
    """
    units: Counter[UUID] = Counter()
    for claim in claims:
        if claim.status is ClaimStatus.REQUESTED:
            for line in claim.lines:
                units[line.order_line_id] += line.quantity
    return units


def arrived_of(shipments: Sequence[Shipment], claims: Iterable[Claim]) -> list[Shipment]:
    """Return parcels without the units that were sent again: those the customer never had from them."""
    gone: Counter[tuple[UUID, UUID | None]] = Counter()
    for claim in claims:
        if claim.outcome is ClaimOutcome.RESHIP:
            for line in claim.lines:
                gone[claim.shipment_id, line.order_line_id] += line.quantity
    return [
        replace(
            one,
            lines=tuple(
                replace(line, quantity=line.quantity - gone[one.id, line.order_line_id]) for line in one.lines
            ),
        )
        for one in shipments
    ]


def request(
    found: LockedFulfillment,
    claims: Sequence[Claim],
    shipment_id: UUID,
    kind: ClaimKind,
    wish: ClaimOutcome,
    asked: Sequence[tuple[UUID, int]],
    free: Mapping[UUID, int],
    actor: str,
    now: datetime,
) -> Claim:
    """Return the claim that is made of units of a parcel (order line and how many).

    `free` are the units of each order line that are in no return and no claim. Raises NotFound,
    IllegalTransition for a parcel that has not left, and InvalidInput and NotReturnable naming the line.
    """
    shipment = next((one for one in found.shipments if one.id == shipment_id), None)
    if shipment is None:
        raise NotFound("the order has no such shipment", "shipmentId")
    if not shipment.has_left or found.order.status not in {OrderStatus.OPEN, OrderStatus.COMPLETED}:
        raise IllegalTransition("only what has left is claimed", shipment.status.value, (), "shipmentId")
    if not 1 <= len(asked) <= MAX_LINES or len({line for line, _ in asked}) < len(asked):
        raise InvalidInput(f"name from 1 to {MAX_LINES} lines, each once", "lines")
    inside = units_in([shipment])
    for claim in claims:
        if claim.shipment_id == shipment_id and claim.status not in NOTHING_CLAIMED:
            for one in claim.lines:
                inside[one.order_line_id] -= one.quantity
    lines: list[ClaimLine] = []
    wrong: list[DomainError] = []
    by_id = {line.id: line for line in found.lines}
    for position, (line_id, units) in enumerate(asked):
        most = max(0, min(inside[line_id], free.get(line_id, 0)))
        try:
            lines.append(_line(by_id.get(line_id), units, most, str(position)))
        except DomainError as error:
            wrong.append(error)
    if wrong:
        raise wrong[0] if len(wrong) == 1 else Several(wrong)
    return Claim(
        new_id(),
        "",
        found.order.id,
        shipment_id,
        kind,
        ClaimStatus.REQUESTED,
        wish,
        tuple(lines),
        now,
        actor,
    )


def described(claim: Claim, description: str | None, photos: Sequence[str]) -> Claim:
    """Return a claim with its asker's own words and links; raises InvalidInput naming the field."""
    if description is not None:
        description = require_text(description, MAX_NOTE_LENGTH, "description")
    if len(photos) > MAX_PHOTOS:
        raise InvalidInput(f"no more than {MAX_PHOTOS} links", "photos")
    for photo in photos:
        if not is_link(photo):
            raise InvalidInput("must be links that begin with https://", "photos")
    return replace(claim, description=description, photos=tuple(photos))


def decided(
    claim: Claim, wanted: ClaimStatus, note: str | None, now: datetime, expected_version: int | None
) -> Claim | None:
    """Return a claim that was decided on; None where it was so already.

    Raises IllegalTransition and VersionConflict.
    """
    if not check_transition(TRANSITIONS, claim.status, wanted, "the claim", "id"):
        return None
    check_version(claim.version, expected_version)
    return replace(claim, status=wanted, note=note or claim.note, decided_at=now, version=claim.version + 1)


def way_of(found: LockedFulfillment, claim: Claim) -> DeliveryMethod:
    """Return how a claim's parcel came to its customer, and what is sent again comes too."""
    part_id = found.shipment(claim.shipment_id).fulfillment_order_id
    ways = (part.delivery_method for part in found.parts if part.id == part_id)
    return next(ways, DeliveryMethod.SHIPPING)


def reshipped(claim: Claim, found: LockedFulfillment, location_id: UUID) -> Reshipment:
    """Send an approved claim's units again from a location: a part of its own, which costs nothing.

    Until it leaves they count as not sent. Raises InvalidInput for units of no variant.
    """
    units = {line.order_line_id: line.quantity for line in claim.lines}
    way, available = way_of(found, claim), StockState.AVAILABLE
    sent = sent_again(found, units, location_id, way, available, RESHIPPED, "outcome")
    made = replace(claim, outcome=ClaimOutcome.RESHIP, fulfillment_order_id=sent.part.id)
    return Reshipment(made, sent.found, sent.part, sent.movements)


def refund_of(claim: Claim, lines: Sequence[OrderLine], now: datetime) -> Return:
    """Return the return by which an approved claim's money is given back: nothing of it is sent back."""
    by_id = {line.id: line for line in lines}
    reason = _REASONS[claim.kind]
    return Return(
        new_id(),
        "",
        claim.order_id,
        ReturnStatus.INSPECTED,
        ReturnWish.REFUND,
        tuple(
            ReturnLine(
                new_id(),
                line.order_line_id,
                by_id[line.order_line_id].variant_id,
                line.sku,
                line.quantity,
                reason,
            )
            for line in claim.lines
        ),
        now,
        claim.created_by,
        keeps_items=True,
        note=f"claim {claim.number}",
        decided_at=now,
    )


def claim_event(kind: str, order: Order, claim: Claim, now: datetime, **facts: Any) -> Event:
    """Return an event of the order's stream that tells of one of its claims."""
    payload = {
        "number": order.number,
        "status": order.status.value,
        # Not as parcels' own events name it: who follows the parcel is told nothing new of it.
        "claimShipmentId": str(claim.shipment_id),
        "claimId": str(claim.id),
        "claimNumber": claim.number,
        "claimStatus": claim.status.value,
    }
    return Event(kind, "order", order.id, order.version, now, order.channel_id, {**payload, **facts})


def _line(sold: OrderLine | None, units: int, most: int, position: str) -> ClaimLine:
    if sold is None:
        raise NotFound("the order has no such line", "lines", position, "lineId")
    if not 1 <= units <= MAX_QUANTITY:
        raise InvalidInput(f"must be between 1 and {MAX_QUANTITY}", "lines", position, "quantity")
    if units > most:
        raise NotReturnable(sold.sku, units, most, (), "lines", position, "quantity")
    return ClaimLine(new_id(), sold.id, sold.sku, units)
