"""Workers that are killed at a commit: real processes, a real `kill -9`, and another that takes over.

gates = Gates(connection)
await gates.build("returns", "CASE WHEN NEW.status = 'CLOSED' THEN 1 ELSE 0 END")
async with Workers(database_url, folder) as workers:
    await gates.close(1)
    waiting = await gates.waiting(1)  # a commit has come to the gate
    await workers.kill_the_first()
    await gates.lose(waiting)  # or leave it, and it is committed all the same
    await gates.open(1)
    await workers.until_one_leads()
"""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from asyncpg import Connection

from tests.processes import wait_until
from tests.server import SECONDS_TO_START, Process, running_worker

_LOCKS = 77
# Each commit that changed a row waits, as the last thing before it is durable, while we hold its lock.
_GATES = """
CREATE FUNCTION wait_at_the_gate_of_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({locks}, {number});
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER gate AFTER INSERT OR UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wait_at_the_gate_of_{table}();
"""
_WAITS = f"SELECT pid FROM pg_locks WHERE classid = {_LOCKS} AND objid = $1 AND NOT granted"


class Gates:
    """Commits that wait at a gate as long as it is closed, told by numbers that the test gives them."""

    def __init__(self, connection: Connection) -> None:
        """Hold the gates by this connection."""
        self._connection = connection

    async def build(self, table: str, number: str) -> None:
        """Let each commit that changed a row of the table pass a gate: `number` says which, in SQL."""
        await self._connection.execute(_GATES.format(table=table, locks=_LOCKS, number=number))

    async def close(self, gate: int) -> None:
        """Let whoever comes to a gate wait."""
        await self._connection.execute("SELECT pg_advisory_lock($1, $2)", _LOCKS, gate)

    async def open(self, gate: int) -> None:
        """Let whoever waits at a gate pass."""
        await self._connection.execute("SELECT pg_advisory_unlock($1, $2)", _LOCKS, gate)

    async def waiting(self, gate: int) -> Any:
        """Return the PostgreSQL process that waits at a gate, once there is one."""
        return await until(self._connection, _WAITS, None, gate)

    async def lose(self, waiting: Any) -> None:
        """Let what waits never have happened: its client's death is known before the commit."""
        await self._connection.execute("SELECT pg_terminate_backend($1)", waiting)


class Workers:
    """A worker that leads, and one that waits for its death; `settings` as in `mail_url`."""

    def __init__(self, database_url: str, folder: Path, **settings: str) -> None:
        """Start nothing yet."""
        self._database_url = database_url
        self._folder = folder
        self._settings = settings
        self._stack = ExitStack()
        self._running: list[tuple[Process, Path]] = []

    async def __aenter__(self) -> Self:
        self._start()
        await self.until_one_leads()
        return self

    async def __aexit__(self, *_: object) -> None:
        for process, _log in self._running:
            process.kill()
            process.wait()
        self._stack.close()

    async def kill_the_first(self) -> None:
        """Kill the one that leads."""
        process, _ = self._running.pop(0)
        process.kill()
        await asyncio.to_thread(process.wait)

    async def until_one_leads(self) -> None:
        """Wait until the one that waited for its turn has it; another waits from then on."""
        _, folder = self._running[0]
        await asyncio.to_thread(
            wait_until,
            lambda: any('"leading"' in log.read_text() for log in folder.iterdir()),
            "a worker does not get to lead",
            seconds=SECONDS_TO_START,  # it was begun only when the one before it took over
        )
        self._start()

    def _start(self) -> None:
        folder = self._folder / str(len(list(self._folder.iterdir())))
        folder.mkdir()
        worker = running_worker(self._database_url, folder, **self._settings)
        self._running.append((self._stack.enter_context(worker), folder))


async def until(connection: Connection, query: str, expected: int | None = None, *values: object) -> Any:
    """Ask until the answer is the one expected, or any where none is; returns it."""
    async with asyncio.timeout(30):
        while True:
            found = await connection.fetchval(query, *values)
            if found == expected if expected is not None else found is not None:
                return found
            await asyncio.sleep(0.02)
