"""What comes in of a refund without an order: counted, looked at, and where its stock goes, as of returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.inventory import Movement, StockState
from domain.kernel.changes import check_version
from domain.kernel.errors import IllegalTransition, InvalidInput, NotFound
from domain.return_receipts import Look
from domain.returns import Disposition, Grade
from domain.unlinked_refunds import UnlinkedRefund, UnlinkedRefundLine, UnlinkedRefundStatus

RECEIVED, INSPECTED, NOT_OURS = (
    "UNLINKED_REFUND_RECEIVED",
    "UNLINKED_REFUND_INSPECTED",
    "UNLINKED_REFUND_NOT_OURS",
)
"""Reasons of such movements in the stock's ledger."""
_INTO = {Disposition.RESTOCKED: StockState.AVAILABLE, Disposition.NOT_RESTOCKED: StockState.DAMAGED}


@dataclass(frozen=True, slots=True)
class Arrived:
    """A refund as its goods are here, and the movements of their stock."""

    after: UnlinkedRefund
    movements: tuple[Movement, ...]


def receive(
    found: UnlinkedRefund, units: Mapping[UUID, int], location_id: UUID, expected_version: int | None
) -> Arrived:
    """Count units that came in somewhere, into quality control.

    Raises IllegalTransition, VersionConflict, and NotFound and InvalidInput naming the line.
    """
    _check_waiting(found, expected_version)
    if not units:
        raise InvalidInput("say what arrived", "lines")
    if found.location_id not in {None, location_id}:
        raise InvalidInput("goods of it arrived elsewhere: all are at one place", "locationCode")
    after, movements = found, list[Movement]()
    for position, (line_id, count) in enumerate(units.items()):
        line = _named(after, line_id, str(position))
        most = line.quantity - line.quantity_received - line.quantity_missing
        if not 1 <= count <= most:
            raise InvalidInput(f"{most} units of it are expected", "lines", str(position), "quantity")
        after = _with(after, replace(line, quantity_received=line.quantity_received + count))
        movements += _move(
            line, location_id, StockState.CUSTOMER, StockState.QUALITY_CONTROL, count, RECEIVED
        )
    return Arrived(replace(after, location_id=location_id, version=found.version + 1), tuple(movements))


def inspect(found: UnlinkedRefund, looks: Sequence[Look], expected_version: int | None) -> Arrived:
    """Say how units were found; those that do not come are MISSING.

    Raises IllegalTransition, VersionConflict, and NotFound and InvalidInput naming the line.
    """
    _check_waiting(found, expected_version)
    if not looks:
        raise InvalidInput("say how the units were found", "lines")
    after, movements = found, list[Movement]()
    for position, look in enumerate(looks):
        line = _named(after, look.line_id, str(position))
        missing = look.disposition is Disposition.MISSING
        here = line.quantity_received - line.quantity_inspected
        most = line.quantity_awaited - here if missing else here
        if not 1 <= look.quantity <= most:
            said = "did not arrive" if missing else "are here and not looked at"
            raise InvalidInput(f"{most} units of it {said}", "lines", str(position), "quantity")
        ours = look.grade is not Grade.NOT_OURS
        if not ours and look.disposition is Disposition.RESTOCKED:
            raise InvalidInput(
                "what was not sold by us is not put on sale", "lines", str(position), "disposition"
            )
        after = _with(after, _seen(line, look, ours=ours))
        movements += _away(found, line, look)
    return Arrived(replace(after, version=found.version + 1), tuple(movements))


def _seen(line: UnlinkedRefundLine, look: Look, *, ours: bool) -> UnlinkedRefundLine:
    if look.disposition is Disposition.MISSING:
        return replace(line, quantity_missing=line.quantity_missing + look.quantity)
    return replace(
        line,
        quantity_inspected=line.quantity_inspected + look.quantity,
        quantity_accepted=line.quantity_accepted + (look.quantity if ours else 0),
    )


def _away(found: UnlinkedRefund, line: UnlinkedRefundLine, look: Look) -> list[Movement]:
    if look.disposition is Disposition.MISSING or found.location_id is None:
        return []
    source = StockState.QUALITY_CONTROL
    if look.grade is Grade.NOT_OURS:
        # What was booked as ours when it arrived is none of our stock.
        return _move(line, found.location_id, source, StockState.ADJUSTMENT, look.quantity, NOT_OURS)
    into = _INTO.get(look.disposition)
    return [] if into is None else _move(line, found.location_id, source, into, look.quantity, INSPECTED)


def _move(
    line: UnlinkedRefundLine,
    location_id: UUID,
    source: StockState,
    target: StockState,
    units: int,
    reason: str,
) -> list[Movement]:
    if line.variant_id is None:
        return []
    return [Movement(line.variant_id, location_id, source, target, units, reason)]


def _check_waiting(found: UnlinkedRefund, expected_version: int | None) -> None:
    if found.status is not UnlinkedRefundStatus.APPROVED or found.keeps_items:
        raise IllegalTransition(
            "goods are received of an approved refund that waits for them", found.status.value, (), "id"
        )
    check_version(found.version, expected_version)


def _named(found: UnlinkedRefund, line_id: UUID, position: str) -> UnlinkedRefundLine:
    line = found.line(line_id)
    if line is None:
        raise NotFound("the refund has no such line", "lines", position, "lineId")
    return line


def _with(found: UnlinkedRefund, changed: UnlinkedRefundLine) -> UnlinkedRefund:
    return replace(found, lines=tuple(changed if one.id == changed.id else one for one in found.lines))
