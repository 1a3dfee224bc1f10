"""A real mail server on this machine, which keeps what it takes and answers as it is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

ADDRESS = "orders@shop.example"
USER, PASSWORD = "shop", "a password only tests use"


@dataclass
class MailServer:
    """What the server took, and how it answers: by recipient at RCPT, one after the other at DATA."""

    port: int = 0
    taken: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    """Answers to messages, each used once; "" closes the connection after the message was taken."""
    before_data: Callable[[], Awaitable[None]] | None = None
    """Awaited before a recipient is answered: the message cannot have been handed over yet."""
    before_answer: Callable[[], Awaitable[None]] | None = None
    """Awaited when a message was taken, before that is answered."""
    connections: int = 0

    @property
    def url(self) -> str:
        return f"smtp+insecure://127.0.0.1:{self.port}"

    @property
    def messages(self) -> list[EmailMessage]:
        """What it took, parsed."""
        return [message_from_bytes(one, policy=policy.default) for one in self.taken]

    def ids(self) -> list[str]:
        """The Message-IDs of what it took, in their order."""
        return [str(one["Message-ID"]) for one in self.messages]

    async def handle_RCPT(  # noqa: N802 - aiosmtpd names it
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.before_data:
            await self.before_data()
        if refusal := self.refusals.get(address):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd names it
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer[:1] in {"2", ""}:
            self.taken.append(envelope.content or b"")  # type: ignore[arg-type]
            self.recipients += envelope.rcpt_tos
        if self.before_answer:
            await self.before_answer()
        if not answer and isinstance(server.transport, asyncio.WriteTransport):
            server.transport.abort()
        return answer

    def made(self, make: Callable[[], SMTP]) -> Callable[[], SMTP]:
        def connected() -> SMTP:
            self.connections += 1
            return make()

        return connected


@asynccontextmanager
async def mail_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[MailServer]:
    """Yield the server while it listens; with `tls` it demands STARTTLS and a log-in."""
    server = MailServer()

    def authenticate(*given: Any) -> AuthResult:
        shown = given[-1]
        known = isinstance(shown, LoginPassword) and (shown.login, shown.password) == (
            USER.encode(),
            PASSWORD.encode(),
        )
        return AuthResult(success=known, handled=False)

    def make() -> SMTP:
        return SMTP(
            server,
            hostname="localhost",
            enable_SMTPUTF8=True,
            tls_context=tls,
            require_starttls=tls is not None,
            auth_required=tls is not None,
            authenticator=authenticate,
        )

    listening = await asyncio.get_running_loop().create_server(server.made(make), "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
