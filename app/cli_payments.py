"""`ordertide payments ...`: comparing payment providers' records with ours."""

import asyncio
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.bootstrap import administering
from app.config import load_settings
from domain.kernel.errors import InvalidInput
from domain.kernel.money import Money
from domain.ports import ProviderTimeout
from persistence.reconciliation import Listed
from services import reconciliation
from services.reconciliation import Reconciled

cli = typer.Typer(help="Compare payment providers' records with ours.", no_args_is_help=True)

_WRONG_USE = 2
_WIDE = 240


@cli.callback()
def payments() -> None:
    """Compare payment providers' records with ours."""


@cli.command()
def reconcile(
    provider: Annotated[
        str | None, typer.Option(help="Whose report; all that have one where left out.")
    ] = None,
    day: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Which day, in UTC.", show_default="yesterday"),
    ] = None,
) -> None:
    """Compare a provider's report of a day with what we settled, and bring the work list up to date.

    Exits with 1 while a difference of the day is open.
    """
    wanted = day.date() if day else datetime.now(UTC).date() - timedelta(days=1)
    try:
        found = asyncio.run(_reconcile(provider, wanted))
    except (InvalidInput, ProviderTimeout) as error:
        reason = f"{error.path[0]}: {error}" if isinstance(error, InvalidInput) else "no report came"
        typer.echo(f"ordertide: {reason}", err=True)
        raise typer.Exit(_WRONG_USE) from None
    # A pipe has no width to fit into: there nothing is cut.
    console = Console() if sys.stdout.isatty() else Console(width=_WIDE)
    for one in found:
        _show(console, one)
    if any(one.differences for one in found):
        raise typer.Exit(1)


async def _reconcile(provider: str | None, day: date) -> list[Reconciled]:
    async with administering(load_settings()) as context:
        names = [provider] if provider else reconciliation.reporting(context)
        return [await reconciliation.reconcile(context, name, day) for name in names]


def _show(console: Console, found: Reconciled) -> None:
    console.print(
        f"{found.provider} {found.day}: {found.line_count} movements there, "
        f"{found.transaction_count} here, {found.closed} closed, {len(found.differences)} open",
        highlight=False,
    )
    if not found.differences:
        return
    table = Table("difference", "movement", "reference", "order", "ours", "theirs")
    for one in found.differences:
        table.add_row(*_row(one))
    console.print(table)


def _row(one: Listed) -> tuple[str, ...]:
    found = one.difference
    return (
        found.kind.value,
        found.movement.value,
        found.reference or "",
        one.order_number or "",
        _amount(found.ours),
        _amount(found.theirs),
    )


def _amount(money: Money | None) -> str:
    return f"{money.amount} {money.currency}" if money else ""
