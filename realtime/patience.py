"""Reading for a follower that must not end because the database restarts."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from persistence.outages import is_outage

log = structlog.get_logger(__name__)

T = TypeVar("T")

PATIENCE_SECONDS = 15.0
PAUSE_SECONDS = 0.25
SECONDS_TO_ANSWER = 10.0


async def patiently(
    read: Callable[[], Awaitable[T]], *, seconds_to_answer: float | None = SECONDS_TO_ANSWER
) -> T:
    """Return what `read` does, trying again for up to PATIENCE_SECONDS while the database is away.

    It is away too when it does not answer: a connection that is only half there says nothing for minutes.
    """
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while True:
        try:
            async with asyncio.timeout(seconds_to_answer):
                return await read()
        except Exception as error:
            if not is_outage(error) or asyncio.get_running_loop().time() > deadline:
                raise
            log.warning("follower_waits", error=type(error).__name__)
        await asyncio.sleep(PAUSE_SECONDS)
