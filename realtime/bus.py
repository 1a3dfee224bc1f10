"""The bus: tells every process that the feed has grown. Wake-ups only, so losing one loses nothing.

A message says who sent it and nothing else.

Each process has one subscription. Whoever is woken reads the feed from where it stands; a poll each
second stands behind that, so a bus that is down makes events late, never lost.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog
from broadcaster import Broadcast, BroadcastBackend, Event

from domain.kernel.late import late
from realtime.backends import PostgresBackend
from realtime.metrics import BUS_UP, WAKE_UPS
from realtime.supervise import supervise

if TYPE_CHECKING:
    from realtime.redis_backend import RedisBackend
else:
    RedisBackend = late("realtime.redis_backend:RedisBackend")

log = structlog.get_logger(__name__)

PULSE_SECONDS = 5.0
DEAF_SECONDS = 3.0
SECONDS_TO_CONNECT = 5.0
# Others are woken a hundred times a second at most: each message costs the server a statement.
SHORTEST_SECONDS_BETWEEN = 0.01


class Bus:
    """Wake-ups between processes over one channel; `on_wake` is called for each that arrives.

    A connection that dies or goes deaf is replaced, as often as it takes.
    """

    def __init__(
        self,
        make_backend: Callable[[], BroadcastBackend | None],
        channel: str,
        on_wake: Callable[[], None],
        *,
        pulse_seconds: float = PULSE_SECONDS,
    ) -> None:
        """Prepare a bus; `make_backend` is called for each connection, None means this process only."""
        self._make_backend = make_backend
        self._channel = channel
        self._on_wake = on_wake
        self._pulse_seconds = pulse_seconds
        self._name = uuid4().hex
        self._outgoing = asyncio.Event()
        self._heard = asyncio.Event()
        self.connected = asyncio.Event()
        """Set while wake-ups can be sent and heard."""

    def wake(self) -> None:
        """Wake every process, this one at once; many calls in a row are one message."""
        self._on_wake()
        self._outgoing.set()

    async def run(self) -> None:
        """Send and hear wake-ups until canceled."""
        await supervise("bus", self._live)

    async def _live(self) -> None:
        backend = self._make_backend()
        pumped = None if backend is None else _Pumped(backend)
        broadcast = Broadcast("memory://" if pumped is None else None, backend=pumped)
        await broadcast.connect()
        try:
            async with broadcast.subscribe(self._channel) as incoming, asyncio.TaskGroup() as group:
                if pumped is not None:
                    group.create_task(pumped.pump())
                group.create_task(self._hear(incoming))
                group.create_task(self._send(broadcast))
                group.create_task(self._pulse())
                self._say_connected()
        finally:
            self.connected.clear()
            BUS_UP.set(0)
            await broadcast.disconnect()

    def _say_connected(self) -> None:
        self.connected.set()
        BUS_UP.set(1)
        # What was sent while nobody listened here is caught up with.
        self._on_wake()

    async def _hear(self, incoming: Any) -> None:
        while True:
            event = await incoming.get()
            self._heard.set()
            # Our own message only shows that the line is good: we woke ourselves before sending it.
            if event.message != self._name:
                WAKE_UPS.inc()
                self._on_wake()

    async def _send(self, broadcast: Broadcast) -> None:
        while True:
            await self._outgoing.wait()
            self._outgoing.clear()
            await broadcast.publish(self._channel, self._name)
            await asyncio.sleep(SHORTEST_SECONDS_BETWEEN)

    async def _pulse(self) -> None:
        """Raise once nothing is heard any more, our own messages included: a half-open connection."""
        while True:
            self._heard.clear()
            await asyncio.sleep(self._pulse_seconds)
            if self._heard.is_set():
                continue
            self._outgoing.set()
            async with asyncio.timeout(DEAF_SECONDS):
                await self._heard.wait()


class _Pumped(BroadcastBackend):
    """A backend whose failure is raised where it is seen: broadcaster itself would go silent."""

    def __init__(self, inner: BroadcastBackend) -> None:
        self._inner = inner
        self._arrived: asyncio.Queue[Event] = asyncio.Queue()

    async def pump(self) -> None:
        """Hand on what arrives until the connection fails; raises why."""
        while True:
            self._arrived.put_nowait(await self._inner.next_published())

    async def connect(self) -> None:
        try:
            # What accepts us and then says nothing is tried again, as what refuses us is.
            async with asyncio.timeout(SECONDS_TO_CONNECT):
                await self._inner.connect()
        except BaseException:
            await self._inner.disconnect()
            raise

    async def disconnect(self) -> None:
        await self._inner.disconnect()

    async def subscribe(self, group: str) -> None:
        async with asyncio.timeout(SECONDS_TO_CONNECT):
            await self._inner.subscribe(group)

    async def unsubscribe(self, group: str) -> None:
        await self._inner.unsubscribe(group)

    async def publish(self, channel: str, message: Any) -> None:
        await self._inner.publish(channel, message)

    async def next_published(self) -> Event:
        return await self._arrived.get()


def backend_maker(url: str, direct_url: str) -> Callable[[], BroadcastBackend | None]:
    """Return what makes a connection for a bus URL: memory://, postgres:// or redis://… (unix:// too).

    A bare postgres:// is the shop's own database, at `direct_url`. Raises ValueError for others.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "memory":
        return lambda: None
    if scheme in ("redis", "rediss", "unix"):
        return lambda: RedisBackend(url)
    if scheme in ("postgres", "postgresql"):
        return lambda: PostgresBackend(url if rest else direct_url)
    raise ValueError(f"a bus over {scheme[:20]}:// is not known: use memory://, postgres:// or redis://")
