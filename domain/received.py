"""Goods that come in from customers: counted, looked at unit by unit, and where their stock goes."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from domain.inventory import Movement, StockState
from domain.kernel.errors import InvalidInput
from domain.returns import Disposition, Grade

_INTO = {Disposition.RESTOCKED: StockState.AVAILABLE, Disposition.NOT_RESTOCKED: StockState.DAMAGED}


@dataclass(frozen=True, slots=True)
class Look:
    """How units of one line were found."""

    line_id: UUID
    quantity: int
    disposition: Disposition
    grade: Grade
    note: str | None = None

    @property
    def is_missing(self) -> bool:
        """Whether they did not come."""
        return self.disposition is Disposition.MISSING


@dataclass(frozen=True, slots=True)
class Reasons:
    """How the stock's ledger names the movements of one kind of document."""

    received: str
    inspected: str
    not_ours: str


class ExpectedLine(Protocol):
    """A line whose units are expected; `variant_id` None: they are no stock."""

    @property
    def variant_id(self) -> UUID | None:
        """Of which variant they are."""
        ...

    @property
    def quantity(self) -> int:
        """How many there are to come."""
        ...

    @property
    def quantity_received(self) -> int:
        """How many came."""
        ...

    @property
    def quantity_missing(self) -> int:
        """How many will not come."""
        ...


def still_expected(line: ExpectedLine) -> int:
    """Return how many units may still come."""
    return line.quantity - line.quantity_received - line.quantity_missing


def check_count(most: int, count: int, position: str) -> None:
    """Raise InvalidInput unless as many units may arrive as are said to have."""
    if not 1 <= count <= most:
        raise InvalidInput(f"{most} units of it are expected", "lines", position, "quantity")


def check_look(line: ExpectedLine, look: Look, here: int, position: str) -> None:
    """Raise InvalidInput unless units can be looked at so; `here`: arrived, and not looked at yet."""
    most = still_expected(line) if look.is_missing else here
    if not 1 <= look.quantity <= most:
        said = "did not arrive" if look.is_missing else "are here and not looked at"
        raise InvalidInput(f"{most} units of it {said}", "lines", position, "quantity")
    if look.grade is Grade.NOT_OURS and look.disposition is Disposition.RESTOCKED:
        raise InvalidInput("what was not sold by us is not put on sale", "lines", position, "disposition")


def arriving(line: ExpectedLine, location_id: UUID, units: int, reasons: Reasons) -> list[Movement]:
    """Return the movement of units into quality control; none of what is no stock."""
    if line.variant_id is None:
        return []
    source, target = StockState.CUSTOMER, StockState.QUALITY_CONTROL
    return [Movement(line.variant_id, location_id, source, target, units, reasons.received)]


def leaving(line: ExpectedLine, location_id: UUID | None, look: Look, reasons: Reasons) -> list[Movement]:
    """Return the movement of units out of quality control; none of what stays there, or is no stock."""
    into, reason = _INTO.get(look.disposition), reasons.inspected
    if look.grade is Grade.NOT_OURS and not look.is_missing:
        # What was booked as ours when it arrived is none of our stock.
        into, reason = StockState.ADJUSTMENT, reasons.not_ours
    if into is None or line.variant_id is None or location_id is None:
        return []
    source = StockState.QUALITY_CONTROL
    return [Movement(line.variant_id, location_id, source, into, look.quantity, reason)]
