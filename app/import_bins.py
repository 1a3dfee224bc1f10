"""`ordertide import bins FILE`: the bins of locations, and the way along them."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from app.bootstrap import administering
from app.config import load_settings
from app.import_files import UnreadableFile, format_of, read_rows
from domain.bin_imports import COLUMNS
from domain.catalog_import import ImportRefused
from services import bin_imports
from services.bin_imports import BinReport

_SHOWN_ERRORS = 50
_REFUSED = 2


def bins(
    file: Annotated[Path, typer.Argument(help="A .csv or .jsonl file.")],
    dry_run: Annotated[bool, typer.Option(help="Check and try everything, then take it back.")] = False,
) -> None:
    """Import bins: location (its code), code, zone, position; one that exists is changed.

    All of the file or nothing: what is wrong is listed by line and column. The same file again changes
    nothing. docs/features/warehouse.md has the format.
    """
    console = Console(stderr=True)
    try:
        report = asyncio.run(_import(file, dry_run, console))
    except ImportRefused as refused:
        for error in refused.errors[:_SHOWN_ERRORS]:
            typer.echo(f"{file}:{error.row}: {error.column}: {error.message}", err=True)
        typer.echo(f"ordertide: {len(refused.errors)} rows are wrong, nothing was imported", err=True)
        raise typer.Exit(_REFUSED) from None
    except UnreadableFile as problem:
        row = f":{problem.error.row}" if problem.error.row else ""
        typer.echo(f"ordertide: {file}{row}: {problem}", err=True)
        raise typer.Exit(_REFUSED) from None
    did = "would import" if report.dry_run else "imported"
    typer.echo(f"{did} {report.read} bins: {report.created} created, {report.changed} changed")


async def _import(file: Path, dry_run: bool, console: Console) -> BinReport:
    async with administering(load_settings()) as context:
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("importing bins", total=None)
            return await bin_imports.run(
                context,
                _rows(file),
                dry_run=dry_run,
                progress=lambda done, of: bar.update(task, completed=done, total=of),
            )


def _rows(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Read a file row by row; the size of letters in column names does not count, other columns neither."""
    try:
        for number, cells in read_rows(file, format_of(file), lambda _bytes: None):
            named = {name.strip().lower(): cell for name, cell in cells.items()}
            missing = [column for column in COLUMNS if column not in named]
            if missing:
                raise UnreadableFile(number, missing[0], f"has no {', '.join(missing)}")
            if any(cell not in {None, ""} for cell in cells.values()):
                yield number, named
    except OSError as error:
        raise UnreadableFile(0, "-", error.strerror or str(error)) from None
