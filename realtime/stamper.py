"""The stamper: gives committed events their place in the feed, in whichever process leads just now."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import structlog
from sqlalchemy.engine import make_url

from persistence import event_feed
from persistence.database import Database
from persistence.stamping import StampingConnection
from realtime.metrics import PRUNED, STAMP_SECONDS, STAMPED
from realtime.supervise import supervise

log = structlog.get_logger(__name__)

BATCH = 1_000
SHORTEST_POLL_SECONDS = 0.005
LONGEST_POLL_SECONDS = 0.1
LONGEST_REST_SECONDS = 0.05
_REST = 4
LONGEST_PRUNE_PAUSE_SECONDS = 60.0
SHORTEST_PRUNE_PAUSE_SECONDS = 1.0
PRUNE_BATCH = 5_000


class Stamper:
    """Moves outbox rows into the feed, in batches; any number may run, one leads a batch.

    Whoever locks the head row leads: its sequence is counted there, so that a second leader is
    fenced out and the feed stays dense. `wake` is called once after each commit that moved rows.
    """

    def __init__(
        self,
        database: Database,
        wake: Callable[[], None],
        *,
        retention_seconds: float,
        batch: int = BATCH,
        direct_url: str | None = None,
    ) -> None:
        """Prepare a stamper of `database`, at `direct_url` if its own leads through a pooler.

        Rows older than `retention_seconds` are pruned.
        """
        self._database = database
        self._line = StampingConnection(make_url(direct_url) if direct_url else database.url)
        self._wake = wake
        self._retention_seconds = retention_seconds
        self._batch = batch
        self._poked = asyncio.Event()

    def poke(self) -> None:
        """Tell that this process committed events: the stamper looks at once."""
        self._poked.set()

    async def run(self) -> None:
        """Stamp and prune until canceled, through any restart of the database."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(supervise("stamper", self._stamp_forever))
                group.create_task(supervise("pruner", self._prune_forever))
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the connection that stamps; `run` does so itself."""
        self._line.close()

    async def stamp_once(self) -> int:
        """Move one batch and return how many rows it had: 0 when none waits or another leads."""
        started = time.perf_counter()
        moved = await self._line.stamp(self._batch)
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
            started = time.perf_counter()
            moved = await self.stamp_once()
            if moved >= self._batch:
                continue
            if moved:
                # Events that come together are stamped together: one commit and one wake-up. The
                # busier the machine, the more of them, so that stamping never takes a large share.
                took = time.perf_counter() - started
                pause = SHORTEST_POLL_SECONDS
                await asyncio.sleep(min(max(pause, took * _REST), LONGEST_REST_SECONDS))
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
