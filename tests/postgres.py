"""Real PostgreSQL for tests: one server a run, one migrated template, clones of it for whoever asks."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
from sqlalchemy.engine import make_url

from persistence.embedded import EmbeddedServer
from persistence.migrate import migrate

GIVEN_SERVER = "ORDERTIDE_TEST_DATABASE_URL"
"""Names a server to use instead of an embedded one; its user must be a superuser."""

# Tests lose nothing when the machine does: only here is the cluster not durable.
_FAST = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB", "max_wal_size": "1GB"}

# What migrations themselves put into tables, kept aside so that a reset can bring it back.
_KEEP_SEED = """
CREATE SCHEMA test_seed;
DO $$
DECLARE one text; filled boolean;
BEGIN
    FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        CONTINUE WHEN one = 'alembic_version';
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', one) INTO filled;
        IF filled THEN
            EXECUTE format('CREATE TABLE test_seed.%1$I AS SELECT * FROM public.%1$I', one);
        END IF;
    END LOOP;
END $$
"""
# A function whose statements are written out: a connection plans them once, not before each test.
_MAKE_RESET = """
DO $$
DECLARE body text;
BEGIN
    SELECT string_agg(format('DELETE FROM public.%I;', tablename), ' ') INTO body
      FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version';
    SELECT body || coalesce(string_agg(format(
               'INSERT INTO public.%1$I OVERRIDING SYSTEM VALUE SELECT * FROM test_seed.%1$I;',
               tablename), ' '), '')
      INTO body FROM pg_tables WHERE schemaname = 'test_seed';
    SELECT body || coalesce(string_agg(format(
               'PERFORM setval(%L, %s, false);', format('public.%I', sequencename), start_value), ' '), '')
      INTO body FROM pg_sequences WHERE schemaname = 'public';
    EXECUTE format('CREATE FUNCTION test_seed.reset() RETURNS void LANGUAGE plpgsql'
                   ' SET session_replication_role = replica AS %L', 'BEGIN ' || body || ' END');
END $$
"""


class TestServer:
    """The server of this test run, shared by all its processes; `run` names what belongs to it."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        """Use the server of ORDERTIDE_TEST_DATABASE_URL, else an embedded one in `folder`."""
        self._folder = folder
        self._run = folder.name.replace("-", "_").lower()
        given = os.environ.get(GIVEN_SERVER)
        self._embedded = None if given else EmbeddedServer.acquire(folder, _FAST)
        self._url = make_url(given or self._embedded.url)  # type: ignore[union-attr]

    async def clone(self) -> str:
        """Make a database of its own, migrated and empty, and return its URL."""
        template = await asyncio.to_thread(self._locked_template)
        name = f"{self._run}_{uuid4().hex[:12]}"
        async with self._administrator() as connection:
            await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY wal_log')
        return self.url(name)

    async def drop(self, url: str) -> None:
        """Remove a database again, whoever is still connected."""
        async with self._administrator() as connection:
            await connection.execute(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)')

    async def drop_all(self) -> None:
        """Remove every database of this run; only needed on a server that outlives it."""
        async with self._administrator() as connection:
            names = await connection.fetch(
                "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", self._run
            )
            for row in names:
                await connection.execute(f'DROP DATABASE IF EXISTS "{row[0]}" WITH (FORCE)')

    def url(self, name: str) -> str:
        """Return the URL of a database of this server."""
        return self._url.set(database=name).render_as_string(hide_password=False)

    def release(self) -> None:
        """Give back this process's share."""
        if self._embedded is not None:
            self._embedded.release()

    def _locked_template(self) -> str:
        with (self._folder / "template.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return asyncio.run(self._template())

    async def _template(self) -> str:
        name = f"{self._run}_template"
        async with self._administrator() as connection:
            if await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
                return name
            unfinished = f"{name}_{uuid4().hex[:8]}"
            await connection.execute(f'CREATE DATABASE "{unfinished}"')
            await migrate(self.url(unfinished))
            seed = await asyncpg.connect(self.url(unfinished))
            await seed.execute(_KEEP_SEED)
            await seed.execute(_MAKE_RESET)
            await seed.close()
            await connection.execute(f'ALTER DATABASE "{unfinished}" RENAME TO "{name}"')
        return name

    @asynccontextmanager
    async def _administrator(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self._url.render_as_string(hide_password=False))
        try:
            yield connection
        finally:
            await connection.close()


class Emptier:
    """Empties one database again and again, over one connection."""

    def __init__(self, url: str) -> None:
        """Connect when there is something to do."""
        self._url = url
        self._connection: asyncpg.Connection | None = None

    async def empty(self) -> None:
        """Empty every table, start every sequence anew, and bring back what migrations had put there."""
        try:
            await self._empty()
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError):
            # A test may have ended every connection there was.
            self._connection = None
            await self._empty()

    async def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _empty(self) -> None:
        if self._connection is None:
            self._connection = await asyncpg.connect(self._url)
        await self._connection.execute("SELECT test_seed.reset()")
