"""Use case of importing bins: all rows of a file, or none."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain import bin_imports as decide
from domain.bin_imports import BinRow
from domain.bins import Bin
from domain.catalog_import import ImportRefused, RowError
from domain.kernel.errors import InvalidInput
from domain.kernel.ids import new_id
from persistence import audit as audit_rows
from persistence import bins as rows
from persistence import channels
from services import audit
from services.access import Permission, require
from services.context import ServiceContext, Transaction

MOST_ERRORS = 1_000
"""Wrong rows after which no more are looked for."""
_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class BinReport:
    """What an import did, or in a dry run would do: bins it read, and those of them new or changed."""

    read: int
    created: int
    changed: int
    dry_run: bool


class _Undo(Exception):
    """Ends a dry run: everything was done for real, and is rolled back."""


async def run(
    context: ServiceContext,
    found: Iterable[tuple[int, Mapping[str, Any]]],
    *,
    dry_run: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> BinReport:
    """Create or change the bins of (line, cells by column); one that is the same stays as it is.

    Bins that the file does not name stay too. `progress` is told how many of how many are written. A dry
    run does everything and takes it back. Raises ImportRefused with what is wrong, by line and column.
    """
    require(context.actor, Permission.WAREHOUSE_WRITE)
    table, errors = _read(found)
    created = changed = 0
    try:
        async with context.transaction() as transaction:
            codes = sorted({row.location for row in table})
            places = await channels.location_ids_by_code(transaction.connection, codes)
            errors += [
                RowError(row.line, "location", "no location in use has this code")
                for row in table
                if row.location not in places
            ]
            if errors:
                raise ImportRefused(sorted(errors, key=lambda error: error.row)[:MOST_ERRORS])
            # In one order, so that two imports at once wait for each other instead of stopping each other.
            wanted = sorted(
                (Bin(new_id(), places[row.location], row.code, row.zone, row.position) for row in table),
                key=lambda one: (one.location_id, one.code),
            )
            for start in range(0, len(wanted), _AT_ONCE):
                new, other = await _save(transaction, wanted[start : start + _AT_ONCE])
                created, changed = created + new, changed + other
                progress(min(start + _AT_ONCE, len(wanted)), len(wanted))
            _end(dry_run)
    except _Undo:
        pass
    return BinReport(len(table), created, changed, dry_run)


def _read(found: Iterable[tuple[int, Mapping[str, Any]]]) -> tuple[list[BinRow], list[RowError]]:
    table: list[BinRow] = []
    errors: list[RowError] = []
    lines: dict[tuple[str, str], int] = {}
    for line, cells in found:
        try:
            row = decide.read(line, cells)
            _check_new(row, lines.setdefault((row.location, row.code), line), len(table))
            table.append(row)
        except InvalidInput as error:
            errors.append(RowError(line, error.path[0], error.message))
            if len(errors) >= MOST_ERRORS:
                break
    return table, errors


def _end(dry_run: bool) -> None:
    if dry_run:
        raise _Undo


def _check_new(row: BinRow, first_line: int, count: int) -> None:
    if first_line != row.line:
        raise InvalidInput(f"stands in line {first_line} already", "code")
    if count >= decide.MAX_BINS:
        raise InvalidInput(f"a file has at most {decide.MAX_BINS} bins: divide it", "code")


async def _save(transaction: Transaction, wanted: list[Bin]) -> tuple[int, int]:
    saved = await rows.save_all(transaction.connection, wanted, transaction.now)
    ids: set[UUID] = {one.id for one in wanted}
    await audit_rows.append(
        transaction.connection,
        [audit.entry(transaction, "BinSaved", "bin", one.id, after=one) for one in saved],
    )
    created = sum(one.id in ids for one in saved)
    return created, len(saved) - created
