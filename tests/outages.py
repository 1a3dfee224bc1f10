"""Taking the database away from everybody, on a server that other tests share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text

from persistence.database import Database


@asynccontextmanager
async def outage(database: Database) -> AsyncIterator[None]:
    """No connection lives and none is let in, as while the server restarts."""
    administrator = Database(database.url.set(database="postgres").render_as_string(hide_password=False))
    name = database.url.database
    async with administrator.read() as connection:
        await connection.execute(text(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false'))
        await connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": name},
        )
        try:
            yield
        finally:
            await connection.execute(text(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true'))
    await administrator.close()
    await database.engine.dispose()
