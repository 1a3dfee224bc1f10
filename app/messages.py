"""The wiring of messages to customers: who sends them, and who finds the words."""

from app.config import Settings
from domain.message_ports import MessageSender, Messaging
from providers.messages.log import LogSender
from providers.messages.rendering import Renderer
from providers.messages.smtp import SmtpSender


def messaging(settings: Settings) -> Messaging:
    """Return how customers are written to: through the mail server that is set, or only into the log."""
    return Messaging(_sender(settings), Renderer(), settings.mail_time_limit_seconds)


def _sender(settings: Settings) -> MessageSender:
    if settings.mail_url is None or settings.mail_from is None:
        return LogSender()
    return SmtpSender(
        settings.mail_url, settings.mail_from, time_limit_seconds=settings.mail_time_limit_seconds
    )
