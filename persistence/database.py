"""The way to PostgreSQL: one engine a process, reads without a transaction, writes in one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from persistence.direct import DirectConnection
from persistence.json_text import json_text

SERVER_SETTINGS = {
    "application_name": "ordertide",
    "jit": "off",
    # Statements that take arrays would be planned anew each time: the planner counts an array it
    # knows as cheaper than any it does not, and never settles. A quarter of PostgreSQL's time for a
    # checkout went there. Statements whose best plan depends on a value are composed by case.
    "plan_cache_mode": "force_generic_plan",
}
"""What every connection asks of the server."""

_SECONDS_TO_CONNECT = 5

_SAVEPOINT = text("SAVEPOINT attempt")
_ROLLBACK = text("ROLLBACK TO SAVEPOINT attempt")
_RELEASE = text("RELEASE SAVEPOINT attempt")


class Database:
    """A small pool of connections to one database.

    `read()` runs each statement on its own (autocommit: no BEGIN or COMMIT to pay for);
    `transaction()` is for services, the worker and the stamper alone.
    """

    def __init__(self, url: str, *, pool_size: int = 10, statement_cache_size: int = 500) -> None:
        """Prepare a pool for `url` (postgresql://…); nothing connects before it is used.

        `statement_cache_size` must be 0 behind a transaction pooler such as pgbouncer.
        """
        self.url = _asyncpg_url(url)
        self.engine: AsyncEngine = create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_use_lifo=True,
            # Errors go to logs, parameters are people's names and addresses.
            hide_parameters=True,
            json_serializer=json_text,
            json_deserializer=orjson.loads,
            connect_args={
                "timeout": _SECONDS_TO_CONNECT,
                "statement_cache_size": statement_cache_size,
                "prepared_statement_cache_size": statement_cache_size,
                "server_settings": SERVER_SETTINGS,
            },
        )
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Borrow a connection on which every statement stands alone."""
        async with self._borrowed() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Borrow a connection for one transaction: committed at the end, rolled back on error."""
        async with self._borrowed() as connection:
            try:
                await connection.begin_directly()
                yield connection
                await connection.commit_directly()
            except BaseException:
                await connection.rollback_directly()
                raise

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[DirectConnection]:
        connection = DirectConnection(self._autocommit)
        async with connection:
            yield connection

    async def check(self) -> None:
        """See that the database answers; raises what the driver does."""
        async with self.engine.connect():
            pass

    async def close(self) -> None:
        """Close every pooled connection."""
        await self.engine.dispose()


@asynccontextmanager
async def attempt(connection: AsyncConnection) -> AsyncIterator[None]:
    """Take back what the block did, the locks it took too, when it raises; the transaction may go on."""
    await connection.execute(_SAVEPOINT)
    try:
        yield
    except Exception:
        await connection.execute(_ROLLBACK)
        raise
    await connection.execute(_RELEASE)


def _asyncpg_url(url: str) -> URL:
    return make_url(url).set(drivername="postgresql+asyncpg")
