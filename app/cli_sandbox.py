"""`ordertide sandbox ...`: what the sandbox payment provider has on record."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from app.bootstrap import opened_database
from app.config import load_settings
from domain.kernel.money import Money
from providers.payments.sandbox import Charge, charges

cli = typer.Typer(help="What the sandbox payment provider has on record.", no_args_is_help=True)


@cli.command("charges")
def show(
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, amounts in minor units.")
    ] = False,
) -> None:
    """List every charge the sandbox was asked for, oldest first, to compare with the orders' payments."""
    for charge in asyncio.run(_read()):
        typer.echo(orjson.dumps(asdict(charge)).decode() if json else _line(charge))


async def _read() -> list[Charge]:
    async with opened_database(load_settings()) as database:
        return await charges(database.engine)


def _line(charge: Charge) -> str:
    amount = Money(charge.amount_minor, charge.currency).amount
    return f"{charge.reference}\t{charge.state}\t{charge.method}\t{amount} {charge.currency}"
