"""What must be offered by who sends messages to customers, and by who puts letters into words."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.customers import SignInLetter
from domain.letters import Letter


@dataclass(frozen=True, slots=True)
class Rendered:
    """A letter in its reader's language; `language` is that of the words (BCP 47)."""

    subject: str
    text: str
    html: str
    language: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A document that goes with a message; `name` is that of the file, in ASCII."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one customer.

    `name` stands before the @ of its Message-ID: the same name is the same message. `dated` is the date it
    carries. `from_name` is shown as who it is from.
    """

    name: str
    dated: datetime
    recipient: str
    from_name: str
    reply_to: str | None
    content: Rendered
    attachments: tuple[Attachment, ...] = ()


class MessageError(Exception):
    """A message was not sent, or nobody knows. `reason` is for staff: it may name the recipient.

    `code` is the server's own, where it answered.
    """

    def __init__(self, reason: str, code: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class MessagePutOff(MessageError):
    """Not sent, and may be tried again: the server is not there, is busy, or does not know us."""


class MessageRefused(MessageError):
    """Not sent, and never will be as it is."""


class MessageDoubtful(MessageError):
    """Handed over, and no answer came: the server may have taken it or not."""


HandingOver = Callable[[], Awaitable[None]]
"""Called once, right before the server could take the message: what it raises stops the sending."""


class MessageSession(Protocol):
    """Sends messages one after the other, on one connection where there is any."""

    async def send(self, message: Message, handing_over: HandingOver) -> None:
        """Send a message; it is sent when this returns.

        Raises MessagePutOff and MessageRefused for one that was not sent for certain, MessageDoubtful where
        nobody knows, and what `handing_over` raises, in which case it was not sent.
        """
        ...


class MessageSender(Protocol):
    """A way to send messages."""

    @property
    def name(self) -> str:
        """What it is called in the record of what was sent by it."""
        ...

    def session(self) -> AbstractAsyncContextManager[MessageSession]:
        """Open a session; its connection is made when the first message needs it."""
        ...


class MessageRenderer(Protocol):
    """Puts letters into words."""

    def render(self, letter: Letter) -> Rendered:
        """Return a letter in the language nearest to its locale."""
        ...

    def render_sign_in(self, letter: SignInLetter) -> Rendered:
        """Return a message with a code to sign in, in the language nearest to its locale."""
        ...


@dataclass(frozen=True, slots=True)
class Messaging:
    """How customers are written to. `time_limit_seconds` is for one message, the connection included."""

    sender: MessageSender
    renderer: MessageRenderer
    time_limit_seconds: float = 30.0
