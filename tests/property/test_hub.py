"""However equal subscriptions come, lag, choke, leave and resume: each gets exactly the feed."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from unittest.mock import patch

import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from realtime import hub
from realtime.answers import Batch
from realtime.cursors import Cursor, FeedError
from realtime.events import Filter
from realtime.hub import Hub, Stream
from realtime.operations import Delivery, Source, Start
from realtime.readers import Subscription
from realtime.ring import Ring
from tests.feed_table import EPOCH, STREAMS, Table

LIMIT, RING = 4, 5


class Process:
    """A ring and a hub over it; `executed` counts what ran."""

    def __init__(self, table: Table) -> None:
        self.ring = Ring(EPOCH, 0, size=RING)
        self.hub = Hub(lambda: (str(Cursor(EPOCH, self.ring.pruned)), self.ring.cursor))
        self.table = table
        self.executed = 0
        self.turns_to_execute = 0

    def source(self, aggregate: str | None, after: str | None) -> Source:
        async def run(start: Start) -> AsyncGenerator[Delivery]:
            reader = Subscription(
                self.ring,
                self.table.page,
                Filter(aggregate=aggregate),
                start.after,
                limit=LIMIT,
                caught_up=start.caught_up,
                turn=start.turn,
            )
            try:
                async with reader as events:
                    async for event in events:
                        for _ in range(self.turns_to_execute):
                            await asyncio.sleep(0)
                        self.executed += 1
                        yield Delivery({"data": event.sequence}, event.cursor)
            except FeedError as error:
                yield Delivery({"errors": [{"extensions": {"code": error.code}}]})

        return Source(run, ("events", aggregate), after)


class Client:
    """A client of one stream: what it saw since `start`, and how it stands now."""

    def __init__(self, aggregate: str | None) -> None:
        self.aggregate = aggregate
        self.start = 0
        self.seen: list[int] = []
        self.known = 0
        self.joined: Joined | None = None


class Joined:
    """One subscription of a client, as the hub sees it."""

    def __init__(self, client: Client, process: Process) -> None:
        self.client = client
        self.process = process
        self.position = ""
        self.gone = False
        self.stream: Stream | None = None
        self.choked = False
        self.errors: list[Any] | None = None

    def deliver(self, batch: Batch) -> None:
        assert not self.gone, "nothing comes after leaving"
        for message in batch.messages:
            self.client.known = orjson.loads(message.body)["data"]
            self.client.seen.append(self.client.known)

    def end(self, errors: list[Any] | None) -> None:
        self.errors = errors
        self.client.joined = None

    def has_room(self) -> bool:
        return not self.choked

    async def room(self, seconds: float | None) -> bool:
        for turn in range(10_000):
            if not self.choked or self.gone or (seconds is not None and turn > 20):
                break
            await asyncio.sleep(0)
        return not self.choked


class World:
    """Two processes over one table, and clients that go from one to the other."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.table = Table()
        self.processes = [Process(self.table) for _ in range(2)]
        self.clients = [Client(None), Client(None), Client(None), Client("order"), Client("order")]

    def append(self, streams: list[str]) -> None:
        self.table.append(streams)

    def tail(self, process: int, count: int) -> None:
        self.table.tail(self.processes[process].ring, count)

    def prune(self, keep: int) -> None:
        self.table.prune([process.ring for process in self.processes], keep)

    def slow(self, process: int, turns: int) -> None:
        self.processes[process].turns_to_execute = turns

    def resume(self, who: int, where: int) -> None:
        client = self.clients[who]
        self.leave(who)
        self._join(client, self.processes[where], str(Cursor(EPOCH, client.known)))

    def start_now(self, who: int, where: int) -> None:
        client, process = self.clients[who], self.processes[where]
        self.leave(who)
        client.seen = []
        joined = self._join(client, process, None)
        client.start = client.known = Cursor.parse(joined.position).sequence
        assert client.start >= process.ring.head

    def leave(self, who: int) -> None:
        joined = self.clients[who].joined
        if joined is not None:
            self.run(lambda: joined.process.hub.leave(joined))
            self.clients[who].joined = None

    def choke(self, who: int, choked: bool) -> None:
        joined = self.clients[who].joined
        if joined is not None:
            joined.choked = choked

    def turns(self, count: int) -> None:
        async def pass_by() -> None:
            for _ in range(count):
                await asyncio.sleep(0)

        self.loop.run_until_complete(pass_by())

    def run(self, do: Any) -> None:
        async def once() -> None:
            do()

        self.loop.run_until_complete(once())

    def nobody_lost_or_doubled_anything(self) -> None:
        for client in self.clients:
            assert client.seen == self.table.sequences(client.aggregate, client.start, client.known)

    def everybody_gets_everything(self) -> None:
        """What is joined catches up, once its client reads and its process has read the feed."""
        for who, client in enumerate(self.clients):
            self.choke(who, choked=False)
            if client.joined is None and client.known >= self.table.pruned:
                self.resume(who, 0)
        for process in self.processes:
            process.turns_to_execute = 0
            self.table.tail(process.ring, len(self.table.rows))
        self.turns(600)
        for client in self.clients:
            if client.joined is not None:
                assert client.seen == self.table.sequences(client.aggregate, client.start, 10**6)

    def each_subscription_is_run_once(self) -> None:
        """Once everybody has caught up, one event is one execution a process and stream."""
        self.turns(200)
        before = [process.executed for process in self.processes]
        self.table.append(["order"])
        for process in self.processes:
            self.table.tail(process.ring, 1)
        self.turns(200)
        for process, executed in zip(self.processes, before, strict=True):
            joined = {
                one.aggregate
                for one in self.clients
                if one.joined is not None and one.joined.process is process
            }
            assert process.executed - executed == len(joined)

    def close(self) -> None:
        for who in range(len(self.clients)):
            self.leave(who)
        self.turns(50)
        assert not [task for task in asyncio.all_tasks(self.loop) if not task.done()], (
            "a stream stayed behind"
        )
        self.loop.close()

    def _join(self, client: Client, process: Process, after: str | None) -> Joined:
        joined = client.joined = Joined(client, process)
        self.run(lambda: process.hub.join(process.source(client.aggregate, after), joined))
        return joined


