"""`ordertide sandbox ...`: the sandbox payment provider's record, and what people do at it by themselves."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, NoReturn

import orjson
import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from app import cli_sandbox_carrier
from app.bootstrap import opened_database
from app.config import load_settings
from app.sandbox import sandbox_desk
from domain.kernel.errors import InvalidInput
from domain.kernel.money import Money
from domain.payments import TransactionKind
from providers.payments.sandbox import Charge, charges
from providers.payments.sandbox_callbacks import Callback, callbacks
from providers.payments.sandbox_desk import SandboxDesk

cli = typer.Typer(
    help="The sandbox payment provider: its record, and what is done there.", no_args_is_help=True
)

cli.add_typer(cli_sandbox_carrier.cli, name="carrier")

_Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, amounts in minor units.")]
_Reference = Annotated[str, typer.Argument(help="The charge, as `ordertide sandbox charges` names it.")]
_Amount = Annotated[str | None, typer.Argument(help="How much, as in 12.50; all there is without it.")]
_WRONG_USE = 2


@cli.command("charges")
def show(json: _Json = False) -> None:
    """List every charge the sandbox was asked for, oldest first, to compare with the orders' payments."""
    for charge in asyncio.run(_read(charges)):
        typer.echo(orjson.dumps(asdict(charge)).decode() if json else _line(charge))


@cli.command("callbacks")
def show_callbacks(json: _Json = False) -> None:
    """List every callback the sandbox has sent or has to send, oldest first."""
    for callback in asyncio.run(_read(callbacks)):
        typer.echo(orjson.dumps(asdict(callback)).decode() if json else _callback_line(callback))


@cli.command("confirm")
def confirm(
    reference: _Reference,
    refuse: Annotated[bool, typer.Option("--refuse", help="Let the shopper say no.")] = False,
) -> None:
    """Let the shopper confirm a charge that requires it (method action_required)."""
    charge = asyncio.run(_at_desk(lambda desk: desk.confirm(reference, agreed=not refuse)))
    if charge is None:
        _fail(f"no charge {reference} waits for a confirmation")
    typer.echo(_line(charge))


@cli.command("capture")
def capture(reference: _Reference, amount: _Amount = None) -> None:
    """Capture in the provider's dashboard, not asked for by any order."""
    _change(TransactionKind.CAPTURE, reference, amount)


@cli.command("refund")
def refund(reference: _Reference, amount: _Amount = None) -> None:
    """Refund in the provider's dashboard, not asked for by any order."""
    _change(TransactionKind.REFUND, reference, amount)


@cli.command("chargeback")
def charge_back(reference: _Reference, amount: _Amount = None) -> None:
    """Let the payer's bank take money back."""
    _change(TransactionKind.CHARGEBACK, reference, amount)


@cli.command("dispute")
def close_dispute(
    reference: _Reference,
    won: Annotated[bool, typer.Option("--won/--lost", help="For the shop, or against it.")],
) -> None:
    """Let the payer's bank decide a dispute that is open: each charge back opens one."""
    charge = asyncio.run(_at_desk(lambda desk: desk.settle_dispute(reference, won=won)))
    if charge is None:
        _fail(f"no dispute of {reference} is open")
    typer.echo(f"{charge.reference}\t{charge.dispute}")


def _change(kind: TransactionKind, reference: str, amount: str | None) -> None:
    given = _given(amount)
    change = asyncio.run(_at_desk(lambda desk: desk.change(kind, reference, given)))
    if change is None:
        _fail(f"there is no charge {reference}")
    money = Money(change.amount_minor, change.currency).amount
    typer.echo(f"{change.reference}\t{change.state}\t{money} {change.currency}\t{change.decline_code or ''}")
    if change.state == "DECLINED":
        raise typer.Exit(1)


def _given(amount: str | None) -> Decimal | None:
    try:
        return None if amount is None else Decimal(amount)
    except InvalidOperation:
        _fail(f"{amount!r} is not an amount")


async def _read(of: Callable[[AsyncEngine], Awaitable[list[Any]]]) -> list[Any]:
    async with opened_database(load_settings()) as database:
        return await of(database.engine)


async def _at_desk(work: Callable[[SandboxDesk], Awaitable[Any]]) -> Any:
    settings = load_settings()
    async with opened_database(settings) as database:
        try:
            return await work(sandbox_desk(settings, database.engine))
        except InvalidInput as error:
            _fail(error.message)


def _fail(message: str) -> NoReturn:
    typer.echo(f"ordertide: {message}", err=True)
    raise typer.Exit(_WRONG_USE)


def _line(charge: Charge) -> str:
    amount = Money(charge.amount_minor, charge.currency).amount
    return f"{charge.reference}\t{charge.state}\t{charge.method}\t{amount} {charge.currency}"


def _callback_line(callback: Callback) -> str:
    amount = Money(callback.amount_minor, callback.currency).amount
    left = f"{callback.deliveries_left} to be sent" if callback.deliveries_left else "sent"
    what = f"{callback.kind}\t{callback.outcome}\t{amount} {callback.currency}"
    return f"{callback.id}\t{callback.charge_reference}\t{what}\t{left}"
