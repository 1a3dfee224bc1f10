"""`ordertide routing ...`: what is learned for routing, for people."""

import asyncio
from typing import Annotated

import typer

from app.bootstrap import administering
from app.config import load_settings
from domain.kernel.errors import DomainError
from services import routing_prices
from services.routing_prices import Learned

cli = typer.Typer(help="Routing: which site sends what.", no_args_is_help=True)

_WRONG_USE = 2


@cli.callback()
def routing() -> None:
    """Look after routing."""


@cli.command()
def learn(
    channel: Annotated[str, typer.Argument(help="The slug of the channel.")],
) -> None:
    """Learn now what scarce stock is worth to a channel's orders, as the background work does each night."""

    async def run() -> Learned:
        async with administering(load_settings()) as context:
            return await routing_prices.learn_now(context, channel)

    try:
        done = asyncio.run(run())
    except DomainError as error:
        typer.echo(f"ordertide: {'.'.join(error.path)}: {error}", err=True)
        raise typer.Exit(_WRONG_USE) from None
    typer.echo(f"looked at {done.variants} variants, found {done.prices} prices")
