"""What carries wake-ups between processes: PostgreSQL's NOTIFY (Redis' publish is in redis_backend.py).

broadcaster's own backends fall silent when their connection dies; ours raise instead, from
`next_published` or `publish`, so that the bus can connect anew.
"""

import asyncio
from typing import Any

import asyncpg
from broadcaster import BroadcastBackend, Event

CONNECT_SECONDS = 5.0


class PostgresBackend(BroadcastBackend):
    """LISTEN and NOTIFY on one connection that goes straight to the server, past any pooler."""

    def __init__(self, url: str) -> None:
        """Prepare for the database of `url` (postgresql://…)."""
        self._url = url
        self._connection: asyncpg.Connection[Any] | None = None
        self._arrived: asyncio.Queue[Event | None] = asyncio.Queue()
        # A connection takes one command at a time.
        self._turn = asyncio.Lock()

    async def connect(self) -> None:
        """Open the connection; raises when the server does not let us in."""
        self._connection = await asyncpg.connect(
            self._url, timeout=CONNECT_SECONDS, server_settings={"application_name": "ordertide bus"}
        )
        self._connection.add_termination_listener(self._lost)

    async def disconnect(self) -> None:
        """Drop the connection; there is nothing on it to finish."""
        if self._connection is not None:
            self._connection.terminate()

    async def subscribe(self, group: str) -> None:
        """Listen to a channel."""
        async with self._turn:
            await self._live.add_listener(group, self._heard)

    async def unsubscribe(self, group: str) -> None:
        """Do nothing: the connection ends with the subscription."""

    async def publish(self, channel: str, message: Any) -> None:
        """Notify everybody who listens; raises when the connection is gone."""
        async with self._turn:
            await self._live.execute("SELECT pg_notify($1, $2)", channel, str(message))

    async def next_published(self) -> Event:
        """Return the next notification; raises ConnectionError once the connection is gone."""
        event = await self._arrived.get()
        if event is None:
            raise ConnectionError("the server closed the connection that listens")
        return event

    @property
    def _live(self) -> "asyncpg.Connection[Any]":
        if self._connection is None:
            raise ConnectionError("not connected")
        return self._connection

    def _heard(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        self._arrived.put_nowait(Event(channel, str(payload)))

    def _lost(self, _connection: object) -> None:
        self._arrived.put_nowait(None)
