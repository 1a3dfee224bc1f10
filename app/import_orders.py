"""`ordertide import orders FILE`: historic orders with their recorded prices and dates."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from app.bootstrap import administering
from app.config import load_settings
from app.import_files import FileFormat, UnreadableFile, format_of, read_rows
from domain.catalog_import import RowError
from domain.kernel.errors import DomainError
from services.order_imports import Imported, RowsRefused, import_orders

_SHOWN_ERRORS = 50
_COLUMNS = [
    "order",
    "channel",
    "placedAt",
    "status",
    "canceledAt",
    "reason",
    "email",
    "shippingPrice",
    "tax",
    "discount",
    "sku",
    "name",
    "quantity",
    "unitPrice",
    "recipient",
    "company",
    "line1",
    "line2",
    "city",
    "region",
    "postalCode",
    "country",
    "phone",
]
_BY_SPELLING = {column.lower(): column for column in _COLUMNS}


def orders(
    file: Annotated[Path, typer.Argument(help="A .csv file (a row a line) or .jsonl (an object an order).")],
    source: Annotated[str, typer.Option(help="Where they come from; part of their numbers.")] = "import",
    channel: Annotated[str | None, typer.Option(help="The channel of rows that name none, by slug.")] = None,
) -> None:
    """Import orders that are over: COMPLETED or CANCELED, at the prices and dates in the file.

    All of the file or nothing: what is wrong is listed by row. The same file again changes nothing,
    for an order is known by its source and its id there. No stock moves. docs/features/orders.md
    has the format.
    """
    console = Console(stderr=True)
    try:
        done = asyncio.run(_import(file, source, channel, console))
    except RowsRefused as refused:
        for error in refused.errors[:_SHOWN_ERRORS]:
            typer.echo(f"{file}:{error.row}: {error.field}: {error.message}", err=True)
        typer.echo(f"ordertide: {len(refused.errors)} rows are wrong, nothing was imported", err=True)
        raise typer.Exit(2) from None
    except UnreadableFile as problem:
        said = "" if problem.error.row else "ordertide: "
        typer.echo(f"{said}{_place(file, problem.error)}: {problem}", err=True)
        raise typer.Exit(2) from None
    except DomainError as error:
        typer.echo(f"ordertide: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(f"imported {done.orders} orders with {done.lines} lines; {done.known} were there already")


async def _import(file: Path, source: str, channel: str | None, console: Console) -> Imported:
    async with administering(load_settings()) as context:
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("importing orders", total=None)
            return await import_orders(
                context,
                source,
                _rows(file),
                default_channel=channel,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )


def _rows(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Read a file row by row; a row's number is that of the line it begins in."""
    written = format_of(file)
    rows = read_rows(file, written, lambda _bytes: None, nested=True)
    try:
        if written is FileFormat.JSONL:
            yield from rows
            return
        _, header = next(rows)
        columns = {name: _column(name) for name in header}
        _require_unique(columns.values())
        for number, cells in rows:
            yield number, {columns[name]: cell for name, cell in cells.items()}
    # Only of reading: what the database's connection says is not about the file.
    except OSError as error:
        raise UnreadableFile(0, "-", error.strerror or str(error)) from None


def _require_unique(columns: Iterable[str]) -> None:
    seen: set[str] = set()
    for column in columns:
        if column in seen:
            raise UnreadableFile(1, column, "stands twice")
        seen.add(column)


def _column(name: str) -> str:
    """Return a column as the documentation spells it; placed_at is placedAt, and unknown ones are refused."""
    known = _BY_SPELLING.get(name.replace("_", "").lower())
    if known is None:
        raise UnreadableFile(1, "-", f"there is no column {name!r}; there are: {', '.join(_COLUMNS)}")
    return known


def _place(file: Path, error: RowError) -> str:
    """Return where in the file an error is, as far as it has a row and a column."""
    row = [str(error.row)] if error.row else []
    column = [f" {error.column}"] if error.column != "-" else []
    return ":".join([str(file), *row, *column])
