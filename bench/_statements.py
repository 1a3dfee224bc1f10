"""Counts the SQL statements of a flow as PostgreSQL sees them, BEGIN and COMMIT included."""

from collections.abc import Awaitable, Callable

import asyncpg

from bench import _harness
from bench._http import Connection, open_connection
from persistence.embedded_cluster import DATABASE

_WARM_UP_CALLS = 3
_COUNTED_CALLS = 7
_MARKS = ("LOG:  execute ", "LOG:  statement: ")

Flow = Callable[[Connection], Awaitable[None]]


async def per_call(place: _harness.Place, flow: Flow, *, token: str | None = None) -> list[str]:
    """Return the statements of one call of `flow`, each by its first line.

    `token` is of whoever may do it. They are read from PostgreSQL's own log, against a server without
    background work. Of several calls the one with the fewest counts: the others met a poll of the server's.
    """
    await _log_statements(place, "all")
    try:
        with _harness.serve(place, "--role", "api") as server:
            connection = await open_connection(_harness.HOST, server.port, token)
            for _ in range(_WARM_UP_CALLS):
                await flow(connection)
            counted = [await _one(place, connection, flow) for _ in range(_COUNTED_CALLS)]
            connection.close()
    finally:
        await _log_statements(place, "none")
    return min(counted, key=len)


async def _one(place: _harness.Place, connection: Connection, flow: Flow) -> list[str]:
    with place.postgres_log.open(errors="replace") as log:
        log.seek(0, 2)
        await flow(connection)
        lines = log.readlines()
    found = [(line, mark) for line in lines for mark in _MARKS if mark in line]
    return [line.split(mark, 1)[1].strip() for line, mark in found]


async def _log_statements(place: _harness.Place, which: str) -> None:
    database = await asyncpg.connect(place.database_url)
    await database.execute(f"ALTER DATABASE {DATABASE} SET log_statement = '{which}'")
    await database.close()
