"""`ordertide app ...`: programs that may use the API, and their tokens."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar
from uuid import UUID

import typer

from app.bootstrap import administering
from app.config import load_settings
from domain.kernel.errors import DomainError
from persistence.apps import AppRow
from services import apps
from services.access import Permission
from services.context import ServiceContext

T = TypeVar("T")

cli = typer.Typer(help="Programs that may use the API, and their tokens.", no_args_is_help=True)

_PERMISSIONS = ", ".join(permission.value for permission in Permission)


@cli.command()
def create(
    name: Annotated[str, typer.Argument(help="What the app is called, for people.")],
    permission: Annotated[
        list[str] | None, typer.Option(help=f"A permission it gets; repeatable. One of: {_PERMISSIONS}.")
    ] = None,
    all_permissions: Annotated[bool, typer.Option(help="Give it every permission.")] = False,
    owner: Annotated[
        str | None,
        typer.Option(help="The person whose it is: where two people are needed, all of one's apps are one."),
    ] = None,
) -> None:
    """Create an app and print its token: one line, shown this once.

    Send it as `Authorization: Bearer TOKEN`. The database keeps only its hash.
    """
    wanted = [apps.ALL_PERMISSIONS] if all_permissions else permission or []
    typer.echo(_run(lambda context: apps.create(context, name, wanted, owner)))


@cli.command("list")
def show() -> None:
    """List the apps: id, name, permissions, whether they were revoked, and whose they are."""
    for app in _run(apps.list_all):
        owner = [app.owner] if app.owner else []
        typer.echo("\t".join((str(app.id), app.name, ",".join(app.permissions), _state(app), *owner)))


@cli.command()
def revoke(
    app_id: Annotated[UUID, typer.Argument(help="The app's id, as `ordertide app list` shows it.")],
) -> None:
    """Make an app's token worthless, in every process within seconds."""
    _run(lambda context: apps.revoke(context, app_id))
    typer.echo("revoked")


def _run(use_case: Callable[[ServiceContext], Awaitable[T]]) -> T:
    async def run() -> T:
        async with administering(load_settings()) as context:
            return await use_case(context)

    try:
        return asyncio.run(run())
    except DomainError as error:
        typer.echo(f"ordertide: {error.message}", err=True)
        raise typer.Exit(2) from None


def _state(app: AppRow) -> str:
    return f"revoked {app.revoked_at:%Y-%m-%d}" if app.revoked_at else "active"
