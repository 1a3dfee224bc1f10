"""Cycle counts: a part of a location's stock is counted, and large differences wait for a second person."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.inventory import MAX_ON_HAND
from domain.kernel.changes import check_version
from domain.kernel.errors import DomainError, IllegalTransition, InvalidInput, NotFound, SameActor, Several
from domain.kernel.quantities import MAX_QUANTITY, require_text
from domain.kernel.transitions import check_transition

MAX_LINES = 500
"""Most SKUs one count may have."""
MAX_REASON_LENGTH = 500
MAX_DAYS = 3_650


class CycleCountStatus(StrEnum):
    """Life of a count. Rejected, it is OPEN again."""

    OPEN = "OPEN"
    SUBMITTED = "SUBMITTED"
    """Differences beyond the tolerance wait for approval."""
    APPROVED = "APPROVED"
    CANCELED = "CANCELED"


TRANSITIONS: Mapping[CycleCountStatus, Set[CycleCountStatus]] = {
    CycleCountStatus.OPEN: {
        CycleCountStatus.SUBMITTED,
        CycleCountStatus.APPROVED,
        CycleCountStatus.CANCELED,
    },
    CycleCountStatus.SUBMITTED: {
        CycleCountStatus.OPEN,
        CycleCountStatus.APPROVED,
        CycleCountStatus.CANCELED,
    },
}


class CountLineStatus(StrEnum):
    """Life of a line: to be counted (again), counted, and done one way or the other."""

    PENDING = "PENDING"
    COUNTED = "COUNTED"
    BOOKED = "BOOKED"
    CANCELED = "CANCELED"


@dataclass(frozen=True, slots=True)
class CountLine:
    """One SKU: what was counted, and how many units were on hand at that moment."""

    id: UUID
    variant_id: UUID
    sku: str
    barcode: str | None = None
    status: CountLineStatus = CountLineStatus.PENDING
    expected: int | None = None
    """On hand at the moment of the last count."""
    counted: int | None = None
    """Units found the first time."""
    recounted: int | None = None
    """Units found the last time, if it was counted again."""
    booked: int | None = None
    """Units by which the count changed what is on hand: fewer than the difference when less was left."""
    counted_by: str | None = None
    """The actor's label; of the last count."""
    counted_at: datetime | None = None

    @property
    def difference(self) -> int:
        """Units found beyond those expected, negative when some are missing; 0 before it is counted."""
        found = self.counted if self.recounted is None else self.recounted
        return 0 if found is None or self.expected is None else found - self.expected


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Up to which difference a count is believed: so many units, or percent of those expected."""

    units: int = 0
    percent: int = 0

    def covers(self, line: CountLine) -> bool:
        """Say whether a line's difference may be booked without approval."""
        off = abs(line.difference)
        return off <= self.units or off * 100 <= self.percent * (line.expected or 0)

    def check(self) -> None:
        """Raise InvalidInput naming the field."""
        if not 0 <= self.units <= MAX_QUANTITY:
            raise InvalidInput(f"must be between 0 and {MAX_QUANTITY}", "toleranceUnits")
        if not 0 <= self.percent <= 100:
            raise InvalidInput("must be between 0 and 100", "tolerancePercent")


@dataclass(frozen=True, slots=True)
class CycleCount:
    """SKUs of one location that are counted together."""

    id: UUID
    number: str
    location_id: UUID
    status: CycleCountStatus
    tolerance: Tolerance
    lines: tuple[CountLine, ...]
    created_at: datetime
    rejection_reason: str | None = None
    """Why it was to be counted again, the last time."""
    submitted_at: datetime | None = None
    closed_at: datetime | None = None
    version: int = 1


def check_most(most: int) -> None:
    """Raise InvalidInput for a number of lines no count can have."""
    if not 1 <= most <= MAX_LINES:
        raise InvalidInput(f"must be between 1 and {MAX_LINES}", "most")


def check_days(days: int) -> None:
    """Raise InvalidInput for a number of days that means nothing."""
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInput(f"must be between 1 and {MAX_DAYS}", "notCountedForDays")


def record(
    count: CycleCount,
    found: Sequence[tuple[UUID, int]],
    on_hand: Mapping[UUID, int],
    actor: str,
    now: datetime,
) -> CycleCount:
    """Return the count with the units found, by line; `on_hand` is what there is now, by variant.

    The first time they are `counted`, any later time `recounted`. Lines are found by `lines_named`.
    """
    units = dict(found)
    lines = tuple(
        _counted(line, units[line.id], on_hand.get(line.variant_id, 0), actor, now)
        if line.id in units
        else line
        for line in count.lines
    )
    return replace(count, lines=lines, version=count.version + 1)


def lines_named(
    count: CycleCount, named: Sequence[tuple[str, int]], expected_version: int | None
) -> list[tuple[CountLine, int]]:
    """Return the lines that SKUs or barcodes name, with the units found there.

    Raises VersionConflict, IllegalTransition when the count is not open, and InvalidInput or NotFound for
    each entry that names no line, a line twice, one that is booked, or an absurd number of units.
    """
    check_version(count.version, expected_version)
    _require(count, CycleCountStatus.OPEN, "units are recorded while a count is open")
    if not 1 <= len(named) <= MAX_LINES:
        raise InvalidInput(f"name from 1 to {MAX_LINES} lines", "lines")
    found: dict[UUID, tuple[CountLine, int]] = {}
    wrong: list[DomainError] = []
    for position, (code, units) in enumerate(named):
        try:
            line = _named(count, code)
            if line.id in found:
                raise InvalidInput("names a line twice", "code")
            if not 0 <= units <= MAX_QUANTITY:
                raise InvalidInput(f"must be between 0 and {MAX_QUANTITY}", "units")
            found[line.id] = line, units
        except DomainError as error:
            error.path = ("lines", str(position), *error.path)
            wrong.append(error)
    if wrong:
        raise wrong[0] if len(wrong) == 1 else Several(wrong)
    return list(found.values())


