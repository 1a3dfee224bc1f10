"""What goes to one client: in order where nothing may be lost, only the newest where that is enough.

While its client reads, a message is written at once. What a client does not take is kept here, within
bounds: the ordered part up to OUTBOX_MESSAGES and OUTBOX_BYTES, the conflated part one message for each
slot of each operation. Encoded messages are shared by everyone who waits for them.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Any, Protocol

from realtime.answers import Batch, Message, frame_header
from realtime.metrics import CONFLATED

OUTBOX_MESSAGES = 2_000
OUTBOX_BYTES = 1_048_576
"""Most that waits for one client, in order; a message over the bound is still taken, then it is full."""
ROOM_MESSAGES = 64
ROOM_BYTES = 65_536
"""A client with less waiting has room for more of the past."""


class Recipient(Protocol):
    """An operation of the client, as far as sending goes."""

    suffix: bytes
    suffix_text: str
    conflated: bool
    gone: bool


Waiting = tuple[Recipient, Message] | bytes


class Outbox:
    """What waits for a client."""

    def __init__(self) -> None:
        self._ordered: deque[Waiting] = deque()
        self._newest: dict[tuple[Recipient, Hashable], Message] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._ordered) + len(self._newest)

    @property
    def ordered(self) -> int:
        """How many messages wait that may not be dropped."""
        return len(self._ordered)

    @property
    def full(self) -> bool:
        """Whether more waits than may."""
        return len(self._ordered) >= OUTBOX_MESSAGES or self._bytes >= OUTBOX_BYTES

    @property
    def has_room(self) -> bool:
        """Whether little waits that may not be dropped."""
        return len(self._ordered) < ROOM_MESSAGES and self._bytes < ROOM_BYTES

    def put(self, recipient: Recipient, message: Message) -> None:
        """Keep a message, in place of an older one where the feed conflates."""
        if not recipient.conflated:
            self._ordered.append((recipient, message))
            self._bytes += len(message.body)
            return
        key = (recipient, message.slot)
        if key in self._newest:
            CONFLATED.inc()
        self._newest[key] = message

    def put_text(self, text: bytes) -> None:
        """Keep a message of the protocol."""
        self._ordered.append(text)
        self._bytes += len(text)

    def settle(self, recipient: Recipient) -> None:
        """Put the newest values of an operation that ends before its end."""
        for key in self._slots(recipient):
            message = self._newest.pop(key)
            self._ordered.append((recipient, message))
            self._bytes += len(message.body)

    def forget(self, recipient: Recipient) -> None:
        """Drop the newest values for an operation that its client has ended.

        Who subscribes, ends it and does not read could otherwise gather them without bound.
        """
        for key in self._slots(recipient):
            del self._newest[key]

    def take(self) -> Waiting | None:
        """Return what is to be sent next; what nobody waits for any more is dropped."""
        while self._ordered:
            waiting = self._ordered.popleft()
            self._bytes -= len(waiting) if isinstance(waiting, bytes) else len(waiting[1].body)
            if isinstance(waiting, bytes) or not waiting[0].gone:
                return waiting
        self._bytes = 0
        while self._newest:
            key = next(iter(self._newest))
            message = self._newest.pop(key)
            if not key[0].gone:
                return key[0], message
        return None

    def _slots(self, recipient: Recipient) -> list[tuple[Recipient, Hashable]]:
        return [key for key in self._newest if key[0] is recipient]

    def clear(self) -> None:
        """Drop everything."""
        self._ordered.clear()
        self._newest.clear()
        self._bytes = 0


class Sender:
    """Sends to one client; `overflow` is called when it has fallen behind on what may not be dropped."""

    def __init__(self, overflow: Callable[[], None]) -> None:
        """Start with nothing waiting."""
        self.outbox = Outbox()
        self.waiting_since: float | None = None
        """Since when the client has taken nothing, on the loop's clock; None while it reads."""
        self.closed = False
        self._overflow = overflow
        self._room: asyncio.Event | None = None

    def deliver(self, recipient: Recipient, batch: Batch) -> None:
        """Send messages of an operation, or keep them."""
        if not self.closed:
            for message in batch.messages:
                self.outbox.put(recipient, message)
            self._waits()

    def text(self, text: bytes) -> None:
        """Send a message of the protocol, or keep it."""
        if not self.closed:
            self.outbox.put_text(text)
            self._waits()

    @property
    def owes(self) -> bool:
        """Whether something waits that may not be dropped."""
        return self.outbox.ordered > 0

    def look(self) -> None:
        """Look whether the client has taken a part of what is being sent."""

    def close(self) -> None:
        """Send nothing more; what waits is dropped."""
        self.closed = True
        self.outbox.clear()
        self._tell_room()

    @property
    def has_room(self) -> bool:
        """Whether little waits, or nobody does."""
        return self.outbox.has_room

    async def room(self, seconds: float | None) -> bool:
        """Wait until there is room; say whether that was so within `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.has_room:
                    self._room = self._room or asyncio.Event()
                    await self._room.wait()
        return self.has_room

    async def taken(self) -> None:
        """Wait until the client has taken what may not be dropped, or nothing more is sent."""
        while self.owes and not self.closed:
            self._room = self._room or asyncio.Event()
            await self._room.wait()

    def _waits(self) -> None:
        if self.outbox.full:
            self._overflow()

    def _tell_room(self) -> None:
        if self._room is not None and self.has_room:
            self._room.set()
            self._room = None


class PortableSender(Sender):
    """Sends one message at a time, by what any server offers."""

    def __init__(
        self,
        send: Callable[[Any], Awaitable[None]],
        render: Callable[[Waiting], Any],
        overflow: Callable[[], None],
    ) -> None:
        """Send what `render` makes of a message by `send`, which raises OSError when nobody is there."""
        super().__init__(overflow)
        self.gone = False
        """Whether the client has left."""
        self._send = send
        self._render = render
        # While it waits, the next message is handed to it.
        self._idle: asyncio.Future[Waiting | None] | None = None
        self._sending_ordered = False
        self._finished: Callable[[], object] | None = None

    @property
    def owes(self) -> bool:
        """Whether something waits, or is being sent, that may not be dropped."""
        return self._sending_ordered or super().owes

    @property
    def idle(self) -> bool:
        """Whether nothing waits or is being sent."""
        return self._idle is not None

    def finish(self, finished: Callable[[], object]) -> None:
        """Call `finished` once everything is sent."""
        self._finished = finished
        if self._idle is not None:
            self._hand_over(None)

    def close(self) -> None:
        """Send nothing more; what waits is dropped."""
        super().close()
        self._idle = None

    async def run(self) -> None:
        """Send until canceled, or the client is gone."""
        loop = asyncio.get_running_loop()
        while not self.closed:
            waiting = self.outbox.take()
            if self._room is not None:
                self._tell_room()
            if waiting is None:
                if self._finished is not None:
                    self._finished()
                self._idle = loop.create_future()
                waiting = await self._idle
                if waiting is None:
                    continue
            self._sending_ordered = _is_ordered(waiting)
            self.waiting_since = loop.time()
            try:
                await self._send(self._render(waiting))
            except OSError:
                self.gone = True
                self.close()
                return
            self.waiting_since = None
            self._sending_ordered = False

    def _waits(self) -> None:
        if self._idle is not None:
            self._hand_over(self.outbox.take())
        super()._waits()

    def _hand_over(self, waiting: Waiting | None) -> None:
        idle, self._idle = self._idle, None
        if idle is not None and not idle.done():
            self._sending_ordered = waiting is not None and _is_ordered(waiting)
            idle.set_result(waiting)


def _is_ordered(waiting: Waiting) -> bool:
    return isinstance(waiting, bytes) or not waiting[0].conflated


class Socket(Protocol):
    """What the fast path needs of the server's socket; see realtime/sockets.py."""

    transport: Any
    flow: "Flow | None"


