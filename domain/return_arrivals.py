"""What arrives otherwise than expected: too late, without a request, more than was asked for, or not ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.inventory import Movement, StockState
from domain.kernel.errors import IllegalTransition, InvalidInput, NotFound
from domain.kernel.quantities import require_text
from domain.returns import MAX_LINES, MAX_NOTE_LENGTH, Return, ReturnStatus

SURPLUS = "RETURN_SURPLUS"
"""The reason of such movements in the stock's ledger."""
MAX_SKU_LENGTH = 100
MAX_SURPLUS = 10_000
"""Most unexpected units of one article in one parcel."""


@dataclass(frozen=True, slots=True)
class Surplus:
    """Units in a parcel that nobody expected; `variant_id` is the article of ours, None: it is not ours."""

    sku: str
    quantity: int
    variant_id: UUID | None = None
    note: str | None = None


def reopened(found: Return, sent: Mapping[UUID, int]) -> Return:
    """Return a return to be received: one that was approved and expired, or was given up, is so again.

    Its units are here, whoever gave it up; what follows from them is judged as ever. `sent` are the units of
    each order line that may come back beside other returns. Raises IllegalTransition where there are too few.
    """
    if found.status is not ReturnStatus.CANCELED or found.decided_at is None:
        return found
    for line in found.lines:
        if line.quantity > sent.get(line.order_line_id, 0):
            raise IllegalTransition(
                "its units are in other returns or claims by now, or were given money for",
                found.status.value,
                (),
                "id",
            )
    return replace(found, status=ReturnStatus.APPROVED, closed_at=None)


def checked_surplus(
    items: Sequence[Surplus], ours: Mapping[str, UUID], not_ours: Sequence[bool]
) -> list[Surplus]:
    """Return unexpected units, checked, with the article where it is ours.

    Raises InvalidInput and NotFound naming the field; `ours` are the articles by SKU.
    """
    if not 1 <= len(items) <= MAX_LINES:
        raise InvalidInput(f"must be between 1 and {MAX_LINES} articles", "items")
    found = []
    for position, (one, foreign) in enumerate(zip(items, not_ours, strict=True)):
        at = ("items", str(position))
        if not 1 <= one.quantity <= MAX_SURPLUS:
            raise InvalidInput(f"must be between 1 and {MAX_SURPLUS}", *at, "quantity")
        if not foreign and one.sku not in ours:
            raise NotFound("no article of ours has this SKU: say notOurs if it is none", *at, "sku")
        sku = require_text(one.sku, MAX_SKU_LENGTH, *at, "sku") if foreign else one.sku
        note = None if one.note is None else require_text(one.note, MAX_NOTE_LENGTH, *at, "note")
        found.append(replace(one, sku=sku, variant_id=None if foreign else ours[one.sku], note=note))
    return found


def check_arrived(found: Return) -> None:
    """Raise IllegalTransition unless something of a return is here, or may come."""
    if found.status in {ReturnStatus.REQUESTED, ReturnStatus.DECLINED} or found.keeps_items:
        raise IllegalTransition("nothing of it has arrived", found.status.value, (), "id")


def found_stock(items: Sequence[Surplus], location_id: UUID) -> list[Movement]:
    """Return the movements of unexpected units of ours into quality control; what is not ours is no stock."""
    return [
        Movement(
            one.variant_id,
            location_id,
            StockState.ADJUSTMENT,
            StockState.QUALITY_CONTROL,
            one.quantity,
            SURPLUS,
        )
        for one in items
        if one.variant_id is not None
    ]


def now_approved(found: Return, note: str | None, now: datetime) -> Return:
    """Return a return that arrived without a request as approved by the staff who have it in hand."""
    after = replace(found, status=ReturnStatus.APPROVED, decided_at=now, note=note)
    return replace(after, version=found.version + 1)
