"""Redis' publish as what carries wake-ups; imported where it is chosen, for its library takes 5 MB.

Its library's errors are told as ConnectionError: whoever supervises need not know it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from broadcaster import BroadcastBackend, Event
from redis import RedisError
from redis import asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from realtime.backends import CONNECT_SECONDS


class RedisBackend(BroadcastBackend):
    """SUBSCRIBE and PUBLISH, each on a connection of its own."""

    def __init__(self, url: str) -> None:
        """Prepare for the server of `url` (redis://… or rediss://…)."""
        self._client = redis.Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_SECONDS,
            # redis-py would reconnect by itself, saying nothing of what was missed meanwhile.
            retry=Retry(NoBackoff(), 0),
        )
        self._listener = self._client.pubsub(ignore_subscribe_messages=True)

    async def connect(self) -> None:
        """Open both connections; raises ConnectionError when the server does not let us in."""
        with _as_outage():
            await self._client.execute_command("PING")  # type: ignore[no-untyped-call]

    async def disconnect(self) -> None:
        """Close both connections."""
        with _as_outage():
            await self._listener.aclose()  # type: ignore[no-untyped-call]
            await self._client.aclose()

    async def subscribe(self, group: str) -> None:
        """Listen to a channel."""
        with _as_outage():
            await self._listener.subscribe(group)

    async def unsubscribe(self, group: str) -> None:
        """Do nothing: the connection ends with the subscription."""

    async def publish(self, channel: str, message: Any) -> None:
        """Tell everybody who listens; raises ConnectionError when the server is gone."""
        with _as_outage():
            await self._client.publish(channel, str(message))

    async def next_published(self) -> Event:
        """Return the next message; raises ConnectionError when the server is gone."""
        while True:
            with _as_outage():
                message = await self._listener.get_message(timeout=None)
            if message is not None:
                return Event(message["channel"].decode(), message["data"].decode())


@contextmanager
def _as_outage() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise ConnectionError(f"Redis: {type(error).__name__}") from error
