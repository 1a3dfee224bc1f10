"""Waiting until somebody waits: how tests of races bring two transactions to the same moment."""

import asyncio

from sqlalchemy import text

from persistence.database import Database

_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def until_waiting(database: Database, count: int = 1) -> None:
    """Return once `count` sessions wait for locks that others have."""
    for _ in range(500):
        async with database.read() as connection:
            if int((await connection.execute(_WAITING)).scalar_one()) >= count:
                return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits for the lock")
