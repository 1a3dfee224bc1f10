"""A worker is killed at every commit of a message's life; each customer gets one message all the same."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import asyncpg
import pytest
from asyncpg import Connection

from persistence.database import Database
from tests.checkouts import make_stocked_shop, order_now
from tests.mail_server import ADDRESS, mail_server
from tests.processes import wait_until
from tests.server import SECONDS_TO_START, Process, running_worker

WRITTEN, CLAIMED, HANDED_OVER, ENDED = range(1, 5)
"""The commits of a message's life: by the consumer, then by the job."""

_LOCKS = 77
# Each commit of a notification waits, as the last thing before it is durable, while we hold its lock.
_GATES = f"""
CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({_LOCKS}, CASE
        WHEN TG_OP = 'INSERT' THEN {WRITTEN}
        WHEN NEW.state = 'SENT' THEN {ENDED}
        WHEN NEW.state = 'SENDING' AND OLD.state = 'PENDING' THEN {HANDED_OVER}
        ELSE {CLAIMED} END);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER gate AFTER INSERT OR UPDATE ON notifications DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wait_at_the_gate();
"""
_WAITS = f"SELECT pid FROM pg_locks WHERE classid = {_LOCKS} AND objid = $1 AND NOT granted"
_ROWS = "SELECT id, state, repeats FROM notifications ORDER BY created_at, id"


@pytest.mark.slow
async def test_a_worker_killed_at_any_commit_tells_each_customer_once(
    fresh_database_url: str, tmp_path: Path
) -> None:
    database = Database(fresh_database_url, pool_size=2)
    shop = await make_stocked_shop(database, 100)
    connection = await asyncpg.connect(fresh_database_url)
    await connection.execute(_GATES)
    async with mail_server() as server, Workers(fresh_database_url, server.url, tmp_path) as workers:
        await until(connection, "SELECT count(*) FROM feed_consumers", 1)
        for gate in (WRITTEN, CLAIMED, HANDED_OVER, ENDED):
            for is_lost in (True, False):
                await connection.execute("SELECT pg_advisory_lock($1, $2)", _LOCKS, gate)
                await order_now(database, shop, 1)
                waiting = await until(connection, _WAITS, None, gate)
                await workers.kill_the_first()
                if is_lost:
                    # Its death is known before the commit: what it was about to commit never happened.
                    await connection.execute("SELECT pg_terminate_backend($1)", waiting)
                await connection.execute("SELECT pg_advisory_unlock($1, $2)", _LOCKS, gate)
                await until(connection, "SELECT count(*) FROM notifications WHERE state <> 'SENT'", 0)
        sent = await connection.fetch(_ROWS)
    await connection.close()
    await database.close()

    ids = server.ids()
    messages = [f"<{row['id'].hex}.1@{ADDRESS.partition('@')[2]}>" for row in sent]
    assert len(sent) == 8
    assert set(ids) == set(messages), "everybody was told"
    # The one that had an answer which was never written down; and it is the same message.
    doubled = [one for one in messages if ids.count(one) > 1]
    assert doubled == [messages[6]]
    copies = [content for content, one in zip(server.taken, ids, strict=True) if one == messages[6]]
    assert len(copies) == 2
    assert copies[0] == copies[1]
    # In doubt were those alone that had been handed over.
    assert [row["repeats"] for row in sent] == [0, 0, 0, 0, 0, 1, 1, 0]


class Workers:
    """A worker that leads, and one that waits for its death."""

    def __init__(self, database_url: str, mail_url: str, folder: Path) -> None:
        """Start nothing yet."""
        self._database_url = database_url
        self._mail_url = mail_url
        self._folder = folder
        self._stack = ExitStack()
        self._running: list[tuple[Process, Path]] = []

    async def __aenter__(self) -> Self:
        self._start()
        await self._until_the_first_leads()
        self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for process, _log in self._running:
            process.kill()
            process.wait()
        self._stack.close()

    async def kill_the_first(self) -> None:
        """Kill the one that leads, and return when the other does; a third waits from then on."""
        process, _ = self._running.pop(0)
        process.kill()
        await asyncio.to_thread(process.wait)
        await self._until_the_first_leads()
        self._start()

    def _start(self) -> None:
        folder = self._folder / str(len(list(self._folder.iterdir())))
        folder.mkdir()
        settings = {"mail_url": self._mail_url, "mail_from": ADDRESS, "mail_time_limit_seconds": "0.3"}
        worker = running_worker(self._database_url, folder, **settings)
        self._running.append((self._stack.enter_context(worker), folder))

    async def _until_the_first_leads(self) -> None:
        _, folder = self._running[0]
        await asyncio.to_thread(
            wait_until,
            lambda: any('"leading"' in log.read_text() for log in folder.iterdir()),
            "a worker does not get to lead",
            seconds=SECONDS_TO_START,  # it was begun only when the one before it took over
        )


async def until(connection: Connection, query: str, expected: int | None = None, *values: object) -> Any:
    """Ask until the answer is the one expected, or any where none is; returns it."""
    async with asyncio.timeout(30):
        while True:
            found = await connection.fetchval(query, *values)
            if found == expected if expected is not None else found is not None:
                return found
            await asyncio.sleep(0.05)
