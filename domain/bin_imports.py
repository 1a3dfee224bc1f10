"""Rows of a file of bins, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.bins import check_bin
from domain.kernel.errors import InvalidInput
from domain.kernel.quantities import is_storable

COLUMNS = ("location", "code", "zone", "position")
MAX_BINS = 500_000
"""Most bins of one file, which is held in memory until all of it is checked."""


@dataclass(frozen=True, slots=True)
class BinRow:
    """A bin as a line of a file has it; `location` is the code of one."""

    line: int
    location: str
    code: str
    zone: str
    position: int


def read(line: int, cells: Mapping[str, Any]) -> BinRow:
    """Return the bin of a row; raises InvalidInput naming the column."""
    location = _text(cells, "location")
    if not location or not is_storable(location):
        raise InvalidInput("is needed: the code of a location", "location")
    try:
        position = int(_text(cells, "position"))
    except ValueError:
        raise InvalidInput("must be a whole number", "position") from None
    return BinRow(line, location, *check_bin(_text(cells, "code"), _text(cells, "zone"), position))


def _text(cells: Mapping[str, Any], column: str) -> str:
    cell = cells.get(column)
    return "" if cell is None else str(cell).strip()
