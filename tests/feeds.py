"""What the feed's table holds, which is what every subscriber has to have seen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from persistence import event_feed
from persistence.database import Database
from realtime.cursors import Cursor


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Open a database for a while."""
    database = Database(url, pool_size=2)
    try:
        yield database
    finally:
        await database.close()


async def first_cursor(database: Database) -> str:
    """Return the cursor before the first event."""
    async with database.read() as connection:
        return str(Cursor((await event_feed.read_head(connection)).epoch, 0))


async def last_cursor(database: Database) -> str:
    """Return the cursor of the newest event."""
    async with database.read() as connection:
        head = await event_feed.read_head(connection)
    return str(Cursor(head.epoch, head.sequence))


async def cart_feed(database: Database) -> list[tuple[str, UUID]]:
    """Return every cart event of the feed, once nothing waits to get into it: its cursor and its cart."""
    found: list[tuple[str, UUID]] = []
    position = 0
    async with database.read() as connection:
        while True:
            # Looked at before the page: what is stamped after it then shows in the page, not in neither.
            waiting = (await event_feed.read_backlog(connection, limit=1)).depth
            page = await event_feed.read_after(connection, position, 1000, aggregate="cart")
            found += [
                (str(Cursor(page.head.epoch, event.sequence)), event.aggregate_id) for event in page.events
            ]
            if page.complete and not waiting:
                return found
            position = page.events[-1].sequence if page.events else position
            await asyncio.sleep(0.05)


async def cart_cursors(database: Database) -> list[str]:
    """Return the cursor of every cart event of the feed."""
    return [cursor for cursor, _ in await cart_feed(database)]
