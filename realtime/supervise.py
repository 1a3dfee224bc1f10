"""Keeping a piece of background work alive: tried again, with growing pauses, until it is canceled."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from persistence.outages import is_outage
from realtime.metrics import RETRIES

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0
_STEADY_SECONDS = 5.0


async def supervise(part: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` until it returns; when it fails, log, count and run it again after a pause.

    The pause doubles from 50 ms to 2 s (with jitter, so that processes do not return in step) and
    starts anew once the work ran for 5 s.
    """
    loop = asyncio.get_running_loop()
    pause = FIRST_PAUSE_SECONDS
    while True:
        started = loop.time()
        try:
            await work()
        except Exception as error:
            RETRIES.labels(part).inc()
            if _is_outage(error):
                # Nothing of ours to look into: the database, or what carries wake-ups, is away.
                log.warning("background_work_waits", part=part, again_in_seconds=round(pause, 2))
            else:
                log.exception("background_work_failed", part=part, again_in_seconds=round(pause, 2))
        else:
            return
        if loop.time() - started >= _STEADY_SECONDS:
            pause = FIRST_PAUSE_SECONDS
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 (jitter is no secret)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_outage(each) for each in error.exceptions)
    return is_outage(error)