class Flow(Protocol):
    """Who wants to know whether a socket takes more."""

    def pause(self) -> None:
        """The socket's buffer is full."""
        ...

    def resume(self) -> None:
        """It has room again."""
        ...

    def lost(self) -> None:
        """The connection is gone."""
        ...


class FastSender(Sender):
    """Writes whole frames to the server's socket: one call a message, no task, no waiting."""

    def __init__(self, socket: Socket, overflow: Callable[[], None]) -> None:
        super().__init__(overflow)
        self._transport = socket.transport
        self._write: Callable[[bytes], None] = socket.transport.write
        self._left = 0
        self._open = True
        self._paused = False
        socket.flow = self

    def deliver(self, recipient: Recipient, batch: Batch) -> None:
        """Send messages of an operation, or keep them."""
        if self._open:
            self._write(batch.frames(recipient.suffix))
        else:
            super().deliver(recipient, batch)

    def text(self, text: bytes) -> None:
        """Send a message of the protocol, or keep it."""
        if self._open:
            self._write(frame_header(len(text)) + text)
        else:
            super().text(text)

    def close(self) -> None:
        """Send nothing more; what waits is dropped."""
        self._open = False
        super().close()

    def look(self) -> None:
        """Look whether the client has taken a part: a long message on a slow line is no stall."""
        if self._paused:
            left = self._transport.get_write_buffer_size()
            if left < self._left:
                self.waiting_since = asyncio.get_running_loop().time()
            self._left = left

    def pause(self) -> None:
        """Keep what comes: the client does not take it."""
        self._paused, self._open = True, False
        self._left = self._transport.get_write_buffer_size()
        self.waiting_since = asyncio.get_running_loop().time()

    def resume(self) -> None:
        """Write what was kept, as far as the socket takes it."""
        self._paused = False
        self.waiting_since = None
        while not self._paused and (waiting := self.outbox.take()) is not None:
            if isinstance(waiting, bytes):
                self._write(frame_header(len(waiting)) + waiting)
            else:
                self._write(waiting[1].frame(waiting[0].suffix))
        self._open = not self._paused and not self.closed
        self._tell_room()

    def lost(self) -> None:
        """Send nothing more: nobody is there."""
        self.close()
