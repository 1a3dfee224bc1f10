"""The newest events of the feed in memory, and the readers that follow them.

Nothing here waits, so that an event is kept and handed to every reader, or a reader is caught up
and joined, in one step that no other task sees half done: this is what makes following gap-free.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Protocol
from uuid import UUID

from realtime.cursors import Cursor, Discontinued, FeedError
from realtime.events import FeedEvent, Wanted
from realtime.metrics import FEED_SUBSCRIBERS


class Reader(Protocol):
    """Somebody who follows the feed."""

    filter: Wanted

    def replay(self, events: Iterable[FeedEvent]) -> None:
        """Take the events that came before joining."""
        ...

    def offer(self, event: FeedEvent) -> None:
        """Take a new event."""
        ...

    def fail(self, error: FeedError) -> None:
        """Learn that no event will come any more."""
        ...


class Ring:
    """The last `size` events after which `head` is the newest, and who follows."""

    def __init__(self, epoch: UUID, head: int, *, size: int) -> None:
        """Start empty behind `head`, in the feed of `epoch`."""
        self.epoch = epoch
        self.head = head
        # What retention has removed from the table is not served from memory either.
        self.pruned = 0
        self._events: deque[FeedEvent] = deque(maxlen=size)
        self._readers: dict[Hashable, dict[Reader, None]] = {}
        self._awaiting: list[Callable[[], None]] = []

    @property
    def cursor(self) -> str:
        """The cursor of the head."""
        return str(Cursor(self.epoch, self.head))

    def covers(self, sequence: int) -> bool:
        """Say whether every event after `sequence` is here or still to come."""
        first = self._events[0].sequence if self._events else self.head + 1
        return sequence >= first - 1

    def join(self, reader: Reader, after: int) -> None:
        """Replay what came after `after` and follow from there; the ring must cover it."""
        if not self.covers(after):
            raise ValueError(f"the ring does not reach back to {after}")
        reader.replay(event for event in self._events if event.sequence > after)
        for key in reader.filter.keys:
            self._readers.setdefault(key, {})[reader] = None
        FEED_SUBSCRIBERS.inc()

    def leave(self, reader: Reader) -> None:
        """Stop following; a no-op for who does not."""
        follows = False
        for key in reader.filter.keys:
            followers = self._readers.get(key, {})
            if reader in followers:
                follows = True
                del followers[reader]
                if not followers:
                    del self._readers[key]
        if follows:
            FEED_SUBSCRIBERS.dec()

    def tell_of_next(self, told: Callable[[], None]) -> None:
        """Call `told` once, when the head has moved on, whoever wants the event that moved it."""
        self._awaiting.append(told)

    def append(self, event: FeedEvent) -> None:
        """Keep the event that follows the head, and hand it to who wants it."""
        if event.sequence != self.head + 1:
            raise ValueError(f"{event.sequence} does not follow {self.head}")
        self._events.append(event)
        self.head = event.sequence
        for key in event.keys:
            if followers := self._readers.get(key):
                # Who has too much waiting leaves while it is told.
                for reader in list(followers):
                    reader.offer(event)
        if self._awaiting:
            awaiting, self._awaiting = self._awaiting, []
            for told in awaiting:
                told()

    def reset(self, epoch: UUID, head: int, pruned: int) -> None:
        """Start again elsewhere: events between were never seen, so every reader must resume."""
        self.epoch = epoch
        self.head = head
        self.pruned = pruned
        self._events.clear()
        self._awaiting.clear()
        everyone = {reader for followers in self._readers.values() for reader in followers}
        for reader in everyone:
            reader.fail(Discontinued("events were missed here: resume from the last cursor"))
