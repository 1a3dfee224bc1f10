"""Who posts what a sandbox has to tell: signed, side by side, and again until it is taken."""

import asyncio
import math
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

import httpx
import structlog
from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks.webhooks import Webhook

MOST_AT_ONCE = 50
"""Callbacks taken at once; a run goes on until fewer are due."""
_CONNECTIONS = 8
_SECONDS_TO_ANSWER = 10.0
_LONGEST_PAUSE_SECONDS = 60

_log = structlog.get_logger(__name__)


class Deliverable(Protocol):
    """A callback on a sandbox's record."""

    @property
    def id(self) -> str:
        """The sandbox's name of the event."""
        ...

    @property
    def attempts(self) -> int:
        """How often it was posted."""
        ...

    def body(self) -> bytes:
        """Return what is posted."""
        ...


D = TypeVar("D", bound=Deliverable)


def sign(secret: str | bytes, event_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the headers that show that `body` is the sandbox's, said now."""
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(math.floor(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(event_id, now, body.decode()),
    }


class Deliverer(Generic[D]):
    """Posts what one sandbox has to tell to one address, again until it is taken."""

    made_of: type[D]
    lease: TextClause
    """Takes up to `most` that are due at `now`, until `leased_until`."""
    answered: TextClause
    """Records the `status` that one was answered with, and when it is due again."""

    def __init__(self, engine: AsyncEngine, url: str, secret: str | bytes) -> None:
        """Read the record through `engine`, post to `url`, sign with `secret`."""
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._url = url
        self._secret = secret

    async def deliver_due(self) -> int:
        """Post what is due; returns how many were taken. What is not taken is due again later."""
        limits = httpx.Limits(max_connections=_CONNECTIONS)
        taken, due = 0, await self._lease()
        if not due:
            return 0
        async with httpx.AsyncClient(timeout=_SECONDS_TO_ANSWER, limits=limits) as client:
            while due:
                # Side by side, as of a provider with many machines: in no order.
                taken += sum(await asyncio.gather(*(self._deliver(client, one) for one in due)))
                due = await self._lease() if len(due) == MOST_AT_ONCE else []
        return taken

    async def _lease(self) -> list[D]:
        now = datetime.now(UTC)
        leased_until = now + timedelta(seconds=2 * _SECONDS_TO_ANSWER)
        values: dict[str, Any] = {"now": now, "most": MOST_AT_ONCE, "leased_until": leased_until}
        async with self._engine.connect() as connection:
            return [self.made_of(**row._asdict()) for row in await connection.execute(self.lease, values)]

    async def _deliver(self, client: httpx.AsyncClient, callback: D) -> bool:
        body = callback.body()
        headers = sign(self._secret, callback.id, body, datetime.now(UTC))
        status: int | None = None
        try:
            status = (await client.post(self._url, content=body, headers=headers)).status_code
        except httpx.HTTPError as error:
            _log.info("sandbox_callback_not_delivered", reason=type(error).__name__)
        taken = status is not None and httpx.codes.is_success(status)
        pause = 0.0 if taken else min(2.0 ** min(callback.attempts, 30), _LONGEST_PAUSE_SECONDS)
        values = {
            "id": callback.id,
            "status": status,
            "delivered": int(taken),
            "due_at": datetime.now(UTC) + timedelta(seconds=pause),
        }
        async with self._engine.connect() as connection:
            await connection.execute(self.answered, values)
        return taken
