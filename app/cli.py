"""The `ordertide` command: START HERE to see what the product can be told to do."""

import asyncio
from importlib.metadata import version
from typing import Annotated, Any

import typer

from api.root import build_schema
from app import cli_apps, cli_check, cli_import, cli_ledger, cli_mail, cli_payments, cli_routing, cli_sandbox
from app.bootstrap import opened_database
from app.config import ConfigurationError, Settings, load_settings
from app.demo import demo
from app.serve import PortTaken
from app.serve import serve as run_server
from app.work import work as run_worker
from persistence.embedded import EmbeddedServerError

cli = typer.Typer(
    name="ordertide",
    help="Order management for online shops: GraphQL in, live updates out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.add_typer(cli_apps.cli, name="app")
cli.command()(demo)
cli.add_typer(cli_check.cli, name="check")
cli.add_typer(cli_import.cli, name="import")
cli.add_typer(cli_ledger.cli, name="ledger")
cli.add_typer(cli_mail.cli, name="mail")
cli.add_typer(cli_payments.cli, name="payments")
cli.add_typer(cli_routing.cli, name="routing")
cli.add_typer(cli_sandbox.cli, name="sandbox")

_WRONG_USE = 2


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


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", show_default="8000")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Server processes behind the port.")] = 1,
    role: Annotated[
        str | None,
        typer.Option(help="`api` leaves the background work to `ordertide worker`.", show_default="all"),
    ] = None,
) -> None:
    """Serve the API: GraphQL, its subscriptions, health and metrics; and do the background work.

    Stops gracefully on SIGTERM and Ctrl-C: answers what was asked, tells subscribers to come back.
    """
    said = (("host", host), ("port", port), ("role", role))
    given = {name: value for name, value in said if value is not None}
    run_server(_settings(**given), workers)


@cli.command()
def worker() -> None:
    """Do the background work alone: stamp events, expire holds, settle payments.

    Any number may run; each job runs in one of them. Stops on SIGTERM and Ctrl-C.
    """
    run_worker(_settings())


@cli.command()
def migrate() -> None:
    """Bring the database to the newest revision; does nothing when it is there already."""

    async def run() -> None:
        async with opened_database(_settings(), migrating=True):
            pass

    asyncio.run(run())
    typer.echo("the database is at the newest revision")


@cli.command()
def schema() -> None:
    """Print the GraphQL schema this version serves (schema.graphql at the root is this)."""
    typer.echo(build_schema().as_str())


def _settings(**overrides: Any) -> Settings:
    return load_settings(**overrides)


def main() -> None:
    """Run the command line; the entry point that the package installs as `ordertide`.

    What the user can put right is one line on standard error and exit code 2.
    """
    try:
        cli()
    except (ConfigurationError, PortTaken, EmbeddedServerError) as error:
        typer.echo(f"ordertide: {error}", err=True)
        raise SystemExit(_WRONG_USE) from None
