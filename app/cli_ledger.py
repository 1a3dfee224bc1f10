"""`ordertide ledger ...`: the books, for people."""

import asyncio
import sys
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.bootstrap import administering
from app.config import load_settings
from domain.kernel.errors import DomainError
from domain.kernel.money import Money
from persistence.ledger import Balance
from services import ledger_reports

cli = typer.Typer(help="The ledger of money.", no_args_is_help=True)

_WRONG_USE = 2
_WIDE = 240
_DAY = ["%Y-%m-%d"]


@cli.callback()
def ledger() -> None:
    """Read the ledger of money."""


@cli.command()
def balances(
    channel: Annotated[str | None, typer.Option(help="Only of the channel with this slug.")] = None,
    currency: Annotated[str | None, typer.Option(help="Only in this currency.")] = None,
    since: Annotated[datetime | None, typer.Option("--from", formats=_DAY, help="First day, in UTC.")] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="The day after the last, in UTC.")
    ] = None,
) -> None:
    """Show each account over a period, as seen from its normal side."""

    async def read() -> list[Balance]:
        async with administering(load_settings()) as context:
            return await ledger_reports.balances(context, channel, currency, since, until)

    try:
        found = asyncio.run(read())
    except DomainError as error:
        typer.echo(f"ordertide: {'.'.join(error.path)}: {error}", err=True)
        raise typer.Exit(_WRONG_USE) from None
    table = Table("account", "", "currency", "opening", "debits", "credits", "closing")
    for column in table.columns[3:]:
        column.justify = "right"
    for one in found:
        table.add_row(one.account.value, one.dimension or "", one.currency, *_amounts(one))
    # A pipe has no width to fit into: there nothing is cut.
    (Console() if sys.stdout.isatty() else Console(width=_WIDE)).print(table)


def _amounts(one: Balance) -> tuple[str, ...]:
    figures = (
        one.account.natural(one.opening_minor),
        one.debits_minor,
        one.credits_minor,
        one.account.natural(one.closing_minor),
    )
    return tuple(str(Money(figure, one.currency).amount) for figure in figures)
