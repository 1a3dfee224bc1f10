"""One leader among many processes, by a lease: an advisory lock that lives with a connection."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

log = structlog.get_logger(__name__)

# Any fixed number: whoever holds this advisory lock does the scheduled work of the database.
LEASE = 7_021_946_332
LOOK_SECONDS = 1.0
ANSWER_SECONDS = 5.0
# A process whose machine is gone says nothing: the server finds out by itself, and gives up its lease.
_SERVER_SETTINGS = {
    "application_name": "ordertide leader",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
_TRY = "SELECT pg_try_advisory_lock($1)"


class Leader:
    """Runs `work` in at most one process at a time, and lets another take over when this one dies.

    PostgreSQL gives the lock up as soon as the connection ends. A leader that hangs may for
    some seconds overlap with the next one, so the work itself must bear that: sweeps lock the rows
    they take and skip those that others have.
    """

    def __init__(self, direct_url: str, work: Callable[[], Awaitable[None]]) -> None:
        """Prepare; `direct_url` must not go through a transaction pooler."""
        self._url = direct_url
        self._work = work

    async def run(self) -> None:
        """Wait for the lease, work while it lasts; raises when the connection is lost."""
        connection = await asyncpg.connect(
            self._url, timeout=ANSWER_SECONDS, server_settings=_SERVER_SETTINGS
        )
        try:
            while True:
                if await connection.fetchval(_TRY, LEASE, timeout=ANSWER_SECONDS):
                    break
                await asyncio.sleep(LOOK_SECONDS)
            log.info("leading")
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep(connection))
                group.create_task(self._forever())
        finally:
            connection.terminate()

    async def _keep(self, connection: asyncpg.Connection) -> None:
        """Fail when the lease's connection does: the task group then stops the work."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await connection.execute("SELECT 1", timeout=ANSWER_SECONDS)

    async def _forever(self) -> None:
        await self._work()
        raise RuntimeError("the leader's work must not end by itself")
