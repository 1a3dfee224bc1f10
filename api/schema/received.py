"""What inputs of goods that come back have in common: units that arrived, and how they were found."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from api.scalars import decode_id
from domain.kernel.errors import InvalidInput, under
from domain.return_receipts import Look
from domain.returns import Disposition, Grade


class UnitsOfLine(Protocol):
    """Units of a line, as an input names them."""

    @property
    def line_id(self) -> str:
        """Its global id."""
        ...

    @property
    def quantity(self) -> int:
        """How many."""
        ...


class FoundOfLine(UnitsOfLine, Protocol):
    """Units of a line that were looked at."""

    @property
    def disposition(self) -> Disposition:
        """What becomes of them."""
        ...

    @property
    def grade(self) -> Grade:
        """How they are."""
        ...


def units_by_line(lines: Sequence[UnitsOfLine], kind: str) -> dict[UUID, int]:
    """Return units by line, whose ids are of a kind; raises InvalidInput for a line named twice."""
    found: dict[UUID, int] = {}
    for position, line in enumerate(lines):
        with under("lines", str(position)):
            line_id = decode_id(kind, line.line_id, "lineId")
            if line_id in found:
                raise InvalidInput("names a line twice", "lineId")
            found[line_id] = line.quantity
    return found


def looks_of(lines: Sequence[FoundOfLine], kind: str) -> list[Look]:
    """Return how units were found, still to be checked; a line may be named more than once."""
    found = []
    for position, line in enumerate(lines):
        with under("lines", str(position)):
            line_id = decode_id(kind, line.line_id, "lineId")
        # Not every such input takes a note.
        note = getattr(line, "note", None)
        found.append(Look(line_id, line.quantity, line.disposition, line.grade, note))
    return found
