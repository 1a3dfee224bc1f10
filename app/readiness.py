"""What has to hold before a process is sent requests."""

from collections.abc import Mapping

from sqlalchemy import text

from api.health import Check
from persistence.database import Database
from persistence.migrate import is_current
from realtime.feed import Feed
from realtime.outbox import OutboxWatch

_STALE_SECONDS = 30.0
_SILENT_SECONDS = 30.0


def checks(database: Database, watch: OutboxWatch, feed: Feed) -> Mapping[str, Check]:
    """Return the readiness conditions of a process that serves requests, by name."""
    return {
        "database": _Database(database),
        "migrations": _Migrations(database),
        "outbox": _Outbox(watch),
        "feed": _Feed(feed),
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

    def __init__(self, watch: OutboxWatch) -> None:
        self._watch = watch

    async def __call__(self) -> str | None:
        waited = await self._watch.look()
        if waited < _STALE_SECONDS:
            return None
        return f"events wait to be stamped for {waited:.0f} s: is a worker running?"


class _Feed:
    """This process sees new events: its tailer gets answers from the database."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    async def __call__(self) -> str | None:
        silent = self._feed.silent_for
        return None if silent < _SILENT_SECONDS else f"no event could be read for {silent:.0f} s"
