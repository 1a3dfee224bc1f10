"""What comes back: counted where it arrives, then looked at unit by unit, and where its stock goes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from domain.inventory import Movement
from domain.kernel.errors import DomainError, IllegalTransition, InvalidInput, NotFound, Several
from domain.kernel.ids import new_id
from domain.kernel.quantities import require_text
from domain.received import Look as Look
from domain.received import Reasons, arriving, check_count, check_look, leaving, still_expected
from domain.returns import (
    MAX_NOTE_LENGTH,
    TRANSITIONS,
    Disposition,
    Inspection,
    Return,
    ReturnLine,
    ReturnStatus,
    ReturnWish,
    check_waiting,
    moved,
)

_REASONS = Reasons("RETURN_RECEIVED", "RETURN_INSPECTED", "RETURN_NOT_OURS")
_HERE = frozenset({ReturnStatus.PARTIALLY_RECEIVED, ReturnStatus.RECEIVED})


def receive(
    found: Return, units: Mapping[UUID, int], location_id: UUID, now: datetime
) -> tuple[Return, list[Movement]]:
    """Return a return with units of it that arrived somewhere, and their movements into quality control.

    Raises IllegalTransition, and NotFound and InvalidInput naming the line.
    """
    check_waiting(found)
    if found.location_id is not None and found.location_id != location_id and _received(found):
        raise InvalidInput("units of it arrived elsewhere: all of a return is at one place", "locationCode")
    _check_named(found, list(units))
    wrong: list[DomainError] = []
    for position, (line_id, count) in enumerate(units.items()):
        line = found.line(line_id)
        try:
            check_count(still_expected(line) if line else 0, count, str(position))
        except DomainError as error:
            wrong.append(error)
    if wrong:
        raise wrong[0] if len(wrong) == 1 else Several(wrong)
    if not units:
        raise InvalidInput("say what arrived", "lines")
    lines = tuple(
        replace(line, quantity_received=line.quantity_received + units.get(line.id, 0))
        for line in found.lines
    )
    movements = [
        move
        for line in lines
        if line.id in units
        for move in arriving(line, location_id, units[line.id], _REASONS)
    ]
    after = replace(found, lines=lines, location_id=location_id)
    return _further(after, now), movements


def inspect(found: Return, looks: Sequence[Look], now: datetime) -> tuple[Return, list[Movement]]:
    """Return a return with units of it looked at, and the movements of their stock.

    What is missing never came, so it may be said of what was not received. Raises IllegalTransition, and
    NotFound and InvalidInput naming the line.
    """
    if found.status not in _HERE | {ReturnStatus.APPROVED, ReturnStatus.IN_TRANSIT} or found.keeps_items:
        raise IllegalTransition(
            "only what has arrived is looked at",
            found.status.value,
            sorted(TRANSITIONS.get(found.status, ())),
            "id",
        )
    if not looks:
        raise InvalidInput("say how the units were found", "lines")
    _check_named(found, [one.line_id for one in looks])
    after, movements = found, list[Movement]()
    for position, look in enumerate(looks):
        line = after.line(look.line_id)
        assert line is not None, "its name was checked"  # noqa: S101
        if found.wish is ReturnWish.REPAIR and look.disposition is Disposition.RESTOCKED:
            raise InvalidInput(
                "it is the customer's, to be repaired: PROCESSING_REQUIRED",
                "lines",
                str(position),
                "disposition",
            )
        seen = _looked_at(line, look, now, str(position))
        after = replace(after, lines=tuple(seen if one.id == seen.id else one for one in after.lines))
        movements += leaving(seen, after.location_id, look, _REASONS)
    return _further(after, now), movements


def _looked_at(line: ReturnLine, look: Look, now: datetime, position: str) -> ReturnLine:
    here = line.quantity_received - (line.quantity_inspected - line.quantity_missing)
    check_look(line, look, here, position)
    note = look.note
    if note is not None:
        note = require_text(note, MAX_NOTE_LENGTH, "lines", position, "note")
    seen = Inspection(new_id(), line.id, look.quantity, look.disposition, look.grade, now, note)
    return replace(line, inspections=(*line.inspections, seen))


def _further(found: Return, now: datetime) -> Return:
    """Return a return in the status that what is here makes it have, one version on."""
    here = all(line.quantity_received + line.quantity_missing == line.quantity for line in found.lines)
    seen = all(line.quantity_inspected == line.quantity for line in found.lines)
    after = replace(found, version=found.version + 1)
    if not here:
        if _received(found):
            after = moved(found, ReturnStatus.PARTIALLY_RECEIVED, now) or after
        return after
    after = moved(found, ReturnStatus.RECEIVED, now) or after
    if after.received_at is None:
        after = replace(after, received_at=now)
    if seen:
        after = moved(after, ReturnStatus.INSPECTED, now) or after
    return replace(after, version=found.version + 1)


def _received(found: Return) -> bool:
    return any(line.quantity_received for line in found.lines)


def _check_named(found: Return, line_ids: Sequence[UUID]) -> None:
    for position, line_id in enumerate(line_ids):
        if found.line(line_id) is None:
            raise NotFound("the return has no such line", "lines", str(position), "lineId")
