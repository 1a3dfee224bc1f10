"""Subscriptions as a transport runs them, over a real feed that a real stamper fills.

async with live(database) as feed, following(database, feed, DOCUMENT, variables) as answers:
    ...
    answer = await answers.next()
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

from api.context import Following, RequestContext
from api.execution import Engine
from persistence.database import Database
from realtime.batches import Batches
from realtime.feed import Feed
from realtime.operations import OperationRequest, Start
from realtime.stamper import Stamper
from services.access import SYSTEM, Actor
from tests.factories import SCHEMA, make_context

PATIENCE_SECONDS = 10.0
ENGINE = Engine(SCHEMA)


class Answers:
    """What a subscription has answered and will answer."""

    def __init__(self, stream: AsyncGenerator[Any]) -> None:
        """Read `stream` on demand."""
        self._stream = stream
        self._waiting: asyncio.Task[Any] = asyncio.create_task(anext(stream, None))

    async def next(self) -> Any:
        """Return the next answer, None when the subscription has ended."""
        delivery = await asyncio.wait_for(self._waiting, PATIENCE_SECONDS)
        self._waiting = asyncio.create_task(anext(self._stream, None))
        return delivery and delivery.answer

    async def events(self, count: int) -> list[dict[str, Any]]:
        """Return the next `count` events, whatever the subscription's field is called."""
        found = []
        for _ in range(count):
            answer = await self.next()
            assert "errors" not in answer, answer
            found += answer["data"].values()
        return found

    async def silent_for(self, seconds: float) -> bool:
        """Say whether nothing comes for a while."""
        done, _ = await asyncio.wait([self._waiting], timeout=seconds)
        return not done

    async def close(self) -> None:
        """Stop waiting."""
        self._waiting.cancel()
        await asyncio.gather(self._waiting, return_exceptions=True)


@asynccontextmanager
async def live(database: Database) -> AsyncIterator[Feed]:
    """Stamp what was committed before, then yield a feed that follows what will be."""
    feed = Feed(database)
    stamper = Stamper(database, feed.wake, retention_seconds=3_600)
    while await stamper.stamp_once():
        pass
    await feed.start()
    stamping = asyncio.create_task(stamper.run())
    try:
        yield feed
    finally:
        stamping.cancel()
        await asyncio.gather(stamping, return_exceptions=True)
        await feed.stop()


@asynccontextmanager
async def following(
    database: Database,
    feed: Feed,
    document: str,
    variables: Mapping[str, Any] | None = None,
    actor: Actor = SYSTEM,
) -> AsyncIterator[Answers]:
    """Subscribe, and yield the answers once the subscription follows the feed."""
    context = RequestContext.of(make_context(database, actor), Following(feed, Batches(), Start()))
    operation = ENGINE.prepare(OperationRequest(document, None, variables or {}), "test")
    async with aclosing(await ENGINE.subscribe(operation, context)) as stream:
        answers = Answers(stream)
        # Until it waits for its first event: what is committed before would be missed rightly.
        await answers.silent_for(0.1)
        try:
            yield answers
        finally:
            await answers.close()
