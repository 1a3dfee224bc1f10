"""What the acceptance run prints: progress, and comparisons of what is with what should be."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench._http import Connection

Item = TypeVar("Item")
CONSOLE = Console()


class Report:
    """Compares what the shop says with what the file says, and remembers what differs."""

    def __init__(self) -> None:
        """Begin with nothing compared."""
        self.failed = False

    def equal(self, what: str, found: object, expected: object) -> None:
        """Print one comparison."""
        same = found == expected
        self.failed |= not same
        verdict = "[green]equal[/]" if same else f"[red]DIFFERENT, expected {expected}[/]"
        CONSOLE.print(f"  {what}: {found}  {verdict}")


def different(found: Counter[str], expected: Counter[str]) -> list[str]:
    """Return the SKUs whose counts differ."""
    return [sku for sku in found.keys() | expected.keys() if found[sku] != expected[sku]]


async def each(
    title: str,
    items: Sequence[Item],
    connections: Sequence[Connection],
    work: Callable[[Connection, Item], Awaitable[None]],
) -> None:
    """Do `work` for every item, as many at a time as there are connections, with a progress bar."""
    waiting = iter(items)
    columns = (TextColumn("{task.description:>20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=CONSOLE) as progress:
        task = progress.add_task(title, total=len(items))

        async def client(connection: Connection) -> None:
            for item in waiting:
                await work(connection, item)
                progress.advance(task)

        await asyncio.gather(*(client(connection) for connection in connections))
