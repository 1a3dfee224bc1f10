"""`ordertide import ...`: data from files, whole or not at all."""

import typer

from app import import_bins, import_catalog, import_orders, import_places

cli = typer.Typer(help="Bring data in from files: all of a file or nothing.", no_args_is_help=True)
cli.command()(import_catalog.catalog)
cli.command()(import_orders.orders)
cli.command()(import_places.places)
cli.command()(import_bins.bins)


@cli.callback()
def choose() -> None:
    """Bring data in from files: all of a file or nothing."""
