"""The wiring of messages to customers: who sends them, and who finds the words."""

from typing import TYPE_CHECKING

from app.config import Settings
from domain.customers import SignInLetter
from domain.kernel.late import late
from domain.letters import Letter
from domain.message_ports import MessageSender, Messaging, Rendered
from providers.messages.log import LogSender

if TYPE_CHECKING:
    from providers.messages.rendering import Renderer
    from providers.messages.smtp import SmtpSender
else:
    Renderer = late("providers.messages.rendering:Renderer")
    SmtpSender = late("providers.messages.smtp:SmtpSender")


class LateRenderer:
    """Finds the words with templates that are loaded when the first letter asks for them."""

    def render(self, letter: Letter) -> Rendered:
        """Return a letter in the language nearest to its locale; raises MessageRefused if that cannot be."""
        return Renderer().render(letter)

    def render_sign_in(self, letter: SignInLetter) -> Rendered:
        """Return a message with a code to sign in; raises MessageRefused if that cannot be."""
        return Renderer().render_sign_in(letter)


def messaging(settings: Settings) -> Messaging:
    """Return how customers are written to: through the mail server that is set, or only into the log."""
    return Messaging(_sender(settings), LateRenderer(), settings.mail_time_limit_seconds)


def _sender(settings: Settings) -> MessageSender:
    if settings.mail_url is None or settings.mail_from is None:
        return LogSender()
    return SmtpSender(
        settings.mail_url, settings.mail_from, time_limit_seconds=settings.mail_time_limit_seconds
    )
