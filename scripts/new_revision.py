"""Writes the next migration from what persistence/tables says and the migrations so far do not.

    .venv/bin/python scripts/new_revision.py "Products have a material"

The draft is compared against a real, throwaway PostgreSQL. Read it, name its constraints, and complete what
Alembic cannot see (CHECK constraints, functions, data).
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from persistence.database import Database
from persistence.embedded import EmbeddedServer
from persistence.migrate import migrate, newest_revision
from persistence.revisions import alembic_config


async def main(message: str) -> None:
    """Write the draft and say where it is."""
    with (
        tempfile.TemporaryDirectory() as home,
        EmbeddedServer.acquire(Path(home), {"fsync": "off"}) as server,
    ):
        await migrate(server.url)
        database = Database(server.url, pool_size=1)
        async with database.engine.connect() as connection:
            await connection.run_sync(_draft, alembic_config(), message)
        await database.close()


def _draft(connection: Connection, config: Config, message: str) -> None:
    config.attributes["connection"] = connection
    following = f"{int(newest_revision() or 0) + 1:04}"
    command.revision(config, message, autogenerate=True, rev_id=following)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1]))
