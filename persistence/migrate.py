"""Bringing a database to the newest revision, safely when several processes try at once.

Who finds it there already never loads what migrates: Alembic and the revisions take some 15 MB.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from domain.kernel.late import late
from persistence.database import Database

if TYPE_CHECKING:
    from persistence.revisions import upgrade
else:
    upgrade = late("persistence.revisions:upgrade")

# Any fixed number: whoever migrates holds this advisory lock, the others wait and find it done.
_LOCK = 7_021_946_331
_REVISIONS = Path(__file__).parents[1] / "migrations" / "versions"


async def migrate(direct_url: str) -> None:
    """Upgrade the database at `direct_url` to the newest revision; a no-op when it is there already.

    It must not lead through a transaction pooler: the lock lives in the session that took it, and behind
    a pooler the next transaction may be in another one, which migrates without the lock and cannot end it.
    """
    # Statements are not kept: each is sent once, and a revision may change what it would answer.
    database = Database(direct_url, pool_size=1, statement_cache_size=0)
    try:
        if not await is_current(database):
            await _migrate(database)
    finally:
        await database.close()


async def _migrate(database: Database) -> None:
    async with database.engine.connect() as connection:
        await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        await connection.commit()
        try:
            await connection.run_sync(upgrade)
            await connection.commit()
        finally:
            await connection.rollback()
            await connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            await connection.commit()


async def is_current(database: Database) -> bool:
    """Say whether the database is at the newest revision (false when it has none at all)."""
    async with database.read() as connection:
        known = await connection.scalar(text("SELECT to_regclass('alembic_version')"))
        if known is None:
            return False
        found = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    return bool(found == newest_revision())


@cache
def newest_revision() -> str | None:
    """Return the newest revision this code knows: read from disk once, as a process does not change.

    Revisions are numbered and their files begin with the number, which a test holds Alembic's own view to.
    """
    return max((path.name[:4] for path in _REVISIONS.glob("[0-9][0-9][0-9][0-9]_*.py")), default=None)
