"""Messages over SMTP (RFC 5321): one connection a session, opened by its first message.

A message is handed over in two steps, so that the point of no return is exact: the connection, TLS, log-in,
sender and recipient come first, all of which may fail without doubt; then the caller is told, and only then
does DATA follow with the message.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPHeloError,
    SMTPRecipientRefused,
    SMTPResponseException,
)

from domain.message_ports import (
    HandingOver,
    Message,
    MessageDoubtful,
    MessagePutOff,
    MessageRefused,
    MessageSession,
)
from providers.messages.mail_server import Server
from providers.messages.mime import Mime, mime_of

_FIRST_PERMANENT = 500
_GOODBYE_SECONDS = 2.0


class SmtpSender:
    """Sends through one mail server, from one address."""

    name = "smtp"

    def __init__(
        self, url: str, from_address: str, *, time_limit_seconds: float = 30.0, validate_certs: bool = True
    ) -> None:
        """Prepare; raises ValueError for a URL that names no mail server."""
        self._server = Server.parse(url)
        self._from_address = from_address
        self._time_limit_seconds = time_limit_seconds
        self._validate_certs = validate_certs

    @asynccontextmanager
    async def session(self) -> AsyncIterator[MessageSession]:
        """Yield a session; its connection is closed in the end."""
        server = self._server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.tls == "tls",
            start_tls=server.tls == "starttls",
            validate_certs=self._validate_certs,
            timeout=self._time_limit_seconds,
        )
        try:
            yield _SmtpSession(client, self._from_address)
        finally:
            if client.is_connected:
                with suppress(SMTPException, OSError):
                    await client.quit(timeout=_GOODBYE_SECONDS)
            client.close()


class _SmtpSession:
    def __init__(self, client: SMTP, from_address: str) -> None:
        self._client = client
        self._from_address = from_address

    async def send(self, message: Message, handing_over: HandingOver) -> None:
        try:
            await self._send(message, handing_over)
        except BaseException:
            # Whatever went wrong, and wherever: the next message begins with a connection of its own.
            self._client.close()
            raise

    async def _send(self, message: Message, handing_over: HandingOver) -> None:
        client = self._client
        try:
            if not client.is_connected:
                await client.connect()
            if client.is_ehlo_or_helo_needed:
                with suppress(SMTPHeloError):  # of a server so old that it only knows HELO, said below
                    await client.ehlo()
            mime = mime_of(message, self._from_address, utf8=client.supports_extension("smtputf8"))
            await self._envelope(mime)
        except SMTPRecipientRefused as error:
            if error.code >= _FIRST_PERMANENT:
                raise MessageRefused(_said(error), error.code) from error
            raise MessagePutOff(_said(error), error.code) from error
        except SMTPResponseException as error:
            # A log-in or a sender that is refused is about us, not about this message: it is put right.
            raise MessagePutOff(_said(error), error.code) from error
        except (SMTPException, OSError) as error:
            raise MessagePutOff(f"the mail server cannot be used: {_named(error)}") from error
        await handing_over()
        try:
            await client.data(mime.content)
        except SMTPResponseException as error:
            if error.code >= _FIRST_PERMANENT:
                raise MessageRefused(_said(error), error.code) from error
            raise MessagePutOff(_said(error), error.code) from error
        except (SMTPException, OSError) as error:
            raise MessageDoubtful(f"no answer to the message: {_named(error)}") from error

    async def _envelope(self, mime: Mime) -> None:
        options = ["SMTPUTF8", "BODY=8BITMIME"] if mime.needs_utf8 else []
        encoding = "utf-8" if mime.needs_utf8 else "ascii"
        await self._client.mail(mime.sender, options=options, encoding=encoding)
        await self._client.rcpt(mime.recipient, encoding=encoding)


def _said(error: SMTPResponseException) -> str:
    return f"{error.code} {error.message}"


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
