"""A hop between us and PostgreSQL that can go away, or fall silent without a word, and come back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from sqlalchemy.engine import make_url

from persistence.database import Database


class Relay:
    """Passes TCP on to the server of a database URL; `url` is the way through it."""

    def __init__(self, database_url: str) -> None:
        """Lead to the database at `database_url`."""
        self._target = make_url(database_url)
        self._silent = False
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def __aenter__(self) -> Self:
        """Listen."""
        await self._listen()
        self._port = self._server.sockets[0].getsockname()[1]
        way = self._target.set(drivername="postgresql", host="127.0.0.1", port=self._port, query={})
        self.url = way.render_as_string(hide_password=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close everything."""
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def swallow(self) -> None:
        """Pass nothing on any more, but close nothing: a half-open connection."""
        self._silent = True

    def cut(self) -> None:
        """Reset every connection and refuse new ones: the server was killed."""
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        self._writers.clear()

    async def heal(self) -> None:
        """Be as before, for new connections too."""
        self._silent = False
        if not self._server.is_serving():
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = self._target.port or 5432
        if folder := self._target.query.get("host"):
            there = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{port}")
        else:
            there = await asyncio.open_connection(self._target.host, port)
        self._writers |= {writer, there[1]}
        for source, sink in ((reader, there[1]), (there[0], writer)):
            task = asyncio.create_task(self._pipe(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                if not self._silent:
                    sink.write(data)
                    await sink.drain()
        except OSError:
            pass
        finally:
            sink.transport.abort()


@asynccontextmanager
async def through_relay(database: Database) -> AsyncIterator[tuple[Database, Relay]]:
    """Yield a way to the same database that can be taken away, and what takes it away."""
    async with Relay(database.url.render_as_string(hide_password=False)) as relay:
        fragile = Database(relay.url)
        try:
            yield fragile, relay
        finally:
            await fragile.close()
