"""Shared execution: equal subscriptions run once per event, and everyone gets what it answered.

A subscription that runs is a Stream. Who asks for the same joins it where that misses nothing: without
a cursor from now on, with one where the stream has not gone past it. Everyone else catches up on a
stream of their own (shared by all who resume from the same cursor) and moves over the moment nothing
lies between; no step of that waits, so no event can slip through.
"""

import asyncio
import time
from collections.abc import Callable, Hashable
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

import structlog

from realtime.answers import Batch, Message, batches
from realtime.cursors import Cursor
from realtime.metrics import DELAY_SECONDS, DELIVERED, EXECUTED, STREAMS
from realtime.operations import Source, Start
from realtime.turns import Turns

log = structlog.get_logger(__name__)

# The loop serves others this often while thousands are written to.
MEMBERS_A_TURN = 256
# From so many on, what happens meanwhile goes out together.
MANY_MEMBERS = 16
# Most that is executed ahead of what is being given to many.
MESSAGES_AT_ONCE = 64
# How long more is waited for, where more has happened already, before many are written to.
SECONDS_TO_GATHER = 0.004
SECONDS_TO_WAIT_FOR_ONE = 1.0
# Each uses a connection to the database: requests, and what is live, must still find some.
CATCHING_UP_AT_ONCE = 5
# What is older was not late: it is history that was imported.
_LONGEST_DELAY_SECONDS = 3_600.0


class Member(Protocol):
    """Somebody who gets what a stream answers.

    `position` is the cursor up to which it has everything, `gone` says that it wants nothing more.
    """

    position: str
    gone: bool
    stream: "Stream | None"

    def deliver(self, batch: Batch) -> None:
        """Take messages; must not wait."""
        ...

    def end(self, errors: list[Any] | None) -> None:
        """Learn that nothing more comes: by itself, or because of `errors`."""
        ...

    def has_room(self) -> bool:
        """Say whether the client has taken most of what it was given."""
        ...

    async def room(self, seconds: float | None) -> bool:
        """Wait until it has, or is gone; say whether that was so within `seconds`."""
        ...


class Hub:
    """The streams of one process. `reach` tells the oldest and the newest cursor of the feed."""

    def __init__(self, reach: Callable[[], tuple[str, str]]) -> None:
        """Start without any stream."""
        self._reach = reach
        self._live: dict[Hashable, Stream] = {}
        self._resuming: dict[tuple[Hashable, str], Stream] = {}
        self.turns = Turns(CATCHING_UP_AT_ONCE)

    @property
    def live_streams(self) -> int:
        """How many different subscriptions are followed live and shared."""
        return len(self._live)

    def join(self, source: Source, member: Member) -> None:
        """Let `member` have what `source` answers from now on, or since its cursor."""
        if source.key is None:
            Stream(self, source, Start(source.after)).add(member)
        elif source.after is None:
            self._join_now(source, member)
        else:
            self._resume(source, source.after, member)

    def leave(self, member: Member) -> None:
        """Let `member` have nothing more; its stream ends with the last."""
        member.gone = True
        if member.stream is not None:
            member.stream.remove(member)

    def _join_now(self, source: Source, member: Member) -> None:
        _, head = self._reach()
        stream = self._live.get(source.key)
        if stream is None:
            stream = self._live[source.key] = Stream(self, source, Start(head), live=True)
        # Where this process is behind a stream's newest event, now is then.
        member.position = max(head, stream.position)
        stream.add(member)

    def _resume(self, source: Source, after: str, member: Member) -> None:
        oldest, head = self._reach()
        member.position = after
        stream = self._live.get(source.key)
        if stream is not None and Cursor.is_one(after) and max(stream.position, oldest) <= after <= head:
            stream.add(member)
            return
        key = (source.key, after)
        stream = self._resuming.get(key)
        # Once it has delivered something it is past the cursor.
        if stream is None or stream.position != after:
            stream = Stream(self, source, Start(after))
            stream.resuming_from = after
            self._resuming[key] = stream
        stream.add(member)

    def caught_up(self, stream: "Stream", cursor: str) -> bool:
        """Take what has everything up to `cursor`: its members go live, with it or to those who are.

        Returns False where that is not yet so: those who are live are further still, because their
        newest events came from a process that is ahead of this one.
        """
        key = stream.source.key
        live = stream if key is None else self._live.get(key, stream)
        if live.position > cursor:
            return False
        self._forget_resuming(stream)
        for member in stream.members:
            member.position = cursor
        if live is not stream:
            for member in list(stream.members):
                stream.hand_over(member, live)
            return True
        stream.live = True
        stream.position = cursor
        if key is not None:
            self._live[key] = stream
        return True

    def part(self, stream: "Stream", member: Member, cursor: str) -> None:
        """Let a member that has everything up to `cursor` catch up on a stream of its own."""
        if member.stream is stream:
            member.position = cursor
            stream.hand_over(member, Stream(self, stream.source, Start(cursor)))

    def is_behind(self, message: Message) -> bool:
        """Say whether more has happened since what a message tells of."""
        return message.cursor is not None and message.cursor < self._reach()[1]

    def ended(self, stream: "Stream") -> None:
        """Forget a stream."""
        self._forget_resuming(stream)
        if self._live.get(stream.source.key) is stream:
            del self._live[stream.source.key]

    def _forget_resuming(self, stream: "Stream") -> None:
        key = (stream.source.key, stream.resuming_from)
        if self._resuming.get(key) is stream:
            del self._resuming[key]


