"""The sender against a real mail server: encryption, log-in, and whose fault a refusal is."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from domain.message_ports import (
    Message,
    MessageDoubtful,
    MessageError,
    MessagePutOff,
    MessageRefused,
    Rendered,
)
from providers.messages.log import LogSender
from providers.messages.smtp import SmtpSender
from tests.mail_server import ADDRESS, PASSWORD, USER, MailServer, mail_server


def message(recipient: str = "ada@example.com", name: str = "1") -> Message:
    content = Rendered("Hello", ".\r\nGrüße\n..\n", "<p>Grüße</p>", "de")
    return Message(name, datetime(2026, 1, 2, tzinfo=UTC), recipient, "Shop", "help@shop.example", content)


async def send(url: str, *messages: Message, validate_certs: bool = True) -> int:
    """Send messages in one session; returns how often one was about to be handed over."""
    handed_over = 0

    async def handing_over() -> None:
        nonlocal handed_over
        handed_over += 1

    sender = SmtpSender(url, ADDRESS, time_limit_seconds=5, validate_certs=validate_certs)
    async with sender.session() as session:
        for one in messages:
            await session.send(one, handing_over)
    return handed_over


@pytest.fixture
async def encrypted(tmp_path: Path) -> AsyncIterator[MailServer]:
    """A server that demands STARTTLS and a log-in, with a certificate that nobody vouches for."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    make = [*command.split(), "-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, make, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with mail_server(context) as server:
        yield server


async def test_messages_of_a_session_go_over_one_connection(encrypted: MailServer) -> None:
    url = f"smtp://{USER}:{PASSWORD.replace(' ', '%20')}@localhost:{encrypted.port}"
    assert await send(url, message(name="1"), message(name="2"), validate_certs=False) == 2
    assert encrypted.ids() == ["<1@shop.example>", "<2@shop.example>"]
    assert encrypted.connections == 1


async def test_a_server_that_cannot_be_trusted_or_does_not_know_us_gets_nothing(
    encrypted: MailServer,
) -> None:
    wrong = f"smtp://{USER}:wrong@localhost:{encrypted.port}"
    with pytest.raises(MessagePutOff, match="certificate"):
        await send(f"smtp://{USER}:x@localhost:{encrypted.port}", message())
    with pytest.raises(MessagePutOff) as refused:
        await send(wrong, message(), validate_certs=False)
    assert refused.value.code == 535, "it is put right, and then the message goes out"
    assert encrypted.taken == []


async def test_encryption_that_is_demanded_and_not_offered_is_not_done_without() -> None:
    async with mail_server() as server:
        with pytest.raises(MessagePutOff):
            await send(f"smtp://localhost:{server.port}", message())
    assert server.taken == []


@pytest.mark.parametrize(
    ("refusals", "answers", "error", "handed_over"),
    [
        ({"ada@example.com": "550 unknown"}, [], MessageRefused, False),
        ({"ada@example.com": "451 later"}, [], MessagePutOff, False),
        ({}, ["554 no"], MessageRefused, True),
        ({}, ["452 full"], MessagePutOff, True),
        ({}, [""], MessageDoubtful, True),
    ],
)
async def test_what_a_server_answers_decides_whether_it_was_sent(
    refusals: dict[str, str], answers: list[str], error: type[MessageError], handed_over: bool
) -> None:
    told = False

    async def handing_over() -> None:
        nonlocal told
        told = True

    async with mail_server() as server:
        server.refusals, server.answers = refusals, answers
        async with SmtpSender(server.url, ADDRESS).session() as session:
            with pytest.raises(error):
                await session.send(message(), handing_over)
            assert told is handed_over
            server.refusals, server.answers = {}, []
            await session.send(message(name="2"), handing_over)
    assert server.ids()[-1:] == ["<2@shop.example>"], "the next message is not held up"


async def test_what_may_not_be_handed_over_is_not_sent() -> None:
    async def handing_over() -> None:
        raise RuntimeError("not mine any more")

    async with mail_server() as server:
        with pytest.raises(RuntimeError, match="not mine"):
            async with SmtpSender(server.url, ADDRESS).session() as session:
                await session.send(message(), handing_over)
    assert server.taken == []


async def test_an_address_beyond_ascii_arrives_where_the_server_takes_it() -> None:
    async with mail_server() as server:
        assert await send(server.url, message("jörg@bücher.example")) == 1
    assert server.recipients == ["jörg@xn--bcher-kva.example"]
    body = server.messages[0].get_body(("plain",))
    assert body is not None
    assert body.get_content().split() == [".", "Grüße", ".."], "lines of a dot are not the end"


async def test_without_a_mail_server_it_is_logged_that_there_was_something_and_nothing_personal() -> None:
    told = False

    async def handing_over() -> None:
        nonlocal told
        told = True

    with capture_logs() as logs:
        async with LogSender().session() as session:
            await session.send(message(), handing_over)
    assert told
    assert [(one["event"], one["message"]) for one in logs] == [("message_only_logged", "1")]
    assert "ada" not in str(logs)
    assert "Grüße" not in str(logs)
