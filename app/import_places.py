"""`ordertide import places FILE`: where postal codes are, for distances in routing."""

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
from domain.postal_places import COLUMNS
from services.postal_places import PlacesRefused, import_places

_SHOWN_ERRORS = 50
_BY_SPELLING = {column.lower(): column for column in COLUMNS}


def places(
    file: Annotated[Path, typer.Argument(help="A .csv or .jsonl file.")],
) -> None:
    """Import where postal codes are: country, postalCode (or its beginning), latitude, longitude.

    All of the file or nothing: what is wrong is listed by row. The same file again changes nothing.
    docs/features/routing.md has the format.
    """
    console = Console(stderr=True)
    try:
        count = asyncio.run(_import(file, console))
    except PlacesRefused as refused:
        for error in refused.errors[:_SHOWN_ERRORS]:
            typer.echo(f"{file}:{error.row}: {error.column}: {error.message}", err=True)
        typer.echo(f"ordertide: {len(refused.errors)} rows are wrong, nothing was imported", err=True)
        raise typer.Exit(2) from None
    except UnreadableFile as problem:
        row = f":{problem.error.row}" if problem.error.row else ""
        typer.echo(f"ordertide: {file}{row}: {problem}", err=True)
        raise typer.Exit(2) from None
    typer.echo(f"imported {count} places")


async def _import(file: Path, console: Console) -> int:
    async with administering(load_settings()) as context:
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("importing places", total=None)
            return await import_places(context, _rows(file), lambda done: bar.update(task, completed=done))


def _rows(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Read a file row by row, columns as the documentation spells them (postal_code is postalCode)."""
    try:
        for number, cells in read_rows(file, format_of(file), lambda _bytes: None):
            named = {_BY_SPELLING.get(name.replace("_", "").lower()): cell for name, cell in cells.items()}
            missing = [column for column in COLUMNS if column not in named]
            if missing:
                raise UnreadableFile(number, missing[0], f"has no {', '.join(missing)}")
            if any(cell is not None for cell in cells.values()):
                yield number, {name: cell for name, cell in named.items() if name is not None}
    except OSError as error:
        raise UnreadableFile(0, "-", error.strerror or str(error)) from None