class Stream:
    """One run of a subscription and its members."""

    def __init__(self, hub: Hub, source: Source, start: Start, *, live: bool = False) -> None:
        """Begin to run; while not `live` it waits for its members to take what it answers."""
        self.source = source
        self.members: dict[Member, None] = {}
        self.position = start.after or ""
        self.resuming_from = ""
        self.live = live
        self._hub = hub
        # What who joins later is given at once; None where they are owed changes only.
        self._newest: dict[Hashable, Message] | None = {} if source.conflated else None
        self._ended = False
        self._has_turn = False
        self._batch: list[Message] = []
        self._giving: asyncio.Task[None] | None = None
        STREAMS.inc()
        following = Start(start.after, changes_only=self._changes_only)
        if not live:
            following = replace(following, caught_up=self._caught_up, turn=self._turn)
        self._task = asyncio.create_task(self._run(following))

    def add(self, member: Member) -> None:
        """Take a member; on a feed that conflates it gets the current values at once."""
        self.members[member] = None
        member.stream = self
        if self._newest:
            for batch in batches(self._newest.values()):
                member.deliver(batch)

    def remove(self, member: Member) -> None:
        """Let a member go."""
        self.members.pop(member, None)
        member.stream = None
        if not self.members:
            self._end()
            self._task.cancel()
            if self._giving is not None:
                self._giving.cancel()

    def hand_over(self, member: Member, other: "Stream") -> None:
        """Let a member go on with another stream."""
        other.add(member)
        del self.members[member]
        if not self.members:
            self._end()
            # It is this stream's own run that calls: let it come to rest first.
            asyncio.get_running_loop().call_soon(self._task.cancel)

    def _changes_only(self) -> None:
        self._newest = None

    async def _turn(self) -> None:
        """Let others who catch up go on as well, then go on."""
        self._rest()
        if not self.live:
            await self._hub.turns.take(self.source.owner)
            self._has_turn = True

    def _rest(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._hub.turns.give_back()

    def _caught_up(self, cursor: str) -> bool:
        # It waits for what is to happen, which needs no turn.
        self._rest()
        return self._ended or self._hub.caught_up(self, cursor)

    async def _run(self, start: Start) -> None:
        errors: list[Any] | None = None
        try:
            async with aclosing(self.source.run(start)) as deliveries:
                async for delivery in deliveries:
                    if "data" not in delivery.answer:
                        errors = list(delivery.answer["errors"])
                        break
                    EXECUTED.inc()
                    self._rest()
                    await self._give(Message(delivery))
        except Exception:
            log.exception("stream_failed")
            errors = [{"message": "something went wrong on our side", "extensions": {"code": "INTERNAL"}}]
        finally:
            self._rest()
        if self._giving is not None:
            # However it ends: nothing comes after the end.
            await asyncio.wait([self._giving])
        self._end()
        for member in list(self.members):
            member.stream = None
            member.end(errors)
        self.members.clear()

    async def _give(self, message: Message) -> None:
        """Give a message to everybody, while the next is executed where there are many of them.

        What is answered meanwhile goes out together: what is written to a socket in one turn of the loop
        is one call of the system. Who catches up takes one after the other.
        """
        self._batch.append(message)
        if self._giving is None:
            if not self.live or len(self.members) < MANY_MEMBERS:
                await self._fan_out()
                return
            self._giving = asyncio.create_task(self._give_all())
        if len(self._batch) >= MESSAGES_AT_ONCE:
            await self._giving

    async def _give_all(self) -> None:
        try:
            while self._batch:
                if self._hub.is_behind(self._batch[-1]):
                    await asyncio.sleep(SECONDS_TO_GATHER)
                await self._fan_out()
        finally:
            self._giving = None

    async def _fan_out(self) -> None:
        """Give what waits to every member that does not have it yet."""
        batch, self._batch = self._batch, []
        for message in batch:
            # First of all: who joins from here on, while we wait, must not need what is given now.
            self.position = message.cursor or self.position
            if self._newest is not None:
                self._newest[message.slot] = message
        members = list(self.members)
        for together in batches(batch):
            await self._write(together, members)
        for message in batch:
            if not self.live:
                await self._wait_for(members, message.cursor)
            elif message.occurred_at is not None:
                _observe(message.occurred_at)

    async def _write(self, batch: Batch, members: list[Member]) -> None:
        delivered = 0
        for count, member in enumerate(members, 1):
            if not member.gone and (news := batch.after(member.position)).messages:
                member.deliver(news)
                delivered += len(news.messages)
            if count % MEMBERS_A_TURN == 0:
                await asyncio.sleep(0)
        DELIVERED.inc(delivered)

    async def _wait_for(self, members: list[Member], cursor: str | None) -> None:
        """Let clients take the past as fast as they can; who is much slower goes on alone."""
        slow = [member for member in members if not member.gone and not member.has_room()]
        if not slow:
            return
        alone = len(self.members) < 2 or cursor is None
        waited = [member.room(None if alone else SECONDS_TO_WAIT_FOR_ONE) for member in slow]
        for member, has_room in zip(slow, await asyncio.gather(*waited), strict=True):
            if not has_room and cursor is not None:
                self._hub.part(self, member, cursor)

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            STREAMS.dec()
            self._hub.ended(self)


def _observe(occurred_at: datetime) -> None:
    seconds = time.time() - occurred_at.timestamp()
    if seconds < _LONGEST_DELAY_SECONDS:
        DELAY_SECONDS.observe(max(0.0, seconds))
