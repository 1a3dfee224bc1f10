"""`ordertide mail ...`: looking at the messages to customers, and trying the mail server."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn
from uuid import uuid4

import typer

from app.bootstrap import administering
from app.config import PREFIX, ConfigurationError, Settings, load_settings
from app.mail_samples import sample
from app.messages import messaging
from domain.channels import check_locale
from domain.kernel.emails import check_email
from domain.kernel.errors import InvalidInput, NotFound
from domain.letters import Letter
from domain.message_ports import Message, MessageError
from domain.notifications import NotificationKind
from services import notifications

cli = typer.Typer(help="Look at the messages to customers, and try the mail server.", no_args_is_help=True)

_WRONG_USE = 2


@cli.callback()
def mail() -> None:
    """Look at the messages to customers, and try the mail server."""


@cli.command()
def preview(
    kind: Annotated[
        NotificationKind, typer.Argument(help="What the customer is told.", case_sensitive=False)
    ],
    locale: Annotated[
        str | None, typer.Option(help="As in de-AT.", show_default="en, or the order's own")
    ] = None,
    order: Annotated[
        str | None, typer.Option(help="The number of an order to tell of, instead of a sample.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write the HTML; without it the text is printed.")
    ] = None,
) -> None:
    """Show a message as a customer would get it; nothing is sent, and nothing written down."""
    settings = load_settings()
    try:
        wanted = None if locale is None else check_locale(locale)
        letter = (
            sample(kind, wanted or "en", datetime.now(UTC))
            if order is None
            else asyncio.run(_letter_of(settings, order, kind, wanted))
        )
        rendered = messaging(settings).renderer.render(letter)
    except (InvalidInput, NotFound, MessageError) as error:
        _fail(str(error))
    if out is None:
        typer.echo(f"{rendered.subject}\n\n{rendered.text}", nl=False)
        return
    try:
        out.write_text(rendered.html, "utf-8")
    except OSError as error:
        _fail(f"{out}: {error.strerror}")
    typer.echo(f"{out}: {rendered.subject}")


@cli.command("test")
def send_sample(
    address: Annotated[str, typer.Argument(help="Who gets it.")],
    locale: Annotated[str, typer.Option(help="As in de-AT.")] = "en",
) -> None:
    """Send a sample message through the mail server that is set, to see that it arrives."""
    settings = load_settings()
    if settings.mail_url is None:
        raise ConfigurationError([f"{PREFIX}MAIL_URL: is not set, so that there is no mail server to try"])
    try:
        recipient = check_email(address)
        letter = sample(NotificationKind.ORDER_CONFIRMED, check_locale(locale), datetime.now(UTC))
        asyncio.run(_send(settings, recipient, letter))
    except InvalidInput as error:
        _fail(f"{address}: {error.message}" if not error.path else str(error))
    except MessageError as error:
        _fail(error.reason)
    typer.echo(f"the mail server has taken a message to {recipient}")


def _fail(reason: str) -> NoReturn:
    typer.echo(f"ordertide: {reason}", err=True)
    raise typer.Exit(_WRONG_USE)


async def _letter_of(settings: Settings, number: str, kind: NotificationKind, locale: str | None) -> Letter:
    async with administering(settings) as context:
        return await notifications.preview(context, number, kind, locale)


async def _send(settings: Settings, recipient: str, letter: Letter) -> None:
    used = messaging(settings)
    content = used.renderer.render(letter)
    message = Message(f"test.{uuid4().hex}", datetime.now(UTC), recipient, letter.shop_name, None, content)

    async def handing_over() -> None:
        return

    async with used.sender.session() as session:
        await session.send(message, handing_over)
