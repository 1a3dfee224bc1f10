"""The stamper: gives committed events their place in the feed, in whichever process leads just now."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from persistence import event_feed
from persistence.database import Database
from realtime.metrics import PRUNED, STAMP_SECONDS, STAMPED
from realtime.supervise import supervise

log = structlog.get_logger(__name__)

BATCH = 1_000
SHORTEST_POLL_SECONDS = 0.005
LONGEST_POLL_SECONDS = 0.1
LONGEST_PRUNE_PAUSE_SECONDS = 60.0
SHORTEST_PRUNE_PAUSE_SECONDS = 1.0
PRUNE_BATCH = 5_000


class Stamper:
    """Moves outbox rows into the feed, in batches; any number may run, one leads a batch.

    Whoever locks the head row leads: its sequence is counted there, so that a second leader is
    fenced out and the feed stays dense. `wake` is called once after each commit that moved rows.
    """

    def __init__(
        self, database: Database, wake: Callable[[], None], *, retention_seconds: float, batch: int = BATCH
    ) -> None:
        """Prepare a stamper of `database`; rows older than `retention_seconds` are pruned."""
        self._database = database
        self._wake = wake
        self._retention_seconds = retention_seconds
        self._batch = batch
        self._poked = asyncio.Event()

    def poke(self) -> None:
        """Tell that this process committed events: the stamper looks at once."""
        self._poked.set()

    async def run(self) -> None:
        """Stamp and prune until canceled, through any restart of the database."""
        async with asyncio.TaskGroup() as group:
            group.create_task(supervise("stamper", self._stamp_forever))
            group.create_task(supervise("pruner", self._prune_forever))

    async def stamp_once(self) -> int:
        """Move one batch and return how many rows it had: 0 when none waits or another leads."""
        async with self._database.read() as connection:
            if not await event_feed.any_waiting(connection):
                return 0
        started = time.perf_counter()
        async with self._database.transaction() as connection:
            head = await event_feed.lock_head(connection)
            if head is None:
                return 0
            moved = await event_feed.stamp(connection, head, self._batch) - head
        if moved:
            STAMP_SECONDS.observe(time.perf_counter() - started)
            STAMPED.inc(moved)
            self._wake()
        return moved

    async def prune_once(self) -> int | None:
        """Remove one batch of rows past retention; return how many it had, None if another leads."""
        async with self._database.transaction() as connection:
            if await event_feed.lock_head(connection) is None:
                return None
            return await event_feed.prune(connection, self._retention_seconds, PRUNE_BATCH)

    async def _stamp_forever(self) -> None:
        pause = SHORTEST_POLL_SECONDS
        while True:
            self._poked.clear()
            moved = await self.stamp_once()
            if moved >= self._batch:
                continue
            if moved:
                # Events that come together are stamped together: one commit and one wake-up.
                pause = SHORTEST_POLL_SECONDS
                await asyncio.sleep(pause)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._poked.wait()
                    pause = SHORTEST_POLL_SECONDS / 2
            pause = min(pause * 2, LONGEST_POLL_SECONDS)

    async def _prune_forever(self) -> None:
        # A tenth of retention: rows outlive it by that much at most, and by a minute at the very most.
        pause = min(
            max(self._retention_seconds / 10, SHORTEST_PRUNE_PAUSE_SECONDS), LONGEST_PRUNE_PAUSE_SECONDS
        )
        while True:
            removed = await self.prune_once()
            if removed:
                PRUNED.inc(removed)
                log.info("feed_pruned", rows=removed)
            # A full batch has more behind it; the pause lets a stamper have the head in between.
            unfinished = removed is None or removed >= PRUNE_BATCH
            await asyncio.sleep(0.05 if unfinished else pause)
