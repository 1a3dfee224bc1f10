"""`ordertide import orders FILE`: historic orders with their recorded prices and dates."""

import asyncio
import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import Progress

from app.bootstrap import administering
from app.config import load_settings
from domain.kernel.errors import DomainError, InvalidInput
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
    except DomainError as error:
        typer.echo(f"ordertide: {file}: {error}", err=True)
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
    """Read a file row by row; a row's number is that of its line in the file."""
    try:
        yield from _json_rows(file) if file.suffix in {".jsonl", ".ndjson"} else _csv_rows(file)
    except (OSError, UnicodeError, csv.Error) as error:
        # Here, where only the file can be to blame: the database raises OSError too.
        raise InvalidInput(str(error)) from error


def _csv_rows(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.reader(opened, strict=True)
        columns = [_column(name) for name in next(reader, [])]
        if len(set(columns)) < len(columns):
            twice = next(column for column in columns if columns.count(column) > 1)
            raise InvalidInput(f"the column {twice} stands twice")
        for cells in reader:
            if len(cells) > len(columns):
                raise InvalidInput(
                    f"line {reader.line_num} has {len(cells)} cells, the header {len(columns)}"
                )
            if cells:
                yield reader.line_num, dict(zip(columns, cells, strict=False))


def _json_rows(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with file.open("rb") as opened:
        for number, line in enumerate(opened, 1):
            if not line.strip():
                continue
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError:
                record = None
            if not isinstance(record, dict):
                raise InvalidInput(f"line {number} is not a JSON object")
            yield number, record


def _column(name: str) -> str:
    """Return a column as the documentation spells it; placed_at is placedAt, and unknown ones are refused."""
    known = _BY_SPELLING.get(name.strip().replace("_", "").lower())
    if known is None:
        raise InvalidInput(f"there is no column {name!r}; there are: {', '.join(_COLUMNS)}")
    return known
