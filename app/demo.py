"""`ordertide demo`: a shop to watch. It sets itself up, serves the API and lets shoppers live a day.

Its parts are in app/demo_shop. The shoppers, the screen and you are all outside clients of the API.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console

from api.ide import Ide
from app.bootstrap import administering
from app.config import PREFIX, Settings, load_settings
from app.demo_shop import replay, shop_data, stocking, watching
from app.demo_shop.board import Board
from app.demo_shop.client import Client
from app.demo_shop.processes import Server, ServerFailed, address_of, api_server, port_trouble
from app.demo_shop.replay import Manners
from app.demo_shop.screen import Addresses, show
from persistence.embedded_install import passable_folder
from services.context import ServiceContext

_WRONG_USE = 2
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_BETWEEN_DAYS_SECONDS = 5.0
_SERVER_LOG = "demo-server.log"
_USUAL = Manners()

# The demo's day is short, so what carts hold goes back on sale soon. The environment's settings win.
_SERVER_SETTINGS = {
    "IDE": "true",
    "LOG_LEVEL": "warning",
    "CART_HOLD_SECONDS": "90",
    "CART_ABANDON_SECONDS": "60",
    # A parcel takes 3 days in Great Britain, 7 abroad: half a minute, a minute.
    "SANDBOX_CARRIER_DAY_SECONDS": "8",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    host: str
    port: int
    manners: Manners | None  # None: nobody comes


def demo(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to serve on.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to serve on.")] = "127.0.0.1",
    speed: Annotated[
        float, typer.Option(min=1, max=100_000, help="Seconds of the shop's day in one second.")
    ] = _USUAL.speed,
    no_replay: Annotated[
        bool, typer.Option("--no-replay", help="Serve the shop, but let nobody in.")
    ] = False,
    abandon_rate: Annotated[
        float, typer.Option(min=0, max=1, help="For this share of orders, one more cart is left behind.")
    ] = _USUAL.abandon_rate,
    decline_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Share of orders whose first payment is declined.")
    ] = _USUAL.decline_rate,
    review_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Share of orders that wait for approval.")
    ] = _USUAL.review_rate,
    seed: Annotated[int, typer.Option(help="Decides which orders those are.")] = _USUAL.seed,
) -> None:
    """Run the demo shop: real products, and a real trading day replayed by live shoppers.

    Sets up what is missing (database, catalogue, stock in three warehouses), serves the API with its
    IDE, and shows in the terminal what happens. Each day starts with full shelves; after one day comes
    the next. Ctrl-C stops everything.
    """
    trouble = port_trouble(host, port)
    if trouble is not None:
        typer.echo(trouble, err=True)
        raise typer.Exit(_WRONG_USE)
    manners = None if no_replay else Manners(speed, abandon_rate, decline_rate, review_rate, seed)
    try:
        asyncio.run(_run(Options(host, port, manners)))
    except ServerFailed as error:
        typer.echo(f"ordertide: {error}", err=True)
        raise typer.Exit(1) from None


async def _run(options: Options) -> None:
    """Live until told to stop; then stop everything in order, whatever else is signalled."""
    life = asyncio.ensure_future(_live(options, load_settings()))
    loop = asyncio.get_running_loop()
    told = asyncio.Event()

    def stop() -> None:
        if not told.is_set():
            told.set()
            life.cancel()

    for one in _STOPS:
        loop.add_signal_handler(one, stop)
    try:
        await life
    except asyncio.CancelledError:
        if not told.is_set():
            raise


async def _live(options: Options, settings: Settings) -> None:
    console = Console()

    def tell(what: str) -> None:
        console.print(f"Ordertide demo shop: {what}", highlight=False)

    tell("starting the database and the server")
    # The server loads while the shop is set up.
    async with _serving(options, settings) as server, administering(settings) as context:
        await stocking.open_shop(context, tell)
        token = await stocking.staff_token(context)
        await server.ready()
        addresses = Addresses(
            address_of(options.host, options.port), token, ide=bool(Ide(enabled=True).routes())
        )
        await _trade(options, context, server, addresses, console)


@asynccontextmanager
async def _serving(options: Options, settings: Settings) -> AsyncIterator[Server]:
    hook = f"{address_of(options.host, options.port)}/hooks/carriers/sandbox"
    server_settings = _SERVER_SETTINGS | {"SANDBOX_CARRIER_CALLBACK_URL": hook}
    given = {f"{PREFIX}{name}": value for name, value in server_settings.items()}
    environment = {name: value for name, value in given.items() if not os.environ.get(name)}
    home = settings.home.expanduser()
    passable_folder(home)
    async with api_server(options.host, options.port, home / _SERVER_LOG, environment) as server:
        yield server


async def _trade(
    options: Options, context: ServiceContext, server: Server, addresses: Addresses, console: Console
) -> None:
    board = Board(
        opening=shop_data.opening_stock(), names={item.sku: item.name for item in shop_data.catalogue()}
    )
    best = [sku for sku, _ in shop_data.units_of_the_day().most_common()]
    async with Client(addresses.server) as shop, Client(addresses.server, addresses.token) as staff:
        lives = [
            server.watch(),
            watching.follow_orders(staff, board),
            watching.follow_carts(staff, board),
            watching.follow_stock(shop, stocking.CHANNEL, best, board),
            show(board, addresses, console),
        ]
        if options.manners is not None:
            lives.append(_days(options.manners, context, shop, staff, board))
        await _until_one_ends(lives)


async def _until_one_ends(lives: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all side by side; none of them should end, so the first that does ends them all."""
    tasks = [asyncio.create_task(life) for life in lives]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _days(manners: Manners, context: ServiceContext, shop: Client, staff: Client, board: Board) -> None:
    planned = replay.visits(shop_data.trading_day(), manners)
    while True:
        await replay.replay(planned, manners, shop, staff, stocking.CHANNEL, board)
        await asyncio.sleep(_BETWEEN_DAYS_SECONDS)
        await stocking.fill_shelves(context)
        board.day += 1
