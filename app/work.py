"""`ordertide worker`: the background work of a deployment, in a process of its own."""

import asyncio
import signal

import structlog
import uvloop

from app.bootstrap import working
from app.config import Settings
from app.logs import configure_logs

log = structlog.get_logger(__name__)


def work(settings: Settings) -> None:
    """Work until told to stop (SIGINT, SIGTERM)."""
    configure_logs(settings.log_level)
    uvloop.run(_until_told(settings))


async def _until_told(settings: Settings) -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with working(settings):
        log.info("worker_started")
        await told.wait()
    log.info("worker_stopped")
