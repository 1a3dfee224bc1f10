"""Draws the board: a live screen in a terminal, plain lines anywhere else."""

import asyncio
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from app.demo_shop.board import Board

_FRAME_SECONDS = 0.25
_LINE_SECONDS = 10.0
_COUNTED = ("CartCreated", "CartAbandoned", "OrderPlaced", "OrderApproved", "OrderCanceled")


@dataclass(frozen=True, slots=True)
class Addresses:
    """What a person needs to look in: where the server is and a token to ask as staff."""

    server: str
    token: str
    ide: bool

    @property
    def graphql(self) -> str:
        """Where the API is, and in a browser the IDE."""
        return f"{self.server}/graphql"

    def lines(self) -> list[str]:
        """Return them as lines of text."""
        ide = (
            self.graphql if self.ide else "not installed (README.md says how); the API is there all the same"
        )
        return [
            f"GraphQL IDE   {ide}",
            f"API           POST {self.graphql}   metrics {self.server}/metrics",
            f'staff token   {{"authorization": "Bearer {self.token}"}}   (the IDE\'s Headers tab)',
        ]


async def show(board: Board, addresses: Addresses, console: Console) -> None:
    """Keep showing the board until cancelled."""
    # Above the live screen, where nothing cuts the token: it is there to be copied.
    for line in addresses.lines():
        _plain(console, line)
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, screen=False) as live:
            while True:
                live.update(picture(board, addresses), refresh=True)
                await asyncio.sleep(_FRAME_SECONDS)
    while True:
        await asyncio.sleep(_LINE_SECONDS)
        _plain(console, _summary(board))


def _summary(board: Board) -> str:
    low = ", ".join(f"{sku} {units}/{opening}" for sku, units, opening in board.running_low()[:3])
    newest = board.newest[0] if board.newest else None
    parts = [
        f"day {board.day} {board.shop_time}".rstrip(),
        f"{board.orders_per_minute()} orders in the last minute",
        f"{board.events['OrderPlaced']} in all",
        f"{board.events.total()} events",
        f"{board.events['ShipmentDelivered']} delivered",
        f"{board.shoppers} shoppers",
        f"newest {newest.kind} {newest.about}" if newest else "no event yet",
        f"low {low}" if low else "",
        f"failed: {board.failures[-1]}" if board.failures else "",
    ]
    return " | ".join(part for part in parts if part)


def picture(board: Board, addresses: Addresses) -> RenderableType:
    """Return the board as a terminal shows it."""
    head = Text.assemble(
        ("Ordertide demo shop", "bold"),
        f"   day {board.day}, {board.shop_time or 'closed'}   {board.shoppers} shoppers   ",
        (f"{board.orders_per_minute()} orders in the last minute", "bold green"),
        f"   {board.events.total()} events",
    )
    counts = Text("   ".join(f"{kind} {board.events[kind]}" for kind in _COUNTED), style="dim")
    parts: list[RenderableType] = [head, counts, _newest(board), _low(board)]
    parts += [Text(f"failed: {failure}", style="red", overflow="ellipsis") for failure in board.failures]
    parts.append(Text(f"{addresses.graphql}   Ctrl-C stops the shop.", style="dim"))
    return Group(*parts)


def _newest(board: Board) -> Panel:
    table = Table.grid(padding=(0, 2))
    for event in board.newest:
        style = "green" if event.kind.startswith("Order") else ""
        table.add_row(Text(event.at, style="dim"), Text(event.kind, style=style), Text(event.about))
    return Panel(table, title="newest events", title_align="left", border_style="dim")


def _low(board: Board) -> Panel:
    table = Table.grid(padding=(0, 2))
    low = board.running_low()
    for sku, units, opening in low:
        table.add_row(Text(sku, style="yellow"), f"{units} of {opening} left", board.name_of(sku))
    body = table if low else Text("nothing yet", style="dim")
    return Panel(body, title="stock running low", title_align="left", border_style="dim")


def _plain(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
