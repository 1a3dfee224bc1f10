"""Messages on the wire: headers hold what they should and nothing more, addresses what servers take."""

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest

from domain.message_ports import Attachment, Message, MessageRefused, Rendered
from providers.messages.mail_server import Server
from providers.messages.mime import Mime, mime_of


def message(recipient: str = "ada@example.com", name: str = "Shop", subject: str = "Hello") -> Message:
    content = Rendered(subject, "Grüße\n.\n" + "x" * 2000, "<p>Grüße</p>", "de")
    return Message("0af3.1", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), recipient, name, None, content)


def sent(one: Message, *, utf8: bool = False) -> Mime:
    return mime_of(one, "orders@shop.example", utf8=utf8)


def test_the_same_message_has_the_same_bytes_each_time() -> None:
    assert sent(message()) == sent(message())
    assert b"Message-ID: <0af3.1@shop.example>\r\n" in sent(message()).content


def test_a_document_goes_with_the_text_and_the_bytes_are_the_same_each_time() -> None:
    label = Attachment("return-R1.pdf\r\nX: y", "application/pdf", bytes(range(256)) * 40)
    made = sent(replace(message(), attachments=(label,)))
    assert made == sent(replace(message(), attachments=(label,)))
    assert max(len(line) for line in made.content.split(b"\r\n")) <= 998, "RFC 5322, 2.1.1"

    parsed = message_from_bytes(made.content, policy=policy.default)
    (document,) = parsed.iter_attachments()
    assert (document.get_content_type(), document.get_content()) == ("application/pdf", label.content)
    assert document.get_filename() == "return-R1.pdf X: y"
    text, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "Grüße" in text.get_content()
    assert "Grüße" in html.get_content()
    assert parsed["Content-Language"] == "de"


@pytest.mark.parametrize("break_", ["\r\n", "\n", "\r", "\x0b", "\x85", "\u2028"])
def test_nobody_adds_a_header_by_a_name_or_a_subject(break_: str) -> None:
    evil = f"x{break_}Bcc: all@example.com"
    parsed = message_from_bytes(sent(message(name=evil, subject=evil)).content, policy=policy.default)

    assert parsed["Bcc"] is None
    assert parsed["Subject"] == "x Bcc: all@example.com"
    assert parsed["From"].addresses[0].display_name == "x Bcc: all@example.com"


def test_names_and_subjects_beyond_ascii_arrive_as_they_are() -> None:
    made = sent(message(name="Müller, Söhne & 株式会社", subject="ご注文 ありがとう 🎉" * 10))
    parsed = message_from_bytes(made.content, policy=policy.default)

    assert made.content.isascii()
    assert parsed["From"].addresses[0].display_name == "Müller, Söhne & 株式会社"
    assert parsed["Subject"] == "ご注文 ありがとう 🎉" * 10
    assert max(len(line) for line in made.content.split(b"\r\n")) <= 998, "RFC 5322, 2.1.1"


def test_a_domain_beyond_ascii_is_written_as_the_dns_has_it() -> None:
    assert sent(message("ada@straße.example")).recipient == "ada@xn--strae-oqa.example"


def test_a_name_beyond_ascii_needs_a_server_that_takes_it() -> None:
    with pytest.raises(MessageRefused, match="SMTPUTF8"):
        sent(message("jörg@example.com"))
    made = sent(message("jörg@example.com"), utf8=True)
    assert made.needs_utf8
    assert "To: jörg@example.com\r\n".encode() in made.content


@pytest.mark.parametrize("local", ["a..b", ".a", "a.", "o'neil+x"])
def test_addresses_that_people_have_against_the_rules_are_written_all_the_same(local: str) -> None:
    parsed = message_from_bytes(sent(message(f"{local}@example.com")).content, policy=policy.default)

    assert parsed["To"].addresses[0].username == local


def test_what_is_no_domain_is_refused() -> None:
    with pytest.raises(MessageRefused, match="no valid domain"):
        sent(message("ada@-ü.example"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example", Server("mail.example", 587, "starttls")),
        ("smtp://u%40x:p%3Aw@mail.example:2525/", Server("mail.example", 2525, "starttls", "u@x", "p:w")),
        ("smtps://u:p@mail.example", Server("mail.example", 465, "tls", "u", "p")),
        ("smtp+insecure://127.0.0.1", Server("127.0.0.1", 25, None)),
    ],
)
def test_a_mail_server_is_named_by_its_url(url: str, expected: Server) -> None:
    assert Server.parse(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://x",
        "smtp://",
        "smtp://x/path",
        "smtp+insecure://u:p@x",
        "x",
        "smtp://x:99999",
        "smtp://x?tls=no",
    ],
)
def test_what_names_no_mail_server_or_would_show_a_password_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"write it as|encryption|Port"):
        Server.parse(url)
