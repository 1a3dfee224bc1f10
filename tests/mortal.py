"""A process that dies at a commit: what it has not committed never happened, and it does nothing more.

process = Mortal(database, 3, Death.BEFORE)
with pytest.raises(Died):
    await returns.request(till(process, ...), ...)
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any, TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.database import Database

Step: TypeAlias = Callable[[Database], Awaitable[Any]]
"""What somebody does, in the process of that database; again, it is the same request."""


class Died(BaseException):
    """The process is dead; no `except Exception` catches that."""


class Death(Enum):
    """When it dies, of a commit."""

    BEFORE = "before"
    AFTER = "after"


class Mortal(Database):
    """One process's way to a database, which ends around its nth commit."""

    def __init__(self, database: Database, dies_at: int, when: Death) -> None:
        """Use the connections of `database`."""
        self.url, self.engine, self._autocommit = database.url, database.engine, database._autocommit
        self._left, self._when = dies_at, when

    @property
    def is_dead(self) -> bool:
        """Whether it came to that commit."""
        return self._left == 0

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Borrow a connection as the living do."""
        self._check()
        async with super().read() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Borrow a connection for a transaction, which may be the last one."""
        self._check()
        async with super().transaction() as connection:
            yield connection
            self._left -= 1
            if self._when is Death.BEFORE:
                self._check()
        self._check()

    def _check(self) -> None:
        if self._left == 0:
            raise Died


async def walk(
    database: Database,
    steps: Sequence[Step],
    process: Mortal,
    sweep: Callable[[Database], Awaitable[None]],
) -> None:
    """Take all steps; when the process dies the sweeps run, and who had no answer asks another process."""
    for step in steps:
        if process.is_dead:
            await step(database)
            continue
        try:
            await step(process)
        except Died:
            await sweep(database)
            await step(database)
    await sweep(database)
