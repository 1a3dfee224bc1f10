"""Use cases of the event feed."""

from persistence import event_feed as rows
from persistence.event_feed import Head
from services.context import ServiceContext


async def head(context: ServiceContext) -> Head:
    """Return where the feed stands, for anyone: every event that they may follow tells them as much."""
    async with context.read() as connection:
        return await rows.read_head(connection)
