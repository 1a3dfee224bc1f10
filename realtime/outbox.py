"""Watching the outbox: whether events get their place in the feed, or wait because nobody stamps."""

import asyncio
import time
from collections.abc import Callable

from persistence import event_feed
from persistence.database import Database
from realtime.metrics import OUTBOX_AGE_SECONDS, OUTBOX_DEPTH
from realtime.supervise import supervise

LOOK_SECONDS = 1.0


class OutboxWatch:
    """Measures for how long the same event has been the oldest one waiting.

    Not by when it happened: events of imported orders are as old as the orders.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare; `clock` counts seconds."""
        self._database = database
        self._clock = clock
        self._oldest: int | None = None
        self._since = clock()

    async def run(self) -> None:
        """Look every second until canceled."""
        await supervise("outbox watch", self._forever)

    async def look(self) -> float:
        """Return for how many seconds the oldest event has been seen waiting; 0 when none waits."""
        async with self._database.read() as connection:
            backlog = await event_feed.read_backlog(connection)
        now = self._clock()
        if backlog.oldest_id != self._oldest:
            self._oldest, self._since = backlog.oldest_id, now
        waited = 0.0 if self._oldest is None else now - self._since
        OUTBOX_DEPTH.set(backlog.depth)
        OUTBOX_AGE_SECONDS.set(waited)
        return waited

    async def _forever(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)
