"""`ordertide sandbox carrier ...`: the sandbox carrier's record, its scanners, and how it misbehaves."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, NoReturn

import orjson
import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from app.bootstrap import opened_database
from app.config import load_settings
from domain.kernel.errors import InvalidInput
from domain.kernel.money import Money
from providers.carriers.sandbox_desk import CarrierDesk
from providers.carriers.sandbox_record import SandboxParcel, parcels
from providers.carriers.sandbox_tracking import TrackingCallback, tracking_callbacks

cli = typer.Typer(help="The sandbox carrier: its record, and what is done there.", no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
_Rate = float | None
_WRONG_USE = 2


@cli.command("parcels")
def show(json: _Json = False) -> None:
    """List every label the sandbox carrier has sold, oldest first, to compare with the shipments."""
    for parcel in asyncio.run(_read(parcels)):
        facts = {name: value for name, value in asdict(parcel).items() if name != "document"}
        typer.echo(orjson.dumps(facts).decode() if json else _parcel_line(parcel))


@cli.command("callbacks")
def show_callbacks(json: _Json = False) -> None:
    """List everything the sandbox carrier has told or has to tell, oldest first."""
    for callback in asyncio.run(_read(tracking_callbacks)):
        typer.echo(orjson.dumps(asdict(callback)).decode() if json else _callback_line(callback))


@cli.command("advance")
def advance(
    tracking_number: Annotated[str, typer.Argument(help="The parcel, by the number on its label.")],
    status: Annotated[str, typer.Argument(help="What happens to it, as in IN_TRANSIT or DELIVERED.")],
    place: Annotated[str | None, typer.Option(help="Where that is.")] = None,
    description: Annotated[str | None, typer.Option(help="What the carrier says of it.")] = None,
    estimated: Annotated[
        datetime | None, typer.Option(help="When the parcel will arrive, in UTC.", formats=["%Y-%m-%dT%H:%M"])
    ] = None,
) -> None:
    """Let something happen to a parcel, now; from then on it does not move by itself."""
    # No clock of a zone on a command line: what is typed is UTC.
    said = {
        "place": place,
        "description": description,
        "estimated_at": datetime.fromisoformat(f"{estimated.isoformat()}+00:00") if estimated else None,
    }
    parcel = asyncio.run(_at_desk(lambda desk: desk.advance(tracking_number, status, **said)))
    if parcel is None:
        _fail(f"no parcel has the number {tracking_number}, or its label was given back")
    typer.echo(f"{parcel.tracking_number}\t{status.upper()}")


@cli.command("faults")
def faults(
    hang: Annotated[_Rate, typer.Option(help="Requests that are never answered, from 0 to 1.")] = None,
    error: Annotated[_Rate, typer.Option(help="Requests that fail, before or after being recorded.")] = None,
    duplicate: Annotated[_Rate, typer.Option(help="Callbacks that come twice.")] = None,
    late: Annotated[_Rate, typer.Option(help="Callbacks that come up to 5 s late.")] = None,
    shuffle: Annotated[_Rate, typer.Option(help="Callbacks that others overtake.")] = None,
    down_for: Annotated[
        float | None, typer.Option(help="Seconds for which nothing is answered; 0 ends that.")
    ] = None,
) -> None:
    """Let it misbehave from now on, in what is named; without options, say how it does."""
    named = {"hang": hang, "error": error, "duplicate": duplicate, "late": late, "shuffle": shuffle}
    rates = {name: rate for name, rate in named.items() if rate is not None}
    now = asyncio.run(_at_desk(lambda desk: desk.set_faults(down_for_seconds=down_for, **rates)))
    shown = "\t".join(f"{name} {getattr(now, name):g}" for name in named)
    down = f"\tdown until {now.down_until.isoformat(timespec='seconds')}" if now.down_until else ""
    typer.echo(f"{shown}{down}")


async def _read(of: Callable[[AsyncEngine], Awaitable[list[Any]]]) -> list[Any]:
    async with opened_database(load_settings()) as database:
        return await of(database.engine)


async def _at_desk(work: Callable[[CarrierDesk], Awaitable[Any]]) -> Any:
    async with opened_database(load_settings()) as database:
        try:
            return await work(CarrierDesk(database.engine))
        except InvalidInput as error:
            _fail(error.message)


def _fail(message: str) -> NoReturn:
    typer.echo(f"ordertide: {message}", err=True)
    raise typer.Exit(_WRONG_USE)


def _parcel_line(parcel: SandboxParcel) -> str:
    price = Money(parcel.price_minor, parcel.currency).amount
    state = "given back" if parcel.voided_at else "sold"
    return (
        f"{parcel.tracking_number}\t{state}\t{parcel.service}\t{price} {parcel.currency}\t{parcel.reference}"
    )


def _callback_line(callback: TrackingCallback) -> str:
    left = f"{callback.deliveries_left} to be sent" if callback.deliveries_left else "sent"
    what = f"{callback.status}\t{callback.place or ''}\t{callback.occurred_at.isoformat(timespec='seconds')}"
    return f"{callback.tracking_number}\t{what}\t{left}"
