"""The `ordertide` command: START HERE to see what the product can be told to do."""

from importlib.metadata import version
from typing import Annotated

import typer

cli = typer.Typer(
    name="ordertide",
    help="Order management for online shops: GraphQL in, live updates out.",
    no_args_is_help=True,
    add_completion=False,
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"ordertide {version('ordertide')}")
        raise typer.Exit


@cli.callback()
def options(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    """Take the options that stand before any command."""


def main() -> None:
    """Run the command line; the entry point that the package installs as `ordertide`."""
    cli()
