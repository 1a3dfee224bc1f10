"""Counting what a piece of code sends to PostgreSQL, BEGIN and COMMIT included.

with count_statements(database) as statements:
    ...
assert len(statements) <= 6, statements
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from asyncpg.connection import Connection
from asyncpg.prepared_stmt import PreparedStatement
from sqlalchemy import event

from persistence.database import Database


class Statements(list[str]):
    """The statements sent, in their order; prints one a line when an assertion fails."""

    def __repr__(self) -> str:
        return "\n" + "\n".join(f"{number}. {' '.join(sent.split())}" for number, sent in enumerate(self, 1))


@contextmanager
def count_statements(database: Database) -> Iterator[Statements]:
    """Collect every statement that asyncpg sends on connections of this database.

    Collected in the driver, so what SQLAlchemy or the driver itself adds is counted too; a
    statement executed with many rows of parameters counts once a row. Preparing a statement and
    looking types up, which a connection does once in its life, are not counted. (The driver's own
    query loggers see no prepared statements and report late.)
    """
    sent = Statements()
    connections: set[Any] = set()

    def watch(_dbapi: Any, checked_out: Any, _proxy: Any) -> None:
        connections.add(checked_out.driver_connection)

    def counted(owner: type, method: str, statements_of: Any) -> Any:
        original = getattr(owner, method)

        async def run(self: Any, *args: Any, **kwargs: Any) -> Any:
            if getattr(self, "_connection", self) in connections and not kwargs.get("ignore_custom_codec"):
                sent.extend(statements_of(self, *args))
            return await original(self, *args, **kwargs)

        return patch.object(owner, method, run)

    pool = database.engine.sync_engine.pool
    event.listen(pool, "checkout", watch)
    with ExitStack() as stack:
        stack.callback(event.remove, pool, "checkout", watch)
        for owner, method, statements_of in _SENDERS:
            stack.enter_context(counted(owner, method, statements_of))
        yield sent


# Every way to the wire: with parameters, many times, prepared, and bare (with parameters, `execute`
# goes on through the first).
_SENDERS: tuple[tuple[type, str, Any], ...] = (
    (Connection, "_Connection__execute", lambda _self, query, *_: [query]),
    (Connection, "_executemany", lambda _self, query, rows, *_: [query] * len(rows)),
    (Connection, "execute", lambda _self, query, *parameters: [] if parameters else [query]),
    (PreparedStatement, "_PreparedStatement__do_execute", lambda self, *_: [self.get_query()]),
)
