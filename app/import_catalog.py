"""`ordertide import catalog FILE`: products, variants, prices and counted stock."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from app.bootstrap import administering
from app.config import load_settings
from app.import_files import FileFormat, UnreadableFile, format_of, read_rows
from domain.catalog_import import ImportRefused, ImportRow, RowError, read_table
from services import catalog_import
from services.catalog_import import ImportReport

_SHOWN_ERRORS = 50
_REFUSED = 2


def catalog(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="CSV or JSON Lines.")
    ],
    written: Annotated[
        FileFormat | None, typer.Option("--format", help="How it is written; told by its name if not given.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Check and try everything, then take it back.")] = False,
) -> None:
    """Import products, variants, prices and counted stock; a SKU that exists is updated.

    Columns: sku (required), product (rows of one product name are its variants), name, description,
    barcode, weight_grams, length_mm, width_mm, height_mm, price:CHANNEL or channel and price,
    stock:LOCATION (units counted there). What a row leaves empty stays as it is. In JSON Lines a
    price is {"price": {"CHANNEL": "9.95"}} and stock {"stock": {"LOCATION": 12}}.

    Every error is shown with its row and column, and then nothing is imported.
    """
    console = Console(stderr=True)
    size = file.stat().st_size
    try:
        with _progress(console) as progress:
            reading = progress.add_task("Reading", total=size)
            read = _read(
                file, written or format_of(file), lambda done: progress.update(reading, completed=done)
            )
            progress.update(reading, completed=size)
            writing = progress.add_task("Opening the database", total=None)
            doing = partial(progress.update, writing)
            report = asyncio.run(_import_catalog(*read, dry_run, lambda what: doing(description=what)))
            progress.update(writing, description="Done", total=1, completed=1)
    except ImportRefused as refused:
        _refuse(console, refused.errors)
    _show(report)


async def _import_catalog(
    table: Sequence[ImportRow], errors: Sequence[RowError], dry_run: bool, progress: Callable[[str], None]
) -> ImportReport:
    async with administering(load_settings()) as context:
        return await catalog_import.run(context, table, errors, dry_run=dry_run, progress=progress)


def _read(
    file: Path, written: FileFormat, progress: Callable[[int], None]
) -> tuple[list[ImportRow], list[RowError]]:
    try:
        return read_table(read_rows(file, written, progress))
    except UnreadableFile as problem:
        return [], [problem.error]


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def _refuse(console: Console, errors: Sequence[RowError]) -> NoReturn:
    shown = Table("Row", "Column", "What is wrong", title="Nothing was imported")
    for error in errors[:_SHOWN_ERRORS]:
        # As Text, because what a file says is no markup.
        shown.add_row(str(error.row), Text(_printable(error.column)), Text(_printable(error.message)))
    console.print(shown)
    if len(errors) > _SHOWN_ERRORS:
        console.print(f"and {len(errors) - _SHOWN_ERRORS} more errors")
    raise typer.Exit(_REFUSED)


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _show(report: ImportReport) -> None:
    typer.echo("would import:" if report.dry_run else "imported:")
    typer.echo(f"  {report.products_created} products created, {report.products_updated} updated")
    typer.echo(f"  {report.variants_created} variants created, {report.variants_updated} updated")
    typer.echo(f"  {report.prices_set} prices set, {report.levels_changed} stock levels changed")
