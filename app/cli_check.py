"""`ordertide check ...`: proof that what is stored agrees with itself."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from app.bootstrap import administering
from app.config import load_settings
from domain.stock_ledger import Discrepancy
from services import ledger_reports, stock_ledger, stored_values
from services.ledger_reports import BooksCheck
from services.stock_ledger import LedgerCheck
from services.stored_values import BalanceCheck

cli = typer.Typer(help="Prove that what is stored agrees with itself.", no_args_is_help=True)


@cli.callback()
def checks() -> None:
    """Prove that what is stored agrees with itself; exit with 1 when it does not."""


@cli.command()
def stock(
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Compare every stock level with its ledger, and its held units with the holds of carts.

    Reads one moment of the database, so it may run while the shop is open. Exits with 1 and names
    what differs when a level is not explained.
    """
    found = asyncio.run(_compare())
    typer.echo(_json(found) if json else _text(found))
    if found.discrepancies:
        raise typer.Exit(1)


@cli.command()
def ledger(
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Compare the ledger of money with every settled movement of payments, and with every order.

    Reads one moment of the database, so it may run while the shop is open. Exits with 1 and names
    what the books do not explain.
    """
    found = asyncio.run(_compare_books())
    typer.echo(orjson.dumps(asdict(found)).decode() if json else _books(found))
    if found.unexplained:
        raise typer.Exit(1)


async def _compare_books() -> BooksCheck:
    async with administering(load_settings()) as context:
        return await ledger_reports.check(context)


def _books(found: BooksCheck) -> str:
    if not found.unexplained:
        return f"{found.entries} entries balance and explain {found.movements} movements of payments"
    return "\n".join(
        f"{one.subject}: {one.booked_minor} in the books, {one.expected_minor} in fact (minor units)"
        for one in found.unexplained
    )


@cli.command()
def balances(
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Compare the balance of every gift card and store credit with its movements.

    Reads one moment of the database, so it may run while the shop is open. Exits with 1 and names
    what differs when a balance is not explained.
    """
    found = asyncio.run(_compare_balances())
    typer.echo(orjson.dumps(asdict(found), default=str).decode() if json else _text_of_balances(found))
    if found.discrepancies:
        raise typer.Exit(1)


async def _compare_balances() -> BalanceCheck:
    async with administering(load_settings()) as context:
        return await stored_values.check(context)


def _text_of_balances(found: BalanceCheck) -> str:
    if not found.discrepancies:
        return f"{found.balances} balances equal the sum of their {found.movements} movements"
    return "\n".join(
        f"{one} has {balance_minor}, but its movements sum to {moved_minor} (in minor units)"
        for one, balance_minor, moved_minor in found.discrepancies
    )


async def _compare() -> LedgerCheck:
    async with administering(load_settings()) as context:
        return await stock_ledger.check(context)


def _json(found: LedgerCheck) -> str:
    return orjson.dumps(asdict(found)).decode()


def _text(found: LedgerCheck) -> str:
    if not found.discrepancies:
        return f"{found.levels} levels equal their ledger of {found.movements} movements"
    return "\n".join(_line(one) for one in found.discrepancies)


def _line(one: Discrepancy) -> str:
    counted = f"{one.sku} at {one.location_code}: {one.level} {one.state.value}"
    return f"{counted}, but the {one.explained_by} account for {one.explained}"