PROCESS, CLIENT = st.integers(0, 1), st.integers(0, 4)
APPEND = st.tuples(st.just(World.append), st.lists(st.sampled_from(sorted(STREAMS)), min_size=1, max_size=6))
TAIL = st.tuples(st.just(World.tail), PROCESS, st.integers(1, 8))
PRUNE = st.tuples(st.just(World.prune), st.integers(3, 12))
SLOW = st.tuples(st.just(World.slow), PROCESS, st.integers(0, 6))
RESUME = st.tuples(st.just(World.resume), CLIENT, PROCESS)
NOW = st.tuples(st.just(World.start_now), CLIENT, PROCESS)
LEAVE = st.tuples(st.just(World.leave), CLIENT)
CHOKE = st.tuples(st.just(World.choke), CLIENT, st.booleans())
TURNS = st.tuples(st.just(World.turns), st.integers(1, 30))
STEP = st.one_of(APPEND, APPEND, TAIL, TAIL, TURNS, TURNS, RESUME, RESUME, NOW, LEAVE, CHOKE, SLOW, PRUNE)


# One who was told of an event that this process has not read yet, then another from before it: what the
# process reads next is for neither, and they must be one stream all the same.
AHEAD_OF_THEIR_PROCESS: list[tuple[Any, ...]] = [
    (World.append, ["cart"]),
    (World.tail, 0, 1),
    (World.start_now, 3, 0),
    (World.resume, 3, 1),
    (World.turns, 30),
    (World.resume, 4, 1),
    (World.turns, 30),
]


@settings(max_examples=200, deadline=None)
@example(AHEAD_OF_THEIR_PROCESS, 16)
@given(st.lists(STEP, min_size=20, max_size=80), st.sampled_from((1, 16)))
def test_any_interleaving_gives_every_subscriber_exactly_the_feed(
    steps: list[tuple[Any, ...]], many: int
) -> None:
    world = World()
    # Where one is many, two are: what they are given waits while the next is executed.
    with patch.multiple(hub, MEMBERS_A_TURN=1, MANY_MEMBERS=many, SECONDS_TO_GATHER=0):
        try:
            for do, *arguments in steps:
                do(world, *arguments)
                world.nobody_lost_or_doubled_anything()
            world.everybody_gets_everything()
            world.each_subscription_is_run_once()
        finally:
            world.close()
