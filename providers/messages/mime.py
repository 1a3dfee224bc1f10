"""Messages as they go over the wire: text and HTML side by side, headers that nobody can add to."""

import re
from dataclasses import dataclass
from email.errors import MessageError as EmailError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8

import idna

from domain.message_ports import Message, MessageRefused

# What would begin a line of its own in a header, or cannot be seen there.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Mime:
    """A message's envelope and bytes; `needs_utf8` where the server must take UTF-8 (RFC 6531)."""

    sender: str
    recipient: str
    content: bytes
    needs_utf8: bool


def mime_of(message: Message, from_address: str, *, utf8: bool) -> Mime:
    """Return a message as it is sent: the same bytes each time, so that one sent twice is one message.

    `utf8` says whether the server takes UTF-8 in addresses. Raises MessageRefused where it does not and
    would have to, and for what cannot be written.
    """
    sender, recipient = with_ascii_domain(from_address), with_ascii_domain(message.recipient)
    needs_utf8 = not (sender + recipient).isascii()
    if needs_utf8 and not utf8:
        raise MessageRefused("the mail server does not take addresses beyond ASCII (SMTPUTF8)")
    try:
        made = _written(message, sender, recipient, utf8=needs_utf8)
        return Mime(sender, recipient, made.as_bytes(), needs_utf8)
    except (ValueError, EmailError) as error:
        raise MessageRefused(f"cannot be written as a message: {type(error).__name__}: {error}") from error


def _written(message: Message, sender: str, recipient: str, *, utf8: bool) -> EmailMessage:
    made = EmailMessage(policy=SMTPUTF8 if utf8 else SMTP)
    made["From"] = _address(sender, one_line(message.from_name))
    made["To"] = _address(recipient)
    if message.reply_to:
        made["Reply-To"] = _address(with_ascii_domain(message.reply_to))
    made["Subject"] = one_line(message.content.subject)
    made["Date"] = message.dated
    made["Message-ID"] = f"<{message.name}@{sender.rpartition('@')[2]}>"
    # Nobody's absence is to be answered to us (RFC 3834).
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(message.content.text, cte="quoted-printable")
    made.add_alternative(message.content.html, subtype="html", cte="quoted-printable")
    made.set_boundary(f"=_{message.name}")
    for one in message.attachments:
        kind, _, subtype = one.media_type.partition("/")
        made.add_attachment(one.content, kind, subtype, filename=one_line(one.name))
    if message.attachments:
        made.set_boundary(f"=_{message.name}.with")
    made["Content-Language"] = message.content.language
    return made


def _address(address: str, name: str = "") -> Address:
    # Not as addr_spec, which takes fewer than mail servers do: a name beyond ASCII, or two dots in a row.
    local, _, domain = address.rpartition("@")
    return Address(name, local, domain)


def one_line(text: str) -> str:
    """Return text for a header: what would end the line becomes a space."""
    return _UNSEEN.sub(" ", text).strip()


def with_ascii_domain(address: str) -> str:
    """Return an address whose domain is written as the DNS has it (RFC 5891).

    Raises MessageRefused for what is no domain.
    """
    local, _, domain = address.rpartition("@")
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError as error:
            raise MessageRefused(f"the address has no valid domain: {error}") from error
    return f"{local}@{domain}"
