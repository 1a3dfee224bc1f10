"""The sandbox carrier calls back: what it tells, signed as Standard Webhooks are, and who posts it.

https://github.com/standard-webhooks/standard-webhooks: `webhook-id`, `webhook-timestamp` and
`webhook-signature`, an HMAC-SHA256 over id, time and raw body.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
import orjson
import structlog
from sqlalchemy import DateTime, bindparam, text
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from domain.carrier_ports import TrackingUpdate
from domain.ports import CallbackRefused
from domain.shipments import ShipmentStatus
from providers.payments.sandbox_callbacks import sign

_MOST_AT_ONCE: Final = 50
_CONNECTIONS: Final = 8
_SECONDS_TO_ANSWER: Final = 10.0
_LONGEST_PAUSE_SECONDS: Final = 60
_LONGEST_TEXT: Final = 255

_COLUMNS = """
    e.id, e.parcel_reference, p.tracking_number, e.status, e.description, e.place, e.occurred_at,
    e.estimated_at, e.due_at, e.deliveries_left, e.attempts, e.last_status
"""
# Leased by moving the next attempt on, so that two deliverers do not post the same together.
_LEASE = text(
    f"""
    WITH due AS (
        SELECT id FROM sandbox_parcel_events WHERE deliveries_left > 0 AND due_at <= :now
         ORDER BY due_at, id LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE sandbox_parcel_events e SET attempts = e.attempts + 1, due_at = :leased_until
      FROM due, sandbox_parcels p WHERE e.id = due.id AND p.reference = e.parcel_reference
    RETURNING {_COLUMNS}
    """
).bindparams(*(bindparam(name, type_=DateTime(timezone=True)) for name in ("now", "leased_until")))
_ANSWERED = text(
    """
    UPDATE sandbox_parcel_events
       SET last_status = :status, deliveries_left = deliveries_left - :delivered, due_at = :due_at
     WHERE id = :id
    """
).bindparams(bindparam("due_at", type_=DateTime(timezone=True)))
_ALL = text(
    f"""
    SELECT {_COLUMNS} FROM sandbox_parcel_events e JOIN sandbox_parcels p ON p.reference = e.parcel_reference
     ORDER BY e.occurred_at, e.id
    """
)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TrackingCallback:
    """One callback on the sandbox's record; `deliveries_left` is 0 once it was taken often enough."""

    id: str
    parcel_reference: str
    tracking_number: str
    status: str
    description: str
    place: str | None
    occurred_at: datetime
    estimated_at: datetime | None
    due_at: datetime
    deliveries_left: int
    attempts: int
    last_status: int | None

    def body(self) -> bytes:
        """Return what is posted."""
        return orjson.dumps(
            {
                "type": f"parcel.{self.status}".lower(),
                "timestamp": self.occurred_at,
                "data": {
                    "parcel": self.parcel_reference,
                    "tracking_number": self.tracking_number,
                    "status": self.status,
                    "description": self.description,
                    "place": self.place,
                    "estimated_at": self.estimated_at,
                },
            }
        )


def read(secret: str | bytes | None, headers: Mapping[str, str], body: bytes) -> Sequence[TrackingUpdate]:
    """Return what a callback tells of a parcel; raises CallbackRefused and ValueError."""
    if secret is None:
        raise CallbackRefused
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError) as error:
        # The library lets broken base64 and bodies that are not UTF-8 through as errors of its own.
        raise CallbackRefused from error
    try:
        parsed = orjson.loads(body)
        data = parsed["data"]
        estimated_at = _optional_text(data.get("estimated_at"))
        return [
            TrackingUpdate(
                id=headers["webhook-id"],
                status=ShipmentStatus(data["status"]),
                occurred_at=_moment(parsed["timestamp"]),
                reference=_text(data["parcel"]),
                tracking_number=_text(data["tracking_number"]),
                code=_text(data["status"]).lower(),
                description=_optional_text(data.get("description")),
                place=_optional_text(data.get("place")),
                estimated_at=_moment(estimated_at) if estimated_at else None,
            )
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a callback of the sandbox carrier") from error


class TrackingDeliverer:
    """Posts what the sandbox has to tell to one address, again until it is taken."""

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
                # Side by side, as of a carrier with many machines: in no order.
                taken += sum(await asyncio.gather(*(self._deliver(client, one) for one in due)))
                due = await self._lease() if len(due) == _MOST_AT_ONCE else []
        return taken

    async def _lease(self) -> list[TrackingCallback]:
        now = datetime.now(UTC)
        leased_until = now + timedelta(seconds=2 * _SECONDS_TO_ANSWER)
        values = {"now": now, "most": _MOST_AT_ONCE, "leased_until": leased_until}
        async with self._engine.connect() as connection:
            return [TrackingCallback(**row._asdict()) for row in await connection.execute(_LEASE, values)]

    async def _deliver(self, client: httpx.AsyncClient, callback: TrackingCallback) -> bool:
        body = callback.body()
        headers = sign(self._secret, callback.id, body, datetime.now(UTC))
        status: int | None = None
        try:
            status = (await client.post(self._url, content=body, headers=headers)).status_code
        except httpx.HTTPError as error:
            _log.info("sandbox_tracking_not_delivered", reason=type(error).__name__)
        taken = status is not None and httpx.codes.is_success(status)
        pause = 0.0 if taken else min(2.0 ** min(callback.attempts, 30), _LONGEST_PAUSE_SECONDS)
        values = {
            "id": callback.id,
            "status": status,
            "delivered": int(taken),
            "due_at": datetime.now(UTC) + timedelta(seconds=pause),
        }
        async with self._engine.connect() as connection:
            await connection.execute(_ANSWERED, values)
        return taken


async def tracking_callbacks(engine: AsyncEngine) -> list[TrackingCallback]:
    """Return everything the sandbox has told or has to tell, oldest first."""
    async with engine.connect() as connection:
        return [TrackingCallback(**row._asdict()) for row in await connection.execute(_ALL)]


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise TypeError
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _moment(value: object) -> datetime:
    """Return a moment; one without a zone is none."""
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment
