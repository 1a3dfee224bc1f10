"""What comes in of a refund without an order: counted, looked at, and where its stock goes, as of returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.inventory import Movement
from domain.kernel.changes import check_version
from domain.kernel.errors import IllegalTransition, InvalidInput, NotFound
from domain.received import Look, Reasons, arriving, check_count, check_look, leaving, still_expected
from domain.returns import Grade
from domain.unlinked_refunds import UnlinkedRefund, UnlinkedRefundLine, UnlinkedRefundStatus

_REASONS = Reasons("UNLINKED_REFUND_RECEIVED", "UNLINKED_REFUND_INSPECTED", "UNLINKED_REFUND_NOT_OURS")


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
        check_count(still_expected(line), count, str(position))
        after = _with(after, replace(line, quantity_received=line.quantity_received + count))
        movements += arriving(line, location_id, count, _REASONS)
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
        check_look(line, look, line.quantity_received - line.quantity_inspected, str(position))
        after = _with(after, _seen(line, look))
        movements += leaving(line, found.location_id, look, _REASONS)
    return Arrived(replace(after, version=found.version + 1), tuple(movements))


def _seen(line: UnlinkedRefundLine, look: Look) -> UnlinkedRefundLine:
    if look.is_missing:
        return replace(line, quantity_missing=line.quantity_missing + look.quantity)
    return replace(
        line,
        quantity_inspected=line.quantity_inspected + look.quantity,
        quantity_accepted=line.quantity_accepted + (0 if look.grade is Grade.NOT_OURS else look.quantity),
    )


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
