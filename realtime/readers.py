"""Readers of the feed: one that must get every event, one that only cares for the newest value."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable
from types import TracebackType
from typing import Self
from uuid import UUID

from persistence.event_feed import Page
from realtime.cursors import Cursor, CursorExpired, Discontinued, FeedError, InvalidCursor
from realtime.events import FeedEvent, Filter, Wanted
from realtime.metrics import CONFLATED, FELL_BEHIND, READ
from realtime.ring import Ring

Pages = Callable[[int, Filter], Awaitable[Page]]
"""Reads the page of the feed's table after a sequence."""


class _Following:
    """What both readers share: waiting, failing, leaving."""

    def __init__(self, ring: Ring, wanted: Wanted) -> None:
        self.filter = wanted
        self._ring = ring
        self._failure: FeedError | None = None
        self._closed = False
        self._wake = asyncio.Event()

    def fail(self, error: FeedError) -> None:
        """Make the next read raise `error`."""
        self._failure = self._failure or error
        self._wake.set()

    async def aclose(self) -> None:
        """Stop following; whoever waits for the next event gets the end of the stream."""
        self._closed = True
        self._leave()
        self._wake.set()

    def __aiter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _leave(self) -> None:
        raise NotImplementedError

    async def _sleep(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise StopAsyncIteration
        self._wake.clear()
        await self._wake.wait()


class Subscription(_Following):
    """Every wanted event after a cursor, in order, nothing lost and nothing twice.

    Iterating pages from the table until the ring covers the position, then follows the ring. When more
    than `limit` live events wait to be taken, it goes back to the table. Raises InvalidCursor and
    CursorExpired for what `after` names, and Discontinued when the process has missed events. Close
    it (or use it as a context) when done. `caught_up` is called with the cursor of the head when
    all events up to it have been taken, and again when the head has moved, until it returns True; until
    then `turn` is awaited before each event and each page.
    """

    def __init__(
        self,
        ring: Ring,
        pages: Pages,
        wanted: Filter,
        after: str | None,
        *,
        limit: int,
        caught_up: Callable[[str], bool] | None = None,
        turn: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Follow from now when `after` is None; what follows a cursor is read when first asked for."""
        super().__init__(ring, wanted)
        self._wanted = wanted
        self._pages = pages
        self._limit = limit
        self._ready: deque[FeedEvent] = deque()
        self._after = after
        self._position = ring.head
        self._joined = False
        self._epoch = ring.epoch
        self._caught_up = caught_up
        self._turn = turn
        if after is None:
            self._join()

    async def __anext__(self) -> FeedEvent:
        if self._turn is not None:
            await self._turn()
        if self._after is not None:
            await self._start(Cursor.parse(self._after))
        while not self._ready:
            if self._joined or self._closed:
                self._say_caught_up()
                await self._sleep()
            else:
                if self._turn is not None:
                    await self._turn()
                await self._catch_up()
        READ.inc()
        return self._ready.popleft()

    def replay(self, events: Iterable[FeedEvent]) -> None:
        """Take events from before joining, however many: the ring bounds them."""
        for event in events:
            self._take(event)

    def offer(self, event: FeedEvent) -> None:
        """Take a live event; one too many, and all that wait are read from the table again."""
        if len(self._ready) >= self._limit:
            self._fall_back()
        else:
            self._take(event)

    def _fall_back(self) -> None:
        FELL_BEHIND.inc()
        self._position = self._ready[0].sequence - 1
        self._ready.clear()
        self._leave()
        self._joined = False

    def _say_caught_up(self) -> None:
        if self._caught_up is None or not self._joined:
            return
        # This process may be behind the cursor that the client came with.
        newest = max(self._position, self._ring.head)
        if self._caught_up(str(Cursor(self._ring.epoch, newest))):
            self._caught_up = self._turn = None
        else:
            # What makes it true may be an event that is not wanted here.
            self._ring.tell_of_next(self._wake.set)

    async def _start(self, cursor: Cursor) -> None:
        """Check the cursor, against the ring where that suffices, else against the database."""
        ring = self._ring
        if cursor.epoch == ring.epoch and cursor.sequence <= ring.head and ring.covers(cursor.sequence):
            _require_kept(ring.pruned, cursor.sequence)
            self._position = cursor.sequence
            self._join()
        else:
            page = await self._pages(cursor.sequence, self._wanted)
            if cursor.epoch != page.head.epoch:
                raise CursorExpired("after is a cursor of another feed: read afresh, then follow")
            if cursor.sequence > page.head.sequence:
                raise InvalidCursor("after lies beyond the newest event")
            self._position = cursor.sequence
            self._epoch = cursor.epoch
            self._take_page(page)
        self._after = None

    async def _catch_up(self) -> None:
        if self._ring.covers(self._position):
            self._require_same(self._ring.epoch)
            self._join()
        else:
            self._take_page(await self._pages(self._position, self._wanted))

    def _take_page(self, page: Page) -> None:
        self._require_same(page.head.epoch)
        _require_kept(page.head.pruned_sequence, self._position)
        # What this process has not read comes by the ring: whom it may not reach any more (AppRevoked)
        # is told there first.
        seen = self._ring.head
        for row in page.events:
            if row.sequence > seen:
                self._position = max(self._position, seen)
                return
            self._take(FeedEvent.of(page.head.epoch, row))
        if page.complete:
            self._position = max(self._position, min(page.head.sequence, seen))

    def _require_same(self, epoch: UUID) -> None:
        if epoch != self._epoch:
            raise Discontinued("the feed has begun anew: read afresh, then follow")

    def _take(self, event: FeedEvent) -> None:
        # A cursor may be ahead of this process: its client was served by a faster one before.
        if event.sequence > self._position:
            self._position = event.sequence
            if self._wanted.matches(event):
                self._ready.append(event)
                self._wake.set()

    def _join(self) -> None:
        self._ring.join(self, self._position)
        self._joined = True

    def _leave(self) -> None:
        self._ring.leave(self)


class Latest(_Following):
    """The newest event of each key: one that was not taken yet gives way to its successor.

    `key_of` names what an event is about (a SKU); None leaves the event out. It never falls
    behind: what waits is at most one event a key.
    """

    def __init__(self, ring: Ring, wanted: Wanted, key_of: Callable[[FeedEvent], Hashable | None]) -> None:
        """Follow from now: read the current values after this, and no change can slip between."""
        super().__init__(ring, wanted)
        self._key_of = key_of
        self._latest: dict[Hashable, FeedEvent] = {}
        ring.join(self, ring.head)

    async def __anext__(self) -> FeedEvent:
        while not self._latest:
            await self._sleep()
        READ.inc()
        # The key that has waited longest goes first, so that a busy one starves nobody.
        return self._latest.pop(next(iter(self._latest)))

    def take_waiting(self) -> list[FeedEvent]:
        """Take the newest event of every key that waits, without waiting for more."""
        waiting = list(self._latest.values())
        self._latest.clear()
        READ.inc(len(waiting))
        return waiting

    def replay(self, events: Iterable[FeedEvent]) -> None:
        """Take nothing: it starts at the head."""

    def offer(self, event: FeedEvent) -> None:
        """Take a live event in place of an older one of its key."""
        if not self.filter.matches(event):
            return
        key = self._key_of(event)
        if key is None:
            return
        if key in self._latest:
            CONFLATED.inc()
        self._latest[key] = event
        self._wake.set()

    def _leave(self) -> None:
        self._ring.leave(self)


class Watcher:
    """Is told of events at once, instead of asking for them; `told` must be quick and must not wait.

    `missed` is called when the process has missed events.
    """

    def __init__(self, wanted: Wanted, told: Callable[[FeedEvent], None], missed: Callable[[], None]) -> None:
        self.filter = wanted
        self._told = told
        self._missed = missed

    def replay(self, events: Iterable[FeedEvent]) -> None:
        """Take nothing: it starts at the head."""

    def offer(self, event: FeedEvent) -> None:
        """Take an event."""
        if self.filter.matches(event):
            self._told(event)

    def fail(self, error: FeedError) -> None:
        """Take that events were missed."""
        self._missed()


def _require_kept(pruned_sequence: int, position: int) -> None:
    if position < pruned_sequence:
        raise CursorExpired("events after this cursor are past retention: read afresh, then follow")
