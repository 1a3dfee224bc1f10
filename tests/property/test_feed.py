"""Whatever happens in whatever order, a reader sees exactly the feed, or is told why not."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.cursors import Cursor, CursorExpired, Discontinued, InvalidCursor
from realtime.events import FeedEvent, Filter
from realtime.readers import Subscription
from realtime.ring import Ring
from tests.feed_table import EPOCH, STREAMS, Table

LIMIT, RING = 9, 5


class Client:
    """One client: what it was given so far, and the subscription it reads now, if any."""

    def __init__(self, aggregate: str | None, start: int) -> None:
        self.aggregate = aggregate
        self.start = start
        self.seen: list[int] = []
        self.position = start
        self.reader: Subscription | None = None
        self.waiting: asyncio.Future[FeedEvent] | None = None


class World:
    """Two processes with rings of their own tail one table, while clients come and go between them."""

    def __init__(self) -> None:
        self.table = Table()
        self.rings = [Ring(EPOCH, 0, size=RING) for _ in range(2)]
        self.clients = [Client(None, 0), Client("order", 0), Client("cart", 0)]
        self.loop = asyncio.new_event_loop()

    def close(self) -> None:
        for client in self.clients:
            self._disconnect(client)
        self.loop.close()

    def append(self, streams: list[str]) -> None:
        self.table.append(streams)

    def tail(self, process: int, count: int) -> None:
        self.table.tail(self.rings[process], count)

    def prune(self, keep: int) -> None:
        self.table.prune(self.rings, keep)

    def connect(self, who: int, process: int) -> None:
        client = self.clients[who]
        self._disconnect(client)
        after = str(Cursor(EPOCH, client.position))
        wanted = Filter(aggregate=client.aggregate)
        client.reader = Subscription(self.rings[process], self.table.page, wanted, after, limit=LIMIT)

    def disconnect(self, who: int) -> None:
        self._disconnect(self.clients[who])

    def read(self, who: int, count: int) -> None:
        client = self.clients[who]
        if client.reader is not None:
            with self._expected_end(client):
                self.loop.run_until_complete(self._read(client, count))

    def ask_for_the_future(self, process: int, beyond: int) -> None:
        after = str(Cursor(EPOCH, len(self.table.rows) + beyond))
        reader = Subscription(self.rings[process], self.table.page, Filter(), after, limit=LIMIT)
        with pytest.raises(InvalidCursor):
            self.loop.run_until_complete(anext(reader))

    def nobody_lost_or_doubled_anything(self) -> None:
        for client in self.clients:
            exact = self.table.sequences(client.aggregate, client.start, client.position)
            assert client.seen == exact

    async def _read(self, client: Client, count: int) -> None:
        reader = client.reader
        assert reader is not None
        for _ in range(count):
            if client.waiting is None:
                client.waiting = asyncio.ensure_future(anext(reader))
            for _ in range(60):
                await asyncio.sleep(0)
            if not client.waiting.done():
                return
            waited, client.waiting = client.waiting, None
            event = waited.result()
            client.seen.append(event.sequence)
            client.position = event.sequence

    @contextmanager
    def _expected_end(self, client: Client) -> Iterator[None]:
        try:
            yield
        except Discontinued:
            self._disconnect(client)
        except CursorExpired:
            # Told the truth: something after its cursor is gone. It reads afresh from the head.
            assert client.position < self.table.pruned
            self._disconnect(client)
            client.start = client.position = len(self.table.rows)
            client.seen = []

    def _disconnect(self, client: Client) -> None:
        if client.reader is not None:
            self.loop.run_until_complete(self._leave(client.reader, client.waiting))
            client.reader = client.waiting = None

    async def _leave(self, reader: Subscription, waiting: asyncio.Future[FeedEvent] | None) -> None:
        if waiting is not None:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await reader.aclose()


PROCESS, CLIENT = st.integers(0, 1), st.integers(0, 2)
APPEND = st.tuples(st.just(World.append), st.lists(st.sampled_from(sorted(STREAMS)), min_size=1, max_size=8))
TAIL = st.tuples(st.just(World.tail), PROCESS, st.integers(1, 10))
PRUNE = st.tuples(st.just(World.prune), st.integers(0, 12))
CONNECT = st.tuples(st.just(World.connect), CLIENT, PROCESS)
READ = st.tuples(st.just(World.read), CLIENT, st.sampled_from((1, 4, 50)))
DISCONNECT = st.tuples(st.just(World.disconnect), CLIENT)
FUTURE = st.tuples(st.just(World.ask_for_the_future), PROCESS, st.integers(1, 3))
STEP = st.one_of(APPEND, TAIL, PRUNE, CONNECT, READ, DISCONNECT, FUTURE, TAIL, READ, CONNECT)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, min_size=40, max_size=80))
def test_any_interleaving_gives_exactly_the_feed(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    try:
        for do, *arguments in steps:
            do(world, *arguments)
            world.nobody_lost_or_doubled_anything()
    finally:
        world.close()
