"""What has to hold before a process is sent requests."""

import time
from collections.abc import Mapping

from sqlalchemy import text

from api.health import Check
from persistence.database import Database
from persistence.migrate import is_current

_STALE_SECONDS = 30.0
_OLDEST = text("SELECT min(id) FROM event_outbox")


def checks(database: Database) -> Mapping[str, Check]:
    """Return the readiness conditions of a process that serves requests, by name."""
    return {
        "database": _Database(database),
        "migrations": _Migrations(database),
        "outbox": _Outbox(database),
    }


class _Database:
    """The database answers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self) -> str | None:
        async with self._database.read() as connection:
            await connection.execute(text("SELECT 1"))
        return None


class _Migrations:
    """The database is at the newest revision."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self) -> str | None:
        return None if await is_current(self._database) else "run `ordertide migrate`"


class _Outbox:
    """Events do not wait for a stamper for ever: the oldest one seen waiting is not the same for long."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._oldest: int | None = None
        self._since = time.monotonic()

    async def __call__(self) -> str | None:
        async with self._database.read() as connection:
            oldest = await connection.scalar(_OLDEST)
        now = time.monotonic()
        if oldest != self._oldest:
            self._oldest, self._since = oldest, now
        waited = now - self._since
        if oldest is None or waited < _STALE_SECONDS:
            return None
        return f"events wait to be stamped for {waited:.0f} s: is a worker running?"
