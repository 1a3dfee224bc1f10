"""The one statement by which committed events get their place in the feed, on a connection of its own.

The stamper runs it up to two hundred times a second in a process that also serves requests, so it
goes straight to the driver: a tenth of what a transaction through the pool costs.
"""

from typing import Any

import asyncpg
from sqlalchemy.engine import URL

_SECONDS_TO_CONNECT = 5.0
_SECONDS_A_BATCH = 10.0
# The server gives a batch up first, and says so; a connection that is only half there says nothing.
_SECONDS_TO_ANSWER = _SECONDS_A_BATCH + 1.0

# Repeatable read makes the statement all or nothing: were the head moved by another leader after our
# snapshot, locking it fails, instead of counting from a head that our snapshot's outbox does not fit.
_SERVER_SETTINGS = {
    "application_name": "ordertide stamper",
    "default_transaction_isolation": "repeatable read",
    "statement_timeout": f"{_SECONDS_A_BATCH:.0f}s",
    "jit": "off",
}
_STAMP = """
    WITH head AS MATERIALIZED (
        SELECT sequence FROM feed_head FOR NO KEY UPDATE SKIP LOCKED
    ), moved AS (
        DELETE FROM event_outbox
         WHERE EXISTS (SELECT FROM head)
           AND id IN (SELECT id FROM event_outbox ORDER BY id LIMIT $1)
        RETURNING *
    ), stamped AS (
        INSERT INTO event_feed (sequence, kind, aggregate, aggregate_id, version, channel_id,
                                payload, actor, occurred_at, stamped_at)
        SELECT head.sequence + row_number() OVER (ORDER BY id), kind, aggregate, aggregate_id,
               version, channel_id, payload, actor, occurred_at, clock_timestamp()
          FROM moved, head ORDER BY id
    )
    UPDATE feed_head SET sequence = sequence + (SELECT count(*) FROM moved)
     WHERE EXISTS (SELECT FROM moved)
    RETURNING (SELECT count(*) FROM moved)
"""


class StampingConnection:
    """A connection that only stamps; it opens with the first batch, and anew after a failure."""

    def __init__(self, url: URL) -> None:
        """Prepare for the database of `url`, past any transaction pooler."""
        self._url = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection: asyncpg.Connection[Any] | None = None

    async def stamp(self, limit: int) -> int:
        """Move up to `limit` of the oldest outbox rows into the feed and return how many there were.

        Returns 0 while another process leads. Raises what the driver does when the database is away, and
        TimeoutError when it does not answer; another process may stamp meanwhile.
        """
        connection = await self._opened()
        try:
            return await connection.fetchval(_STAMP, limit, timeout=_SECONDS_TO_ANSWER) or 0
        except asyncpg.SerializationError:
            return 0
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection; what it was doing is rolled back."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _opened(self) -> "asyncpg.Connection[Any]":
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._url, timeout=_SECONDS_TO_CONNECT, server_settings=_SERVER_SETTINGS
            )
        return self._connection
