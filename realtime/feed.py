"""The live feed of one process: one tailer reads new events once, any number of readers follow."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from uuid import UUID

import structlog

from persistence import event_feed
from persistence.database import Database
from persistence.event_feed import Page
from realtime.cursors import Cursor
from realtime.events import FeedEvent, Filter, Wanted
from realtime.metrics import FEED_HEAD
from realtime.patience import patiently
from realtime.readers import Latest, Subscription, Watcher
from realtime.ring import Ring
from realtime.supervise import supervise

log = structlog.get_logger(__name__)

RING_SIZE = 1_000
QUEUE_LIMIT = 2_000
PAGE_SIZE = 500
PAGES_AT_ONCE = 3
SAFETY_POLL_SECONDS = 1.0
SECONDS_TO_ANSWER = 10.0
_EVENTS_A_TURN = 64
EVERYTHING = Filter()


class Feed:
    """Follows `event_feed` and hands its events to subscriptions.

    `wake` says that there is something new; without it a poll each second finds it.
    """

    def __init__(
        self,
        database: Database,
        *,
        ring_size: int = RING_SIZE,
        queue_limit: int = QUEUE_LIMIT,
        page_size: int = PAGE_SIZE,
    ) -> None:
        """Prepare the feed of `database`; with `queue_limit` events waiting readers go back to the table."""
        self._database = database
        self._ring_size = ring_size
        self._queue_limit = queue_limit
        self._page_size = page_size
        self._woken = asyncio.Event()
        # After a restart everybody catches up at once: requests must still find connections.
        self._catching_up = asyncio.Semaphore(PAGES_AT_ONCE)
        self._ring: Ring | None = None
        self._looked_at = 0.0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Find the head and begin to follow it; raises when the database cannot be reached."""
        async with self._database.read() as connection:
            head = await event_feed.read_head(connection)
        self._ring = Ring(head.epoch, head.sequence, size=self._ring_size)
        self._looked_at = asyncio.get_running_loop().time()
        self._task = asyncio.create_task(supervise("tailer", self._tail), name="feed tailer")

    async def stop(self) -> None:
        """Stop following; readers get nothing more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def wake(self) -> None:
        """Tell that the feed has grown."""
        self._woken.set()

    @property
    def epoch(self) -> UUID:
        """The feed's epoch, as cursors name it."""
        return self._started.epoch

    @property
    def head(self) -> int:
        """The newest sequence this process has seen."""
        return self._started.head

    def reach(self) -> tuple[str, str]:
        """Return the oldest cursor that can be resumed from, and that of the head."""
        ring = self._started
        return str(Cursor(ring.epoch, ring.pruned)), ring.cursor

    def subscribe(
        self,
        after: str | None = None,
        *,
        aggregate: str | None = None,
        aggregate_id: UUID | None = None,
        only: Callable[[FeedEvent], bool] | None = None,
        caught_up: Callable[[str], bool] | None = None,
        turn: Callable[[], Awaitable[None]] | None = None,
    ) -> Subscription:
        """Return every wanted event later than the cursor `after`, or from now on without one.

        Use it as `async with feed.subscribe(...) as events: async for event in events`. Reading
        raises InvalidCursor, CursorExpired or Discontinued, each a FeedError with a `code`.
        """
        wanted = Filter(aggregate, aggregate_id, only)
        return Subscription(
            self._started,
            self._patient_page,
            wanted,
            after,
            limit=self._queue_limit,
            caught_up=caught_up,
            turn=turn,
        )

    def latest(self, key_of: Callable[[FeedEvent], Hashable | None], wanted: Wanted = EVERYTHING) -> Latest:
        """Return the newest event of each key from now on, dropping what was overtaken unread."""
        return Latest(self._started, wanted, key_of)

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` of events the moment they are read, before anyone who follows gets a later one."""
        self._started.join(watcher, self.head)

    @property
    def silent_for(self) -> float:
        """For how many seconds the table could not be looked at; a poll's pause when all is well."""
        return asyncio.get_running_loop().time() - self._looked_at

    @property
    def _started(self) -> Ring:
        if self._ring is None:
            raise RuntimeError("the feed was not started")
        return self._ring

    async def _page(self, after: int, wanted: Filter) -> Page:
        async with self._database.read() as connection:
            return await event_feed.read_after(
                connection,
                after,
                self._page_size,
                aggregate=wanted.aggregate,
                aggregate_id=wanted.aggregate_id,
            )

    async def _patient_page(self, after: int, wanted: Filter) -> Page:
        """Read a page for a reader that must not end because the database restarts."""

        async def read() -> Page:
            # How long the others take, who have their turn first, says nothing about the connection.
            async with self._catching_up, asyncio.timeout(SECONDS_TO_ANSWER):
                return await self._page(after, wanted)

        return await patiently(read, seconds_to_answer=None)

    async def _tail(self) -> None:
        ring = self._started
        while True:
            self._woken.clear()
            # A connection that is only half there answers nothing, and would be waited for for minutes.
            async with asyncio.timeout(SECONDS_TO_ANSWER):
                page = await self._page(ring.head, EVERYTHING)
            self._looked_at = asyncio.get_running_loop().time()
            await self._extend(ring, page)
            FEED_HEAD.set(ring.head)
            if page.complete:
                with suppress(TimeoutError):
                    async with asyncio.timeout(SAFETY_POLL_SECONDS):
                        await self._woken.wait()

    async def _extend(self, ring: Ring, page: Page) -> None:
        head = page.head
        if head.epoch != ring.epoch or head.sequence < ring.head or head.pruned_sequence > ring.head:
            log.warning("feed_discontinued", seen=ring.head, head=head.sequence, pruned=head.pruned_sequence)
            ring.reset(head.epoch, head.sequence, head.pruned_sequence)
            return
        ring.pruned = head.pruned_sequence
        for count, row in enumerate(page.events, start=1):
            ring.append(FeedEvent.of(head.epoch, row))
            if count % _EVENTS_A_TURN == 0:
                await asyncio.sleep(0)