def submit(
    count: CycleCount, expected_version: int | None, now: datetime
) -> tuple[CycleCount, list[CountLine]] | None:
    """Return the count as it is handed in, and the lines to book at once; None when it was before.

    Without a difference beyond the tolerance it is APPROVED. Raises VersionConflict, IllegalTransition,
    and InvalidInput naming SKUs that are still to be counted.
    """
    if count.status is CycleCountStatus.SUBMITTED:
        return None
    check_version(count.version, expected_version)
    _require(count, CycleCountStatus.OPEN, "an open count is submitted")
    missing = [line.sku for line in count.lines if line.status is CountLineStatus.PENDING]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise InvalidInput(f"still to be counted: {', '.join(missing[:5])}{more}", "id")
    waiting = _waiting(count)
    believed = [line for line in waiting if count.tolerance.covers(line)]
    moved = replace(count, status=CycleCountStatus.SUBMITTED, submitted_at=now, version=count.version + 1)
    if len(believed) == len(waiting):
        moved = replace(moved, status=CycleCountStatus.APPROVED, closed_at=now)
    return moved, believed


def approve(
    count: CycleCount, actor: str, expected_version: int | None, now: datetime
) -> tuple[CycleCount, list[CountLine]] | None:
    """Return the count as `actor` approves it, and the lines to book; None when it is approved already.

    Raises VersionConflict, IllegalTransition, and SameActor when `actor` counted what waits.
    """
    if not check_transition(TRANSITIONS, count.status, CycleCountStatus.APPROVED, "the count", "id"):
        return None
    check_version(count.version, expected_version)
    _require(count, CycleCountStatus.SUBMITTED, "only a count that is SUBMITTED is approved")
    waiting = _waiting(count)
    if actor in {line.counted_by for line in waiting}:
        raise SameActor("who counted may not approve: ask somebody else", "id")
    approved = replace(count, status=CycleCountStatus.APPROVED, closed_at=now, version=count.version + 1)
    return approved, waiting


def reject(count: CycleCount, reason: str, expected_version: int | None) -> CycleCount:
    """Return the count with what waits to be counted again; raises VersionConflict, IllegalTransition."""
    check_version(count.version, expected_version)
    _require(count, CycleCountStatus.SUBMITTED, "only a count that is SUBMITTED is rejected")
    cleaned = require_text(reason, MAX_REASON_LENGTH, "reason")
    lines = tuple(
        replace(line, status=CountLineStatus.PENDING) if line.status is CountLineStatus.COUNTED else line
        for line in count.lines
    )
    return replace(
        count,
        status=CycleCountStatus.OPEN,
        lines=lines,
        rejection_reason=cleaned,
        version=count.version + 1,
    )


def cancel(count: CycleCount, expected_version: int | None, now: datetime) -> CycleCount | None:
    """Return the count without what was not booked; None when it is canceled already.

    Raises VersionConflict and IllegalTransition.
    """
    if not check_transition(TRANSITIONS, count.status, CycleCountStatus.CANCELED, "the count", "id"):
        return None
    check_version(count.version, expected_version)
    lines = tuple(
        line if line.status is CountLineStatus.BOOKED else replace(line, status=CountLineStatus.CANCELED)
        for line in count.lines
    )
    return replace(
        count, status=CycleCountStatus.CANCELED, lines=lines, closed_at=now, version=count.version + 1
    )


def with_booked(count: CycleCount, booked: Iterable[CountLine], changes: Mapping[UUID, int]) -> CycleCount:
    """Return the count with lines booked; `changes` are the units really booked, by variant."""
    ids = {line.id for line in booked}
    lines = tuple(
        replace(line, status=CountLineStatus.BOOKED, booked=changes.get(line.variant_id, 0))
        if line.id in ids
        else line
        for line in count.lines
    )
    return replace(count, lines=lines)


def applied(on_hand: int, difference: int) -> int:
    """Return the units on hand after a difference found earlier is booked now.

    Units that have left since cannot be missing too, and no level holds more than MAX_ON_HAND.
    """
    return max(0, min(MAX_ON_HAND, on_hand + difference))


def _counted(line: CountLine, units: int, on_hand: int, actor: str, now: datetime) -> CountLine:
    seen = replace(line, status=CountLineStatus.COUNTED, expected=on_hand, counted_by=actor, counted_at=now)
    return replace(seen, counted=units) if line.counted is None else replace(seen, recounted=units)


def _waiting(count: CycleCount) -> list[CountLine]:
    return [line for line in count.lines if line.status is CountLineStatus.COUNTED]


def _named(count: CycleCount, code: str) -> CountLine:
    found = [line for line in count.lines if line.sku == code]
    found = found or [line for line in count.lines if line.barcode == code]
    if not found:
        raise NotFound("the count has no such SKU or barcode", "code")
    if len(found) > 1:
        raise InvalidInput("several SKUs have this barcode: name the SKU", "code")
    if found[0].status is CountLineStatus.BOOKED:
        raise InvalidInput("it is booked already: count it in another count", "code")
    return found[0]


def _require(count: CycleCount, status: CycleCountStatus, message: str) -> None:
    if count.status is not status:
        raise IllegalTransition(message, count.status.value, sorted(TRANSITIONS.get(count.status, ())), "id")
