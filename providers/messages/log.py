"""The sender where no mail server is set: it logs that there was something to send, and to nobody."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from domain.message_ports import HandingOver, Message, MessageSession

log = structlog.get_logger(__name__)


class LogSender:
    """Sends nothing."""

    name = "log"

    @asynccontextmanager
    async def session(self) -> AsyncIterator[MessageSession]:
        """Yield what logs; neither who it is to nor what it says, which is personal."""
        yield _LogSession()


class _LogSession:
    async def send(self, message: Message, handing_over: HandingOver) -> None:
        await handing_over()
        log.info(
            "message_only_logged",
            message=message.name,
            language=message.content.language,
            characters=len(message.content.text),
            attachments=len(message.attachments),
        )
